//! The JSON form of a filter, which people can type by hand.

use serde_json::{Map, Value};

use super::filter::{self, Filter, Group, Node, NodeKind, Operator};
use super::violation::{Violations, echo};

/// Deepest JSON that is looked at; the limit of a filter's own depth says what is accepted.
const MAX_READ_DEPTH: usize = filter::MAX_DEPTH + 1;

/// Reads `json` as a filter. `path` is where the request carries it. An empty object at the root
/// matches everything.
///
/// Adds whatever is wrong to `violations`; the filter is of use only when nothing was added.
#[must_use]
pub fn parse(json: &Map<String, Value>, path: &str, violations: &mut Violations) -> Filter {
    let node = Reader { violations }.node(json, path.to_owned(), 1);
    // What could be read is checked even where something else could not: every violation shows.
    node.map_or(Filter::EVERYTHING, |node| Filter::build(node, violations))
}

struct Reader<'v> {
    violations: &'v mut Violations,
}

impl Reader<'_> {
    /// Reads an object; `None` for the empty root and where something is wrong.
    fn node(&mut self, json: &Map<String, Value>, path: String, depth: usize) -> Option<Node> {
        if json.contains_key("field") || json.contains_key("key") {
            return self.condition(json, path);
        }
        let before = self.violations.len();
        let mut case_sensitive = None;
        let mut members = Vec::new();
        for (key, value) in json {
            let at = format!("{path}.{key}");
            match (key.as_str(), value) {
                ("case_sensitive", Value::Bool(flag)) => case_sensitive = Some(*flag),
                ("case_sensitive", _) => self.violations.add(at, "takes true or false"),
                ("AND", value) => members.extend(self.group(Group::AllOf, value, at, depth)),
                ("OR", value) => members.extend(self.group(Group::AnyOf, value, at, depth)),
                ("NOT" | "NOR", value) => {
                    members.extend(self.group(Group::NoneOf, value, at, depth));
                }
                (field, value) => self.shorthand(field, value, at, &mut members),
            }
        }
        if members.is_empty() {
            if depth > 1 && self.violations.len() == before {
                self.violations.add(path, "is empty; only the whole filter may be");
            }
            return None;
        }
        let kind = NodeKind::Group { group: Group::AllOf, members, case_sensitive, deepens: false };
        Some(Node { path, kind })
    }

    /// Reads what stands behind `AND`, `OR`, `NOT` or `NOR`: a list of nodes, or one node.
    fn group(&mut self, group: Group, value: &Value, path: String, depth: usize) -> Option<Node> {
        if depth >= MAX_READ_DEPTH {
            let limit = filter::MAX_DEPTH;
            self.violations.add(path, format!("a filter is at most {limit} levels deep"));
            return None;
        }
        let members: Vec<Node> = match value {
            Value::Object(one) => self.node(one, path.clone(), depth + 1).into_iter().collect(),
            Value::Array(list) if list.is_empty() => {
                self.violations.add(path, "is an empty list; it takes at least one filter");
                return None;
            }
            Value::Array(list) => list
                .iter()
                .enumerate()
                .filter_map(|(place, member)| {
                    self.member(member, format!("{path}[{place}]"), depth + 1)
                })
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.violations.add(path, "takes a list of filters, or one filter");
                return None;
            }
        };
        let kind = NodeKind::Group { group, members, case_sensitive: None, deepens: true };
        Some(Node { path, kind })
    }

    fn member(&mut self, value: &Value, path: String, depth: usize) -> Option<Node> {
        match value {
            Value::Object(node) => self.node(node, path, depth),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {
                self.violations.add(path, "takes an object: a condition or a node");
                None
            }
        }
    }

    /// Reads `{"field": …, "operator": …, "value": …}`.
    fn condition(&mut self, json: &Map<String, Value>, path: String) -> Option<Node> {
        let name = if json.contains_key("field") { "field" } else { "key" };
        let mut operator = Some(Operator::Eq);
        let mut field = None;
        for (key, value) in json {
            let at = format!("{path}.{key}");
            match (key.as_str(), value) {
                ("field" | "key", _) if key != name => {
                    self.violations.add(at, "stands beside field; a condition takes one of them");
                }
                ("field" | "key", Value::String(text)) => field = Some(text.clone()),
                ("field" | "key", _) => self.violations.add(at, "takes the name of a field"),
                ("operator", value) => operator = self.operator(value, at),
                ("value", _) => {}
                _ => self.violations.add(
                    at,
                    "a condition takes field (or key), operator and value, and nothing else",
                ),
            }
        }
        let (field, field_path) = (field?, format!("{path}.{name}"));
        let Some(operator) = operator else {
            filter::check_field(&field, field_path, self.violations);
            return None;
        };
        let value_path = format!("{path}.value");
        let value = json.get("value").cloned();
        let kind = NodeKind::Condition { field, operator, value, field_path, value_path };
        Some(Node { path, kind })
    }

    fn operator(&mut self, value: &Value, path: String) -> Option<Operator> {
        let operator = value.as_str().and_then(Operator::parse);
        if operator.is_none() {
            let given = value.as_str().map_or_else(|| "this".to_owned(), echo);
            let accepted = Operator::names();
            self.violations.add(path, format!("{given} is no operator; operators are {accepted}"));
        }
        operator
    }

    /// Reads `"field": value`, `"field": [values]` or `"field": {"operator": value, …}`.
    fn shorthand(&mut self, field: &str, value: &Value, path: String, members: &mut Vec<Node>) {
        let field_path = path.clone();
        let mut add = |operator: Operator, value: &Value, path: String| {
            let kind = NodeKind::Condition {
                field: field.to_owned(),
                operator,
                value: Some(value.clone()),
                field_path: field_path.clone(),
                value_path: path.clone(),
            };
            members.push(Node { path, kind });
        };
        match value {
            Value::Array(_) => add(Operator::In, value, path),
            Value::Object(tests) if tests.is_empty() => {
                let accepted = Operator::names();
                self.violations.add(path, format!("has no operator; operators are {accepted}"));
            }
            Value::Object(tests) => {
                for (name, value) in tests {
                    let at = format!("{path}.{name}");
                    match self.operator(&Value::from(name.as_str()), at.clone()) {
                        Some(operator) => add(operator, value, at),
                        None => filter::check_field(field, path.as_str(), self.violations),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                add(Operator::Eq, value, path);
            }
        }
    }
}
