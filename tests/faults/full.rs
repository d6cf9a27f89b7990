//! No room left on the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use interactions::grpc::proto;
use sqlx::Connection as _;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::assert_all_there;
use crate::support::cluster::{Cluster, SmallDisk};
use crate::support::ingest::{Acknowledged, ingest, numbered};
use crate::support::server::{client, write_all};
use crate::support::victim::Victim;

const BATCH: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_without_room_refuses_writes_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(directory.path(), "8m");
    let url = format!("sqlite://{}", directory.path().join("full.sqlite3").display());
    fills_up_and_recovers("sqlite", &url, &disk).await;
    drop(disk);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_without_room_refuses_writes_and_nothing_else() {
    let cluster = Cluster::start();
    let path = cluster.subdirectory("small");
    let disk = SmallDisk::mount(&path, "24m");
    small_database(&cluster, &path).await;
    fills_up_and_recovers("postgres", &cluster.url("small"), &disk).await;
    drop(cluster);
    drop(disk);
}

/// A database whose tables lie in `path`; the log and all else lie where there is room.
async fn small_database(cluster: &Cluster, path: &Path) {
    let mut connection = sqlx::PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    for statement in [
        format!("CREATE TABLESPACE small LOCATION '{}'", path.display()),
        "CREATE DATABASE small TABLESPACE small".to_owned(),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

async fn fills_up_and_recovers(name: &str, url: &str, disk: &SmallDisk) {
    let mut victim = Victim::new(url);
    victim.start("");
    let mut writer = client(victim.address, victim.key.clone()).await;
    let mut acknowledged = Acknowledged::default();
    let mut written = 0;
    let status = loop {
        let interactions = numbered(written..written + BATCH);
        let ids: Vec<_> = interactions.iter().map(|one| one.interaction_id.clone()).collect();
        let request = proto::WriteInteractionsRequest { request_id: String::new(), interactions };
        let (answers, error) = write_all(&mut writer, vec![request]).await;
        match error {
            Some(status) => break status,
            None => {
                assert_eq!(answers.len(), 1);
                acknowledged.ids.extend(ids.into_iter().map(|id| (id, true)));
                written += BATCH;
            }
        }
        assert!(written < 1_000_000, "{name}: the disk does not fill up");
    };
    assert_eq!(status.code(), Code::ResourceExhausted, "{name}: {status:?}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "DATABASE_FULL", "{name}");
    assert!(details.retry_info().is_some(), "{name}");
    assert!(written > 0, "{name}");
    // Single calls are refused alike, and reads go on.
    for _ in 0..20 {
        let interaction = numbered(written..=written).pop();
        let request = proto::CreateInteractionRequest { interaction, validate_only: false };
        match writer.create_interaction(request).await {
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{name}: {status:?}"),
            // One row may still fit.
            Ok(_) => {
                acknowledged.ids.insert(format!("n{written:07}"), true);
                written += 1;
            }
        }
        assert_all_there(name, victim.address, &victim.key, &[&acknowledged]).await;
    }
    // Where there is room again, the same server goes on.
    disk.resize("256m");
    let more = (written..written + 2_000).step_by(BATCH).map(|n| numbered(n..n + BATCH)).collect();
    let more = ingest(victim.address, &victim.key, more, Arc::new(AtomicUsize::new(0))).await;
    assert_eq!(more.ids.len(), 2_000);
    assert_all_there(name, victim.address, &victim.key, &[&acknowledged, &more]).await;
}
