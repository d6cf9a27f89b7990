//! What is wrong with a request, said field by field.

/// One thing wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field as the caller wrote it, such as `filters.AND[1].position.lte`.
    pub field: String,
    /// What was wrong and what is accepted, for the caller to read.
    pub description: String,
}

/// Longest piece of a caller's input that an error repeats, in characters.
const MAX_ECHO_CHARS: usize = 64;

/// Everything found wrong with a request so far; empty when nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Most violations one answer lists. What is wrong beyond them shows once these are mended;
    /// without a bound, one hostile request could ask for an answer larger than itself.
    pub const MAX: usize = 1_000;

    /// Notes that `field` breaks a rule, once where the same is said twice in a row. Beyond
    /// [`Self::MAX`] further ones are not kept.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        let violation = Violation { field: field.into(), description: description.into() };
        if self.0.len() < Self::MAX && self.0.last() != Some(&violation) {
            self.0.push(violation);
        }
    }

    /// Whether nothing was found wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many violations are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The violations in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// Adds all of `others`, up to [`Self::MAX`].
    pub fn extend(&mut self, others: Violations) {
        let room = Self::MAX.saturating_sub(self.0.len());
        self.0.extend(others.0.into_iter().take(room));
    }

    /// `value` when nothing was found wrong, else the violations.
    pub fn into_result<T>(self, value: T) -> Result<T, Violations> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl IntoIterator for Violations {
    type Item = Violation;
    type IntoIter = std::vec::IntoIter<Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// `text` as an error may repeat it: quoted, control characters escaped, and cut when long.
#[must_use]
pub fn echo(text: &str) -> String {
    match text.char_indices().nth(MAX_ECHO_CHARS) {
        None => format!("{text:?}"),
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_escapes_and_cuts() {
        assert_eq!(echo("a\n\u{1b}[0m"), r#""a\n\u{1b}[0m""#);
        assert_eq!(echo(&"é".repeat(65)), format!("\"{}\"…", "é".repeat(64)));
    }

    #[test]
    fn violations_are_bounded() {
        let mut violations = Violations::default();
        for item in 0..2 * Violations::MAX {
            violations.add(format!("interactions[{item}]"), "wrong");
        }
        assert_eq!(violations.len(), Violations::MAX);
    }
}
