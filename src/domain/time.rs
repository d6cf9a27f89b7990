//! Times as text, in the forms that filters accept.

use jiff::civil::Date;

/// Microseconds since 1970-01-01T00:00:00Z; negative before it.
pub type Micros = i64;

/// What [`parse`] accepts, for error messages.
pub const ACCEPTED: &str =
    "an RFC 3339 time such as 2025-01-31T12:00:00Z, or a date such as 2025-01-31";

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Whole seconds, and the nanoseconds (0 to 999,999,999) after them, as protobuf splits times and
/// durations.
#[must_use]
pub fn seconds_and_nanos(micros: Micros) -> (i64, i32) {
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    // A fraction of a second is less than a million microseconds, a billion nanoseconds.
    let nanos = i32::try_from(fraction * NANOS_PER_MICRO).unwrap_or_default();
    (micros.div_euclid(MICROS_PER_SECOND), nanos)
}

/// The time by the clock of this machine.
#[must_use]
pub fn now() -> Micros {
    jiff::Timestamp::now().as_microsecond()
}

/// Reads an RFC 3339 time. A space may stand for the `T`; a time without an offset is UTC; a bare
/// date is its midnight in UTC. Digits finer than a microsecond are cut off. A leap second (`:60`,
/// RFC 3339 section 5.6) counts as the second after `:59`.
#[must_use]
pub fn parse(text: &str) -> Option<Micros> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = days_since_epoch(date)?;
    let midnight = days * SECONDS_PER_DAY * MICROS_PER_SECOND;
    if rest.is_empty() {
        return Some(midnight);
    }
    let (clock, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let seconds = seconds_of_day(clock)?;
    let (fraction, offset) = split_fraction(rest)?;
    let offset = offset_seconds(offset)?;
    Some(midnight + (seconds - offset) * MICROS_PER_SECOND + fraction)
}

fn days_since_epoch(text: &str) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return None };
    let year = digits(&[y1, y2, y3, y4])?;
    let date = Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(digits(&[m1, m2])?).ok()?,
        i8::try_from(digits(&[d1, d2])?).ok()?,
    )
    .ok()?;
    let epoch = jiff::civil::date(1970, 1, 1);
    Some(i64::from(epoch.until(date).ok()?.get_days()))
}

fn seconds_of_day(text: &str) -> Option<i64> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = text.as_bytes() else { return None };
    let (hour, minute, second) = (digits(&[h1, h2])?, digits(&[m1, m2])?, digits(&[s1, s2])?);
    (hour < 24 && minute < 60 && second <= 60).then_some((hour * 60 + minute) * 60 + second)
}

/// Splits `.123456789Z` into microseconds and what follows the digits.
fn split_fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    let micros = rest.bytes().take(count).chain(std::iter::repeat(b'0')).take(6);
    let micros = micros.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((micros, &rest[count..]))
}

fn offset_seconds(text: &str) -> Option<i64> {
    match text.as_bytes() {
        b"" | b"Z" | b"z" => Some(0),
        &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[h1, h2])?, digits(&[m1, m2])?);
            let seconds = (hours * 60 + minutes) * 60;
            let sign = if sign == b'-' { -1 } else { 1 };
            (hours < 24 && minutes < 60).then_some(sign * seconds)
        }
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, &digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_documented_forms() {
        let noon = 1_736_942_400_000_000;
        assert_eq!(parse("2025-01-15T12:00:00Z"), Some(noon));
        assert_eq!(parse("2025-01-15t12:00:00z"), Some(noon));
        assert_eq!(parse("2025-01-15 12:00:00"), Some(noon));
        assert_eq!(parse("2025-01-15T14:00:00+02:00"), Some(noon));
        assert_eq!(parse("2025-01-15"), Some(noon - 43_200_000_000));
        assert_eq!(parse("2025-01-15T12:00:00.0000019Z"), Some(noon + 1));
        assert_eq!(parse("2025-01-15T12:00:00.5-00:30"), Some(noon + 1_800_500_000));
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2017-01-01"));
        assert_eq!(parse("1969-12-31T23:59:59.999999Z"), Some(-1));
        assert!(parse("0000-01-01").is_some() && parse("9999-12-31T23:59:59.9Z").is_some());
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "yesterday",
            "2025-13-01",
            "2025-02-30",
            "2025-1-1",
            "2025-01-15T12:00",
            "20250115",
            "2025-01-15T24:00:00Z",
            "2025-01-15T12:00:61Z",
            "2025-01-15T12:00:00.Z",
            "+025-01-15",
            "2025-01-15T12:00:00+2",
            "2025-01-15T12:00:00 Z",
            "2025-01-15Z",
            "２025-01-15",
            "2025-01-15T12:00:00+24:00",
            "1736942400",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
