//! Filters as typed messages.

use interactions::grpc::proto::{Condition, Filter, Group, Sort, condition, filter, group, sort};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value};

/// The typed form of a filter in its JSON form, which has to be an object. What the typed form
/// cannot say of a malformed filter becomes something that it refuses: an unset kind for an empty
/// node, an unspecified operator for an unknown one.
///
/// An empty object at the root matches everything; its typed form is no filter at all, so leave the
/// field of the request out.
pub fn typed_filter(json: &Value) -> Filter {
    match json {
        Value::Object(object) => node(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Filter { kind: None }
        }
    }
}

/// `value` as protobuf has it.
pub fn proto_value(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(boolean) => Kind::BoolValue(*boolean),
        Value::Number(number) => Kind::NumberValue(number.as_f64().expect("a double")),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(list) => {
            Kind::ListValue(ListValue { values: list.iter().map(proto_value).collect() })
        }
        Value::Object(object) => Kind::StructValue(proto_struct(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// `object` as protobuf has it.
pub fn proto_struct(object: &Map<String, Value>) -> Struct {
    Struct { fields: object.iter().map(|(key, value)| (key.clone(), proto_value(value))).collect() }
}

fn node(json: &Map<String, Value>) -> Filter {
    if let Some(field) = json.get("field").or_else(|| json.get("key")) {
        let operator = json.get("operator").map_or("eq", |name| name.as_str().unwrap_or_default());
        return condition(field.as_str().unwrap_or_default(), operator, json.get("value"));
    }
    let case_sensitive = json.get("case_sensitive").and_then(Value::as_bool);
    let mut parts: Vec<Filter> = json
        .iter()
        .filter(|(key, _)| *key != "case_sensitive")
        .flat_map(|(key, value)| part(key, value))
        .collect();
    match (parts.len(), case_sensitive) {
        (0, _) => Filter { kind: None },
        (1, None) => parts.remove(0),
        (_, case) => grouped(group::Operator::AllOf, parts, case),
    }
}

/// What one key of a node says.
fn part(key: &str, value: &Value) -> Vec<Filter> {
    let operator = match key {
        "AND" => group::Operator::AllOf,
        "OR" => group::Operator::AnyOf,
        "NOT" | "NOR" => group::Operator::NoneOf,
        path => return shorthand(path, value),
    };
    let members = if let Value::Array(list) = value {
        list.iter().map(typed_filter).collect()
    } else {
        vec![typed_filter(value)]
    };
    vec![grouped(operator, members, None)]
}

fn shorthand(path: &str, value: &Value) -> Vec<Filter> {
    match value {
        Value::Array(_) => vec![condition(path, "in", Some(value))],
        Value::Object(tests) if tests.is_empty() => vec![Filter { kind: None }],
        Value::Object(tests) => {
            tests.iter().map(|(name, value)| condition(path, name, Some(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            vec![condition(path, "eq", Some(value))]
        }
    }
}

fn condition(field: &str, operator: &str, value: Option<&Value>) -> Filter {
    // Only lower case is an operator in JSON; what is not must not become one here.
    let known = operator.chars().all(|character| character.is_lowercase() || character == '_');
    let operator = condition::Operator::from_str_name(&operator.to_uppercase())
        .filter(|_| known)
        .unwrap_or(condition::Operator::Unspecified);
    let value = value.map(proto_value);
    let condition = Condition { field: field.to_owned(), operator: operator.into(), value };
    Filter { kind: Some(filter::Kind::Condition(condition)) }
}

fn grouped(
    operator: group::Operator,
    filters: Vec<Filter>,
    case_sensitive: Option<bool>,
) -> Filter {
    let group = Group { operator: operator.into(), filters, case_sensitive };
    Filter { kind: Some(filter::Kind::Group(group)) }
}

/// Sort keys, which are `[{"field": …, "direction": …}]` in JSON, as messages.
pub fn proto_sort(keys: &Value) -> Vec<Sort> {
    let keys = keys.as_array().expect("a list of keys").iter();
    keys.map(|key| Sort {
        field: key["field"].as_str().expect("a field").to_owned(),
        direction: match key["direction"].as_str() {
            None => sort::Direction::Unspecified.into(),
            Some("asc") => sort::Direction::Asc.into(),
            Some("desc") => sort::Direction::Desc.into(),
            Some(other) => panic!("{other} is no direction"),
        },
    })
    .collect()
}
