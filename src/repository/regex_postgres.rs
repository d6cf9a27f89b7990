//! Spells a regular expression of the `regex` crate in the language of PostgreSQL.
//!
//! The two languages look alike and disagree quietly: on what `\w` and `.` match, on which line
//! ends `$` sees, on the largest repetition. So nothing of what the user wrote is handed on.
//! The parsed expression is, in which every flag, escape and class is already resolved to plain
//! sets of characters.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex_syntax::hir::{
    Class, ClassBytes, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition,
};

/// A character that no text holds. `(?!)` would say the same, but many of it in a repetition are
/// "too complex".
const NEVER: &str = r"[^\u0001-\U0010FFFF]";

/// PostgreSQL's spelling of "matches everywhere".
const EMPTY: &str = "(?:)";

/// The largest number that PostgreSQL takes in a `{m,n}`.
const MAX_BOUND: u32 = 255;

/// The first character a PostgreSQL text can hold; it has no U+0000.
const FIRST_CHAR: char = '\u{1}';

/// The word characters of an ASCII `\b`, as a bracket expression.
const ASCII_WORD: &str = "[0-9A-Z_a-z]";

/// The word characters of a Unicode `\b`, as a bracket expression.
static UNICODE_WORD: LazyLock<String> = LazyLock::new(|| {
    let word_chars = (FIRST_CHAR..=char::MAX).filter(|&c| regex_syntax::is_word_character(c));
    let mut bracket = String::new();
    push_class(&mut bracket, &ClassUnicode::new(word_chars.map(|c| ClassUnicodeRange::new(c, c))));
    bracket
});

/// Renders `hir` as a PostgreSQL regular expression that matches within the same texts.
///
/// `column ~ $1 COLLATE "C"`, with the result as `$1` and in a database encoded in UTF-8, is true
/// exactly where `Regex::is_match` is. Only *whether* there is a match carries over: groups do
/// not capture, and lazy repetitions become greedy ones.
///
/// `hir` must come from a parser with `utf8(true)`, the default, as `Regex` itself demands. What
/// only other parsers produce, bytes that are not UTF-8, matches nowhere.
///
/// The result relies on as little of PostgreSQL as it can: it has no options, directors, named
/// classes or class escapes, so neither a setting nor a locale changes its meaning, and its
/// look-arounds span one character each, the kind that PostgreSQL turns into plain transitions.
///
/// It is total, but not small for every `hir`: nested repetitions beyond 255 multiply its length,
/// and PostgreSQL refuses an expression with too many states. The caller bounds the expression
/// before it gets here.
pub(super) fn render(hir: &Hir) -> String {
    let mut out = String::new();
    push(&mut out, hir);
    if out.is_empty() { EMPTY.to_owned() } else { out }
}

/// Appends `hir` in a form that can stand in a concatenation.
fn push(out: &mut String, hir: &Hir) {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => push_literal(out, &literal.0),
        HirKind::Class(Class::Unicode(class)) => push_class(out, class),
        HirKind::Class(Class::Bytes(class)) => push_class(out, &ascii_part(class)),
        HirKind::Look(look) => push_look(out, *look),
        HirKind::Repetition(repetition) => push_repetition(out, repetition),
        HirKind::Capture(capture) => push(out, &capture.sub),
        HirKind::Concat(parts) => parts.iter().for_each(|part| push(out, part)),
        HirKind::Alternation(branches) => push_alternation(out, branches),
    }
}

/// Appends the branches in a group; an empty branch is one that PostgreSQL understands.
fn push_alternation(out: &mut String, branches: &[Hir]) {
    out.push_str("(?:");
    for (index, branch) in branches.iter().enumerate() {
        if index > 0 {
            out.push('|');
        }
        push(out, branch);
    }
    out.push(')');
}

/// Appends a literal, of which one that holds U+0000 occurs in no text.
fn push_literal(out: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.chars().for_each(|c| push_char(out, c)),
        Ok(_) | Err(_) => out.push_str(NEVER),
    }
}

