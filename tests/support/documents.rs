//! Interactions and conformance cases, read from their files.

use std::path::Path;

use interactions::domain::interaction::Interaction;
use interactions::domain::interaction_type::{TypeName, TypeSet};
use interactions::domain::sort::{Direction, Sort, WrittenKey};
use interactions::domain::time::{self, Micros};
use serde_json::{Map, Number, Value};

/// When the interactions of the conformance cases were recorded: 2026-01-01T00:00:00Z.
pub const CREATED_AT: Micros = 1_767_225_600_000_000;

/// A filter and the ids that it matches, in code point order.
pub struct FilterCase {
    /// The JSON form of the filter.
    pub filters: Map<String, Value>,
    /// The ids.
    pub matches: Vec<String>,
}

/// A sort and every id in its order.
pub struct SortCase {
    /// The keys, as JSON: `[{"field": …, "direction": …}]`.
    pub keys: Value,
    /// The same keys, read.
    pub sort: Sort,
    /// The ids.
    pub order: Vec<String>,
}

/// A search and the ids that it finds, in code point order.
pub struct SearchCase {
    /// The search as people write it.
    pub search: String,
    /// The ids.
    pub matches: Vec<String>,
}

/// A filter that is refused.
pub struct Reject {
    /// The JSON form of the filter.
    pub filters: Map<String, Value>,
    /// What is wrong with it.
    pub why: String,
}

/// The lines of a conformance file.
pub fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file);
    let content = std::fs::read_to_string(&path).expect("a conformance file");
    content.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The content of the namespace that all cases are about.
pub fn interactions() -> Vec<Interaction> {
    lines("interactions.jsonl").iter().map(interaction).collect()
}

/// The cases of `filters.jsonl`.
pub fn filter_cases() -> Vec<FilterCase> {
    let read = |line: Value| FilterCase {
        filters: object(&line["filters"]).expect("a filter"),
        matches: texts(&line["matches"]),
    };
    lines("filters.jsonl").into_iter().map(read).collect()
}

/// The cases of `sorts.jsonl`.
pub fn sort_cases() -> Vec<SortCase> {
    let read = |line: Value| SortCase {
        sort: sort(&line["sort"]),
        keys: line["sort"].clone(),
        order: texts(&line["order"]),
    };
    lines("sorts.jsonl").into_iter().map(read).collect()
}

/// The cases of `searches.jsonl`.
pub fn search_cases() -> Vec<SearchCase> {
    let read = |line: Value| SearchCase {
        search: text(&line["search"]).expect("a search"),
        matches: texts(&line["matches"]),
    };
    lines("searches.jsonl").into_iter().map(read).collect()
}

/// The cases of `rejects.jsonl`.
pub fn rejects() -> Vec<Reject> {
    let read = |line: Value| Reject {
        filters: object(&line["filters"]).expect("a filter"),
        why: text(&line["why"]).expect("a reason"),
    };
    lines("rejects.jsonl").into_iter().map(read).collect()
}

/// Reads an interaction from its proto JSON. An empty identifier is an absent one, and every number
/// inside JSON becomes the double that `google.protobuf.Struct` makes of it.
pub fn interaction(json: &Value) -> Interaction {
    Interaction {
        interaction_id: text(&json["interaction_id"]).expect("an id"),
        feature_id: text(&json["feature_id"]),
        user_id: text(&json["user_id"]),
        session_id: text(&json["session_id"]),
        execution_id: text(&json["execution_id"]),
        retriever_id: text(&json["retriever_id"]),
        feature_uri: text(&json["feature_uri"]),
        types: type_set(&texts(&json["interaction_type"])),
        position: whole(&json["position"]),
        result_set_size: whole(&json["result_set_size"]),
        document_score: json["document_score"].as_f64(),
        timestamp: json["timestamp"].as_str().and_then(time::parse).expect("a timestamp"),
        created_at: CREATED_AT,
        metadata: object(&json["metadata"]),
        query_snapshot: object(&json["query_snapshot"]),
        search_request: object(&json["search_request"]),
    }
}

/// Reads sort keys from JSON.
pub fn sort(keys: &Value) -> Sort {
    let keys = keys.as_array().expect("a list of keys").iter().map(|key| WrittenKey {
        field: text(&key["field"]).expect("a field"),
        direction: match key["direction"].as_str() {
            None | Some("asc") => Direction::Ascending,
            Some("desc") => Direction::Descending,
            Some(other) => panic!("{other} is no direction"),
        },
    });
    Sort::build(keys.collect(), "sort").expect("a sort")
}

/// A set of types from their names.
pub fn type_set(names: &[String]) -> TypeSet {
    TypeSet::new(names.iter().map(|name| TypeName::parse(name).expect("a type name")).collect())
}

/// `value` as it arrives in a `google.protobuf.Struct`, in which every number is a double.
pub fn with_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => double(number.as_f64().expect("a double")),
        Value::Array(list) => Value::Array(list.into_iter().map(with_doubles).collect()),
        Value::Object(object) => Value::Object(
            object.into_iter().map(|(key, value)| (key, with_doubles(value))).collect(),
        ),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

fn double(number: f64) -> Value {
    Value::Number(Number::from_f64(number).expect("a finite number"))
}

fn object(value: &Value) -> Option<Map<String, Value>> {
    match with_doubles(value.clone()) {
        Value::Object(object) => Some(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().expect("a list");
    list.iter().map(|text| text.as_str().expect("text").to_owned()).collect()
}

fn whole(value: &Value) -> Option<i32> {
    value.as_i64().map(|number| i32::try_from(number).expect("a 32-bit number"))
}
