//! Calls that failed and are made again: when, and how often.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// How often a call is made, without coming any further, before it is given up; with the waits
/// between, for about 25 s.
pub(super) const ATTEMPTS: u32 = 8;
/// The wait after the first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait that the service can ask for.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(60);

/// Whether the same call can succeed later. It has to be one that can be repeated.
#[must_use]
pub(super) fn may_pass(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded
    ) || is_of_transport(status)
}

/// Whether the connection failed and not the service.
fn is_of_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// How long to wait after the failure of an attempt, which counts from 1: half to all of a time that
/// doubles, so that calls that failed together do not come back together.
#[must_use]
pub(super) fn wait(attempt: u32, status: &Status) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << (attempt - 1)).min(LONGEST_WAIT);
    let random = getrandom::u32().unwrap_or(u32::MAX);
    let chosen = longest.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX));
    let asked = status.get_details_retry_info().and_then(|details| details.retry_delay);
    chosen.max(asked.unwrap_or_default().min(LONGEST_ASKED_WAIT))
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn waits_grow_and_heed_the_service() {
        let status = Status::unavailable("");
        assert!((FIRST_WAIT / 2..=FIRST_WAIT).contains(&wait(1, &status)));
        assert!((LONGEST_WAIT / 2..=LONGEST_WAIT).contains(&wait(ATTEMPTS, &status)));
        let asked = |delay| {
            let details = ErrorDetails::with_retry_info(Some(delay));
            wait(1, &Status::with_error_details(Code::Unavailable, "", details))
        };
        assert_eq!(asked(Duration::from_secs(3)), Duration::from_secs(3));
        assert_eq!(asked(Duration::from_secs(3_600)), LONGEST_ASKED_WAIT);
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        assert!(may_pass(&Status::unavailable("")) && may_pass(&Status::resource_exhausted("")));
        assert!(may_pass(&Status::from_error(Box::new(std::io::Error::other("reset")))));
        assert!(
            !may_pass(&Status::unauthenticated("")) && !may_pass(&Status::invalid_argument(""))
        );
    }
}
