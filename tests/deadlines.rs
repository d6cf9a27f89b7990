//! Calls end in time, and what ends leaves nothing behind: no query that runs on, no connection that
//! is not free.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join_all;
use interactions::grpc::pace::PaceLimits;
use interactions::grpc::page::Page;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::{
    InteractionService as _, InteractionServiceServer,
};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::support::database::{TestDatabase, databases};
use crate::support::heavy::{self, HEAVY, heavy, wide};
use crate::support::server::client;
use crate::support::service::TestService;

/// Interactions in each database; with their texts, 16 MB.
const ROWS: i64 = heavy::ROWS;
/// How soon something has to have happened, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(2);

async fn services() -> Vec<(TestDatabase, TestService)> {
    let mut services = Vec::new();
    for database in databases().await {
        let service = TestService::new(&database.repository, "deadlines").await;
        service.record((0..ROWS).map(wide).collect()).await;
        services.push((database, service));
    }
    services
}

fn heavy_count() -> proto::CountInteractionsRequest {
    proto::CountInteractionsRequest { filters: heavy(), ..Default::default() }
}

fn heavy_list() -> proto::ListInteractionsRequest {
    proto::ListInteractionsRequest { filters: heavy(), ..Default::default() }
}

fn timed<T>(mut request: Request<T>, timeout: &str) -> Request<T> {
    request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
    request
}

async fn count(service: &TestService, timeout: &str) -> Result<(), Status> {
    let request = timed(service.request(heavy_count()), timeout);
    service.service.count_interactions(request).await.map(drop)
}

async fn list(service: &TestService, timeout: &str) -> Result<(), Status> {
    let request = timed(service.request(heavy_list()), timeout);
    let mut pages = service.service.list_interactions(request).await?.into_inner();
    pages.next().await.expect("an error, not an end").map(drop)
}

async fn preview_purge(service: &TestService, timeout: &str) -> Result<(), Status> {
    let request = proto::PurgeInteractionsRequest { filters: heavy(), ..Default::default() };
    let request = timed(service.request(request), timeout);
    let mut messages = service.service.purge_interactions(request).await?.into_inner();
    messages.next().await.expect("an error, not an end").map(drop)
}

/// Every connection answers at once, and no query is left of those who went.
async fn assert_all_free(database: &TestDatabase, service: &TestService) {
    let asked = Instant::now();
    let request = || proto::GetInteractionRequest { interaction_id: "i00007".to_owned() };
    // More than there are connections of either kind.
    let gets = (0..40).map(|_| service.service.get_interaction(service.request(request())));
    for answer in join_all(gets).await {
        answer.unwrap();
    }
    assert!(asked.elapsed() < SOON, "{}: {:?}", database.name, asked.elapsed());
    assert_nothing_runs(database).await;
}

