//! Panics end the call in which they happen, and nothing else.

use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures::future::join_all;
use interactions::grpc::proto;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use super::victims;
use crate::support::ingest::{ingest, numbered};
use crate::support::server::{Client, client_on};
use crate::support::service::interactions;

const ROWS: usize = 2_000;
const PAGE: i32 = 20;
/// Calls that panic.
const CALLS: usize = 1_000;
/// Calls at a time on one connection, at most.
const AT_ONCE: usize = 100;
const LISTS: usize = 8;
const CREATED: usize = 50;

/// Whether the answer says that the service is at fault.
fn is_internal(status: &Status) -> bool {
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    status.code() == Code::Internal && reason.as_deref() == Some("INTERNAL")
}

/// Lists everything, again and again from where a panic ended it. Returns how many there were.
async fn list(mut client: Client) -> usize {
    let (mut ids, mut panics) = (Vec::new(), 0);
    let mut request = proto::ListInteractionsRequest { page_size: PAGE, ..Default::default() };
    loop {
        let mut pages = client.list_interactions(request.clone()).await.unwrap().into_inner();
        let ended = loop {
            match pages.message().await {
                Ok(Some(page)) => {
                    ids.extend(interactions(&page).into_iter().map(|found| found.interaction_id));
                    request.page_token = page.next_page_token;
                }
                ended => break ended,
            }
        };
        let Err(status) = ended else { break };
        assert!(is_internal(&status), "{status:?}");
        panics += 1;
    }
    // Of what is recorded meanwhile, some is there.
    ids.retain(|id| *id < format!("n{ROWS:07}"));
    assert_eq!(ids.len(), ROWS);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), ROWS, "none comes twice");
    panics
}

/// Records `numbers` one by one, each until it is answered. Returns how many panics that took.
async fn create(mut client: Client, numbers: std::ops::Range<usize>) -> usize {
    let mut panics = 0;
    for interaction in numbered(numbers) {
        let request = proto::CreateInteractionRequest {
            interaction: Some(interaction),
            validate_only: false,
        };
        while let Err(status) = client.create_interaction(request.clone()).await {
            assert!(is_internal(&status), "{status:?}");
            panics += 1;
        }
    }
    panics
}

async fn get(mut client: Client) -> Result<(), Status> {
    let request = proto::GetInteractionRequest { interaction_id: "n0000007".to_owned() };
    client.get_interaction(request).await.map(drop)
}

async fn count(mut client: Client) -> i64 {
    let all = proto::CountInteractionsRequest::default();
    client.count_interactions(all).await.unwrap().into_inner().count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_its_own_call_and_nothing_else() {
    for (database, mut victim) in victims().await {
        victim.start("");
        let batches = (0..ROWS).step_by(500).map(|first| numbered(first..first + 500)).collect();
        ingest(victim.address, &victim.key, batches, Arc::new(AtomicUsize::new(0))).await;
        victim.kill();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let points = "get=panic;page=5%panic;before-commit=50%panic;after-insert=20%panic";
        victim.start_logging(points, File::create(&path).unwrap());

        // All on one connection, and a call that waits on it from the first panic to the last.
        let channel = Endpoint::from_shared(format!("http://{}", victim.address)).unwrap();
        let channel = channel.connect().await.unwrap();
        let client = || client_on(channel.clone(), victim.key.clone());
        let request = HealthCheckRequest { service: String::new() };
        let waiting = HealthClient::new(channel.clone()).watch(request).await;
        let mut waiting = waiting.unwrap().into_inner();
        waiting.message().await.unwrap().unwrap();

        let lists = join_all((0..LISTS).map(|_| list(client())));
        let creations = join_all((0..4).map(|n| {
            let first = ROWS + n * CREATED;
            create(client(), first..first + CREATED)
        }));
        let gets = async {
            for _ in 0..CALLS / AT_ONCE {
                for answer in join_all((0..AT_ONCE).map(|_| get(client()))).await {
                    assert!(is_internal(&answer.unwrap_err()));
                }
            }
            CALLS
        };
        let (lists, creations, gets) = tokio::join!(lists, creations, gets);
        let (lists, creations) = (lists.iter().sum::<usize>(), creations.iter().sum::<usize>());
        assert!(lists > 0 && creations > 0, "{lists} and {creations}");

        // Nothing was left behind: neither a transaction, nor a place on this connection.
        for answer in join_all((0..AT_ONCE - 1).map(|_| count(client()))).await {
            assert_eq!(answer as usize, ROWS + 4 * CREATED, "{}", database.name);
        }
        let still = tokio::time::timeout(Duration::from_millis(100), waiting.message()).await;
        assert!(still.is_err(), "{}: the call that waits has ended: {still:?}", database.name);
        let log = fs::read_to_string(&path).unwrap();
        let logged = log.lines().filter(|line| line.contains("internal error")).count();
        assert_eq!(logged, lists + creations + gets, "{}: each is logged once", database.name);
        drop(victim);
        database.remove().await;
    }
}
