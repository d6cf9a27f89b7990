//! Clients in each other's way.

use std::time::Duration;

use interactions::grpc::proto;
use sqlx::Connection as _;

use super::Dice;
use crate::support::database::{TestDatabase, databases};
use crate::support::ingest::{all_ids, numbered};
use crate::support::server::{Client, SocketServer, client, write_all};
use crate::support::service::TestService;
use crate::support::victim::Victim;

const CLIENTS: usize = 4;
const IDS: usize = 100;
const ROUNDS: usize = 60;

/// Several clients record the same, each in an order of its own, and one deletes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_ids_from_all_sides_end_in_one_row_each() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "contended").await;
        let server = SocketServer::start(&database.url).await;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(server.client(&service.secret).await);
        }
        let mut dice = Dice::new(3);
        for round in 0..ROUNDS {
            let first = round * IDS;
            let writing: Vec<_> = clients
                .iter()
                .enumerate()
                .map(|(place, client)| {
                    let mut interactions = numbered(first..first + IDS);
                    shuffle(&mut interactions, &mut dice);
                    tokio::spawn(write(client.clone(), interactions, place % 2 == 0))
                })
                .collect();
            let mut new = 0;
            for writing in writing {
                new += writing.await.unwrap();
            }
            assert_eq!(new, IDS, "{}: of each id one is new", database.name);
        }
        let count = service.count(proto::CountInteractionsRequest::default()).await;
        assert_eq!(count, (ROUNDS * IDS) as i64);
        server.stop().await;
        assert_eq!(deadlocks(&database).await, 0, "{}", database.name);
        database.remove().await;
    }
}

/// Somebody deletes an interaction just when it is recorded again: after the insert has found its id
/// taken, and before anybody looks by what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_while_it_is_recorded_again_is_not_taken_for_present() {
    for database in databases().await {
        database.repository.close().await;
        let mut victim = Victim::new(&database.url);
        victim.start("after-insert=1*off->1*return(1500)");
        let client = client(victim.address, victim.key.clone()).await;
        assert_eq!(write(client.clone(), numbered(0..3), true).await, 3);
        let writing = tokio::spawn(write(client.clone(), numbered(0..3), true));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let interaction_id = numbered(1..2).remove(0).interaction_id;
        let delete = proto::DeleteInteractionRequest { interaction_id, allow_missing: false };
        client.clone().delete_interaction(delete).await.unwrap();
        let new = writing.await.unwrap();
        // SQLite lets one write at a time, so there the deletion comes last.
        let (expected, left) = if database.name == "sqlite" { (0, 2) } else { (1, 3) };
        assert_eq!(new, expected, "{}", database.name);
        let ids = all_ids(victim.address, &victim.key).await;
        assert_eq!(ids.len(), left, "{}", database.name);
        drop(victim);
        database.remove().await;
    }
}

/// While streams write and a purge deletes, single calls are answered, none is turned away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_calls_come_through_beside_bulk_work() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "busy").await;
        let server = SocketServer::start(&database.url).await;
        let client = server.client(&service.secret).await;
        write(client.clone(), numbered(0..1_000), false).await;
        let mut bulk = Vec::new();
        for stream in 1..=4 {
            let client = client.clone();
            bulk.push(tokio::spawn(async move {
                for batch in 0..8 {
                    let first = stream * 100_000 + batch * 500;
                    assert_eq!(
                        write(client.clone(), numbered(first..first + 500), true).await,
                        500
                    );
                }
            }));
        }
        let purging = {
            let mut client = client.clone();
            tokio::spawn(async move {
                let red = proto::PurgeInteractionsRequest {
                    search: "red".to_owned(),
                    force: true,
                    ..Default::default()
                };
                let mut stream = client.purge_interactions(red).await.unwrap().into_inner();
                while stream.message().await.unwrap().is_some() {}
            })
        };
        let mut calls = 0;
        while !purging.is_finished() || !bulk.iter().all(|stream| stream.is_finished()) {
            let interaction = numbered(900_000 + calls..=900_000 + calls).pop();
            let request = proto::CreateInteractionRequest { interaction, validate_only: false };
            client.clone().create_interaction(request).await.unwrap();
            let request = proto::CountInteractionsRequest::default();
            client.clone().count_interactions(request).await.unwrap();
            calls += 1;
        }
        for stream in bulk {
            stream.await.unwrap();
        }
        purging.await.unwrap();
        assert!(calls > 5, "{}: {calls}", database.name);
        server.stop().await;
        database.remove().await;
    }
}

/// Records on a stream or in one call; returns how many were new.
async fn write(mut client: Client, interactions: Vec<proto::Interaction>, stream: bool) -> usize {
    let sent = interactions.len();
    let new: Vec<bool> = if stream {
        let request = proto::WriteInteractionsRequest { request_id: String::new(), interactions };
        let (answers, error) = write_all(&mut client, vec![request]).await;
        assert!(error.is_none(), "{error:?}");
        let results = answers.into_iter().flat_map(|answer| answer.results);
        results
            .map(|result| {
                assert_eq!(result.status.unwrap().code, 0);
                !result.deduplicated
            })
            .collect()
    } else {
        let request = proto::BatchCreateInteractionsRequest { interactions, validate_only: false };
        let answer = client.batch_create_interactions(request).await.unwrap().into_inner();
        answer.results.into_iter().map(|result| !result.deduplicated).collect()
    };
    assert_eq!(new.len(), sent);
    new.into_iter().filter(|new| *new).count()
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for place in (1..items.len()).rev() {
        items.swap(place, dice.below(place + 1));
    }
}

/// How many deadlocks PostgreSQL has had to break in this database.
async fn deadlocks(database: &TestDatabase) -> i64 {
    if database.name == "sqlite" {
        return 0;
    }
    // A session hands in its statistics at the latest when it ends.
    database.repository.close().await;
    let mut connection = sqlx::PgConnection::connect(&database.url).await.unwrap();
    let question = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    deadlocks
}
