//! How much work an engine has with a regular expression.

use std::collections::BTreeSet;

use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Literal,
    Look, Repetition,
};

/// Estimates the size of the automaton that an engine builds for `hir`: how many transitions it
/// has once every repetition is written out.
///
/// The length of a pattern says little here: `(a{1,255}){1,255}` has eighteen bytes and 65 025
/// states, and the ways past `(\b|a){20}` double with each round. The time to compile a pattern and
/// to match it follows the number of transitions.
///
/// Numbers beyond [`ENOUGH`] only say that there are too many.
pub(super) fn weight(hir: &Hir) -> u64 {
    let mut sets = Sets::default();
    sets.collect(hir);
    let edge = Shape { first: 1, last: 1, ..Shape::default() };
    let automaton = edge.then(Shape::of(hir, sets.count())).then(edge);
    automaton.transitions.saturating_add(sets.ranges / RANGES_PER_TRANSITION)
}

/// How many ranges of characters take as long to compile as one transition.
const RANGES_PER_TRANSITION: u64 = 64;

/// The ranges of the Unicode word characters, roughly.
const WORD_RANGES: usize = 800;

/// Where counting stops; no limit is higher.
const ENOUGH: u64 = 100_000;

/// The distinct sets of characters in an expression.
///
/// They divide the characters into classes of equals, and a transition on a set stands for
/// one transition on each class of equals within it.
#[derive(Default)]
struct Sets<'a> {
    chars: BTreeSet<char>,
    unicode: BTreeSet<&'a [ClassUnicodeRange]>,
    ascii: BTreeSet<&'a [ClassBytesRange]>,
    /// The ranges of all sets as they are written, one beside the other.
    ranges: u64,
}

impl<'a> Sets<'a> {
    fn collect(&mut self, hir: &'a Hir) {
        match hir.kind() {
            HirKind::Empty => {}
            HirKind::Look(look) => self.add_ranges(WORD_RANGES * word_sets(*look)),
            HirKind::Literal(literal) => self.chars.extend(chars(literal)),
            HirKind::Class(Class::Unicode(class)) => {
                self.add_ranges(class.ranges().len());
                self.unicode.insert(class.ranges());
            }
            HirKind::Class(Class::Bytes(class)) => {
                self.add_ranges(class.ranges().len());
                self.ascii.insert(class.ranges());
            }
            HirKind::Repetition(_)
            | HirKind::Capture(_)
            | HirKind::Concat(_)
            | HirKind::Alternation(_) => {
                hir.kind().subs().iter().for_each(|sub| self.collect(sub));
            }
        }
    }

    fn add_ranges(&mut self, ranges: usize) {
        self.ranges = self.ranges.saturating_add(u64::try_from(ranges).unwrap_or(u64::MAX));
    }

