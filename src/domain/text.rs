//! How text is compared: case, and words.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// `text` in Unicode lower case, character by character, as comparisons that are not
/// case-sensitive see it: `Ü` and `ü` are one, `Σ` is always `σ`.
///
/// Unlike [`str::to_lowercase`], a character's neighbours do not matter, so a part of a text
/// folds to a part of the folded text.
#[must_use]
pub fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether `character` belongs to a word: a Unicode letter (L*) or number (N*).
#[must_use]
pub fn is_word_character(character: char) -> bool {
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
    fn splits_at_everything_else() {
        let words: Vec<_> = split_words("wi-fi tv_stand, 4k! Größe 東京").collect();
        assert_eq!(words, ["wi", "fi", "tv", "stand", "4k", "Größe", "東京"]);
    }
}
