//! More is asked than can be done: what is too much is refused at once and says when to come back,
//! and whoever asks little is answered as ever.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::join_all;
use interactions::grpc::limits::CallLimits;
use interactions::grpc::page::Page;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::support::database::databases;
use crate::support::heavy::{self, HEAVY, heavy, wide};
use crate::support::server::{Client, SocketServer};
use crate::support::service::TestService;

/// How soon something has to have happened, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(2);

fn reason(status: &Status) -> (Code, String, bool) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    (status.code(), reason, details.retry_info().is_some())
}

fn exhausted(reason: &str) -> (Code, String, bool) {
    (Code::ResourceExhausted, reason.to_owned(), true)
}

fn interaction(number: usize) -> proto::Interaction {
    proto::Interaction {
        interaction_id: format!("i{number:05}"),
        interaction_type: vec!["click".to_owned()],
        ..Default::default()
    }
}

fn heavy_count() -> proto::CountInteractionsRequest {
    proto::CountInteractionsRequest { filters: heavy(), ..Default::default() }
}

async fn list(client: &mut Client) -> Result<Streaming<Page>, Status> {
    let request = proto::ListInteractionsRequest { page_size: 1, ..Default::default() };
    Ok(client.list_interactions(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_has_so_many_streams() {
    for database in databases().await {
        let one = TestService::new(&database.repository, "one").await;
        let other = TestService::new(&database.repository, "other").await;
        for service in [&one, &other] {
            service.record((0..2_000).map(interaction).collect()).await;
        }
        let limits = CallLimits {
            reading_streams_per_key: 2,
            writing_streams_per_key: 1,
            ..CallLimits::default()
        };
        let server = SocketServer::start_within(&database.url, limits).await;
        let mut client = server.client(&one.secret).await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = list(&mut client).await.unwrap();
            assert_eq!(stream.message().await.unwrap().unwrap().interactions.len(), 1);
            streams.push(stream);
        }
        let refused = list(&mut client).await.unwrap_err();
        assert_eq!(reason(&refused), exhausted("TOO_MANY_STREAMS"), "{}", database.name);
        let purge = proto::PurgeInteractionsRequest { all: true, ..Default::default() };
        let refused = client.purge_interactions(purge).await.unwrap_err();
        assert_eq!(reason(&refused), exhausted("TOO_MANY_STREAMS"));
        // Of another kind, and of another key.
        let batches = || {
            let (sender, batches) = tokio::sync::mpsc::channel(1);
            (sender, ReceiverStream::<proto::WriteInteractionsRequest>::new(batches))
        };
        let (writer, written) = batches();
        let writing = client.write_interactions(written).await.unwrap();
        let refused = client.write_interactions(batches().1).await.unwrap_err();
        assert_eq!(reason(&refused), exhausted("TOO_MANY_STREAMS"));
        list(&mut server.client(&other.secret).await).await.unwrap();
        // A stream that ends, and one that is left, make room.
        drop((writing, writer));
        let mut last = streams.pop().unwrap();
        drop(streams);
        while last.message().await.unwrap().is_some() {}
        let freed = Instant::now();
        while list(&mut client).await.is_err()
            || client.write_interactions(batches().1).await.is_err()
        {
            assert!(freed.elapsed() < SOON, "{}: no room is made", database.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_says_so_at_once_and_stays_healthy() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "full").await;
        service.record((0..heavy::ROWS).map(wide).collect()).await;
        let limits = CallLimits { calls: 6, ..CallLimits::default() };
        let server = SocketServer::start_within(&database.url, limits).await;
        let client = server.client(&service.secret).await;
        let get = |mut client: Client| async move {
            let request = proto::GetInteractionRequest { interaction_id: "i00007".to_owned() };
            client.get_interaction(request).await
        };
        get(client.clone()).await.unwrap();
        let mut heavy_calls = JoinSet::new();
        for _ in 0..3 {
            let mut client = client.clone();
            heavy_calls.spawn(async move {
                // The calls below may be there first.
                while let Err(status) = client.count_interactions(heavy_count()).await
                    && status.code() == Code::ResourceExhausted
                {}
            });
        }
        let begun = Instant::now();
        let refused = loop {
            match get(client.clone()).await {
                Ok(_) => assert!(begun.elapsed() < HEAVY, "{}: never full", database.name),
                Err(status) => break status,
            }
        };
        assert_eq!(reason(&refused), exhausted("OVERLOADED"), "{}", database.name);
        let asked = Instant::now();
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address));
        let channel = channel.unwrap().connect().await.unwrap();
        let health = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        assert_eq!(health.unwrap().into_inner().status, 1);
        assert!(asked.elapsed() < SOON, "{}: {:?}", database.name, asked.elapsed());
        heavy_calls.shutdown().await;
        let left = Instant::now();
        while get(client.clone()).await.is_err() {
            assert!(left.elapsed() < SOON, "{}: it stays full", database.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.stop().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_queries_of_one_namespace_keep_nobody_else_waiting() {
    for database in databases().await {
        let noisy = TestService::new(&database.repository, "noisy").await;
        noisy.record((0..heavy::ROWS).map(wide).collect()).await;
        let quiet = TestService::new(&database.repository, "quiet").await;
        quiet.record((0..100).map(interaction).collect()).await;
        // More than there are connections.
        let mut slow = JoinSet::new();
        for _ in 0..30 {
            let noisy = noisy.clone();
            slow.spawn(async move {
                let begun = Instant::now();
                let answer = noisy.service.count_interactions(noisy.request(heavy_count())).await;
                (answer.map(drop), begun.elapsed())
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        // With a key that has not been seen before, and so is looked up.
        let newcomer = TestService::new(&database.repository, "newcomer").await;
        for service in [&quiet, &newcomer] {
            for round in 0..10 {
                let asked = Instant::now();
                service.record(vec![interaction(1_000 + round)]).await;
                let request = proto::ListInteractionsRequest { limit: 1, ..Default::default() };
                let pages = service.pages(request).await.unwrap();
                assert_eq!(pages[0].interactions.len(), 1);
                assert!(asked.elapsed() < SOON, "{}: {:?}", database.name, asked.elapsed());
            }
        }
        // Those of the noisy one that found no connection are told so in time.
        let (mut turned_away, mut ended) = (0, 0);
        while let Ok(Some(call)) = tokio::time::timeout(SOON, slow.join_next()).await {
            let (answer, after) = call.unwrap();
            ended += 1;
            if let Err(status) = answer {
                assert_eq!(reason(&status).0, Code::Unavailable, "{}: {status}", database.name);
                assert!(reason(&status).2 && after < SOON * 2, "{}: {after:?}", database.name);
                turned_away += 1;
            }
        }
        assert!(turned_away >= 15, "{}: {turned_away} of {ended}", database.name);
        slow.shutdown().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_writes_waits_for_itself() {
    /// Calls of the noisy namespace at a time.
    const FLOOD: usize = 48;
    /// How many each caller makes, one after the other.
    const ROUNDS: usize = 12;
    for database in databases().await {
        let noisy = TestService::new(&database.repository, "noisy").await;
        let quiet = TestService::new(&database.repository, "quiet").await;
        let flood = (0..FLOOD).map(|caller| {
            let noisy = noisy.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                for round in 0..ROUNDS {
                    let begun = Instant::now();
                    noisy.record(vec![interaction(caller * ROUNDS + round)]).await;
                    times.push(begun.elapsed());
                }
                times
            })
        });
        let flood = join_all(flood.collect::<Vec<_>>());
        let mut quiet_times = Vec::new();
        tokio::pin!(flood);
        let noisy_times: Vec<_> = loop {
            let begun = Instant::now();
            tokio::select! {
                times = &mut flood => break times.into_iter().flat_map(Result::unwrap).collect(),
                () = quiet.record(vec![interaction(quiet_times.len())]) => {
                    quiet_times.push(begun.elapsed());
                }
            }
        };
        let (noisy, quiet) = (median(noisy_times), median(quiet_times));
        assert!(quiet * 2 < noisy, "{}: {quiet:?} beside {noisy:?}", database.name);
        database.remove().await;
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn a_stream_that_is_not_begun_takes_no_place() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "wrong").await;
        let wrong = || proto::ListInteractionsRequest { page_size: -1, ..Default::default() };
        // More than there are places for one key.
        for _ in 0..120 {
            let answer = service.service.list_interactions(service.request(wrong())).await;
            assert_eq!(answer.err().unwrap().code(), Code::InvalidArgument);
        }
        let request = service.request(proto::ListInteractionsRequest::default());
        let stream = service.service.list_interactions(request).await.unwrap().into_inner();
        assert_eq!(stream.count().await, 1);
        database.remove().await;
    }
}
