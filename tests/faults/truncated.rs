//! Lists that break off never look complete, and go on where they broke off.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use interactions::grpc::proto;
use tonic::transport::Endpoint;

use super::{Dice, victims};
use crate::support::database::databases;
use crate::support::ingest::{ingest, numbered};
use crate::support::proxy::Proxy;
use crate::support::server::{SocketServer, client_on};
use crate::support::service::{TestService, interactions};

const ROWS: usize = 5_000;
/// Streams that break off, on each database and in each way.
const BROKEN: usize = 100;
const KILLS: usize = 15;
const LISTS: usize = 8;
/// Longer than a server takes to be there again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A list that goes on until it is complete.
struct List {
    address: SocketAddr,
    key: String,
    ids: Vec<String>,
    token: String,
    broken: usize,
}

impl List {
    fn new(address: SocketAddr, key: &str) -> Self {
        let (key, ids) = (key.to_owned(), Vec::new());
        Self { address, key, ids, token: String::new(), broken: 0 }
    }

    /// Lists from where it is; whether to the end. A stream that ends well must have said with its last
    /// page that it is the last.
    async fn go_on(&mut self) -> bool {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let Ok(channel) = endpoint.connect().await else { return false };
        let page_token = self.token.clone();
        let request =
            proto::ListInteractionsRequest { page_size: 20, page_token, ..Default::default() };
        let stream = client_on(channel, self.key.clone()).list_interactions(request).await;
        let Ok(stream) = stream else { return false };
        let mut pages = stream.into_inner();
        let mut seen = false;
        loop {
            match pages.message().await {
                Ok(Some(page)) => {
                    let found = interactions(&page);
                    self.ids.extend(found.into_iter().map(|found| found.interaction_id));
                    self.token = page.next_page_token;
                    seen = true;
                }
                Ok(None) => {
                    assert!(seen && self.token.is_empty(), "what broke off looks complete");
                    return true;
                }
                // Even if the last page was there: its reader may not have known.
                Err(_) => {
                    self.broken += 1;
                    return seen && self.token.is_empty();
                }
            }
        }
    }

    /// Lists everything. Returns how often that broke off.
    async fn complete(mut self) -> usize {
        let started = tokio::time::Instant::now();
        while !self.go_on().await {
            assert!(started.elapsed() < PATIENCE, "{} are there", self.ids.len());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(self.ids.len(), ROWS);
        assert_eq!(self.ids.iter().collect::<BTreeSet<_>>().len(), ROWS, "none comes twice");
        self.broken
    }
}

async fn fill(address: SocketAddr, key: &str) {
    let batches = (0..ROWS).step_by(500).map(|first| numbered(first..first + 500)).collect();
    ingest(address, key, batches, Arc::new(AtomicUsize::new(0))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_any_byte_does_not_end_a_list() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "cut").await;
        let server = SocketServer::start(&database.url).await;
        fill(server.address, &service.secret).await;
        let dice = Mutex::new(Dice::new(3));
        let proxy = Proxy::start(server.address, move || dice.lock().unwrap().below(150_000)).await;
        let mut broken = 0;
        while broken < BROKEN {
            broken += List::new(proxy.address, &service.secret).complete().await;
        }
        assert!(proxy.cuts.load(Ordering::Relaxed) >= BROKEN);
        server.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_at_any_time_does_not_end_a_list() {
    for (database, mut victim) in victims().await {
        victim.start("");
        fill(victim.address, &victim.key).await;
        let over = Arc::new(AtomicBool::new(false));
        let lists: Vec<_> = (0..LISTS)
            .map(|_| {
                let (address, key, over) = (victim.address, victim.key.clone(), Arc::clone(&over));
                tokio::spawn(async move {
                    let mut broken = 0;
                    while !over.load(Ordering::Relaxed) {
                        broken += List::new(address, &key).complete().await;
                    }
                    broken
                })
            })
            .collect();
        let mut dice = Dice::new(4);
        for _ in 0..KILLS {
            tokio::time::sleep(Duration::from_millis(20 + dice.below(80) as u64)).await;
            victim.kill();
            victim.start("");
        }
        over.store(true, Ordering::Relaxed);
        let mut broken = 0;
        for list in lists {
            broken += list.await.unwrap();
        }
        println!("{}: {broken} lists broke off", database.name);
        assert!(broken >= KILLS * LISTS / 4, "{}: {broken}", database.name);
        drop(victim);
        database.remove().await;
    }
}
