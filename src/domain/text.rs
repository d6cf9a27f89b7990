//! How text is compared: case, and words.

use std::borrow::Cow;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// `text` in Unicode lower case, character by character, as comparisons that are not
/// case-sensitive see it: `Ü` and `ü` are one, `Σ` is always `σ`.
///
/// Unlike [`str::to_lowercase`], a character's neighbours do not matter, so a part of a text
/// folds to a part of the folded text.
#[must_use]
pub fn fold_case(text: &str) -> String {
    folded_case(text).into_owned()
}

/// The same, borrowed exactly where it changes nothing.
#[must_use]
pub fn folded_case(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
    }
    let folded: String = text.chars().flat_map(char::to_lowercase).collect();
    if folded == text { Cow::Borrowed(text) } else { Cow::Owned(folded) }
}

/// Whether `character` belongs to a word: a Unicode letter (L*) or number (N*).
#[must_use]
pub fn is_word_character(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric();
    }
    matches!(
        character.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    )
}

/// The words of `text`: its maximal runs of letters and numbers, so that `wi-fi` is two.
pub fn split_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character| !is_word_character(character)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_character_by_character() {
        assert_eq!(fold_case("ÜЖΑΣ"), "üжας".replace('ς', "σ"));
        assert_eq!(fold_case("İ"), "i\u{307}");
    }

    #[test]
    fn what_folding_leaves_alone_is_borrowed() {
        for text in ["", "red shoe-1", "größe ß 東京"] {
            assert!(matches!(folded_case(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        for (text, folded) in [("Red", "red"), ("größE", "größe"), ("ÜBER", "über")] {
            assert!(matches!(folded_case(text), Cow::Owned(lower) if lower == folded), "{text}");
        }
    }

    #[test]
    fn ascii_needs_no_table() {
        for character in '\0'..='\x7f' {
            let group = character.general_category_group();
            let is_word =
                matches!(group, GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number);
            assert_eq!(is_word_character(character), is_word, "{character:?}");
        }
    }

    #[test]
    fn splits_at_everything_else() {
        let words: Vec<_> = split_words("wi-fi tv_stand, 4k! Größe 東京").collect();
        assert_eq!(words, ["wi", "fi", "tv", "stand", "4k", "Größe", "東京"]);
    }
}
