//! Full-text search over metadata: one tokeniser, used when an interaction is written and when it
//! is searched for, and the grammar of the query.
//!
//! Both databases store and look up the words made here, so neither one's own idea of a word, of
//! case or of an accent can show in an answer.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::text::split_words;

/// The longest search, in bytes of UTF-8 as sent.
pub const MAX_SEARCH_BYTES: usize = 256;

/// The most terms in one search: those of all sides of `OR` together, excluded ones included.
/// Terms without a word (`***`) are ignored and not counted.
pub const MAX_SEARCH_TERMS: usize = 16;

/// The longest word, in bytes after folding; what follows in a longer one is cut off, at a
/// character boundary. A PostgreSQL lexeme has room for 2,047 bytes, and `array_to_tsvector` spoils
/// a longer one without an error.
///
/// The cut changes no answer. Folding makes a word at most six times as long, so no word of a
/// search comes near this length. It therefore equals neither a cut word nor the word that it was
/// cut from, and begins the one exactly where it begins the other.
pub const MAX_WORD_BYTES: usize = 2_040;

/// The most bytes that the distinct words of one document may have together (see
/// [`distinct_word_bytes`]). A PostgreSQL `tsvector` has room for 1 MiB, and `array_to_tsvector`
/// does not notice more. Word positions would count too, so the limit is for one without them.
pub const MAX_DISTINCT_WORD_BYTES: usize = 1_000_000;

/// How many times as long a character's part of a word can be after folding: `㌖`, of three bytes,
/// stands for six characters of three bytes. (`ﷺ` grows elevenfold, but into several words.)
const MAX_FOLD_GROWTH: usize = 6;

/// How many times as long a text can be after folding.
const MAX_TEXT_GROWTH: usize = 11;

/// The longest text of a number: the smallest ones have as many zeros behind the point.
const MAX_NUMBER_BYTES: usize = 330;

// What `MAX_WORD_BYTES` promises; a cut at a character boundary can fall three bytes short of it.
const _: () = assert!(MAX_SEARCH_BYTES * MAX_FOLD_GROWTH < MAX_WORD_BYTES - 3);

/// The form of `text` in which case, accents and width do not matter: compatibility decomposition
/// (NFKD), lower case character by character, marks dropped. Folding twice changes nothing more.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Marks go last, because lower case can bring one in.
    text.nfkd().flat_map(char::to_lowercase).filter(|c| !is_mark(*c)).collect()
}

/// The words of one value, in order: the maximal runs of Unicode letters and numbers in the
/// folded text, each cut at [`MAX_WORD_BYTES`].
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    split_words(&fold(text)).map(|word| cut(word).to_owned()).collect()
}

/// The words of each string and number anywhere inside `json`, one list per value, in document
/// order. Keys, booleans and nulls have no words; values without a word are left out.
#[must_use]
pub fn words_of(json: &Value) -> Vec<Vec<String>> {
    let mut values = Vec::new();
    each_text(json, &mut |text| {
        let words = words(text);
        if !words.is_empty() {
            values.push(words);
        }
    });
    values
}

/// The same words as one text: a line for each value, a space between two words. Neither stands in
/// a word.
#[must_use]
pub fn word_lines(json: &Map<String, Value>) -> String {
    let mut lines = String::new();
    let mut add_line = |text: &str| {
        let folded = fold(text);
        let mut before = if lines.is_empty() { "" } else { "\n" };
        for word in split_words(&folded) {
            lines.push_str(before);
            lines.push_str(cut(word));
            before = " ";
        }
    };
    json.values().for_each(|value| each_text(value, &mut add_line));
    lines
}

/// At least as many bytes as the words of `json` have together, found at little cost.
#[must_use]
pub fn most_word_bytes(json: &Map<String, Value>) -> usize {
    fn most(json: &Value) -> usize {
        match json {
            Value::String(text) => text.len() * MAX_TEXT_GROWTH,
            Value::Number(_) => MAX_NUMBER_BYTES,
            Value::Array(items) => items.iter().map(most).sum(),
            Value::Object(fields) => most_word_bytes(fields),
            Value::Null | Value::Bool(_) => 0,
        }
    }
    json.values().map(most).sum()
}

/// The bytes of the distinct words in `values`, to hold against [`MAX_DISTINCT_WORD_BYTES`].
#[must_use]
pub fn distinct_word_bytes(values: &[Vec<String>]) -> usize {
    let distinct: HashSet<&str> = values.iter().flatten().map(String::as_str).collect();
    distinct.into_iter().map(str::len).sum()
}

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

