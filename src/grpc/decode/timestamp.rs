//! `google.protobuf.Timestamp` as microseconds.

use prost_types::Timestamp;

use crate::domain::access::rules;
use crate::domain::interaction::MAX_AHEAD_MICROS;
use crate::domain::time::{Micros, seconds_and_nanos};
use crate::domain::violation::Violations;

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;
const MAX_NANOS: i32 = 999_999_999;

/// When an interaction happened: from 1970 to a day ahead of `now`. Digits finer than a microsecond
/// are cut off.
pub(super) fn happened(
    timestamp: &Timestamp,
    now: Micros,
    path: &str,
    violations: &mut Violations,
) -> Micros {
    if !check_nanos(timestamp, path, violations) {
        return now;
    }
    match checked_micros(timestamp) {
        Some(micros) if (0..=now + MAX_AHEAD_MICROS).contains(&micros) => micros,
        Some(_) | None => {
            violations.add(path, "takes times from 1970-01-01 to 24 hours ahead of now");
            now
        }
    }
}

/// When a key is to expire: in the future, of `now`. Digits finer than a microsecond are cut off.
pub(super) fn expiry(
    timestamp: &Timestamp,
    now: Micros,
    path: &str,
    violations: &mut Violations,
) -> Micros {
    if !check_nanos(timestamp, path, violations) {
        return now;
    }
    // One that no number of microseconds can say is as wrong as one that none may.
    let micros = checked_micros(timestamp).unwrap_or(Micros::MAX);
    rules::expiry(micros, now, path, violations);
    micros
}

fn check_nanos(timestamp: &Timestamp, path: &str, violations: &mut Violations) -> bool {
    let good = (0..=MAX_NANOS).contains(&timestamp.nanos);
    if !good {
        violations.add(format!("{path}.nanos"), "takes 0 to 999999999");
    }
    good
}

fn checked_micros(timestamp: &Timestamp) -> Option<Micros> {
    let Timestamp { seconds, nanos } = *timestamp;
    let micros = seconds.checked_mul(MICROS_PER_SECOND)?;
    micros.checked_add(i64::from(nanos / NANOS_PER_MICRO))
}

/// The message for a time.
pub(in crate::grpc) fn message(micros: Micros) -> Timestamp {
    let (seconds, nanos) = seconds_and_nanos(micros);
    Timestamp { seconds, nanos }
}

/// The time of a message that this service wrote.
pub(super) fn micros(timestamp: &Timestamp) -> Micros {
    let Timestamp { seconds, nanos } = *timestamp;
    seconds.saturating_mul(MICROS_PER_SECOND).saturating_add(i64::from(nanos / NANOS_PER_MICRO))
}
