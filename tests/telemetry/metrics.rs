//! Metrics count what happens, exactly, and there are no more of them for what clients think up.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use interactions::grpc::proto;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::{Done, Watched, call_everything, with};
use crate::support::database::{TestDatabase, databases, sqlite};
use crate::support::ingest::numbered;
use crate::support::scrape::{Metrics, get};
use crate::support::server::client;

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_what_they_do_are_counted() {
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        let watched = Watched::start(url, &[], &[]);
        let mut good = watched.client().await;
        let done = call_everything(&mut good).await;
        let address = watched.server.address.parse().unwrap();
        let mut stranger = client(address, "sk_live_nobody".to_owned()).await;
        let list = proto::ListInteractionsRequest::default();
        let refused = stranger.list_interactions(list).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);

        let metrics = Metrics::of(&watched.metrics);
        assert_counted(&metrics, &done);
        // There are exactly as many reads as calls that read, and their time passed.
        for (operation, count) in [("page", 3.0), ("get", 3.0), ("remove", 1.0), ("record", 6.0)] {
            let labels = [("operation", operation)];
            assert_eq!(
                metrics.sum("interactions_database_seconds_count", &labels),
                count,
                "{name}"
            );
            assert!(metrics.sum("interactions_database_seconds_sum", &labels) > 0.0, "{name}");
        }
        let pool = match *name {
            "sqlite" => [("read", 4.0), ("write", 1.0), ("aside", 1.0)].as_slice(),
            _ => &[("main", 18.0), ("plans", 10.0), ("aside", 2.0)],
        };
        for (pool, most) in pool {
            let labels = [("pool", *pool)];
            assert_eq!(metrics.sum("interactions_database_connections_max", &labels), *most);
            assert!(metrics.sum("interactions_database_connections", &labels) <= *most);
        }
        assert_eq!(watched.server.stop(), Some(0));
        database.remove().await;
    }
}

