//! What happens often is logged now and then.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(10);

/// Something that may happen thousands of times in a second.
#[derive(Debug, Default)]
pub(super) struct Occasional {
    last: Option<Instant>,
    unsaid: u64,
}

impl Occasional {
    /// It has happened. When it is time to say so: how often it has happened since the last time
    /// without a word.
    pub(super) fn now(&mut self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_every_ten_seconds() {
        let (mut floods, start) = (Occasional::default(), Instant::now());
        assert_eq!(floods.at(start), Some(0));
        assert_eq!(floods.at(start), None);
        assert_eq!(floods.at(start + INTERVAL / 2), None);
        assert_eq!(floods.at(start + INTERVAL), Some(2));
        assert_eq!(floods.at(start + INTERVAL * 2), Some(0));
    }
}
