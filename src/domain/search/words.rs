//! The tokeniser: what the words of a text are.
//!
//! Both databases store and look up the words made here, so neither one's own idea of a word, of
//! case or of an accent can show in an answer.

use std::collections::HashSet;

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::MAX_SEARCH_BYTES;
use crate::domain::text::split_words;

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
    }
}
