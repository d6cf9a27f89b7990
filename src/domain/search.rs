//! Full-text search over metadata: the grammar of the query, and what it matches. The tokeniser, which
//! is used when an interaction is written, too, is in [`words`](self::words()).

mod words;

use serde::Serialize;

pub use words::{
    MAX_DISTINCT_WORD_BYTES, MAX_WORD_BYTES, distinct_word_bytes, fold, most_word_bytes,
    word_lines, words, words_of,
};

/// The longest search, in bytes of UTF-8 as sent.
pub const MAX_SEARCH_BYTES: usize = 256;

/// The most terms in one search: those of all sides of `OR` together, excluded ones included.
/// Terms without a word (`***`) are ignored and not counted.
pub const MAX_SEARCH_TERMS: usize = 16;

/// What to look for: one or more sides of `OR`, of which at least one has to match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Search {
    sides: Vec<Side>,
}

/// One side of `OR`: matches where every required term is there and no excluded one is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Side {
    required: Vec<Term>,
    excluded: Vec<Term>,
}

/// A word, or a phrase: words that follow one another within one value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Term {
    words: Vec<String>,
    prefix: bool,
}

/// Why a text is not a search.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The text is longer than [`MAX_SEARCH_BYTES`].
    #[error("the search has {bytes} bytes; at most {MAX_SEARCH_BYTES} are accepted")]
    TooLong {
        /// The length of the text.
        bytes: usize,
    },
    /// There are more terms than [`MAX_SEARCH_TERMS`].
    #[error("the search has {terms} words and phrases; at most {MAX_SEARCH_TERMS} are accepted")]
    TooManyTerms {
        /// The number of terms in all sides.
        terms: usize,
    },
    /// A quoted phrase does not end.
    #[error("a quote is not closed; a phrase is written between two double quotes: \"red shoe\"")]
    UnclosedQuote,
    /// The search, or a side of its `OR`, has no term that has to be there.
    #[error(
        "there is nothing to look for; a search, and each side of OR, needs at least one word \
         that is not excluded with a minus: shoe -blue"
    )]
    NothingToLookFor,
}

impl Search {
    /// Reads a search as people write it; blank text is none.
    ///
    /// | written | looks for |
    /// |---|---|
    /// | `red shoe` | both words |
    /// | `"red shoe"` | the words in a row, within one value |
    /// | `wi-fi` | the same, as it splits into two words |
    /// | `shoe*` | a word that starts so; after a phrase, its last word does |
    /// | `-blue` | what is without the word, prefix or phrase |
    /// | `red OR blue` | either side of `OR`, which is in capitals and binds last |
    ///
    /// A quote starts a phrase wherever it stands, and other signs only part words. A term without
    /// a word (`***`) is ignored if its side looks for another.
    ///
    /// # Errors
    ///
    /// The text is longer than [`MAX_SEARCH_BYTES`], has more terms than [`MAX_SEARCH_TERMS`] or a
    /// quote that is not closed, or one of its sides does not require any word.
    pub fn parse(text: &str) -> Result<Option<Self>, SearchError> {
        if text.len() > MAX_SEARCH_BYTES {
            return Err(SearchError::TooLong { bytes: text.len() });
        }
        if text.trim().is_empty() {
            return Ok(None);
        }
        let sides = read_sides(text)?;
        if sides.iter().any(|side| side.required.is_empty()) {
            return Err(SearchError::NothingToLookFor);
        }
        let terms = sides.iter().map(|side| side.required.len() + side.excluded.len()).sum();
        if terms > MAX_SEARCH_TERMS {
            return Err(SearchError::TooManyTerms { terms });
        }
        Ok(Some(Self { sides }))
    }

    /// The sides of `OR`; at least one.
    #[must_use]
    pub fn sides(&self) -> &[Side] {
        &self.sides
    }

    /// Whether a document with these words, as [`words_of`] gives them, is found.
    #[must_use]
    pub fn matches(&self, values: &[Vec<String>]) -> bool {
        self.sides.iter().any(|side| side.matches(values))
    }
}