/// Appends a character so that it stands for itself, inside brackets and outside.
fn push_char(out: &mut String, c: char) {
    if c.is_control() {
        push_formatted(out, format_args!("\\u{:04X}", u32::from(c)));
    } else {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Appends formatted text; writing to a `String` cannot fail.
fn push_formatted(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _: std::fmt::Result = out.write_fmt(text);
}

/// The characters of a class of bytes, which are ASCII under the contract of [`render`].
fn ascii_part(class: &ClassBytes) -> ClassUnicode {
    let ascii = |byte: u8| char::from(byte.min(0x7F));
    let ranges = class.ranges().iter().filter(|range| range.start().is_ascii());
    ClassUnicode::new(
        ranges.map(|range| ClassUnicodeRange::new(ascii(range.start()), ascii(range.end()))),
    )
}

/// Appends a class as one atom, in the shorter of its positive and its negated spelling.
fn push_class(out: &mut String, class: &ClassUnicode) {
    let inside = without_nul(class);
    let outside = without_nul(&negated(class));
    if inside.ranges().is_empty() {
        out.push_str(NEVER);
    } else if outside.ranges().is_empty() {
        out.push('.');
    } else if let Some(c) = only_char(&inside) {
        push_char(out, c);
    } else if outside.ranges().len() < inside.ranges().len() {
        push_bracket(out, "[^", &outside);
    } else {
        push_bracket(out, "[", &inside);
    }
}

fn negated(class: &ClassUnicode) -> ClassUnicode {
    let mut class = class.clone();
    class.negate();
    class
}

fn without_nul(class: &ClassUnicode) -> ClassUnicode {
    let mut class = class.clone();
    class.intersect(&ClassUnicode::new([ClassUnicodeRange::new(FIRST_CHAR, char::MAX)]));
    class
}

fn only_char(class: &ClassUnicode) -> Option<char> {
    match class.ranges() {
        [range] if range.start() == range.end() => Some(range.start()),
        _ => None,
    }
}

fn push_bracket(out: &mut String, open: &str, class: &ClassUnicode) {
    out.push_str(open);
    for range in class.ranges() {
        push_char(out, range.start());
        if range.len() > 2 {
            out.push('-');
        }
        if range.len() > 1 {
            push_char(out, range.end());
        }
    }
    out.push(']');
}

/// Appends an assertion.
///
/// Line ends and word boundaries are spelled out, as PostgreSQL's own depend on its options and
/// its locale.
fn push_look(out: &mut String, look: Look) {
    match look {
        Look::Start => out.push('^'),
        Look::End => out.push('$'),
        Look::StartLF => out.push_str(r"(?:^|(?<=\u000A))"),
        Look::EndLF => out.push_str(r"(?:$|(?=\u000A))"),
        Look::StartCRLF => out.push_str(r"(?:^|(?<=\u000A)|(?<=\u000D)(?!\u000A))"),
        Look::EndCRLF => out.push_str(r"(?:$|(?=\u000D)|(?<!\u000D)(?=\u000A))"),
        Look::WordAscii => push_boundary(out, ASCII_WORD),
        Look::WordAsciiNegate => push_no_boundary(out, ASCII_WORD),
        Look::WordUnicode => push_boundary(out, &UNICODE_WORD),
        Look::WordUnicodeNegate => push_no_boundary(out, &UNICODE_WORD),
        Look::WordStartAscii => push_word_start(out, ASCII_WORD),
        Look::WordEndAscii => push_word_end(out, ASCII_WORD),
        Look::WordStartUnicode => push_word_start(out, &UNICODE_WORD),
        Look::WordEndUnicode => push_word_end(out, &UNICODE_WORD),
        Look::WordStartHalfAscii => push_not_after(out, ASCII_WORD),
        Look::WordEndHalfAscii => push_not_before(out, ASCII_WORD),
        Look::WordStartHalfUnicode => push_not_after(out, &UNICODE_WORD),
        Look::WordEndHalfUnicode => push_not_before(out, &UNICODE_WORD),
    }
}

fn push_boundary(out: &mut String, word: &str) {
    out.push_str("(?:");
    push_word_start(out, word);
    out.push('|');
    push_word_end(out, word);
    out.push(')');
}

fn push_no_boundary(out: &mut String, word: &str) {
    push_formatted(out, format_args!("(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"));
}

fn push_word_start(out: &mut String, word: &str) {
    push_formatted(out, format_args!("(?<!{word})(?={word})"));
}

fn push_word_end(out: &mut String, word: &str) {
    push_formatted(out, format_args!("(?<={word})(?!{word})"));
}

fn push_not_after(out: &mut String, word: &str) {
    push_formatted(out, format_args!("(?<!{word})"));
}

fn push_not_before(out: &mut String, word: &str) {
    push_formatted(out, format_args!("(?!{word})"));
}

/// Appends a repetition; where nothing is consumed, once is as good as often.
fn push_repetition(out: &mut String, repetition: &Repetition) {
    let sub = &*repetition.sub;
    let consumes_nothing = sub.properties().maximum_len() == Some(0);
    match (repetition.min, repetition.max) {
        (_, Some(0)) => {}
        (0, _) if consumes_nothing => {}
        (_, _) if consumes_nothing => push(out, sub),
        (min, max) => push_counted(out, &operand(sub), min, max),
    }
}

/// The repeated expression as one atom.
fn operand(sub: &Hir) -> String {
    let mut out = String::new();
    push(&mut out, sub);
    if is_atom(sub) { out } else { format!("(?:{out})") }
}

fn is_atom(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(_) | HirKind::Alternation(_) => true,
        HirKind::Literal(_) => hir.properties().maximum_len() == Some(1),
        HirKind::Capture(capture) => is_atom(&capture.sub),
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Concat(_) => false,
    }
}

/// Appends `operand` at least `min` and at most `max` times, in steps that PostgreSQL takes.
fn push_counted(out: &mut String, operand: &str, min: u32, max: Option<u32>) {
    match (min, max) {
        (0, None) => push_formatted(out, format_args!("{operand}*")),
        (1, None) => push_formatted(out, format_args!("{operand}+")),
        (_, None) if min <= MAX_BOUND => push_formatted(out, format_args!("{operand}{{{min},}}")),
        (_, None) => {
            push_required(out, operand, min);
            push_formatted(out, format_args!("{operand}*"));
        }
        (_, Some(max)) if max <= MAX_BOUND => push_bounds(out, operand, min, max),
        (_, Some(max)) => {
            push_required(out, operand, min);
            push_optional(out, operand, max.saturating_sub(min));
        }
    }
}

/// Appends `operand` exactly `times` times.
fn push_required(out: &mut String, operand: &str, times: u32) {
    let full_steps = times / MAX_BOUND;
    if full_steps > 0 {
        push_required(out, &format!("(?:{operand}{{{MAX_BOUND}}})"), full_steps);
    }
    push_bounds(out, operand, times % MAX_BOUND, times % MAX_BOUND);
}

/// Appends `operand` up to `times` times.
fn push_optional(out: &mut String, operand: &str, times: u32) {
    let full_steps = times / MAX_BOUND;
    if full_steps > 0 {
        push_required(out, &format!("(?:{operand}{{0,{MAX_BOUND}}})"), full_steps);
    }
    push_bounds(out, operand, 0, times % MAX_BOUND);
}

/// Appends `operand` with bounds that PostgreSQL takes as they are.
fn push_bounds(out: &mut String, operand: &str, min: u32, max: u32) {
    match (min, max) {
        (_, 0) => {}
        (1, 1) => out.push_str(operand),
        (0, 1) => push_formatted(out, format_args!("{operand}?")),
        (_, _) if min == max => push_formatted(out, format_args!("{operand}{{{min}}}")),
        (_, _) => push_formatted(out, format_args!("{operand}{{{min},{max}}}")),
    }
}

#[cfg(test)]
mod tests {
    use regex_syntax::ParserBuilder;

    use super::*;

    fn rendered(pattern: &str) -> String {
        render(&regex_syntax::parse(pattern).expect("a valid pattern"))
    }

    fn check(cases: &[(&str, &str)]) {
        for (pattern, expected) in cases {
            assert_eq!(rendered(pattern), *expected, "{pattern}");
        }
    }

    #[test]
    fn nothing_of_the_text_is_syntax() {
        check(&[
            ("", "(?:)"),
            ("a b_1", r"a b\_1"),
            (r"\*\*\*:a", r"\*\*\*\:a"),
            (r"\(\?i\)", r"\(\?i\)"),
            (r"\[\[:alpha:\]\]\\", r"\[\[\:alpha\:\]\]\\"),
            ("\n\t\u{7F}\u{85}", r"\u000A\u0009\u007F\u0085"),
            ("été 日本 🦀", "été 日本 🦀"),
        ]);
    }

    #[test]
    fn classes_are_sets_of_characters() {
        check(&[
            ("[a-c]", "[a-c]"),
            (r"[ab\]^-]", r"[\-\]\^ab]"),
            ("(?-u:[a-c])", "[a-c]"),
            ("[^é]", "[^é]"),
            (".", r"[^\u000A]"),
            ("(?s).", "."),
            ("(?R).", r"[^\u000A\u000D]"),
            ("[é]", "é"),
            ("(?-u:\\w)", r"[0-9A-Z\_a-z]"),
        ]);
        assert!(rendered(r"\d").starts_with("[0-9٠-٩"));
    }

    #[test]
    fn case_is_in_the_classes() {
        let mut parser = ParserBuilder::new().case_insensitive(true).build();
        let hir = parser.parse("k1σ").expect("a valid pattern");
        assert_eq!(render(&hir), "[Kk\u{212A}]1[Σςσ]");
    }

    #[test]
    fn no_text_holds_nul() {
        check(&[
            (r"[\x00-a]", r"[\u0001-a]"),
            (r"[^\x00-a]", "[b-\u{10FFFF}]"),
            (r"[^\x00]", "."),
            (r"\x00", NEVER),
            (r"(?:a\x00)*b", &format!("(?:{NEVER})*b")),
            (r"[^\s\S]", NEVER),
        ]);
    }

    #[test]
    fn repetitions_are_of_one_atom() {
        check(&[
            ("a*b+c?", "a*b+c?"),
            ("a*?b+?c??", "a*b+c?"),
            ("(?:ab){2}", "(?:ab){2}"),
            ("(é)*", "(?:é)*"),
            ("(?:[a-c]){2,}", "[a-c]{2,}"),
            ("(ab|c)?", "(?:ab|c)?"),
            ("(?:a*)*", "(?:a*)*"),
            ("a{0}", "(?:)"),
        ]);
    }

    #[test]
    fn assertions_are_not_repeated() {
        check(&[("^*a", "a"), ("^+a", "^a"), ("(?:^$){3}", "^$"), ("(?:){2,5}a", "a")]);
    }

    #[test]
    fn large_bounds_are_taken_in_steps() {
        check(&[
            ("a{255}", "a{255}"),
            ("a{256}", "(?:a{255})a"),
            ("a{600}", "(?:a{255}){2}a{90}"),
            ("a{1,300}", "a(?:a{0,255})a{0,44}"),
            ("a{255,}", "a{255,}"),
            ("a{257,}", "(?:a{255})a{2}a*"),
            ("a{0,600}", "(?:a{0,255}){2}a{0,90}"),
            ("a{65026}", "(?:(?:a{255}){255})a"),
        ]);
    }

    #[test]
    fn branches_may_be_empty() {
        check(&[("ab|c", "(?:ab|c)"), ("(?:ab|)c", "(?:ab|)c"), ("ab|cd|", "(?:ab|cd|)")]);
    }

    #[test]
    fn assertions_are_spelled_out() {
        check(&[
            (r"\Aa\z", "^a$"),
            ("(?m)^a$", r"(?:^|(?<=\u000A))a(?:$|(?=\u000A))"),
            ("(?mR)^", r"(?:^|(?<=\u000A)|(?<=\u000D)(?!\u000A))"),
            ("(?mR)$", r"(?:$|(?=\u000D)|(?<!\u000D)(?=\u000A))"),
            (r"(?-u:\b{start})", "(?<![0-9A-Z_a-z])(?=[0-9A-Z_a-z])"),
            (r"(?-u:\b{end})", "(?<=[0-9A-Z_a-z])(?![0-9A-Z_a-z])"),
            (r"(?-u:\b{start-half})", "(?<![0-9A-Z_a-z])"),
            (r"(?-u:\b{end-half})", "(?![0-9A-Z_a-z])"),
        ]);
        let word = rendered(r"\w");
        assert_eq!(rendered(r"\b"), format!("(?:(?<!{word})(?={word})|(?<={word})(?!{word}))"),);
        assert_eq!(rendered(r"\B"), format!("(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"),);
    }
}