/// Takes the text of each string and number anywhere inside `json`, in document order.
fn each_text(json: &Value, take: &mut impl FnMut(&str)) {
    match json {
        Value::String(text) => take(text),
        Value::Number(number) => take(&number_text(number)),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, take)),
        Value::Object(fields) => fields.values().for_each(|field| each_text(field, take)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A number as people write it: no `.0`, no exponent. Always by way of a double, because `1` and
/// `1.0` are one number, however it came to be held.
fn number_text(number: &serde_json::Number) -> String {
    number.as_f64().map_or_else(|| number.to_string(), |double| double.to_string())
}

/// The start of a folded word that is kept.
fn cut(word: &str) -> &str {
    let mut end = word.len().min(MAX_WORD_BYTES);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    &word[..end]
}

fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::text::is_word_character;

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
    fn folding_hides_case_accents_and_width() {
        assert_eq!(fold("Café ÉTÉ naïve İ ＡＢＣ１ ﬁn Größe"), "cafe ete naive i abc1 fin große");
        assert_eq!(fold("cafe\u{301}"), fold("CAFÉ"));
    }

    // Folding works character by character, so what holds for each one holds for every text.
    #[test]
    fn folding_is_stable_and_bounded_for_every_character() {
        for c in char::MIN..=char::MAX {
            let folded = fold(&c.to_string());
            assert_eq!(fold(&folded), folded, "{c:?}");
            assert!(folded.len() <= MAX_TEXT_GROWTH * c.len_utf8(), "{c:?}");
            for word in words(&c.to_string()) {
                assert!(word.len() <= MAX_FOLD_GROWTH * c.len_utf8(), "{c:?}");
            }
        }
    }

    #[test]
    fn words_are_runs_of_letters_and_numbers() {
        assert_eq!(
            words("wi-fi tv_stand O'Neil 4K!"),
            ["wi", "fi", "tv", "stand", "o", "neil", "4k"]
        );
        assert_eq!(words("東京 Москва x² ½"), ["東京", "москва", "x2", "1", "2"]);
        assert_eq!(words("*** 😀 \0\t"), Vec::<String>::new());
    }

    #[test]
    fn long_words_are_cut_at_a_character() {
        assert_eq!(words(&"a".repeat(3_000)), ["a".repeat(MAX_WORD_BYTES)]);
        assert_eq!(words(&"ж".repeat(3_000)), ["ж".repeat(MAX_WORD_BYTES / 2)]);
        assert_eq!(words(&format!("a{}", "東".repeat(3_000))), [format!("a{}", "東".repeat(679))]);
    }

    #[test]
    fn words_come_from_strings_and_numbers_at_any_depth() {
        let json = json!({"k1": "Red shoe", "k2": [5, 5.0, {"k3": 19.99}], "k4": true, "k5": null,
                          "k6": "--", "k7": -2.5, "k8": 1e6});
        let values = words_of(&json);
        let expected: [&[&str]; 6] =
            [&["red", "shoe"], &["5"], &["5"], &["19", "99"], &["2", "5"], &["1000000"]];
        assert_eq!(values, expected);
        assert_eq!(distinct_word_bytes(&values), "redshoe519992".len() + "1000000".len());
    }

    #[test]
    fn lines_have_the_words_of_each_value() {
        let json = json!({"k1": "Red shoe", "k2": [5, {"k3": 19.99}], "k4": "--", "k5": "東京 x²"});
        let Value::Object(json) = json else { unreachable!() };
        assert_eq!(word_lines(&json), "red shoe\n5\n19 99\n東京 x2");
        assert_eq!(word_lines(&Map::new()), "");
    }

    #[test]
    fn no_words_have_more_bytes_than_expected() {
        let numbers =
            [f64::MIN, f64::MAX, f64::MIN_POSITIVE, -5e-324, 1.234_567_890_123_456_7e-300];
        for value in numbers.map(|number| json!(number)).into_iter().chain([json!("ﷺ㌖ⱥ\u{390}")])
        {
            let object = Map::from_iter([("k".to_owned(), json!([value]))]);
            assert!(word_lines(&object).len() <= most_word_bytes(&object), "{value}");
        }
    }

    #[test]
    fn one_number_has_one_text_however_held() {
        for (integer, double) in
            [(5_i64, 5.0), (-12, -12.0), (i64::MAX, 9_223_372_036_854_775_807.0)]
        {
            assert_eq!(words_of(&json!(integer)), words_of(&json!(double)));
        }
        assert_eq!(words_of(&json!(-0.0)), [["0"]]);
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
        fn folding_is_idempotent(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }

        #[test]
        fn words_hold_no_separators_and_are_their_own_words(text in any::<String>()) {
            for word in words(&text) {
                prop_assert!(word.chars().all(is_word_character));
                prop_assert_eq!(words(&word), [word]);
            }
        }

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
