//! Interactions as Mixpeek's API takes and gives them, in both editions: alone, as lists, or as the
//! pages that it answers.

use serde_json::{Map, Value};

use super::{Element, Parsed, parse, timestamp, violation};
use crate::cli::json::JsonForm;
use crate::domain::time::{self, Micros};
use crate::domain::violation::Violations;

/// Where an answer holds its interactions.
const LISTS: [&str; 2] = ["results", "items"];
/// What the API says of an interaction that is no part of it.
const NOT_KEPT: [&str; 2] = ["deduplicated", "created_at"];

/// Reads lines.
pub(super) struct Mixpeek(JsonForm);

impl Mixpeek {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(JsonForm::new()?))
    }

    /// The interactions of a line, of which there may be many or none.
    pub(super) fn parse(&self, line: &[u8]) -> Vec<Element> {
        match parse(line).and_then(Content::of) {
            Ok(Content::One(fields)) => vec![self.interaction(fields).into()],
            Ok(Content::Many { name, list }) => {
                let elements = list.into_iter().enumerate();
                elements.map(|(place, value)| self.element(name, place, value)).collect()
            }
            Err(violations) => vec![Err(violations).into()],
        }
    }

    fn element(&self, name: &str, place: usize, value: Value) -> Element {
        let parsed = match value {
            Value::Object(fields) => self.interaction(fields),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Err(violation("", "takes a JSON object")),
        };
        Element { path: format!("{name}[{place}]"), parsed }
    }

    fn interaction(&self, fields: Map<String, Value>) -> Parsed {
        interaction(&self.0, fields, time::now())
    }
}

/// What a line holds.
#[derive(Debug)]
enum Content {
    One(Map<String, Value>),
    Many { name: &'static str, list: Vec<Value> },
}

impl Content {
    fn of(line: Value) -> Result<Self, Violations> {
        match line {
            Value::Array(list) => Ok(Self::Many { name: "", list }),
            Value::Object(mut fields) => {
                let lists = LISTS.map(|name| match fields.get_mut(name) {
                    Some(Value::Array(list)) => {
                        Some(Self::Many { name, list: std::mem::take(list) })
                    }
                    Some(_) | None => None,
                });
                match lists {
                    [None, None] => Ok(Self::One(fields)),
                    [Some(list), None] | [None, Some(list)] => Ok(list),
                    [Some(Self::Many { name, list }), Some(Self::Many { name: _, list: same })]
                        if list == same =>
                    {
                        Ok(Self::Many { name, list })
                    }
                    [Some(_), Some(_)] => {
                        Err(violation("items", "holds other things than results"))
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(violation(
                "",
                "takes an interaction, a list of them, or an answer that holds them",
            )),
        }
    }
}

/// Converts an interaction that is imported at `now`.
///
/// # Errors
/// What is wrong with it, field by field, unknown fields included.
fn interaction(form: &JsonForm, mut fields: Map<String, Value>, now: Micros) -> Parsed {
    let mut violations = Violations::default();
    for name in NOT_KEPT {
        fields.remove(name);
    }
    take_alias(&mut fields, &mut violations);
    let occurred_at = take_time(&mut fields, "occurred_at", &mut violations);
    let stamped = take_time(&mut fields, "timestamp", &mut violations);
    if let Some(Value::String(_)) = fields.get("interaction_type") {
        let name = fields.remove("interaction_type");
        fields.insert("interaction_type".to_owned(), name.into_iter().collect());
    }
    if let Some(Value::Object(search)) = fields.get_mut("search_request") {
        spell_directions(search);
    }
    let parsed = form.interaction(fields).map_err(|others| violations.extend(others));
    let mut interaction = violations.into_result(parsed.unwrap_or_default())?;
    interaction.timestamp = match occurred_at {
        // Mixpeek takes what lies ahead for now. So does the service, where it is told no time; and
        // an interaction without one is the same when it is imported again.
        Some(ahead) if ahead > now => None,
        Some(micros) => Some(timestamp(micros)),
        None => stamped.map(timestamp),
    };
    Ok(interaction)
}

/// `document_id` is another name of `feature_id`.
fn take_alias(fields: &mut Map<String, Value>, violations: &mut Violations) {
    let alias = match fields.remove("document_id") {
        None | Some(Value::Null) => return,
        Some(alias @ Value::String(_)) => alias,
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            violations.add("document_id", "takes a string");
            return;
        }
    };
    match fields.get("feature_id") {
        None | Some(Value::Null) => {
            fields.insert("feature_id".to_owned(), alias);
        }
        Some(id) if *id == alias => {}
        Some(_) => {
            violations.add("document_id", "means the same as feature_id, and says another id");
        }
    }
}

fn take_time(
    fields: &mut Map<String, Value>,
    name: &str,
    violations: &mut Violations,
) -> Option<Micros> {
    let micros = match fields.remove(name)? {
        Value::Null => return None,
        Value::String(text) => time::parse(&text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if micros.is_none() {
        violations.add(name, format!("takes {}", time::ACCEPTED));
    }
    micros
}

/// Directions of sorts, which are written in lower case there and in upper case here.
fn spell_directions(search_request: &mut Map<String, Value>) {
    for path in [["sort"].as_slice(), ["group_by", "sort"].as_slice()] {
        let mut object = Some(&mut *search_request);
        for name in path {
            object = object.and_then(|object| object.get_mut(*name)?.as_object_mut());
        }
        if let Some(Value::String(direction)) = object.and_then(|sort| sort.get_mut("direction")) {
            direction.make_ascii_uppercase();
        }
    }
}

#[cfg(test)]
mod tests;
