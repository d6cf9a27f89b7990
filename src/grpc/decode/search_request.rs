//! The search that led to an interaction: checked for form, and as JSON for filters to look into.

use std::collections::BTreeMap;

use prost_types::Struct;
use serde_json::{Map, Value, json};

use super::json;
use crate::domain::interaction::MAX_IDENTIFIER_BYTES;
use crate::domain::violation::Violations;
use crate::grpc::proto::search_request::query::Settings;
use crate::grpc::proto::search_request::{GroupBy, Query, RerankingOptions};
use crate::grpc::proto::sort::Direction;
use crate::grpc::proto::{SearchRequest, Sort};

const VECTOR_INDEXES: [&str; 5] = ["image", "multimodal", "text", "video", "keyword"];
const QUERY_TYPES: [&str; 3] = ["text", "url", "base64"];

/// How far a sum of weights may be from 1.0: what adding decimal fractions in binary can be off.
const WEIGHT_TOLERANCE: f64 = 1e-6;

/// Checks `message`, and says it as JSON under its own field names, unset fields left out.
pub(super) fn search_request(
    message: &SearchRequest,
    path: &str,
    violations: &mut Violations,
) -> Map<String, Value> {
    let SearchRequest {
        queries,
        collections,
        filters,
        group_by,
        sort,
        select,
        reranking_options,
        session_id,
        return_url,
    } = message;
    let mut reader = Reader { object: Map::new(), path, violations };
    let queries = queries.iter().enumerate().map(|(place, query)| {
        Value::Object(self::query(query, &format!("{path}.queries[{place}]"), reader.violations))
    });
    let queries = queries.collect();
    reader.list("queries", queries);
    reader.texts("collections", collections);
    reader.filters(filters.as_ref());
    reader.object("group_by", group_by.as_ref(), self::group_by);
    reader.object("sort", sort.as_ref(), self::sort);
    reader.texts("select", select);
    reader.object("reranking_options", reranking_options.as_ref(), self::reranking_options);
    if session_id.len() > MAX_IDENTIFIER_BYTES {
        let limit = format!("has at most {MAX_IDENTIFIER_BYTES} bytes");
        reader.violations.add(format!("{path}.session_id"), limit);
    }
    reader.text("session_id", session_id);
    reader.put("return_url", return_url.map(Value::Bool));
    reader.object
}

