//! What stands in deploy/ and docs/ fits what the service shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use super::{Watched, call_everything};
use crate::support::database::sqlite;
use crate::support::scrape::Metrics;

/// Only there on some systems, or once something has gone wrong that nothing here brings about.
const RARE: [&str; 1] = ["interactions_trace_spans_total"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The metrics that an expression names.
fn named(text: &str) -> BTreeSet<String> {
    let names = Regex::new(r"\b(?:grpc_server|interactions|process)_[a-z_]+\b").unwrap();
    names.find_iter(text).map(|name| name.as_str().to_owned()).collect()
}

/// Everything that a dashboard asks of Prometheus.
fn asked(dashboard: &Value) -> Vec<String> {
    match dashboard {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let is_question = ["expr", "definition", "query"].contains(&name.as_str());
                let text = value.as_str().filter(|_| is_question);
                text.map_or_else(|| asked(value), |text| vec![text.to_owned()])
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(asked).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The metrics in the table of the documentation.
fn documented() -> BTreeSet<String> {
    let page = read("docs/operations.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| named(row.split('|').nth(1).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_asks_for_what_there_is() {
    let database = sqlite().await;
    database.repository.close().await;
    let watched = Watched::start(&database.url, &[], &[]);
    call_everything(&mut watched.client().await).await;
    let metrics = Metrics::of(&watched.metrics);
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/interactions.json")).unwrap();
    let asked = asked(&dashboard);
    assert!(asked.len() > 40, "{asked:?}");
    let alerts = read("deploy/observability/alerts.yaml");
    let expressions = alerts.lines().filter(|line| !line.trim_start().starts_with('#'));
    let asked = asked.iter().flat_map(|expression| named(expression));
    let wanted: BTreeSet<_> = asked.chain(expressions.flat_map(named)).collect();
    assert!(wanted.len() > 25, "{wanted:?}");
    let shown = metrics.names();
    for name in &wanted {
        assert!(
            shown.contains(name.as_str()) || RARE.contains(&name.as_str()),
            "{name} is not among {shown:?}"
        );
    }
    let documented = documented();
    let shown: BTreeSet<_> = metrics.kinds().into_keys().map(str::to_owned).collect();
    let rare = RARE.into_iter().map(str::to_owned);
    let all: BTreeSet<_> = shown.iter().cloned().chain(rare).collect();
    assert_eq!(documented, all, "the table of docs/operations.md, and what is shown");
    let explained = metrics.explained();
    for name in &shown {
        assert!(explained.contains(name.as_str()), "{name} has no meaning");
    }
    for (name, kind) in metrics.kinds() {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        assert!(kind != "histogram" || name.ends_with("_seconds"), "{name}");
    }
    assert_eq!(watched.server.stop(), Some(0));
    database.remove().await;
}
