//! From a filter as callers write it to a checked one.

use serde_json::Value;

use super::{Case, Filter, MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, Operator, condition};
use crate::domain::field::Field;
use crate::domain::violation::Violations;

/// A piece of a filter as the caller wrote it, in whichever form.
#[derive(Debug, Clone)]
pub struct Node {
    /// Path of this piece in the request, such as `filters.AND[1]`.
    pub path: String,
    /// What it says.
    pub kind: NodeKind,
}

/// What a [`Node`] says.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A condition on one field.
    Condition {
        /// The field's name or path.
        field: String,
        /// The operator.
        operator: Operator,
        /// The value; `None` when left out.
        value: Option<Value>,
        /// Path in the request of the field's name.
        field_path: String,
        /// Path in the request of the value.
        value_path: String,
    },
    /// Several nodes, and how they combine.
    Group {
        /// How the members combine.
        group: Group,
        /// The members. Not empty: whoever reads a request refuses empty groups.
        members: Vec<Node>,
        /// Whether text comparisons below tell case apart; unset, as the node above says.
        case_sensitive: Option<bool>,
        /// Whether it is a level of its own in what the caller wrote. The JSON form can state
        /// several things in one object, which share one level.
        deepens: bool,
    },
}

/// How the members of a group combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Every member is true.
    AllOf,
    /// At least one member is true.
    AnyOf,
    /// No member is true.
    NoneOf,
}

impl Filter {
    /// Checks `node` and turns it into a filter. Adds whatever is wrong to `violations`; the
    /// filter is of use only when nothing was added.
    #[must_use]
    pub fn build(node: Node, violations: &mut Violations) -> Self {
        let mut builder = Builder { conditions: 0, values: 0, violations };
        let root = node.path.clone();
        let filter = builder.node(node, 1, Case::Insensitive);
        let Builder { conditions, values, violations } = builder;
        if conditions > MAX_CONDITIONS {
            let limit = format!("a filter has at most {MAX_CONDITIONS} conditions");
            violations.add(root.clone(), format!("{limit}; this one has {conditions}"));
        }
        if values > MAX_VALUES {
            let limit = format!("the lists of a filter have at most {MAX_VALUES} values together");
            violations.add(root, format!("{limit}; these have {values}"));
        }
        filter
    }
}

/// Checks the field of a condition that is wrong elsewhere already, so that both show.
pub fn check_field(field: &str, path: impl Into<String>, violations: &mut Violations) {
    if let Err(error) = Field::parse(field) {
        violations.add(path, error.to_string());
    }
}

struct Builder<'v> {
    conditions: usize,
    /// Values in lists.
    values: usize,
    violations: &'v mut Violations,
}

impl Builder<'_> {
    fn node(&mut self, node: Node, depth: usize, case: Case) -> Filter {
        if depth > MAX_DEPTH {
            self.violations.add(
                node.path,
                format!("a filter is at most {MAX_DEPTH} levels deep, the root included"),
            );
            return Filter::NOTHING;
        }
        match node.kind {
            NodeKind::Condition { field, operator, value, field_path, value_path } => {
                self.conditions += 1;
                self.values += value.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
                if self.conditions > MAX_CONDITIONS {
                    return Filter::NOTHING;
                }
                let written = condition::Written { field, operator, value, field_path, value_path };
                written.check(case, self.violations)
            }
            NodeKind::Group { group, members, case_sensitive, deepens } => {
                let case = match case_sensitive {
                    None => case,
                    Some(true) => Case::Sensitive,
                    Some(false) => Case::Insensitive,
                };
                let below = if deepens { depth + 1 } else { depth };
                let members = members.into_iter().map(|member| self.node(member, below, case));
                let members = members.collect();
                match group {
                    Group::AllOf => Filter::all(members),
                    Group::AnyOf => Filter::any(members),
                    Group::NoneOf => Filter::any(members).negated(),
                }
            }
        }
    }
}
