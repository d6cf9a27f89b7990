//! Mixed use that goes on and on leaves nothing behind: memory, descriptors, connections of the
//! database and SQLite's log stay as they are.
//!
//! `INTERACTIONS_TEST_SOAK_SECONDS` says how long it goes on; left out, it is short.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use interactions::grpc::proto;
use serde_json::json;
use sqlx::Connection as _;
use tonic::{Code, Request, Status};

use crate::support::database::{TestDatabase, databases};
use crate::support::process;
use crate::support::program::Server;
use crate::support::server::{Client, client, write_all};
use crate::support::typed::proto_struct;

const SECONDS_VARIABLE: &str = "INTERACTIONS_TEST_SOAK_SECONDS";
const USUAL_SECONDS: u64 = 10;
/// Clients at a time.
const CLIENTS: usize = 6;
/// Interactions that a client records before it removes them all again.
const INTERACTIONS: usize = 300;

/// What a server holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_kib: u64,
    descriptors: usize,
    database_connections: i64,
    log_bytes: u64,
}

impl Held {
    fn other_descriptors(&self) -> i64 {
        i64::try_from(self.descriptors).unwrap() - self.database_connections
    }
}

async fn held(server: &Server, database: &TestDatabase) -> Held {
    let (database_connections, log_bytes) = match database.name {
        "postgres" => (connections(database).await, 0),
        _ => {
            let log = format!("{}-wal", database.url.strip_prefix("sqlite://").unwrap());
            (0, fs::metadata(log).map_or(0, |log| log.len()))
        }
    };
    Held {
        memory_kib: process::resident_memory(server.id()),
        descriptors: process::descriptors(server.id()),
        database_connections,
        log_bytes,
    }
}

/// Connections of the server to PostgreSQL, and of this test.
async fn connections(database: &TestDatabase) -> i64 {
    let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();
    let query = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()";
    let count = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind() {
    let seconds = std::env::var(SECONDS_VARIABLE).map(|seconds| seconds.parse().unwrap());
    let duration = Duration::from_secs(seconds.unwrap_or(USUAL_SECONDS));
    for database in databases().await {
        let server = Server::start(&database.url);
        let address: SocketAddr = server.address.parse().unwrap();
        use_it(address, &server.key, duration / 3).await;
        let before = settled(&server, &database).await;
        let rounds = use_it(address, &server.key, duration).await;
        let after = settled(&server, &database).await;
        println!("{}: {rounds} rounds\n  {before:?}\n  {after:?}", database.name);
        // Allocators keep what they may need again; what leaks, leaks with every round.
        let most = before.memory_kib + (24 << 10);
        assert!(after.memory_kib <= most, "{}: {before:?}, {after:?}", database.name);
        // The pool opens connections as it needs them, and each is a descriptor.
        assert!(after.database_connections <= 25, "{after:?}");
        assert!(
            after.other_descriptors() <= before.other_descriptors() + 4,
            "{before:?}, {after:?}"
        );
        assert!(after.log_bytes <= 160 << 20, "{after:?}");
        assert_eq!(server.stop(), Some(0));
        database.remove().await;
    }
}

/// What the server holds once its clients have left and it has noticed.
async fn settled(server: &Server, database: &TestDatabase) -> Held {
    tokio::time::sleep(Duration::from_secs(2)).await;
    held(server, database).await
}

/// Everything that clients do, for so long; how many rounds they made.
async fn use_it(address: SocketAddr, key: &str, duration: Duration) -> usize {
    let until = Instant::now() + duration;
    let clients = (0..CLIENTS).map(|number| {
        let key = key.to_owned();
        tokio::spawn(async move {
            let mut rounds = 0;
            while Instant::now() < until {
                // A connection of its own for each round.
                let mut service = client(address, key.clone()).await;
                let session = format!("s-{number}-{rounds}");
                round(&mut service, address, &session, rounds).await;
                rounds += 1;
            }
            rounds
        })
    });
    let rounds = join_all(clients.collect::<Vec<_>>()).await;
    rounds.into_iter().map(Result::unwrap).sum()
}

async fn round(service: &mut Client, address: SocketAddr, session: &str, round: usize) {
    let interactions = interactions(session);
    let requests = interactions.chunks(100).map(|batch| {
        let interactions = batch.to_vec();
        proto::WriteInteractionsRequest { request_id: String::new(), interactions }
    });
    let (answers, error) = write_all(service, requests.collect()).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(answers.len(), INTERACTIONS / 100);

    // Some lists are read to their end, others left in the middle.
    let list = proto::ListInteractionsRequest {
        session_id: session.to_owned(),
        filters: Some(proto_struct(json!({ "metadata.n": { "gte": 10 } }).as_object().unwrap())),
        page_size: 40,
        include_total: true,
        ..Default::default()
    };
    let mut pages = service.list_interactions(list).await.unwrap().into_inner();
    let mut seen = 0;
    while let Some(page) = pages.message().await.unwrap() {
        seen += page.interactions.len();
        if round.is_multiple_of(2) {
            break;
        }
    }
    assert_eq!(seen, if round.is_multiple_of(2) { 40 } else { INTERACTIONS - 10 });
    drop(pages);

    // A call whose time is up before it begins, one that is refused, and one without a valid key.
    let search = "shoe* -red".to_owned();
    let mut hasty = Request::new(proto::CountInteractionsRequest { search, ..Default::default() });
    hasty.set_timeout(Duration::from_micros(200 * (round as u64 % 20)));
    expect(
        service.count_interactions(hasty).await,
        &[Code::Ok, Code::DeadlineExceeded, Code::Cancelled],
    );
    let wrong = proto::ListInteractionsRequest { page_size: -1, ..Default::default() };
    expect(service.list_interactions(wrong).await, &[Code::InvalidArgument]);
    let mut stranger = client(address, format!("sk_live_{session}")).await;
    let get = proto::GetInteractionRequest { interaction_id: "i".to_owned() };
    let refused = [Code::Unauthenticated, Code::ResourceExhausted];
    expect(stranger.get_interaction(get).await, &refused);

    let purge = proto::PurgeInteractionsRequest {
        session_id: session.to_owned(),
        force: true,
        ..Default::default()
    };
    let mut messages = service.purge_interactions(purge).await.unwrap().into_inner();
    let mut purged = 0;
    while let Some(message) = messages.message().await.unwrap() {
        purged = message.purge_count;
    }
    assert_eq!(usize::try_from(purged), Ok(INTERACTIONS));
}

fn interactions(session: &str) -> Vec<proto::Interaction> {
    let interaction = |number: usize| proto::Interaction {
        interaction_type: vec!["click".to_owned()],
        session_id: session.to_owned(),
        metadata: Some(proto_struct(
            json!({ "n": number, "title": "red shoes, size 9" }).as_object().unwrap(),
        )),
        ..Default::default()
    };
    (0..INTERACTIONS).map(interaction).collect()
}

fn expect<T>(answer: Result<T, Status>, codes: &[Code]) {
    let code = answer.err().map_or(Code::Ok, |status| status.code());
    assert!(codes.contains(&code), "{code:?} is none of {codes:?}");
}
