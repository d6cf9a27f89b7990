//! What is acknowledged stays, once, whatever happens: crashes, lost answers, full disks, databases
//! that go away and come back.

mod contention;
mod crash;
mod full;
mod lost_answers;
mod outage;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::support::ingest::{Acknowledged, all_ids, count_by_words};

/// A sequence of numbers that looks random and is the same in every run (SplitMix64, public domain).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

/// Every acknowledged interaction is there, once, in every index, and nothing else is.
async fn assert_all_there(
    name: &str,
    address: SocketAddr,
    key: &str,
    acknowledged: &[&Acknowledged],
) {
    let listed = all_ids(address, key).await;
    let there: BTreeSet<_> = listed.iter().collect();
    assert_eq!(there.len(), listed.len(), "{name}: an id is listed twice");
    let sent: BTreeSet<_> = acknowledged.iter().flat_map(|part| part.ids.keys()).collect();
    let lost: Vec<_> = sent.difference(&there).take(5).collect();
    assert!(lost.is_empty(), "{name}: acknowledged and lost: {lost:?}");
    assert_eq!(there.len(), sent.len(), "{name}: more is there than was sent");
    assert_eq!(count_by_words(address, key).await, listed.len() as i64, "{name}");
}
