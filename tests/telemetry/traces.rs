//! Traces go to whoever collects them, as a part of the caller's; without a collector calls are as quick.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use interactions::grpc::proto;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::collector::{Collector, attributes};
use super::{Watched, call_everything, with};
use crate::support::database::{TestDatabase, databases, sqlite};
use crate::support::program::free_address;
use crate::support::scrape::Metrics;

const TRACE: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
const PARENT: [u8; 8] = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// That of a caller who keeps no trace.
const OTHER_TRACE: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4737_u128.to_be_bytes();
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_a_part_of_its_callers_trace() {
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        let collector = Collector::start().await;
        let endpoint = format!("http://{}", collector.address);
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=TheCollectorsSecret"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("INTERACTIONS_LOG", "trace"),
        ];
        let watched = Watched::start(url, &[], &variables);
        let mut client = watched.client().await;
        call_everything(&mut client).await;
        let get = proto::GetInteractionRequest { interaction_id: "personWhoDidIt".to_owned() };
        let headers =
            [("traceparent", TRACEPARENT), ("tracestate", "a=b"), ("x-request-id", "mine")];
        client.get_interaction(with(get.clone(), &headers)).await.unwrap_err();
        client.get_interaction(with(get, &[("traceparent", UNSAMPLED)])).await.unwrap_err();

        let spans = collector.wait_for(|span| span.parent_span_id == PARENT).await;
        let call = spans.iter().find(|span| span.parent_span_id == PARENT).unwrap();
        assert_eq!(call.trace_id, TRACE, "{name}");
        assert_eq!(call.trace_state, "a=b");
        assert_eq!(call.name, "interactions.v1.InteractionService/GetInteraction");
        assert_eq!(call.kind(), SpanKind::Server);
        // That there is none of this name is the caller's affair.
        assert!(call.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset));
        let told = attributes(&call.attributes);
        let (host, port) = watched.server.address.split_once(':').unwrap();
        for (attribute, value) in [
            ("rpc.system.name", "grpc"),
            ("rpc.method", "interactions.v1.InteractionService/GetInteraction"),
            ("rpc.response.status_code", "NOT_FOUND"),
            ("server.address", host),
            ("server.port", port),
            ("network.peer.address", "127.0.0.1"),
            ("request_id", "mine"),
        ] {
            assert_eq!(
                told.get(attribute).map(String::as_str),
                Some(value),
                "{attribute}: {told:?}"
            );
        }
        assert!(told.contains_key("network.peer.port") && !told.contains_key("error.type"));

        // Beside looks at the namespace and the key, where they are due.
        let is_query = |span: &Span| span.parent_span_id == call.span_id && span.name == "get";
        let spans = collector.wait_for(is_query).await;
        let query = spans.iter().find(|span| is_query(span)).unwrap();
        assert_eq!(query.kind(), SpanKind::Client, "{name}");
        let told = attributes(&query.attributes);
        let system = if *name == "sqlite" { "sqlite" } else { "postgresql" };
        assert_eq!(told["db.system.name"], system);
        assert_eq!(told["db.operation.name"], "get");

        // A batch is a span below the stream that it came on, in whatever task it was written.
        let stream = spans.iter().find(|span| span.name.ends_with("/WriteInteractions")).unwrap();
        let below = spans.iter().filter(|span| span.parent_span_id == stream.span_id);
        assert_eq!(below.filter(|span| span.name == "record").count(), 2, "{name}");

        let (sender, metadata) = collector.sender();
        assert_eq!(sender["service.name"], "interactions");
        assert_eq!(sender["deployment.environment.name"], "test");
        assert_eq!(sender["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(metadata.get("x-collector-key").unwrap(), "TheCollectorsSecret");

        let metrics = Metrics::of(&watched.metrics);
        assert!(metrics.sum("interactions_trace_spans_total", &[("result", "exported")]) > 10.0);
        let log_path = watched.log_path();
        let Watched { server, directory, .. } = watched;
        let key = server.key.clone();
        assert_eq!(server.stop(), Some(0));
        let log = std::fs::read_to_string(log_path).unwrap();
        assert!(!log.contains("TheCollectorsSecret"), "{name}: the log has the collector's key");
        drop(directory);
        // What others chose not to keep is not kept; keys and what people did are in no trace.
        let text = collector.text();
        let secret = &key["sk_live_".len() + 12..];
        for private in [secret, "personWhoDidIt", "n0000003", "red shoe", "SELECT"] {
            assert!(!text.contains(private), "{name}: {private}");
        }
        assert!(collector.spans().iter().all(|span| span.trace_id != OTHER_TRACE), "{name}");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_before_the_end() {
    let database = sqlite().await;
    database.repository.close().await;
    let collector = Collector::start().await;
    let endpoint = format!("http://{}", collector.address);
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("OTEL_SERVICE_NAME", "shop-events"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ];
    let watched = Watched::start(&database.url, &[], &variables);
    let count = proto::CountInteractionsRequest::default();
    let headers = [("traceparent", TRACEPARENT)];
    watched.client().await.count_interactions(with(count, &headers)).await.unwrap();
    assert!(collector.spans().is_empty());
    assert_eq!(watched.server.stop(), Some(0));
    assert!(collector.spans().iter().any(|span| span.parent_span_id == PARENT));
    assert_eq!(collector.sender().0["service.name"], "shop-events");
    database.remove().await;
}

/// The SDK can be turned off, and a sampler says how many traces are kept.
#[tokio::test(flavor = "multi_thread")]
async fn traces_are_not_sent_where_they_are_not_wanted() {
    let database = sqlite().await;
    database.repository.close().await;
    for (variable, value) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_SAMPLER", "always_off")]
    {
        let collector = Collector::start().await;
        let endpoint = format!("http://{}", collector.address);
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), (variable, value)];
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("none.sqlite3").display());
        let watched = Watched::start(&url, &[], &variables);
        let count = proto::CountInteractionsRequest::default();
        watched.client().await.count_interactions(count).await.unwrap();
        assert_eq!(watched.server.stop(), Some(0));
        assert!(collector.spans().is_empty(), "{variable}");
    }
    database.remove().await;
}

/// Nobody answers there, or somebody who takes connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_nobodys_concern() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    for address in [free_address(), silent_address] {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("away.sqlite3").display());
        let endpoint = format!("http://{address}");
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "200"),
        ];
        let started = Instant::now();
        let watched = Watched::start(&url, &[], &variables);
        let mut client = watched.client().await;
        // Many times what the queue holds.
        for _ in 0..500 {
            client.count_interactions(proto::CountInteractionsRequest::default()).await.unwrap();
        }
        loop {
            let metrics = Metrics::of(&watched.metrics);
            if metrics.text.contains("interactions_trace_spans_total{result=\"failed\"}") {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "no spans have failed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let complaints = watched
            .log()
            .iter()
            .filter(|line| line["message"] == "spans cannot be exported; they are dropped")
            .count() as u64;
        let most = 1 + started.elapsed().as_secs() / 60;
        assert!((1..=most).contains(&complaints), "{complaints}: {:?}", watched.log());
        assert_eq!(watched.server.stop(), Some(0));
    }
}
