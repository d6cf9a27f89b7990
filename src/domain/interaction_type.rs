//! The kinds of interaction: a well-known vocabulary, open to callers' own names.

use serde::Serialize;

/// Longest type name, in bytes (all of them ASCII).
pub const MAX_TYPE_NAME_BYTES: usize = 64;

/// What a type name may look like, for error messages.
pub const ACCEPTED: &str =
    "a name of 1 to 64 letters, digits and underscores that starts with a letter";

/// The well-known names. Each one's place is its bit in a [`TypeSet`]'s mask, which is stored:
/// names are only ever added at the end.
pub const WELL_KNOWN: [&str; 22] = [
    "impression",
    "view",
    "click",
    "dwell",
    "positive_feedback",
    "negative_feedback",
    "purchase",
    "add_to_cart",
    "wishlist",
    "long_view",
    "share",
    "bookmark",
    "query_refinement",
    "zero_results",
    "filter_toggle",
    "skip",
    "return_to_results",
    "play",
    "download",
    "save",
    "add_to_project",
    "rating",
];

/// A well-formed type name, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TypeName(String);

impl TypeName {
    /// Reads a name in any case; `None` unless it is `[a-z][a-z0-9_]{0,63}` in lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
        let goes_on_well = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (starts_well && goes_on_well && name.len() <= MAX_TYPE_NAME_BYTES).then_some(Self(name))
    }

    /// The name, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bit that stands for a well-known name; `None` for a caller's own.
    #[must_use]
    pub fn bit(&self) -> Option<i64> {
        WELL_KNOWN.iter().position(|known| *known == self.0).map(|place| 1 << place)
    }
}

/// The types that one interaction carries, without repeats, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeSet(Vec<TypeName>);

impl TypeSet {
    /// Most types one interaction can carry.
    pub const MAX: usize = 16;

    /// A set of `names`, of which none may repeat.
    #[must_use]
    pub fn new(names: Vec<TypeName>) -> Self {
        Self(names)
    }

    /// The names in the order given.
    #[must_use]
    pub fn names(&self) -> &[TypeName] {
        &self.0
    }

    /// The bits of the well-known names among them.
    #[must_use]
    pub fn mask(&self) -> i64 {
        self.0.iter().filter_map(TypeName::bit).fold(0, |mask, bit| mask | bit)
    }

    /// The callers' own names among them.
    pub fn custom(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|name| name.bit().is_none()).map(TypeName::as_str)
    }

    /// Whether `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: &TypeName) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        let click = TypeName::parse("CLICK").unwrap();
        assert_eq!((click.as_str(), click.bit()), ("click", Some(4)));
        assert_eq!(TypeName::parse("custom_tap").unwrap().bit(), None);
        for malformed in ["", "Two Words!", "1st", "_x", "é", "\u{212a}ey", &"a".repeat(65)] {
            assert_eq!(TypeName::parse(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn a_set_splits_into_mask_and_custom_names() {
        let names = ["click", "tap", "rating"].map(|name| TypeName::parse(name).unwrap());
        let set = TypeSet::new(names.to_vec());
        assert_eq!(set.mask(), 4 | 1 << 21);
        assert_eq!(set.custom().collect::<Vec<_>>(), ["tap"]);
    }
}
