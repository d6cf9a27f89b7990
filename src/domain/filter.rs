//! A filter: a tree of conditions with two-valued logic, checked and in normal form.
//!
//! Callers write a [`Node`], in JSON or as a typed message; [`Filter::build`] turns it into a
//! [`Filter`], in which every value has the class its field takes and only the positive operators
//! are left: `ne`, `nin` and `is_null: false` are negations of others.

use serde::Serialize;

use super::field::{Identifier, Integer, JsonPath, Time};
use super::interaction_type::TypeName;
use super::regex::Pattern;
use super::time::Micros;

mod build;
mod condition;
mod operator;

pub use build::{Group, Node, NodeKind, check_field};
pub use operator::Operator;

/// Deepest tree; the root is at depth 1.
pub const MAX_DEPTH: usize = 16;
/// Most conditions in one tree.
pub const MAX_CONDITIONS: usize = 256;
/// Most words in the value of `words` or `phrase`.
pub const MAX_WORDS: usize = 32;
/// Most values in one list.
pub const MAX_LIST_VALUES: usize = 1_000;
/// Most values in all lists of one tree together.
pub const MAX_VALUES: usize = 10_000;

/// A condition, or a combination of filters. Always true or false, never unknown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Filter {
    /// True when every member is; so, without members, true.
    All(Vec<Filter>),
    /// True when at least one member is; so, without members, false.
    Any(Vec<Filter>),
    /// True when the member is not.
    Not(Box<Filter>),
    /// A condition on one field.
    Condition(Condition),
}

impl Filter {
    /// Matches every interaction.
    pub const EVERYTHING: Self = Self::All(Vec::new());
    /// Matches no interaction.
    pub const NOTHING: Self = Self::Any(Vec::new());

    /// True where `self` is not.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// `field` equals `value`, to the letter.
    #[must_use]
    pub fn identifier(field: Identifier, value: String) -> Self {
        Self::Condition(Condition::Identifier { field, test: IdentifierTest::In(vec![value]) })
    }

    /// `field` lies before `time`.
    #[must_use]
    pub fn before(field: Time, time: Micros) -> Self {
        Self::Condition(Condition::Time { field, test: TimeTest::Ordered(Order::Less, time) })
    }

    /// The interaction carries the type `name`.
    #[must_use]
    pub fn of_type(name: TypeName) -> Self {
        Self::Condition(Condition::Types(vec![name]))
    }

    /// True when every filter of `members` is.
    #[must_use]
    pub fn all(mut members: Vec<Self>) -> Self {
        if members.len() == 1 { members.remove(0) } else { Self::All(members) }
    }

    /// Whether it narrows nothing: an empty conjunction, or one of such.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        match self {
            Self::All(members) => members.iter().all(Self::is_everything),
            Self::Any(_) | Self::Not(_) | Self::Condition(_) => false,
        }
    }

    /// The filters that must all be true for this one to be.
    #[must_use]
    pub fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::All(members) => members.iter().flat_map(Self::conjuncts).collect(),
            Self::Any(_) | Self::Not(_) | Self::Condition(_) => vec![self],
        }
    }

    /// Whether any condition is on what stands in JSON.
    #[must_use]
    pub fn looks_into_json(&self) -> bool {
        match self {
            Self::All(members) | Self::Any(members) => members.iter().any(Self::looks_into_json),
            Self::Not(member) => member.looks_into_json(),
            Self::Condition(Condition::Json { .. }) => true,
            Self::Condition(Condition::Types(names)) => {
                names.iter().any(|name| name.bit().is_none())
            }
            Self::Condition(
                Condition::Identifier { .. }
                | Condition::Integer { .. }
                | Condition::Score(_)
                | Condition::Time { .. },
            ) => false,
        }
    }

    /// True when at least one filter of `members` is.
    #[must_use]
    pub fn any(mut members: Vec<Self>) -> Self {
        if members.len() == 1 { members.remove(0) } else { Self::Any(members) }
    }
}

/// A condition on one field. Lists inside are never empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Condition {
    /// On text compared as it is. False where the field is missing.
    Identifier {
        /// The field.
        field: Identifier,
        /// What must hold of it.
        test: IdentifierTest,
    },
    /// The interaction carries at least one of these types.
    Types(Vec<TypeName>),
    /// On a whole number. False where the field is missing.
    Integer {
        /// The field.
        field: Integer,
        /// What must hold of it.
        test: IntegerTest,
    },
    /// On `document_score`. False where it is missing.
    Score(ScoreTest),
    /// On a time; every interaction has both.
    Time {
        /// The field.
        field: Time,
        /// What must hold of it.
        test: TimeTest,
    },
    /// On the values that a path reaches.
    Json {
        /// The path.
        path: JsonPath,
        /// What must hold of them.
        test: JsonTest,
    },
}

/// An order operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Order {
    /// Less than.
    Less,
    /// Less than or equal.
    LessOrEqual,
    /// Greater than.
    Greater,
    /// Greater than or equal.
    GreaterOrEqual,
}

impl Order {
    /// As SQL, jsonpath and people write it.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Whether upper and lower case are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Case {
    /// They are.
    Sensitive,
    /// They are not: both sides are compared in lower case.
    Insensitive,
}

/// What must hold of an identifier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum IdentifierTest {
    /// It has a value.
    Exists,
    /// It equals one of these.
    In(Vec<String>),
    /// It is ordered so to the text, by code point.
    Ordered(Order, String),
    /// Its text passes.
    Text(TextTest, Case),
}

/// What must hold of a whole number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum IntegerTest {
    /// It has a value.
    Exists,
    /// It equals one of these.
    In(Vec<i32>),
    /// It is ordered so to the number, which may lie outside of the field's range.
    Ordered(Order, i64),
}

/// What must hold of a floating-point number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ScoreTest {
    /// It has a value.
    Exists,
    /// It equals one of these.
    In(Vec<f64>),
    /// It is ordered so to the number.
    Ordered(Order, f64),
}

/// What must hold of a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TimeTest {
    /// It equals one of these.
    In(Vec<Micros>),
    /// It is ordered so to the time.
    Ordered(Order, Micros),
}

/// What must hold of the values that a path reaches, lists among them opened one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum JsonTest {
    /// The path reaches a value, be it null or an empty list.
    Exists,
    /// It reaches a value other than null.
    ExistsNotNull,
    /// One of the values equals one of these; the case counts for text only.
    In(Vec<Scalar>, Case),
    /// One of the values is of the same class and ordered so.
    Ordered(Order, Comparand),
    /// The text of one of the values passes.
    Text(TextTest, Case),
}

/// A JSON value that can be compared. Numbers are finite, and zero is never negative.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Scalar {
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
}

/// A JSON value that has an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Comparand {
    /// Among numbers.
    Number(f64),
    /// Among texts, by code point.
    Text(String),
}

/// What must hold of one text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum TextTest {
    /// The text is somewhere in it.
    Contains(String),
    /// It starts with the text.
    StartsWith(String),
    /// It ends with the text.
    EndsWith(String),
    /// The pattern matches somewhere in it.
    Regex(Pattern),
    /// Each of these is one of its words, in any order.
    Words(Vec<String>),
    /// These are words of it, one after the other.
    Phrase(Vec<String>),
}