fn query(message: &Query, path: &str, violations: &mut Violations) -> Map<String, Value> {
    let Query { vector_index, value, r#type, filters, settings } = message;
    let mut reader = Reader { object: Map::new(), path, violations };
    reader.choice("vector_index", vector_index, &VECTOR_INDEXES);
    reader.text("value", value);
    reader.choice("type", r#type, &QUERY_TYPES);
    reader.filters(filters.as_ref());
    reader.object("settings", settings.as_ref(), self::settings);
    reader.object
}

fn settings(message: &Settings, path: &str, violations: &mut Violations) -> Map<String, Value> {
    let Settings { limit, min_score, modality } = message;
    let mut reader = Reader { object: Map::new(), path, violations };
    reader.count("limit", *limit);
    if let Some(score) = min_score {
        reader.number("min_score", *score);
    }
    reader.text("modality", modality);
    reader.object
}

fn group_by(message: &GroupBy, path: &str, violations: &mut Violations) -> Map<String, Value> {
    let GroupBy { field, max_features, sort } = message;
    let mut reader = Reader { object: Map::new(), path, violations };
    reader.text("field", field);
    reader.count("max_features", *max_features);
    reader.object("sort", sort.as_ref(), self::sort);
    reader.object
}

fn sort(message: &Sort, path: &str, violations: &mut Violations) -> Map<String, Value> {
    let Sort { field, direction } = message;
    let mut reader = Reader { object: Map::new(), path, violations };
    reader.text("field", field);
    match Direction::try_from(*direction) {
        Ok(Direction::Unspecified) => {}
        Ok(direction @ (Direction::Asc | Direction::Desc)) => {
            reader.text("direction", direction.as_str_name());
        }
        Err(_) => reader.violations.add(format!("{path}.direction"), "takes ASC or DESC"),
    }
    reader.object
}

fn reranking_options(
    message: &RerankingOptions,
    path: &str,
    violations: &mut Violations,
) -> Map<String, Value> {
    let RerankingOptions { weights, enable_reranking } = message;
    let mut reader = Reader { object: Map::new(), path, violations };
    reader.weights(weights);
    reader.put("enable_reranking", enable_reranking.map(Value::Bool));
    reader.object
}

/// Puts one message's fields into an object.
struct Reader<'p, 'v> {
    object: Map<String, Value>,
    path: &'p str,
    violations: &'v mut Violations,
}

impl Reader<'_, '_> {
    fn put(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.object.insert(name.to_owned(), value);
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.check_text(name, text);
        self.put(name, (!text.is_empty()).then(|| json!(text)));
    }

    fn texts(&mut self, name: &str, texts: &[String]) {
        for (place, text) in texts.iter().enumerate() {
            self.check_text(&format!("{name}[{place}]"), text);
        }
        self.list(name, texts.iter().map(|text| json!(text)).collect());
    }

    fn check_text(&mut self, name: &str, text: &str) {
        if text.contains('\0') {
            let path = format!("{}.{name}", self.path);
            self.violations.add(path, "holds a NUL character, which is not accepted");
        }
    }

    fn list(&mut self, name: &str, list: Vec<Value>) {
        self.put(name, (!list.is_empty()).then_some(Value::Array(list)));
    }

    fn choice(&mut self, name: &str, given: &str, accepted: &[&str]) {
        if !accepted.contains(&given) {
            let accepted = accepted.join(", ");
            self.violations
                .add(format!("{}.{name}", self.path), format!("takes one of {accepted}"));
        }
        self.text(name, given);
    }

    fn count(&mut self, name: &str, count: Option<i32>) {
        if count.is_some_and(|count| count < 0) {
            self.violations.add(format!("{}.{name}", self.path), "is never negative");
        }
        self.put(name, count.map(|count| json!(count)));
    }

    fn number(&mut self, name: &str, number: f64) {
        match json::number(number) {
            Some(number) => self.put(name, Some(Value::Number(number))),
            None => self.violations.add(format!("{}.{name}", self.path), "takes finite numbers"),
        }
    }

    fn object<M>(
        &mut self,
        name: &str,
        message: Option<&M>,
        read: impl FnOnce(&M, &str, &mut Violations) -> Map<String, Value>,
    ) {
        let path = format!("{}.{name}", self.path);
        let object = message.map(|message| Value::Object(read(message, &path, self.violations)));
        self.put(name, object);
    }

    fn filters(&mut self, filters: Option<&Struct>) {
        let read = |filters: &Struct, path: &str, violations: &mut Violations| {
            let filters = json::object(filters, path, violations);
            check_form(&filters, path, violations);
            filters
        };
        self.object("filters", filters, read);
    }

    fn weights(&mut self, weights: &BTreeMap<String, f64>) {
        if weights.is_empty() {
            return;
        }
        let path = format!("{}.weights", self.path);
        let mut object = Map::new();
        for (name, weight) in weights {
            match json::number(*weight) {
                Some(_) if name.contains('\0') => {
                    self.violations.add(path.as_str(), "a name holds a NUL character");
                }
                Some(number) => drop(object.insert(name.clone(), Value::Number(number))),
                None => self.violations.add(format!("{path}.{name}"), "takes finite numbers"),
            }
        }
        let sum: f64 = weights.values().sum();
        if (sum - 1.0).abs() > WEIGHT_TOLERANCE {
            self.violations.add(path, format!("weights sum to 1.0; these sum to {sum}"));
        }
        self.object.insert("weights".to_owned(), Value::Object(object));
    }
}

/// Checks the form of a filter that speaks of another system's fields: lists of filters behind AND,
/// OR, NOR and NOT, conditions, and `case_sensitive`.
fn check_form(node: &Map<String, Value>, path: &str, violations: &mut Violations) {
    let is_condition = node.contains_key("field") || node.contains_key("key");
    for (key, value) in node {
        let at = format!("{path}.{key}");
        match (key.as_str(), value) {
            ("field" | "key", Value::String(_)) => {}
            ("field" | "key", _) => violations.add(at, "takes the name of a field"),
            ("operator", Value::String(_)) if is_condition => {}
            ("operator", _) if is_condition => violations.add(at, "takes the name of an operator"),
            ("case_sensitive", Value::Bool(_)) => {}
            ("case_sensitive", _) => violations.add(at, "takes true or false"),
            ("AND" | "OR" | "NOR" | "NOT", Value::Object(node)) => {
                check_form(node, &at, violations)
            }
            ("AND" | "OR" | "NOR" | "NOT", Value::Array(nodes)) => {
                for (place, node) in nodes.iter().enumerate() {
                    let at = format!("{at}[{place}]");
                    match node {
                        Value::Object(node) => check_form(node, &at, violations),
                        Value::Null
                        | Value::Bool(_)
                        | Value::Number(_)
                        | Value::String(_)
                        | Value::Array(_) => violations.add(at, "takes a condition or a filter"),
                    }
                }
            }
            ("AND" | "OR" | "NOR" | "NOT", _) => violations.add(at, "takes a list of filters"),
            _ => {}
        }
    }
}