fn assert_counted(metrics: &Metrics, done: &Done) {
    let call = |method, code| {
        let labels = [("grpc_method", method), ("grpc_code", code)];
        metrics.sum("grpc_server_handled_total", &labels)
    };
    for (method, code, count) in [
        ("CreateInteraction", "OK", 2.0),
        ("CreateInteraction", "ALREADY_EXISTS", 1.0),
        ("BatchCreateInteractions", "OK", 1.0),
        ("WriteInteractions", "OK", 1.0),
        ("ListInteractions", "OK", 1.0),
        ("ListInteractions", "UNAUTHENTICATED", 1.0),
        ("CountInteractions", "OK", 1.0),
        ("GetInteraction", "OK", 1.0),
        ("GetInteraction", "NOT_FOUND", 1.0),
        ("DeleteInteraction", "OK", 1.0),
        ("PurgeInteractions", "OK", 1.0),
        ("CreateNamespace", "OK", 0.0),
    ] {
        assert_eq!(call(method, code), count, "{method} {code}");
    }
    let method = [("grpc_method", "CreateInteraction")];
    assert_eq!(metrics.sum("grpc_server_started_total", &method), 3.0);
    assert_eq!(metrics.sum("grpc_server_handling_seconds_count", &method), 3.0);
    assert_eq!(metrics.sum("interactions_calls_in_progress", &method), 0.0);
    assert!(
        metrics.sum("interactions_sent_bytes_total", &[("grpc_method", "ListInteractions")])
            > 1_000.0
    );

    let ingested =
        |outcome| metrics.sum("interactions_ingested_interactions_total", &[("outcome", outcome)]);
    let Done { recorded, deduplicated, conflicting, invalid, batches } = *done;
    assert_eq!(ingested("recorded"), recorded);
    assert_eq!(ingested("deduplicated"), deduplicated);
    assert_eq!(ingested("conflicting"), conflicting);
    assert_eq!(ingested("invalid"), invalid);
    assert_eq!(metrics.sum("interactions_ingested_batches_total", &[]), batches);
    assert_eq!(metrics.sum("interactions_listed_pages_total", &[]), 3.0);
    assert_eq!(metrics.sum("interactions_listed_interactions_total", &[]), 20.0);
    for (cause, count) in [("delete", 1.0), ("purge", 10.0), ("retention", 0.0), ("namespace", 0.0)]
    {
        let labels = [("cause", cause)];
        assert_eq!(metrics.sum("interactions_deleted_interactions_total", &labels), count);
    }
    for (reason, count) in
        [("INTERACTION_EXISTS", 1.0), ("INVALID_API_KEY", 1.0), ("INTERACTION_NOT_FOUND", 1.0)]
    {
        assert_eq!(metrics.sum("interactions_errors_total", &[("reason", reason)]), count);
    }
    assert_eq!(metrics.sum("interactions_panics_total", &[]), 0.0);
    let looks = |result| {
        let labels = [("cache", "keys"), ("result", result)];
        metrics.sum("interactions_cache_lookups_total", &labels)
    };
    // One look at the database serves the calls of ten seconds; another where the machine was slow.
    assert!(looks("miss") >= 1.0 && looks("hit") > looks("miss"));
    // Two clients, and those that asked whether the server is healthy.
    assert!(metrics.sum("interactions_connections_accepted_total", &[]) >= 3.0);
    assert!(metrics.sum("interactions_connections_open", &[]) >= 1.0);
    assert_eq!(
        metrics.sum("interactions_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        1.0
    );
}

/// A call of a method that there is not.
async fn call(channel: &Channel, path: &str, namespace: &str, key: &str) -> Code {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request =
        with(proto::CountInteractionsRequest::default(), &[("x-namespace", namespace)]);
    let bearer = format!("Bearer {key}");
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let codec: ProstCodec<_, proto::CountInteractionsResponse> = ProstCodec::default();
    let path: PathAndQuery = path.parse().unwrap();
    let answer = client.unary::<_, _, _>(request, path, codec).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_think_up_is_no_label() {
    let database = sqlite().await;
    database.repository.close().await;
    let watched = Watched::start(&database.url, &[], &[]);
    let address = format!("http://{}", watched.server.address);
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let count = "/interactions.v1.InteractionService/CountInteractions";
    let key = watched.server.key.clone();
    let round = async |name: String| {
        let path = format!("/invented.v{name}.Service{name}/Method{name}");
        assert_eq!(call(&channel, &path, &name, &key).await, Code::Unimplemented);
        let method = format!("/interactions.v1.InteractionService/Method{name}");
        assert_eq!(call(&channel, &method, &name, &key).await, Code::Unimplemented);
        let namespace = format!("invented-{name}");
        assert_eq!(call(&channel, count, &namespace, &key).await, Code::PermissionDenied);
    };
    round("first".to_owned()).await;
    // The histograms and what is looked up are all there.
    let before = Metrics::of(&watched.metrics);
    for number in 0..333 {
        round(format!("x{number}")).await;
    }
    let after = Metrics::of(&watched.metrics);
    assert_eq!(after.len(), before.len(), "{}", after.text);
    let unknown = [("grpc_method", "unknown"), ("grpc_code", "UNIMPLEMENTED")];
    assert_eq!(after.sum("grpc_server_handled_total", &unknown), 2.0 * 334.0);
    let denied = [("grpc_method", "CountInteractions"), ("grpc_code", "PERMISSION_DENIED")];
    assert_eq!(after.sum("grpc_server_handled_total", &denied), 334.0);
    assert!(!after.text.contains("nvented") && !after.text.contains("x332"), "{}", after.text);
    assert_eq!(watched.server.stop(), Some(0));
    database.remove().await;
}

/// A client that leaves in the middle of an answer is counted as what it is, and what it held is free.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_client_leaves_is_cancelled() {
    let database = sqlite().await;
    database.repository.close().await;
    // A page takes long enough for the client to leave, and all of them longer than anybody waits.
    let watched = Watched::start(&database.url, &[], &[("FAILPOINTS", "page=return(300)")]);
    let mut client = watched.client().await;
    let interactions = numbered(0..1_000);
    let batch = proto::BatchCreateInteractionsRequest { interactions, validate_only: false };
    client.batch_create_interactions(batch).await.unwrap();
    let list = proto::ListInteractionsRequest { page_size: 1, ..Default::default() };
    let mut pages = client.list_interactions(list).await.unwrap().into_inner();
    pages.message().await.unwrap().unwrap();
    let method = [("grpc_method", "ListInteractions")];
    let under_way = Metrics::of(&watched.metrics).sum("interactions_calls_in_progress", &method);
    assert_eq!(under_way, 1.0);
    drop(pages);
    let started = Instant::now();
    while Metrics::of(&watched.metrics).sum("interactions_calls_in_progress", &method) > 0.0 {
        assert!(started.elapsed() < Duration::from_secs(60), "it never ends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cancelled = [("grpc_method", "ListInteractions"), ("grpc_code", "CANCELLED")];
    let metrics = Metrics::of(&watched.metrics);
    assert_eq!(metrics.sum("grpc_server_handled_total", &cancelled), 1.0);
    assert_eq!(watched.server.stop(), Some(0));
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_their_own_address_and_a_slow_asker_takes_nothing_from_others() {
    let database = sqlite().await;
    database.repository.close().await;
    let watched = Watched::start(&database.url, &[], &[]);
    let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: test\r\n\r\n");
    for (line, status) in [
        ("GET /", "404"),
        ("GET /metrics/x", "404"),
        ("POST /metrics", "405"),
        ("GET /metrics", "200"),
    ] {
        let (head, body) = get(&watched.metrics, &request(line));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {head}");
        assert_eq!(body.is_empty(), status != "200");
    }
    // More than there are places for; they are let go after five seconds.
    let silent: Vec<_> = (0..12).map(|_| TcpStream::connect(&watched.metrics).unwrap()).collect();
    assert!(Metrics::of(&watched.metrics).len() > 100);
    drop(silent);
    assert_eq!(watched.server.stop(), Some(0));
    database.remove().await;
}
