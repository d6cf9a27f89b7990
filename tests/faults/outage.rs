//! A database that goes away under load, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use interactions::grpc::proto;
use sqlx::Connection as _;
use tonic::Code;

use super::assert_all_there;
use crate::support::cluster::Cluster;
use crate::support::ingest::{ingest, numbered};
use crate::support::server::{Client, client};
use crate::support::victim::Victim;

const BATCH: usize = 100;
const BATCHES: usize = 300;
const READERS: usize = 4;
const CRASHES: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_outlives_a_crash_of_postgres() {
    let mut cluster = Cluster::start();
    let mut connection = sqlx::PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE outage").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut victim = Victim::new(&cluster.url("outage"));
    victim.start("");
    let answered = Arc::new(AtomicUsize::new(0));
    let writing = tokio::spawn({
        let batches = (0..BATCHES).map(|n| numbered(n * BATCH..(n + 1) * BATCH)).collect();
        let (address, key) = (victim.address, victim.key.clone());
        let answered = Arc::clone(&answered);
        async move { ingest(address, &key, batches, answered).await }
    });
    let whole = Arc::new(AtomicUsize::new(0));
    let broken = Arc::new(AtomicUsize::new(0));
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let reader = client(victim.address, victim.key.clone()).await;
        let (whole, broken) = (Arc::clone(&whole), Arc::clone(&broken));
        readers.push(tokio::spawn(read_for_ever(reader, whole, broken)));
    }
    for crash in 1..=CRASHES {
        while answered.load(Ordering::Relaxed) < crash * BATCHES / (CRASHES + 1) {
            assert!(!writing.is_finished());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cluster.crash();
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.start_again();
    }
    let acknowledged = writing.await.unwrap();
    assert!(acknowledged.broken >= CRASHES, "{}", acknowledged.broken);
    // Readers come through again as well, with the same connections.
    let before = whole.load(Ordering::Relaxed);
    while whole.load(Ordering::Relaxed) < before + READERS {
        assert!(readers.iter().all(|reader| !reader.is_finished()), "a reader failed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(broken.load(Ordering::Relaxed) > 0, "no reader noticed");
    readers.iter().for_each(|reader| reader.abort());
    assert_all_there("postgres", victim.address, &victim.key, &[&acknowledged]).await;
}

/// Lists again and again. A list is whole, with an empty token at its end, or ends with UNAVAILABLE.
async fn read_for_ever(mut client: Client, whole: Arc<AtomicUsize>, broken: Arc<AtomicUsize>) {
    loop {
        let request = proto::ListInteractionsRequest { page_size: 100, ..Default::default() };
        let mut last_token = None;
        let ended = match client.list_interactions(request).await {
            Err(status) => Err(status),
            Ok(stream) => {
                let mut pages = stream.into_inner();
                loop {
                    match pages.message().await {
                        Ok(Some(page)) => last_token = Some(page.next_page_token),
                        Ok(None) => break Ok(()),
                        Err(status) => break Err(status),
                    }
                }
            }
        };
        match ended {
            Ok(()) => {
                assert_eq!(last_token.as_deref(), Some(""), "a list was cut short and looks whole");
                whole.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                broken.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
