//! The typed form of a filter.

use super::json;
use crate::domain::filter::{Filter, Group, MAX_DEPTH, Node, NodeKind, Operator, check_field};
use crate::domain::violation::Violations;
use crate::grpc::proto;
use crate::grpc::proto::filter::Kind;

/// Checks a typed filter. Adds whatever is wrong to `violations`; the filter is of use only when
/// nothing was added.
pub(in crate::grpc) fn filter(
    message: &proto::Filter,
    path: &str,
    violations: &mut Violations,
) -> Filter {
    // What could be read is checked even where something else could not: every violation shows.
    let node = node(message, path, 1, violations);
    node.map_or(Filter::NOTHING, |node| Filter::build(node, violations))
}

/// One level of the tree; `None` where something is wrong with it.
fn node(
    message: &proto::Filter,
    path: &str,
    depth: usize,
    violations: &mut Violations,
) -> Option<Node> {
    let proto::Filter { kind } = message;
    if depth > MAX_DEPTH {
        let limit = format!("a filter is at most {MAX_DEPTH} levels deep, the root included");
        violations.add(path, limit);
        return None;
    }
    match kind {
        None => {
            violations.add(format!("{path}.kind"), "takes a condition or a group; neither is set");
            None
        }
        Some(Kind::Condition(message)) => {
            condition(message, &format!("{path}.condition"), violations)
        }
        Some(Kind::Group(message)) => group(message, &format!("{path}.group"), depth, violations),
    }
}

fn condition(message: &proto::Condition, path: &str, violations: &mut Violations) -> Option<Node> {
    let proto::Condition { field, operator: given, value } = message;
    let value_path = format!("{path}.value");
    let before = violations.len();
    let value = value.as_ref().map(|value| json::filter_value(value, &value_path, violations));
    let operator = proto::condition::Operator::try_from(*given).ok().and_then(operator);
    if operator.is_none() {
        let names = Operator::names().to_uppercase();
        violations.add(format!("{path}.operator"), format!("takes one of {names}"));
        check_field(field, format!("{path}.field"), violations);
    }
    let kind = NodeKind::Condition {
        field: field.clone(),
        operator: operator?,
        value,
        field_path: format!("{path}.field"),
        value_path,
    };
    (violations.len() == before).then(|| Node { path: path.to_owned(), kind })
}

fn group(
    message: &proto::Group,
    path: &str,
    depth: usize,
    violations: &mut Violations,
) -> Option<Node> {
    let proto::Group { operator: given, filters, case_sensitive } = message;
    let group = proto::group::Operator::try_from(*given).ok().and_then(grouping);
    if group.is_none() {
        violations.add(format!("{path}.operator"), "takes one of ALL_OF, ANY_OF, NONE_OF");
    }
    if filters.is_empty() {
        violations.add(format!("{path}.filters"), "is empty; a group takes at least one filter");
    }
    let members = filters.iter().enumerate().filter_map(|(place, member)| {
        node(member, &format!("{path}.filters[{place}]"), depth + 1, violations)
    });
    let members = members.collect();
    let kind =
        NodeKind::Group { group: group?, members, case_sensitive: *case_sensitive, deepens: true };
    Some(Node { path: path.to_owned(), kind })
}

fn grouping(operator: proto::group::Operator) -> Option<Group> {
    match operator {
        proto::group::Operator::Unspecified => None,
        proto::group::Operator::AllOf => Some(Group::AllOf),
        proto::group::Operator::AnyOf => Some(Group::AnyOf),
        proto::group::Operator::NoneOf => Some(Group::NoneOf),
    }
}

fn operator(operator: proto::condition::Operator) -> Option<Operator> {
    use proto::condition::Operator as Given;
    Some(match operator {
        Given::Unspecified => return None,
        Given::Eq => Operator::Eq,
        Given::Ne => Operator::Ne,
        Given::Gt => Operator::Gt,
        Given::Gte => Operator::Gte,
        Given::Lt => Operator::Lt,
        Given::Lte => Operator::Lte,
        Given::In => Operator::In,
        Given::Nin => Operator::Nin,
        Given::Contains => Operator::Contains,
        Given::StartsWith => Operator::StartsWith,
        Given::EndsWith => Operator::EndsWith,
        Given::Regex => Operator::Regex,
        Given::Exists => Operator::Exists,
        Given::IsNull => Operator::IsNull,
        Given::Text => Operator::Text,
        Given::Phrase => Operator::Phrase,
        Given::Words => Operator::Words,
    })
}
