//! One event as an interaction, by the schema of UBI 1.2 and 1.3.
//!
//! What has a field of its own moves there; all else goes into `metadata` unchanged, under its own
//! path.

use serde_json::{Map, Number, Value};

use crate::cli::import::format::{Parsed, timestamp};
use crate::cli::json::take_object;
use crate::domain::interaction::is_interaction_id;
use crate::domain::interaction_type::TypeName;
use crate::domain::time::{self, Micros};
use crate::domain::violation::{Violations, echo};
use crate::grpc::proto::Interaction;

const MICROS_PER_MILLI: f64 = 1_000.0;
/// Up to here every whole number is a double.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
/// The fields that can hold the id of an event, the best first.
const EVENT_IDS: [&str; 2] = ["event_id", "_id"];

/// Converts an event.
///
/// # Errors
/// What is wrong with it, under the names of UBI.
pub(super) fn interaction(fields: Map<String, Value>) -> Parsed {
    let mut event = Event { fields, violations: Violations::default() };
    let interaction_type = event.interaction_type().into_iter().collect();
    let execution_id = event.id(&["query_id"]).unwrap_or_default();
    let session_id = event.id(&["session_id"]);
    let session_id = session_id.or_else(|| event.id(&["event_attributes", "session_id"]));
    let user_id = event.id(&["user_id"]).or_else(|| event.id(&["client_id"]));
    let feature_id = event.id(&["event_attributes", "object", "object_id"]);
    let interaction = Interaction {
        interaction_id: event.interaction_id().unwrap_or_default(),
        feature_id: feature_id.unwrap_or_default(),
        interaction_type,
        position: event.position(),
        user_id: user_id.unwrap_or_default(),
        session_id: session_id.unwrap_or_default(),
        execution_id,
        timestamp: event.timestamp().map(timestamp),
        ..Interaction::default()
    };
    let Event { fields, mut violations } = event;
    let mut rest = Map::from_iter([("metadata".to_owned(), Value::Object(fields))]);
    let metadata = take_object(&mut rest, "metadata", &mut violations);
    let metadata = metadata.filter(|metadata| !metadata.fields.is_empty());
    violations.into_result(Interaction { metadata, ..interaction })
}

/// What is not yet taken of an event, and what was wrong with what is.
struct Event {
    fields: Map<String, Value>,
    violations: Violations,
}

impl Event {
    /// An id, which may be written as a number; an empty one is none.
    fn id(&mut self, path: &[&str]) -> Option<String> {
        match take(&mut self.fields, path)? {
            Value::Null => None,
            Value::String(text) => (!text.is_empty()).then_some(text),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                let text = whole_number(&other);
                if text.is_none() {
                    self.violations.add(path.join("."), "takes a string or a whole number");
                }
                text
            }
        }
    }

    /// The first id that can be one of ours. Another stays where it is.
    fn interaction_id(&mut self) -> Option<String> {
        let (name, id) = EVENT_IDS.into_iter().find_map(|name| {
            let id = self.fields.get(name)?;
            let id = id.as_str().map(str::to_owned).or_else(|| whole_number(id))?;
            is_interaction_id(&id).then_some((name, id))
        })?;
        self.fields.remove(name);
        Some(id)
    }

    fn interaction_type(&mut self) -> Option<String> {
        let found = match self.fields.remove("action_name") {
            Some(Value::String(name)) => match type_name(&name) {
                Some(name) => return Some(name),
                None => format!("{} makes no name of a type", echo(&name)),
            },
            Some(Value::Null) | None if self.is_query() => {
                let found = "this is a UBI query, not an event: only events are imported";
                self.violations.add("", found);
                return None;
            }
            Some(Value::Null) | None => "is missing".to_owned(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                "takes a string".to_owned()
            }
        };
        self.violations.add("action_name", found);
        None
    }

    fn is_query(&self) -> bool {
        self.fields.contains_key("user_query") && self.fields.contains_key("query_id")
    }

    /// The place in the list, if it can be one of ours; else it stays where it is.
    fn position(&mut self) -> Option<i32> {
        let path = ["event_attributes", "position", "ordinal"];
        let ordinal = self.fields.get(path[0])?.get(path[1])?.get(path[2])?;
        let position = whole_number(ordinal)?.parse().ok().filter(|position| *position >= 0)?;
        take(&mut self.fields, &path);
        Some(position)
    }

    /// A time as text, or in milliseconds since 1970.
    fn timestamp(&mut self) -> Option<Micros> {
        let micros = match self.fields.remove("timestamp")? {
            Value::Null => return None,
            Value::String(text) => time::parse(&text),
            Value::Number(number) => micros_of_millis(&number),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if micros.is_none() {
            let accepted = format!("takes {}, or milliseconds since 1970", time::ACCEPTED);
            self.violations.add("timestamp", accepted);
        }
        micros
    }
}

/// Takes the value at a path, and the objects that this leaves empty.
fn take(fields: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    let (name, rest) = path.split_first()?;
    if rest.is_empty() {
        return fields.remove(*name);
    }
    let Value::Object(inner) = fields.get_mut(*name)? else { return None };
    let taken = take(inner, rest)?;
    if inner.is_empty() {
        fields.remove(*name);
    }
    Some(taken)
}

/// A whole number as text, with all of its digits; some programs write 7.0 for 7.
fn whole_number(value: &Value) -> Option<String> {
    let Value::Number(number) = value else { return None };
    if number.is_f64() {
        let number = number.as_f64()?;
        return (number.fract() == 0.0 && number.abs() <= MAX_EXACT)
            .then(|| format!("{:.0}", number + 0.0));
    }
    Some(number.to_string())
}

fn micros_of_millis(millis: &Number) -> Option<Micros> {
    if let Some(millis) = millis.as_i64() {
        return millis.checked_mul(1_000);
    }
    let micros = (millis.as_f64()? * MICROS_PER_MILLI).floor();
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
    (micros.abs() <= MAX_EXACT).then_some(micros as Micros)
}

/// The type that an action stands for; none where its name has no letter to start with.
fn type_name(action: &str) -> Option<String> {
    let name = action.chars().map(|character| match character.to_ascii_lowercase() {
        plain @ ('a'..='z' | '0'..='9') => plain,
        _ => '_',
    });
    TypeName::parse(&name.collect::<String>()).map(|name| name.as_str().to_owned())
}

#[cfg(test)]
mod tests;
