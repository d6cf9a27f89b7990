//! How many calls without a valid key each peer makes.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::rates::Rates;

/// Refusals a second of one peer in the long run.
const PER_SECOND: NonZeroU32 = const { NonZeroU32::new(10).unwrap() };
/// Refusals of one peer at once.
const AT_ONCE: NonZeroU32 = const { NonZeroU32::new(50).unwrap() };
/// Most peers that pause at a time.
const PAUSING_PEERS: u64 = 10_000;
/// Longer than any pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A bucket of tokens for each peer that was refused.
#[derive(Debug)]
pub(super) struct Refusals {
    rates: Rates<IpAddr>,
    /// The peers whose buckets are empty, and until when.
    pausing: Cache<IpAddr, Instant>,
}

impl Default for Refusals {
    fn default() -> Self {
        let pausing = Cache::builder().max_capacity(PAUSING_PEERS).time_to_live(LONGEST_PAUSE);
        Self { rates: Rates::new(PER_SECOND, AT_ONCE), pausing: pausing.build() }
    }
}

impl Refusals {
    /// Counts a refusal of `peer`, or says how long to wait where there are too many.
    pub(super) fn count(&self, peer: IpAddr) -> Result<(), Duration> {
        let counted = self.rates.count(&peer);
        if let Err(wait) = counted {
            self.pausing.insert(peer, Instant::now() + wait);
        }
        counted
    }

    /// How long it is until `peer` may be refused again; `None` where it may be now.
    pub(super) fn pause(&self, peer: IpAddr) -> Option<Duration> {
        self.pausing.get(&peer)?.checked_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn who_is_refused_too_often_pauses_and_nobody_else() {
        let refusals = Refusals::default();
        let [guesser, other] = [1, 2].map(|host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)));
        let mut refused = 0;
        while refusals.count(guesser).is_ok() {
            assert_eq!(refusals.pause(guesser), None);
            refused += 1;
        }
        assert!((50..100).contains(&refused), "{refused}");
        assert!(refusals.pause(guesser).is_none_or(|pause| pause <= Duration::from_millis(100)));
        assert!(refusals.pause(other).is_none() && refusals.count(other).is_ok());
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(refusals.pause(guesser), None);
        assert!(refusals.count(guesser).is_ok());
    }
}
