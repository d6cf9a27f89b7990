//! What namespaces and keys may be, checked where they come in. Each function notes what breaks its
//! rule at `path`, which is the field or the flag that the caller wrote.

use std::ops::RangeInclusive;

use super::Scope;
use crate::domain::access::{NAMESPACE_NAME_ACCEPTED, is_namespace_name};
use crate::domain::time::Micros;
use crate::domain::violation::Violations;

const SECOND: Micros = 1_000_000;
const DAY: Micros = 24 * 60 * 60 * SECOND;

/// How short and how long a retention can be, in microseconds: 1 second to 36,500 days.
pub const RETENTION: RangeInclusive<Micros> = SECOND..=36_500 * DAY;
/// Longest name of a key, in bytes.
pub const MAX_KEY_NAME_BYTES: usize = 128;
/// Most namespaces that one key is confined to.
pub const MAX_KEY_NAMESPACES: usize = 100;
/// How long a key that is replaced can go on to work: up to 30 days.
pub const OVERLAP: RangeInclusive<Micros> = 0..=30 * DAY;
/// How long it does where the caller does not say.
pub const DEFAULT_OVERLAP: Micros = DAY;
/// The last expiry that a timestamp can say: the end of the year 9999.
pub const LAST_EXPIRY: Micros = 253_402_300_799_999_999;

/// The name of a new namespace.
pub fn namespace_name(name: &str, path: &str, violations: &mut Violations) {
    if !is_namespace_name(name) {
        violations.add(path, format!("takes {NAMESPACE_NAME_ACCEPTED}"));
    }
}

/// How long interactions are kept.
pub fn retention(retention: Micros, path: &str, violations: &mut Violations) {
    if !RETENTION.contains(&retention) {
        violations.add(path, "takes 1 second to 36,500 days; without one, they are kept for ever");
    }
}

/// The name of a new key.
pub fn key_name(name: &str, path: &str, violations: &mut Violations) {
    if !(1..=MAX_KEY_NAME_BYTES).contains(&name.len()) || name.chars().any(char::is_control) {
        violations.add(path, "takes 1 to 128 bytes without control characters");
    }
}

/// The scopes of a new key, in one order however the caller named them.
pub fn scopes(given: &[Scope], path: &str, violations: &mut Violations) -> Vec<Scope> {
    if given.is_empty() {
        violations.add(path, "takes at least one of read, write and admin");
    }
    for (place, scope) in given.iter().enumerate() {
        if given[..place].contains(scope) {
            violations.add(format!("{path}[{place}]"), "takes each scope once");
        }
    }
    Scope::ALL.into_iter().filter(|scope| given.contains(scope)).collect()
}

/// How many namespaces a new key is confined to.
pub fn confinement(count: usize, path: &str, violations: &mut Violations) {
    if count > MAX_KEY_NAMESPACES {
        let limit = format!("takes at most {MAX_KEY_NAMESPACES} namespaces; got {count}");
        violations.add(path, limit);
    }
}

/// When a new key ceases to be valid.
pub fn expiry(expires_at: Micros, now: Micros, path: &str, violations: &mut Violations) {
    if !(now + 1..=LAST_EXPIRY).contains(&expires_at) {
        violations.add(path, "takes a time in the future, up to the year 9999");
    }
}

/// How long a key that is replaced goes on to work.
pub fn overlap(overlap: Micros, path: &str, violations: &mut Violations) {
    if !OVERLAP.contains(&overlap) {
        violations.add(path, "takes 0 seconds to 30 days");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(check: impl FnOnce(&mut Violations)) -> Vec<String> {
        let mut violations = Violations::default();
        check(&mut violations);
        violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn limits_are_where_the_proto_says() {
        for (micros, good) in [
            (999_999, false),
            (1_000_000, true),
            (36_500 * DAY, true),
            (36_500 * DAY + 1, false),
            (-SECOND, false),
        ] {
            assert_eq!(refused(|wrong| retention(micros, "r", wrong)).is_empty(), good, "{micros}");
        }
        for (micros, good) in [(-1, false), (0, true), (30 * DAY, true), (30 * DAY + 1, false)] {
            assert_eq!(refused(|wrong| overlap(micros, "o", wrong)).is_empty(), good, "{micros}");
        }
        for (micros, good) in [(9, false), (10, false), (11, true), (LAST_EXPIRY + 1, false)] {
            assert_eq!(
                refused(|wrong| expiry(micros, 10, "e", wrong)).is_empty(),
                good,
                "{micros}"
            );
        }
        for (count, good) in [(0, true), (100, true), (101, false)] {
            assert_eq!(refused(|wrong| confinement(count, "n", wrong)).is_empty(), good, "{count}");
        }
        let latest = crate::domain::time::parse("9999-12-31T23:59:59.999999Z");
        assert_eq!(latest, Some(LAST_EXPIRY));
    }

    #[test]
    fn a_key_has_a_name_that_can_be_printed() {
        let long = "é".repeat(64);
        for (name, good) in [
            ("search backend", true),
            (long.as_str(), true),
            (&format!("{long}x"), false),
            ("", false),
            ("a\0b", false),
            ("a\nb", false),
            ("a\u{9b}31mb", false),
        ] {
            assert_eq!(refused(|wrong| key_name(name, "n", wrong)).is_empty(), good, "{name:?}");
        }
    }

    #[test]
    fn scopes_come_once_and_in_order() {
        let mut none = Violations::default();
        assert_eq!(
            scopes(&[Scope::Admin, Scope::Read], "s", &mut none),
            [Scope::Read, Scope::Admin]
        );
        assert!(none.is_empty());
        assert_eq!(refused(|wrong| drop(scopes(&[], "s", wrong))), ["s"]);
        let twice = [Scope::Read, Scope::Write, Scope::Read, Scope::Read];
        assert_eq!(refused(|wrong| drop(scopes(&twice, "s", wrong))), ["s[2]", "s[3]"]);
    }
}
