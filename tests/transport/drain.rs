//! A server that is told to stop says so, lets clients resume elsewhere, and is gone in time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use interactions::grpc::page::Page;
use interactions::grpc::proto;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Pages, ROWS, fill, list, sqlite_in};
use crate::support::frames::PREFACE;
use crate::support::ingest::numbered;
use crate::support::program::Server;
use crate::support::server::client;
use crate::support::service::interactions;

/// Those who run servers wait this long before they kill them (Kubernetes).
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads to the end, or to an error. Adds the ids to `ids`; returns the last token and the error.
async fn read(pages: &mut Pages, ids: &mut BTreeSet<String>) -> (String, Option<Code>) {
    let mut token = String::new();
    loop {
        match pages.message().await {
            Ok(Some(page)) => token = add(page, ids),
            Ok(None) => return (token, None),
            Err(status) => return (token, Some(status.code())),
        }
    }
}

/// Adds the ids of a page to `ids`, and returns its token.
fn add(page: Page, ids: &mut BTreeSet<String>) -> String {
    for interaction in interactions(&page) {
        assert!(ids.insert(interaction.interaction_id), "none comes twice");
    }
    page.next_page_token
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_gone_in_time_whatever_its_clients_do() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_in(directory.path());
    let mut server = Server::start(&url);
    let (address, key) = (server.address.parse().unwrap(), server.key.clone());
    let mut writer = client(address, key.clone()).await;
    fill(&mut writer).await;

    let _silent = TcpStream::connect(address).await.unwrap();
    let mut mute = TcpStream::connect(address).await.unwrap();
    mute.write_all(PREFACE).await.unwrap();
    let mut stalled = list(address, &key, String::new()).await;
    let mut reading = list(address, &key, String::new()).await;
    let never = tokio_stream::pending::<proto::WriteInteractionsRequest>();
    let first =
        proto::WriteInteractionsRequest { interactions: numbered(0..1), ..Default::default() };
    let first = tokio_stream::once(first);
    let mut writing = writer.write_interactions(first.chain(never)).await.unwrap().into_inner();
    writing.message().await.unwrap().unwrap();
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let request = HealthCheckRequest { service: String::new() };
    let health = HealthClient::new(channel.connect().await.unwrap()).watch(request).await;
    let mut health = health.unwrap().into_inner();
    assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    // A call that has not had its first page has nothing to resume.
    let mut ids = BTreeSet::new();
    let page = reading.message().await.unwrap().unwrap();
    let resumable = add(page, &mut ids);

    server.terminate();
    let started = Instant::now();
    let said = health.message().await.unwrap().unwrap().status();
    assert_eq!(said, ServingStatus::NotServing);
    assert_eq!(writing.message().await.unwrap_err().code(), Code::Unavailable);
    let (last, error) = read(&mut reading, &mut ids).await;
    let token = if last.is_empty() { resumable } else { last };
    assert_eq!(error, Some(Code::Unavailable));
    assert!(ids.len() < ROWS && !token.is_empty(), "{} are there, then {token:?}", ids.len());
    let mut server = tokio::task::spawn_blocking(move || {
        assert_eq!(server.wait(), Some(0));
        server
    })
    .await
    .unwrap();
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    let (_, error) = read(&mut stalled, &mut BTreeSet::new()).await;
    assert!(error.is_some(), "what was cut off does not look like the end");

    server.restart(&url);
    let mut rest = list(address, &key, token).await;
    assert_eq!(read(&mut rest, &mut ids).await, (String::new(), None));
    assert_eq!(ids.len(), ROWS);
    assert_eq!(server.stop(), Some(0));
}