async fn assert_nothing_runs(database: &TestDatabase) {
    let asked = Instant::now();
    while database.under_way().await > 0 {
        assert!(asked.elapsed() < SOON, "queries go on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_calls_end_in_time_and_nothing_of_them_goes_on() {
    for (database, service) in services().await {
        let patient = tokio::time::timeout(HEAVY, count(&service, "30S"));
        assert!(patient.await.is_err(), "{}: the query is not heavy", database.name);
        assert_all_free(&database, &service).await;
        let called = Instant::now();
        let answers = [
            count(&service, "200m").await,
            list(&service, "200m").await,
            preview_purge(&service, "200m").await,
        ];
        for answer in answers {
            assert_eq!(answer.unwrap_err().code(), Code::DeadlineExceeded);
        }
        assert!(called.elapsed() < SOON, "{}: {:?}", database.name, called.elapsed());
        assert_all_free(&database, &service).await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_leave_leave_nothing_behind() {
    for (database, service) in services().await {
        // In waves of fewer than there are connections in PostgreSQL, and more than in SQLite.
        for wave in 0..5_u64 {
            let service = &service;
            let left = (0..10).map(|caller| async move {
                let patience = Duration::from_millis((wave * 10 + caller) * 37 % 200);
                match caller % 3 {
                    0 => tokio::time::timeout(patience, count(service, "30S")).await.map(drop),
                    1 => tokio::time::timeout(patience, list(service, "30S")).await.map(drop),
                    _ => tokio::time::timeout(patience, preview_purge(service, "30S"))
                        .await
                        .map(drop),
                }
            });
            assert!(join_all(left).await.iter().all(Result::is_err));
        }
        assert_all_free(&database, &service).await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_while_writing_leaves_the_writer_usable() {
    for (database, service) in services().await {
        let all = || proto::CountInteractionsRequest::default();
        for turn in 0..20 {
            let patience = Duration::from_millis(turn * 13 % 100);
            let interactions = (0..200).map(|number| wide(100_000 + number)).collect();
            let batch =
                proto::BatchCreateInteractionsRequest { interactions, validate_only: false };
            let record = service.service.batch_create_interactions(service.request(batch));
            let _ = tokio::time::timeout(patience, record).await;
            let purge =
                proto::PurgeInteractionsRequest { all: true, force: true, ..Default::default() };
            let purge = async {
                let request = service.request(purge);
                let messages = service.service.purge_interactions(request).await.unwrap();
                messages.into_inner().for_each(|_| std::future::ready(())).await;
            };
            let _ = tokio::time::timeout(patience, purge).await;
            let before = service.count(all()).await;
            service.record(vec![wide(1_000_000 + turn as i64)]).await;
            assert!(service.count(all()).await <= before + 201, "{}", database.name);
        }
        // Nor is a transaction left that began for somebody who had gone.
        assert_nothing_runs(&database).await;
        let purge =
            proto::PurgeInteractionsRequest { all: true, force: true, ..Default::default() };
        let messages = service.service.purge_interactions(service.request(purge)).await.unwrap();
        assert!(messages.into_inner().all(|message| std::future::ready(message.is_ok())).await);
        assert_eq!(service.count(all()).await, 0, "{}", database.name);
        database.remove().await;
    }
}

/// How many interactions come before the error of a stream, and the error.
async fn read(mut stream: Streaming<Page>) -> (usize, Status) {
    let mut found = 0;
    loop {
        match stream.message().await {
            Ok(page) => found += page.expect("an error, not an end").interactions.len(),
            Err(status) => return (found, status),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_are_ended_and_hold_nothing() {
    for (database, service) in services().await {
        let limits = PaceLimits { idle: Duration::from_millis(300), ..PaceLimits::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limited = service.service.clone().with_pace_limits(limits);
        let server = Server::builder().add_service(InteractionServiceServer::new(limited));
        let server = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let mut reader = client(address, service.secret.clone()).await;
        let whole = proto::ListInteractionsRequest { page_size: 100, ..Default::default() };
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(reader.list_interactions(whole.clone()).await.unwrap().into_inner());
        }
        // Ten times the limit.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_all_free(&database, &service).await;
        // All at once: those that are not read keep the window of the connection to themselves.
        for (found, status) in join_all(streams.into_iter().map(read)).await {
            assert_eq!(status.code(), Code::ResourceExhausted, "{}", database.name);
            let info = status.get_error_details().error_info().unwrap().clone();
            assert_eq!(info.reason, "READER_STALLED");
            // What was on the way, and not the rest.
            assert!(found <= 500, "{}: {found}", database.name);
        }
        server.abort();
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_a_deadline_may_last_but_not_stand_still() {
    let limits = PaceLimits { step: Duration::from_millis(200), ..PaceLimits::default() };
    for (database, service) in services().await {
        let service =
            TestService { service: service.service.clone().with_pace_limits(limits), ..service };
        let request = service.request(heavy_list());
        let mut pages = service.service.list_interactions(request).await.unwrap().into_inner();
        let status = pages.next().await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(pages.next().await.is_none());
        // Longer than a step, and each step is short.
        let request = proto::ListInteractionsRequest { page_size: 100, ..Default::default() };
        let pages = service.service.list_interactions(service.request(request)).await.unwrap();
        let mut found = 0;
        let mut pages = pages.into_inner();
        while let Some(page) = pages.next().await {
            found += page.unwrap().interactions.len();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert_eq!(found as i64, ROWS, "{}", database.name);
        assert_all_free(&database, &service).await;
        database.remove().await;
    }
}
