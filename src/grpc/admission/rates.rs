//! How often each of many does something.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// After so many times, those who have been quiet for a while are forgotten.
const TIMES_BETWEEN_SWEEPS: u32 = 1 << 14;

/// A bucket of tokens for each.
#[derive(Debug)]
pub(super) struct Rates<Who: Clone + Eq + Hash> {
    buckets: DefaultKeyedRateLimiter<Who>,
    clock: DefaultClock,
    times: AtomicU32,
}

impl<Who: Clone + Eq + Hash> Rates<Who> {
    /// For each so many times a second in the long run, and so many at once.
    pub(super) fn new(per_second: NonZeroU32, at_once: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(at_once);
        let times = AtomicU32::new(0);
        Self { buckets: RateLimiter::keyed(quota), clock: DefaultClock::default(), times }
    }

    /// Counts one time, or says how long to wait where it would be one too many.
    pub(super) fn count(&self, who: &Who) -> Result<(), Duration> {
        let times = self.times.fetch_add(1, Ordering::Relaxed);
        if times.is_multiple_of(TIMES_BETWEEN_SWEEPS) {
            self.buckets.retain_recent();
        }
        let counted = self.buckets.check_key(who);
        counted.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_bucket_of_its_own() {
        let rates = Rates::new(NonZeroU32::MIN, NonZeroU32::MIN.saturating_add(1));
        assert!(rates.count(&"a").is_ok() && rates.count(&"a").is_ok());
        let wait = rates.count(&"a").unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(rates.count(&"b").is_ok());
    }
}
