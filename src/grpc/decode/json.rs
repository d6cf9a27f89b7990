//! `google.protobuf.Struct` as JSON.

use std::fmt::{self, Display, Formatter};

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Map, Number, Value};

use crate::domain::interaction::MAX_JSON_DEPTH;
use crate::domain::violation::{Violations, echo};

/// Largest number up to which every whole number is a double.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Converts `json`, whose own object is at depth 1. Adds to `violations` what no database could
/// keep: NUL characters, numbers that are not finite, and JSON deeper than the limit.
pub(in crate::grpc) fn object(
    json: &Struct,
    path: &str,
    violations: &mut Violations,
) -> Map<String, Value> {
    Reader { violations, max_depth: MAX_JSON_DEPTH }.object(json, Path::Root(path), 1)
}

/// Converts the JSON form of a filter, or a value in one: what is wrong with it is said by whoever
/// knows what belongs there, and only what is no JSON at all is said here. The depth is bounded by
/// the decoder of messages.
pub(in crate::grpc) fn filter_object(
    json: &Struct,
    path: &str,
    violations: &mut Violations,
) -> Map<String, Value> {
    Reader { violations, max_depth: usize::MAX }.object(json, Path::Root(path), 1)
}

/// Converts one value of a typed filter.
pub(in crate::grpc) fn filter_value(
    value: &ProtoValue,
    path: &str,
    violations: &mut Violations,
) -> Value {
    Reader { violations, max_depth: usize::MAX }.value(value, Path::Root(path), 1)
}

/// A double as JSON: whole numbers without a fraction, and negative zero as zero.
pub(in crate::grpc) fn number(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() < MAX_EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

/// Where a value stands. It is spelled out only for a violation.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root(&'p str),
    Key(&'p Path<'p>, &'p str),
    Place(&'p Path<'p>, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => formatter.write_str(name),
            Self::Key(object, key) => write!(formatter, "{object}.{key}"),
            Self::Place(list, place) => write!(formatter, "{list}[{place}]"),
        }
    }
}

struct Reader<'v> {
    violations: &'v mut Violations,
    max_depth: usize,
}

impl Reader<'_> {
    fn object(&mut self, json: &Struct, path: Path<'_>, depth: usize) -> Map<String, Value> {
        let Struct { fields } = json;
        if !self.is_within_depth(path, depth) {
            return Map::new();
        }
        let mut object = Map::new();
        for (key, value) in fields {
            if key.contains('\0') {
                let key = echo(key);
                self.violations
                    .add(path.to_string(), format!("the key {key} holds a NUL character"));
                continue;
            }
            object.insert(key.clone(), self.value(value, Path::Key(&path, key), depth + 1));
        }
        object
    }

    fn list(&mut self, list: &ListValue, path: Path<'_>, depth: usize) -> Vec<Value> {
        let ListValue { values } = list;
        if !self.is_within_depth(path, depth) {
            return Vec::new();
        }
        let values = values.iter().enumerate();
        values
            .map(|(place, value)| self.value(value, Path::Place(&path, place), depth + 1))
            .collect()
    }

    fn value(&mut self, value: &ProtoValue, path: Path<'_>, depth: usize) -> Value {
        match &value.kind {
            // A value without a kind is what some clients send for null.
            None | Some(Kind::NullValue(_)) => Value::Null,
            Some(Kind::BoolValue(boolean)) => Value::Bool(*boolean),
            Some(Kind::NumberValue(value)) => match number(*value) {
                Some(number) => Value::Number(number),
                None => {
                    self.violations
                        .add(path.to_string(), format!("takes finite numbers; got {value}"));
                    Value::Null
                }
            },
            Some(Kind::StringValue(text)) => {
                if text.contains('\0') {
                    let description = "holds a NUL character, which is not accepted";
                    self.violations.add(path.to_string(), description);
                }
                Value::String(text.clone())
            }
            Some(Kind::StructValue(object)) => Value::Object(self.object(object, path, depth)),
            Some(Kind::ListValue(list)) => Value::Array(self.list(list, path, depth)),
        }
    }

    fn is_within_depth(&mut self, path: Path<'_>, depth: usize) -> bool {
        let within = depth <= self.max_depth;
        if !within {
            let limit = self.max_depth;
            self.violations.add(path.to_string(), format!("JSON is at most {limit} levels deep"));
        }
        within
    }
}