impl Side {
    /// The terms that have to be there, each in any value; at least one.
    #[must_use]
    pub fn required(&self) -> &[Term] {
        &self.required
    }

    /// The terms that no value may have.
    #[must_use]
    pub fn excluded(&self) -> &[Term] {
        &self.excluded
    }

    fn empty() -> Self {
        Self { required: Vec::new(), excluded: Vec::new() }
    }

    /// Adds a term, unless it has no word.
    fn add(&mut self, WrittenTerm { text, prefix, excluded }: WrittenTerm<'_>) {
        let terms = if excluded { &mut self.excluded } else { &mut self.required };
        let words = words(text);
        if !words.is_empty() {
            terms.push(Term { words, prefix });
        }
    }

    fn matches(&self, values: &[Vec<String>]) -> bool {
        let is_there = |term: &Term| values.iter().any(|words| term.is_in(words));
        self.required.iter().all(is_there) && !self.excluded.iter().any(is_there)
    }
}

impl Term {
    /// The folded words, in the order in which they have to follow one another; at least one.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether the last word need only be the start of the word found.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        self.prefix
    }

    fn is_in(&self, value: &[String]) -> bool {
        value.windows(self.words.len()).any(|row| self.is_row(row))
    }

    fn is_row(&self, row: &[String]) -> bool {
        let (Some((last, before)), Some((wanted, wanted_before))) =
            (row.split_last(), self.words.split_last())
        else {
            return false;
        };
        before == wanted_before
            && (last == wanted || self.prefix && last.starts_with(wanted.as_str()))
    }
}

/// A piece of a search as written, before it is split into words.
enum Written<'a> {
    Or,
    Term(WrittenTerm<'a>),
}

struct WrittenTerm<'a> {
    text: &'a str,
    prefix: bool,
    excluded: bool,
}

fn read_sides(text: &str) -> Result<Vec<Side>, SearchError> {
    let mut sides = Vec::new();
    let mut side = Side::empty();
    let mut rest = text;
    while let Some((written, after)) = read_written(rest)? {
        rest = after;
        match written {
            Written::Or => sides.push(std::mem::replace(&mut side, Side::empty())),
            Written::Term(term) => side.add(term),
        }
    }
    sides.push(side);
    Ok(sides)
}

