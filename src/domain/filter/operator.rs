//! The operators of a condition.

/// An operator as callers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal, or missing.
    Ne,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Gte,
    /// Less than.
    Lt,
    /// Less than or equal.
    Lte,
    /// Equal to one of a list.
    In,
    /// Equal to none of a list, or missing.
    Nin,
    /// Has this text in it.
    Contains,
    /// Starts with this text.
    StartsWith,
    /// Ends with this text.
    EndsWith,
    /// Matches this regular expression.
    Regex,
    /// Has a value.
    Exists,
    /// Has nothing but null.
    IsNull,
    /// Has this text in it, in any case.
    Text,
    /// Has these words, one after the other.
    Phrase,
    /// Has these words.
    Words,
}

impl Operator {
    /// All of them, in the order in which the documentation lists them.
    pub const ALL: [Self; 17] = [
        Self::Eq,
        Self::Ne,
        Self::Gt,
        Self::Gte,
        Self::Lt,
        Self::Lte,
        Self::In,
        Self::Nin,
        Self::Exists,
        Self::IsNull,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Regex,
        Self::Text,
        Self::Words,
        Self::Phrase,
    ];

    /// Its name in the JSON form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::In => "in",
            Self::Nin => "nin",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Regex => "regex",
            Self::Exists => "exists",
            Self::IsNull => "is_null",
            Self::Text => "text",
            Self::Phrase => "phrase",
            Self::Words => "words",
        }
    }

    /// The operator of this name, which is in lower case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }

    /// All names, for error messages.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}
