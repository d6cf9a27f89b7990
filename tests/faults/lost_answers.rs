//! Answers that never arrive.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Dice, assert_all_there};
use crate::support::database::databases;
use crate::support::ingest::{ingest, numbered};
use crate::support::proxy::Proxy;
use crate::support::server::SocketServer;
use crate::support::service::TestService;

const INTERACTIONS: usize = 100_000;
const BATCH: usize = 250;
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_are_harmless_for_ever() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "proxied").await;
        let server = SocketServer::start(&database.url).await;
        // An answer to a batch takes some 10 KB: every connection loses one of its first six.
        let dice = Mutex::new(Dice::new(2));
        let patience = move || {
            let mut dice = dice.lock().unwrap();
            dice.below(60_000)
        };
        let proxy = Proxy::start(server.address, patience).await;
        let share = INTERACTIONS / CLIENTS;
        let batches = |client: usize| {
            let first = client * share;
            let starts = (first..first + share).step_by(BATCH);
            starts.map(|start| numbered(start..start + BATCH)).collect::<Vec<_>>()
        };
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (batches, key) = (batches(client), service.secret.clone());
                let address = proxy.address;
                tokio::spawn(async move {
                    ingest(address, &key, batches, Arc::new(AtomicUsize::new(0))).await
                })
            })
            .collect();
        let mut acknowledged = Vec::new();
        for client in clients {
            acknowledged.push(client.await.unwrap());
        }
        let broken: usize = acknowledged.iter().map(|part| part.broken).sum();
        let again = acknowledged.iter().flat_map(|part| part.ids.values()).filter(|new| !**new);
        println!(
            "{}: {broken} streams broke, {} found again",
            database.name,
            again.clone().count()
        );
        assert!(proxy.cuts.load(Ordering::Relaxed) >= CLIENTS / 2 && again.count() > 0);
        let parts: Vec<_> = acknowledged.iter().collect();
        assert_all_there(database.name, server.address, &service.secret, &parts).await;

        // Whoever sends all of it again changes nothing.
        let some = batches(0);
        let again =
            ingest(server.address, &service.secret, some, Arc::new(AtomicUsize::new(0))).await;
        assert!(again.ids.values().all(|new| !*new), "{}", database.name);
        assert_all_there(database.name, server.address, &service.secret, &parts).await;
        server.stop().await;
        database.remove().await;
    }
}
