//! `google.protobuf.Duration` as microseconds.

use prost_types::Duration;

use crate::domain::time::{Micros, seconds_and_nanos};
use crate::domain::violation::Violations;

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;
const MAX_NANOS: i32 = 999_999_999;

/// How long a duration is; digits finer than a microsecond are cut off. `None` where it is not one,
/// which is noted.
pub(super) fn micros(
    duration: &Duration,
    path: &str,
    violations: &mut Violations,
) -> Option<Micros> {
    let Duration { seconds, nanos } = *duration;
    if !(-MAX_NANOS..=MAX_NANOS).contains(&nanos) {
        violations.add(format!("{path}.nanos"), "takes -999999999 to 999999999");
        return None;
    }
    if seconds.signum() * i64::from(nanos.signum()) < 0 {
        violations.add(format!("{path}.nanos"), "has the sign of the seconds");
        return None;
    }
    // A little less than nothing is less than nothing, and a duration beyond the reach of
    // microseconds is beyond every limit: cutting them must not make them good.
    let micros = seconds.saturating_mul(MICROS_PER_SECOND);
    let fraction = nanos.div_euclid(NANOS_PER_MICRO);
    Some(micros.saturating_add(i64::from(fraction)))
}

/// The message for a duration that is not negative.
pub(in crate::grpc) fn message(micros: Micros) -> Duration {
    let (seconds, nanos) = seconds_and_nanos(micros);
    Duration { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seconds: i64, nanos: i32) -> Result<Micros, Vec<String>> {
        let mut violations = Violations::default();
        let micros = micros(&Duration { seconds, nanos }, "retention", &mut violations);
        let fields = violations.into_iter().map(|violation| violation.field).collect();
        micros.ok_or(fields)
    }

    #[test]
    fn seconds_and_nanos_agree() {
        assert_eq!(read(1, 500_000_999), Ok(1_500_000));
        assert_eq!(read(-1, -500_000_000), Ok(-1_500_000));
        assert_eq!(read(0, -1), Ok(-1));
        assert_eq!(read(i64::MAX, MAX_NANOS), Ok(i64::MAX));
        assert_eq!(read(i64::MIN, 0), Ok(i64::MIN));
        for (seconds, nanos) in [(1, -1), (-1, 1), (0, MAX_NANOS + 1), (0, i32::MIN)] {
            assert_eq!(read(seconds, nanos), Err(vec!["retention.nanos".to_owned()]));
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for micros in [0, 1, 999_999, 1_000_000, 3_155_760_000_123_456] {
            let Duration { seconds, nanos } = message(micros);
            assert_eq!(read(seconds, nanos), Ok(micros));
        }
    }
}