    fn count(&self) -> u64 {
        let count = self.chars.len() + self.unicode.len() + self.ascii.len();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

fn chars(literal: &Literal) -> Vec<char> {
    String::from_utf8_lossy(&literal.0).chars().collect()
}

/// What the neighbours of an expression need to know of it: the automaton as Glushkov builds
/// it, with numbers of states in place of states.
#[derive(Clone, Copy, Default)]
struct Shape {
    /// Transitions into the states that can come first, from one state before.
    first: u64,
    /// States that can come last.
    last: u64,
    /// Whether it matches the empty text everywhere.
    empty: bool,
    /// Ways to match the empty text under assertions.
    asserted: u64,
    /// Transitions between its own states.
    transitions: u64,
}

impl Shape {
    fn of(hir: &Hir, sets: u64) -> Self {
        match hir.kind() {
            HirKind::Empty => Self::EMPTY,
            HirKind::Literal(literal) => {
                chars(literal).iter().fold(Self::EMPTY, |shape, _| shape.then(Self::chars(1)))
            }
            HirKind::Class(Class::Unicode(class)) => Self::chars(unicode_len(class).min(sets)),
            HirKind::Class(Class::Bytes(class)) => Self::chars(ascii_len(class).min(sets)),
            HirKind::Look(look) => Self { asserted: ways(*look), ..Self::default() },
            HirKind::Repetition(repetition) => Self::of(&repetition.sub, sets).repeated(repetition),
            HirKind::Capture(capture) => Self::of(&capture.sub, sets),
            HirKind::Concat(parts) => {
                parts.iter().fold(Self::EMPTY, |shape, part| shape.then(Self::of(part, sets)))
            }
            HirKind::Alternation(branches) => branches
                .iter()
                .fold(Self::default(), |shape, branch| shape.or(Self::of(branch, sets))),
        }
    }

    const EMPTY: Self = Self { first: 0, last: 0, empty: true, asserted: 0, transitions: 0 };

    /// One character of a set with `classes` classes of equals.
    fn chars(classes: u64) -> Self {
        Self { first: classes.max(1), last: 1, ..Self::default() }
    }

    /// The ways past the expression without a character.
    fn ways_past(self) -> u64 {
        self.asserted.saturating_add(u64::from(self.empty))
    }

    fn then(self, next: Self) -> Self {
        let empty = self.empty && next.empty;
        let ways_past = self.ways_past().saturating_mul(next.ways_past());
        Self {
            first: self.first.saturating_add(self.ways_past().saturating_mul(next.first)),
            last: next.last.saturating_add(next.ways_past().saturating_mul(self.last)),
            empty,
            asserted: ways_past.saturating_sub(u64::from(empty)),
            transitions: self
                .transitions
                .saturating_add(next.transitions)
                .saturating_add(self.last.saturating_mul(next.first)),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            first: self.first.saturating_add(other.first),
            last: self.last.saturating_add(other.last),
            empty: self.empty || other.empty,
            asserted: self.asserted.saturating_add(other.asserted),
            transitions: self.transitions.saturating_add(other.transitions),
        }
    }

    fn optional(self) -> Self {
        Self { empty: true, ..self }
    }

    /// The expression written out as often as `repetition` says, the optional rounds nested.
    fn repeated(self, repetition: &Repetition) -> Self {
        if repetition.sub.properties().maximum_len() == Some(0) {
            return if repetition.min == 0 { Self::EMPTY } else { self };
        }
        let (optional_rounds, end) = match repetition.max {
            Some(max) => (max.saturating_sub(repetition.min), Self::EMPTY),
            None => (0, self.star()),
        };
        let end = rounds(optional_rounds, end, |end| self.then(end).optional());
        rounds(repetition.min, end, |end| self.then(end))
    }

    /// Any number of rounds. Assertions on the way back cost more than in a row: PostgreSQL
    /// unrolls a loop through them.
    fn star(self) -> Self {
        let ways_round = self.ways_past().max(1).saturating_pow(2);
        let back = self.last.saturating_mul(self.first).saturating_mul(ways_round);
        Self { transitions: self.transitions.saturating_add(back), ..self.optional() }
    }
}

/// Applies `step` so many times, or until nothing more can change.
fn rounds(times: u32, start: Shape, step: impl Fn(Shape) -> Shape) -> Shape {
    let mut shape = start;
    for _ in 0..times {
        if shape.transitions > ENOUGH {
            break;
        }
        shape = step(shape);
    }
    shape
}

fn unicode_len(class: &ClassUnicode) -> u64 {
    class.iter().map(|range| u64::try_from(range.len()).unwrap_or(u64::MAX)).sum()
}

fn ascii_len(class: &ClassBytes) -> u64 {
    class.iter().map(|range| u64::try_from(range.len()).unwrap_or(u64::MAX)).sum()
}

/// How often the set of Unicode word characters is needed to tell whether an assertion holds.
fn word_sets(look: Look) -> usize {
    match look {
        Look::Start
        | Look::End
        | Look::StartLF
        | Look::EndLF
        | Look::StartCRLF
        | Look::EndCRLF
        | Look::WordAscii
        | Look::WordAsciiNegate
        | Look::WordStartAscii
        | Look::WordEndAscii
        | Look::WordStartHalfAscii
        | Look::WordEndHalfAscii => 0,
        Look::WordStartHalfUnicode | Look::WordEndHalfUnicode => 1,
        Look::WordStartUnicode | Look::WordEndUnicode => 2,
        Look::WordUnicode | Look::WordUnicodeNegate => 4,
    }
}

/// In how many ways an assertion can hold that PostgreSQL has to tell apart.
fn ways(look: Look) -> u64 {
    match look {
        Look::Start
        | Look::End
        | Look::WordStartAscii
        | Look::WordEndAscii
        | Look::WordStartUnicode
        | Look::WordEndUnicode
        | Look::WordStartHalfAscii
        | Look::WordEndHalfAscii
        | Look::WordStartHalfUnicode
        | Look::WordEndHalfUnicode => 1,
        Look::StartLF
        | Look::EndLF
        | Look::WordAscii
        | Look::WordAsciiNegate
        | Look::WordUnicode
        | Look::WordUnicodeNegate => 2,
        Look::StartCRLF | Look::EndCRLF => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight_of(pattern: &str) -> u64 {
        weight(&regex_syntax::parse(pattern).expect("a valid pattern"))
    }

    #[test]
    fn what_people_write_is_light() {
        let patterns = [
            "",
            "^ret_",
            r"\bfoo\b",
            r"^[\w.+-]+@[\w-]+\.[\w.-]+$",
            r"^\d{4}-\d{2}-\d{2}T",
            r"(?i)\b(?:error|warn(?:ing)?|fatal|exception|timeout)\b",
            r"^\s*\b\w*\b\s*$",
            "(?m)(?:^.*$\n?)*",
        ];
        for pattern in patterns {
            assert!(weight_of(pattern) < 500, "{pattern}: {}", weight_of(pattern));
        }
    }

    #[test]
    fn what_multiplies_is_heavy() {
        let patterns = [
            "(?:a{1,255}){1,255}b",
            "(?:a?){0,255}b",
            r"(?:a|\b){0,20}",
            "(?:a|^|$){16}",
            r"(?:\ba*\b){0,50}b",
            r"(?:(?:\b|^|a)*(?:\B|$|b)*(?:\b|(?m:^)|c)*)*x",
            "a{4294967295}",
            "(?:a{4294967295}){4294967295}",
            r"[^\s\S]{4294967295}",
            &r"\ba".repeat(170),
        ];
        for pattern in patterns {
            assert!(weight_of(pattern) > 5_000, "{pattern}: {}", weight_of(pattern));
        }
    }

    #[test]
    fn repetitions_count_as_written_out() {
        assert_eq!(weight_of("a{20}"), weight_of("aaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(weight_of("(?:ab){0}"), weight_of(""));
        assert_eq!(weight_of(r"(?:\b){9}a"), weight_of(r"\ba"));
    }
}
