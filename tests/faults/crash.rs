//! A server that is killed at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Dice, assert_all_there, victims};
use crate::support::ingest::{ingest, numbered};

const INTERACTIONS: usize = 100_000;
const BATCH: usize = 100;
const KILLS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_crash_and_nothing_is_there_twice() {
    for (database, mut victim) in victims().await {
        victim.start("");
        let batches: Vec<_> =
            (0..INTERACTIONS).step_by(BATCH).map(|first| numbered(first..first + BATCH)).collect();
        let answered = Arc::new(AtomicUsize::new(0));
        let client = tokio::spawn({
            let (address, key) = (victim.address, victim.key.clone());
            let answered = Arc::clone(&answered);
            async move { ingest(address, &key, batches, answered).await }
        });
        // At random places of the work, each at a random time of a transaction.
        let mut dice = Dice::new(1);
        let mut places: Vec<_> = (0..KILLS).map(|_| dice.below(INTERACTIONS / BATCH - 5)).collect();
        places.sort_unstable();
        let mut killed = 0;
        for place in places {
            while answered.load(Ordering::Relaxed) < place {
                assert!(!client.is_finished(), "{}: the client gave up", database.name);
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            tokio::time::sleep(Duration::from_micros(dice.below(40_000) as u64)).await;
            victim.kill();
            victim.start("");
            killed += 1;
        }
        let acknowledged = client.await.unwrap();
        assert_eq!((killed, acknowledged.ids.len()), (KILLS, INTERACTIONS));
        assert!(acknowledged.broken > KILLS / 4, "{} broke", acknowledged.broken);
        // Recorded, but the answer was lost: said when it was sent again.
        let again = acknowledged.ids.values().filter(|new| !**new).count();
        println!("{}: {} streams broke, {again} found again", database.name, acknowledged.broken);
        assert_all_there(database.name, victim.address, &victim.key, &[&acknowledged]).await;
        drop(victim);
        database.remove().await;
    }
}

/// The server stops at `point` after some batches and is killed there: what was not committed is not
/// there, what was is found when it is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_there_from_its_commit_on_and_answered_after_it() {
    for (database, mut victim) in victims().await {
        let mut first = 0;
        for (point, committed) in
            [("before-commit", false), ("after-commit", true), ("before-answer", true)]
        {
            for before in 0..5 {
                let batches: Vec<_> =
                    (0..=before).map(|n| numbered(first + n * 10..first + n * 10 + 10)).collect();
                let name = format!("{}, {point} after {before}", database.name);
                victim.start(&format!("{point}={before}*off->return(600000)"));
                let answered = Arc::new(AtomicUsize::new(0));
                let (address, key) = (victim.address, victim.key.clone());
                let mut batches = batches.into_iter();
                // Of batches that are written at the same time, any may be the first at the point.
                for batch in batches.by_ref().take(before) {
                    ingest(address, &key, vec![batch], Arc::clone(&answered)).await;
                }
                let client = tokio::spawn({
                    let (answered, last) = (Arc::clone(&answered), batches.collect());
                    async move { ingest(address, &key, last, answered).await }
                });
                // Long enough for the next one to come to the point, and to be answered if it did
                // not stop there.
                tokio::time::sleep(Duration::from_millis(300)).await;
                assert_eq!(answered.load(Ordering::Relaxed), before, "{name}");
                victim.kill();
                victim.start("");
                let acknowledged = client.await.unwrap();
                let again = acknowledged.ids.values().filter(|new| !**new).count();
                assert_eq!(again, if committed { 10 } else { 0 }, "{name}");
                first += (before + 1) * 10;
                let there = crate::support::ingest::all_ids(victim.address, &victim.key).await;
                assert_eq!(there.len(), first, "{name}");
                victim.kill();
            }
        }
        drop(victim);
        database.remove().await;
    }
}

/// The same without a crash: the database fails at the commit, or after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_outcome_is_unknown_is_found_out_by_sending_again() {
    for (database, mut victim) in victims().await {
        victim.start("before-commit=20%return;after-commit=20%return");
        let batches = (0..5_000).step_by(50).map(|first| numbered(first..first + 50)).collect();
        let answered = Arc::new(AtomicUsize::new(0));
        let acknowledged = ingest(victim.address, &victim.key, batches, answered).await;
        assert!(acknowledged.broken > 10, "{}", acknowledged.broken);
        assert!(acknowledged.ids.values().any(|new| !*new), "{}", database.name);
        assert_all_there(database.name, victim.address, &victim.key, &[&acknowledged]).await;
        drop(victim);
        database.remove().await;
    }
}
