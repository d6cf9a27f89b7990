//! What is acknowledged stays, once, whatever happens: crashes, lost answers, full disks, databases
//! that go away and come back.

mod contention;
mod crash;
mod full;
mod lost_answers;
mod outage;
mod panics;
mod truncated;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::support::database::{TestDatabase, databases};
use crate::support::dice::Dice;
use crate::support::ingest::{Acknowledged, all_ids, count_by_words};
use crate::support::victim::Victim;

/// A server on each of the databases, which it has to itself.
async fn victims() -> Vec<(TestDatabase, Victim)> {
    let mut victims = Vec::new();
    for database in databases().await {
        database.repository.close().await;
        let victim = Victim::new(&database.url);
        victims.push((database, victim));
    }
    victims
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
