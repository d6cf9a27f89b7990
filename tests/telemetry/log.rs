//! The log: an object on each line where nobody reads it, with the names of the call and its trace; what
//! was slow, by its shape.

use interactions::grpc::proto;
use serde_json::{Value, json};

use super::{Watched, with};
use crate::support::database::{TestDatabase, databases, sqlite};
use crate::support::ingest::numbered;
use crate::support::program::program;
use crate::support::scrape::Metrics;
use crate::support::typed::proto_struct;

/// As in the documents of W3C.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The lines that tell of the end of a call.
fn ended<'l>(log: &'l [Value], request_id: &str) -> Vec<&'l Value> {
    let of_call =
        |line: &&Value| line["message"] == "call ended" && line["span"]["request_id"] == request_id;
    log.iter().filter(of_call).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_call_names_it_and_its_trace() {
    let database = sqlite().await;
    database.repository.close().await;
    let variables = [("INTERACTIONS_LOG", "interactions=debug")];
    let watched = Watched::start(&database.url, &[], &variables);
    let mut client = watched.client().await;
    let count = proto::CountInteractionsRequest::default();
    let headers = [("x-request-id", "order-17"), ("traceparent", TRACEPARENT)];
    let answer = client.count_interactions(with(count.clone(), &headers)).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "order-17");
    // One that could be taken for something else in a log gets another name; errors are named, too.
    let get = proto::GetInteractionRequest { interaction_id: "nope".to_owned() };
    let error =
        client.get_interaction(with(get, &[("x-request-id", "a\" b=c")])).await.unwrap_err();
    let made = error.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert!(made.parse::<uuid::Uuid>().is_ok(), "{made}");
    watched.server.terminate();
    let log = wait_for(&watched, "stopped");
    let [line] = ended(&log, "order-17")[..] else { panic!("not one line: {log:?}") };
    assert_eq!(line["span"]["trace_id"], TRACE);
    assert_eq!(line["span"]["rpc.method"], "interactions.v1.InteractionService/CountInteractions");
    assert_eq!(line["rpc.response.status_code"], "OK");
    let [line] = ended(&log, &made)[..] else { panic!("not one line: {log:?}") };
    assert_eq!(line["rpc.response.status_code"], "NOT_FOUND");
    assert!(line["span"].get("trace_id").is_none(), "{line}");
    for line in &log {
        for field in ["timestamp", "level", "message", "target"] {
            assert!(line[field].is_string(), "{line}");
        }
    }
    database.remove().await;
}

/// The log once it has a line with this message.
fn wait_for(watched: &Watched, message: &str) -> Vec<Value> {
    let started = std::time::Instant::now();
    loop {
        let text = std::fs::read_to_string(watched.log_path()).unwrap();
        if text.contains(&format!("\"{message}\"")) && text.ends_with('\n') {
            return watched.log();
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "no {message} in {text}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_is_logged_without_its_values() {
    const SECRETS: [&str; 4] = ["aSecretValue", "aSecretPath", "aSecretWord", "aSecretPerson"];
    let [value, path, word, person] = SECRETS;
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        // Whatever is written takes over 50 ms, and whatever is read over one, or nearly so.
        let variables = [("FAILPOINTS", "after-insert=return(60)")];
        let watched = Watched::start(url, &["--slow-query", "1"], &variables);
        let mut client = watched.client().await;
        for first in [0, 1_000, 2_000] {
            let interactions = numbered(first..first + 1_000);
            let batch =
                proto::BatchCreateInteractionsRequest { interactions, validate_only: false };
            client
                .batch_create_interactions(with(batch, &[("x-request-id", "batch")]))
                .await
                .unwrap();
        }
        let filters = json!({
            format!("metadata.{path}"): { "regex": format!("{value}.*x") },
            "user_id": { "ne": person },
        });
        let count = proto::CountInteractionsRequest {
            filters: Some(proto_struct(filters.as_object().unwrap())),
            search: format!("shoe -{word}"),
            ..Default::default()
        };
        for _ in 0..5 {
            let count = with(count.clone(), &[("x-request-id", "count")]);
            client.count_interactions(count).await.unwrap();
        }
        let slow: Vec<_> =
            watched.log().into_iter().filter(|line| line["message"] == "slow query").collect();
        let of = |call: &str, operation: &str| {
            let wanted = |line: &&Value| {
                line["span"]["request_id"] == call && line["operation"] == operation
            };
            slow.iter().find(wanted)
        };
        let written = of("batch", "record").unwrap_or_else(|| panic!("{name}: {slow:?}"));
        assert_eq!((&written["interactions"], &written["rows"]), (&json!(1000), &json!(1000)));
        assert!(written["duration_ms"].as_u64().unwrap() >= 60, "{written}");
        assert_eq!(written["level"], "WARN");
        let counted = of("count", "count").unwrap_or_else(|| panic!("{name}: {slow:?}"));
        assert_eq!(counted["conditions"], "metadata.* regex, user_id eq, search");
        let method = "interactions.v1.InteractionService/CountInteractions";
        assert_eq!(counted["span"]["rpc.method"], method);
        let text = std::fs::read_to_string(watched.log_path()).unwrap();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{name}: {secret} is in {text}");
        }
        let slow = Metrics::of(&watched.metrics);
        assert!(slow.sum("interactions_slow_queries_total", &[("operation", "record")]) >= 3.0);
        assert_eq!(watched.server.stop(), Some(0));
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_slow_where_nobody_asks() {
    let database = sqlite().await;
    database.repository.close().await;
    let variables = [("FAILPOINTS", "after-insert=return(60)")];
    let watched = Watched::start(&database.url, &["--slow-query", "0"], &variables);
    let batch = proto::BatchCreateInteractionsRequest {
        interactions: numbered(0..10),
        validate_only: false,
    };
    watched.client().await.batch_create_interactions(batch).await.unwrap();
    assert!(watched.log().iter().all(|line| line["message"] != "slow query"));
    assert_eq!(watched.server.stop(), Some(0));
    database.remove().await;
}

/// A tool speaks to people, a server to whoever reads; either can be told to do otherwise.
#[test]
fn the_format_goes_by_who_reads() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("log.sqlite3").display());
    let stderr = |arguments: &[&str]| {
        let mut command = program(arguments);
        let output = command.env("INTERACTIONS_DATABASE_URL", &url).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let migrated = stderr(&["migrate"]);
    assert!(migrated.contains(" INFO interactions::server: database opened"), "{migrated}");
    // It cannot listen there, but opens the database first.
    let serve = ["serve", "--listen", "192.0.2.1:1", "--insecure", "--log-format"];
    for (format, said) in [
        ("auto", "\"message\":\"database opened\""),
        ("text", " INFO interactions::server: database"),
    ] {
        let log = stderr(&[&serve[..], &[format]].concat());
        assert!(log.contains(said), "{format}: {log}");
    }
}