/// The next piece of a search and the text after it; none at the end.
fn read_written(text: &str) -> Result<Option<(Written<'_>, &str)>, SearchError> {
    let text = text.trim_start();
    if text.is_empty() {
        return Ok(None);
    }
    let body = text.trim_start_matches('-');
    let excluded = body.len() < text.len();
    let (text, prefix, after) = if let Some(quoted) = body.strip_prefix('"') {
        let (text, after) = quoted.split_once('"').ok_or(SearchError::UnclosedQuote)?;
        (text, after.starts_with('*'), after)
    } else {
        let end = body.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(body.len());
        let (text, after) = body.split_at(end);
        if text == "OR" && !excluded {
            return Ok(Some((Written::Or, after)));
        }
        (text, text.ends_with('*'), after)
    };
    let term = WrittenTerm { text, prefix, excluded };
    Ok(Some((Written::Term(term), after)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What was read: a term in angle brackets, its words folded; `|` between the sides.
    fn shown(text: &str) -> Result<String, SearchError> {
        let term = |term: &Term| {
            let star = if term.prefix { "*" } else { "" };
            format!("<{}{star}>", term.words.join(" "))
        };
        let side = |side: &Side| {
            let excluded = side.excluded.iter().map(|excluded| format!("-{}", term(excluded)));
            side.required.iter().map(term).chain(excluded).collect()
        };
        let sides = |search: Search| search.sides.iter().map(side).collect::<Vec<String>>();
        Ok(Search::parse(text)?.map(sides).unwrap_or_default().join("|"))
    }

    fn finds(text: &str, json: &Value) -> bool {
        let search = Search::parse(text);
        matches!(search, Ok(Some(search)) if search.matches(&words_of(json)))
    }

    #[test]
    fn parses_each_form() {
        let cases = [
            (" Red  shoe ", "<red><shoe>"),
            (r#""red shoe""#, "<red shoe>"),
            (r#""red""#, "<red>"),
            ("shoe*", "<shoe*>"),
            ("red -shoe", "<red>-<shoe>"),
            (r#"-"a b" --c* red"#, "<red>-<a b>-<c*>"),
            ("wi-fi", "<wi fi>"),
            ("red -wi-fi*", "<red>-<wi fi*>"),
            ("red OR shoe", "<red>|<shoe>"),
            ("a b OR c -d OR e", "<a><b>|<c>-<d>|<e>"),
            (r#"red or "OR" -OR"#, "<red><or><or>-<or>"),
            (r#"red *** - "!" -? "#, "<red>"),
            (r#"red"a b"*shoe"#, "<red><a b*><shoe>"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn blank_is_no_search() {
        for text in ["", " ", "\t\n\u{3000}"] {
            assert_eq!(Search::parse(text), Ok(None));
        }
    }

    #[test]
    fn refuses_a_side_with_nothing_to_look_for() {
        for text in ["***", "-blue", "\"\"", "OR", "red OR", "OR red", "a OR -b", "a OR OR b", "-"]
        {
            assert_eq!(Search::parse(text), Err(SearchError::NothingToLookFor), "{text}");
        }
    }

    #[test]
    fn refuses_open_quotes() {
        for text in ["\"", "\"red shoe", "red\"", "-\"red", "\"a\" \"b"] {
            assert_eq!(Search::parse(text), Err(SearchError::UnclosedQuote), "{text}");
        }
    }

    #[test]
    fn holds_its_limits() {
        let longest = "a".repeat(MAX_SEARCH_BYTES);
        assert!(Search::parse(&longest).is_ok());
        assert_eq!(
            Search::parse(&format!("{longest}a")),
            Err(SearchError::TooLong { bytes: MAX_SEARCH_BYTES + 1 })
        );
        let sides = ["a -b"; MAX_SEARCH_TERMS / 2].join(" OR ");
        assert!(Search::parse(&format!("{sides} ***")).is_ok());
        assert_eq!(
            Search::parse(&format!("{sides} c")),
            Err(SearchError::TooManyTerms { terms: MAX_SEARCH_TERMS + 1 })
        );
    }

    #[test]
    fn matches_by_the_rules() {
        let json = json!({"a": "Red wi-fi shoes", "b": ["blue", 19.99], "key": "x"});
        let found = [
            "RED",
            "blue red",
            "\"red wi\"",
            "wi-fi",
            "shoe*",
            "\"fi sho\"*",
            "19.99",
            "wi-f*",
            "red -green",
            "green OR blue",
            "red -\"red blue\"",
            "red -shoe",
        ];
        let missed = [
            "shoe",
            "\"shoes blue\"",
            "red -blue",
            "red -sho*",
            "key",
            "fi-wi",
            "w-fi*",
            "green OR red -blue",
            "red -wi-fi",
            "\"red wi fi shoes x\"",
        ];
        for text in found {
            assert!(finds(text, &json), "{text}");
        }
        for text in missed {
            assert!(!finds(text, &json), "{text}");
        }
    }

    #[test]
    fn messages_say_what_is_accepted() {
        let message = SearchError::TooLong { bytes: 300 }.to_string();
        assert_eq!(message, "the search has 300 bytes; at most 256 are accepted");
    }

    proptest! {
        #[test]
        fn a_value_is_found_by_itself_quoted(text in "[^\"]{1,60}") {
            let quoted = format!("\"{text}\"");
            prop_assume!(quoted.len() <= MAX_SEARCH_BYTES && !words(&text).is_empty());
            let json = json!({"a": text});
            prop_assert!(finds(&quoted, &json));
        }

        #[test]
        fn parsing_never_leaves_an_empty_part(text in "[a-c \"*\\-OR]{0,40}") {
            if let Ok(Some(search)) = Search::parse(&text) {
                prop_assert!(!search.sides().is_empty());
                for side in search.sides() {
                    prop_assert!(!side.required().is_empty());
                    let mut terms = side.required().iter().chain(side.excluded());
                    prop_assert!(terms.all(|term| !term.words().is_empty()));
                }
            }
        }
    }
}
