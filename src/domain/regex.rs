//! Regular expressions that callers give: checked at the edge, one meaning on every database.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;
use serde::Serialize;

mod weight;

use weight::weight;

/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 512;

/// Most work that a pattern may be, in transitions of its automaton. Bounds the time that compiling
/// it and one match can take, in both databases: a pattern of 18 bytes can otherwise keep a core
/// busy for a minute on one value. Everyday patterns stay far below.
pub const MAX_WEIGHT: u64 = 3_500;

/// Largest compiled form of a pattern, in bytes. Classes such as `\w` are large, and few
/// transitions.
pub const MAX_COMPILED_BYTES: usize = 4 << 20;

/// Deepest nesting inside a pattern.
const MAX_NESTING: u32 = 64;

/// A pattern that compiles within the limits. Syntax and meaning are those of the `regex` crate,
/// with Unicode on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Pattern(String);

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too many bytes.
    #[error("a pattern has at most {MAX_PATTERN_BYTES} bytes; this one has {0}")]
    TooLong(usize),
    /// Not the syntax of the `regex` crate, which has neither look-around nor back-references.
    #[error("the pattern is malformed: {0}; the syntax is that of Rust's regex crate")]
    Malformed(String),
    /// It matches single bytes rather than characters.
    #[error("the pattern must match whole characters: (?-u) is not accepted")]
    Bytes,
    /// Well-formed, but too costly to match.
    #[error("the pattern is too costly: its repetitions multiply; use smaller ones")]
    TooCostly,
}

impl Pattern {
    /// Checks `source`.
    ///
    /// # Errors
    /// When it is too long, malformed, or too costly to match.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        if source.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong(source.len()));
        }
        if source.contains('\0') {
            return Err(PatternError::Malformed("it holds a NUL character".to_owned()));
        }
        let pattern = Self(source.to_owned());
        // Both cases are checked, so that switching case never turns a good pattern bad.
        for insensitive in [false, true] {
            let hir = parser(insensitive).parse(source).map_err(|error| malformed(&error))?;
            if weight(&hir) > MAX_WEIGHT {
                return Err(PatternError::TooCostly);
            }
            let compiled = regex::RegexBuilder::new(source)
                .case_insensitive(insensitive)
                .nest_limit(MAX_NESTING)
                .size_limit(MAX_COMPILED_BYTES)
                .build();
            compiled.map_err(|_| PatternError::TooCostly)?;
        }
        Ok(pattern)
    }

    /// A pattern that matches where these words stand as whole words, one after the other, with
    /// nothing of a letter or digit between them. The words are letters and digits only.
    #[must_use]
    pub fn of_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        let words = words.into_iter().collect::<Vec<_>>().join(r"[^\p{L}\p{N}]+");
        Self(format!(r"(?:^|[^\p{{L}}\p{{N}}]){words}(?:[^\p{{L}}\p{{N}}]|$)"))
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the pattern means, with case resolved into its character classes; `None` never happens
    /// for a pattern that [`Self::parse`] let through.
    #[must_use]
    pub fn hir(&self, case_insensitive: bool) -> Option<Hir> {
        parser(case_insensitive).parse(&self.0).ok()
    }
}

fn parser(case_insensitive: bool) -> regex_syntax::Parser {
    ParserBuilder::new().case_insensitive(case_insensitive).nest_limit(MAX_NESTING).build()
}

/// The first line that says what is wrong; the rest draws the pattern with carets below it.
fn malformed(error: &regex_syntax::Error) -> PatternError {
    match error {
        regex_syntax::Error::Parse(error) => PatternError::Malformed(error.kind().to_string()),
        regex_syntax::Error::Translate(error)
            if *error.kind() == regex_syntax::hir::ErrorKind::InvalidUtf8 =>
        {
            PatternError::Bytes
        }
        regex_syntax::Error::Translate(error) => PatternError::Malformed(error.kind().to_string()),
        _ => PatternError::Malformed("it cannot be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_write() {
        for source in ["^ret_", r"\w+\s+\d{2,4}", "(?i)straße", r"^[^@]+@[^@]+\.\w+$", "", r"\pL+"]
        {
            assert!(Pattern::parse(source).is_ok(), "{source}");
        }
    }

    #[test]
    fn refuses_what_would_not_hold() {
        assert_eq!(Pattern::parse(&"x".repeat(513)), Err(PatternError::TooLong(513)));
        for source in ["(a{1,255}){1,255}b", "(a{1,255}){1,30}b", "(?:a|^|$){16}"] {
            assert_eq!(Pattern::parse(source), Err(PatternError::TooCostly), "{source}");
        }
        assert_eq!(Pattern::parse(r"(?-u)\xFF"), Err(PatternError::Bytes));
        for source in ["(", r"(a)\1", "a(?=b)", "a\0"] {
            assert!(matches!(Pattern::parse(source), Err(PatternError::Malformed(_))), "{source}");
        }
    }
}
