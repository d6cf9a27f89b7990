//! Regular expressions: what is accepted compiles within the limits, and means the same as
//! PostgreSQL spells it. The input is a pattern, a line feed, and a text.

#![no_main]

use interactions::domain::regex::{MAX_COMPILED_BYTES, MAX_PATTERN_BYTES, Pattern};
use interactions::fuzzing::postgres_regex;
use libfuzzer_sys::fuzz_target;
use regex::{Regex, RegexBuilder};

/// Longest spelling for PostgreSQL: a class of Unicode takes some 10 KB, and a pattern may hold many.
const MAX_SPELLED_BYTES: usize = 2 << 20;
/// A spelling up to this length is read again.
const MAX_READ_BYTES: usize = 16 << 10;

fuzz_target!(|bytes: &[u8]| {
    let Ok(input) = std::str::from_utf8(bytes) else { return };
    let (source, text) = input.split_once('\n').unwrap_or((input, ""));
    let Ok(pattern) = Pattern::parse(source) else { return };
    assert!(source.len() <= MAX_PATTERN_BYTES);
    for case_insensitive in [false, true] {
        let regex = RegexBuilder::new(source)
            .case_insensitive(case_insensitive)
            .size_limit(MAX_COMPILED_BYTES)
            .build()
            .unwrap();
        let hir = pattern.hir(case_insensitive).unwrap();
        let spelled = postgres_regex(&hir);
        assert!(spelled.len() <= MAX_SPELLED_BYTES, "{} bytes", spelled.len());
        // No text in a database holds a NUL.
        if !text.contains('\0')
            && let Some(read) = read(&spelled)
        {
            assert_eq!(read.is_match(text), regex.is_match(text), "{spelled} on {text:?}");
        }
    }
});

/// What PostgreSQL takes `spelled` for, where this crate's syntax says the same.
fn read(spelled: &str) -> Option<Regex> {
    // No look-around, and `\<` and `\>` are single characters only in PostgreSQL.
    let differs = ["(?=", "(?!", "(?<", "\\<", "\\>"].iter().any(|other| spelled.contains(other));
    if differs || spelled.len() > MAX_READ_BYTES {
        return None;
    }
    let mut builder = RegexBuilder::new(spelled);
    let regex = builder.dot_matches_new_line(true).size_limit(8 * MAX_COMPILED_BYTES).build();
    Some(regex.unwrap_or_else(|error| panic!("{spelled} is malformed: {error}")))
}
