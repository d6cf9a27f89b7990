//! The program as a whole: its commands, against servers of its own over real sockets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::database::{TestDatabase, databases};
use crate::support::documents::with_doubles;
use crate::support::program::{Server, gunzipped, program, succeed};

/// The filter of the first example in the documentation.
const FIRST_RESULTS: &str = r#"{"AND":[{"field":"position","operator":"lte","value":5},{"field":"interaction_type","operator":"in","value":["click","purchase"]}]}"#;

/// All of it: real searches, generated events, and a real shop.
const REAL_DATA: [&str; 3] = [
    "examples/data/chorus-demo.jsonl.gz",
    "tests/data/interactions-generated-chorus-ubi.jsonl.gz",
    "tests/data/interactions-real-obd.jsonl.gz",
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_demo_serves_what_it_promises() {
    let demo = Server::demo();
    let list = ["list", "--filters", FIRST_RESULTS, "--limit", "0", "-o", "jsonl"];
    let listed = succeed(&mut demo.client(&list));
    assert_eq!(listed.lines().count(), 141);
    for line in listed.lines() {
        let found: Value = serde_json::from_str(line).unwrap();
        assert!(found["position"].as_i64().unwrap() <= 5);
    }
    let count = succeed(&mut demo.client(&["count"]));
    assert_eq!(count.trim(), "1959");
    let first: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let id = first["interaction_id"].as_str().unwrap();
    let got: Value = serde_json::from_str(&succeed(&mut demo.client(&["get", id]))).unwrap();
    assert_eq!(got, first);
    assert_eq!(demo.stop(), Some(0));
}

/// The real data goes in and comes out whole, twice imported or once.
#[tokio::test(flavor = "multi_thread")]
async fn real_data_comes_out_as_it_went_in() {
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        // The server has the database to itself.
        database.repository.close().await;
        let server = Server::start(url);
        let mut expected = BTreeMap::new();
        for file in REAL_DATA {
            let path = repository(file);
            let lines = gunzipped(&path);
            let count = lines.len();
            // The second time everything is there.
            for said in [
                format!("recorded {count}, deduplicated 0"),
                format!("recorded 0, deduplicated {count}"),
            ] {
                let import = server.client(&["import", path.to_str().unwrap()]).output().unwrap();
                let stderr = String::from_utf8(import.stderr).unwrap();
                assert!(import.status.success(), "{name}, {file}: {stderr}");
                assert!(stderr.contains(&said), "{name}, {file}: {stderr}");
            }
            for line in lines {
                let interaction = comparable(&line);
                expected.insert(
                    interaction["interaction_id"].as_str().unwrap().to_owned(),
                    interaction,
                );
            }
        }
        let exported = succeed(&mut server.client(&["export"]));
        assert_eq!(exported.lines().count(), expected.len(), "{name}");
        for line in exported.lines() {
            let mut found = comparable(line);
            assert!(found.as_object_mut().unwrap().remove("created_at").is_some());
            let id = found["interaction_id"].as_str().unwrap();
            assert_eq!(Some(&found), expected.get(id), "{name}");
        }
        assert_eq!(server.stop(), Some(0), "{name}");
        database.remove().await;
    }
}

/// An interaction's JSON with what says the same in the same words.
fn comparable(line: &str) -> Value {
    let mut interaction = with_doubles(serde_json::from_str(line).unwrap());
    let object = interaction.as_object_mut().unwrap();
    for name in ["timestamp", "created_at"] {
        if let Some(Value::String(text)) = object.get(name) {
            let micros = interactions::domain::time::parse(text).unwrap();
            object.insert(name.to_owned(), micros.into());
        }
    }
    interaction
}

/// However long a list is, the server that streams it does not grow with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_takes_flat_memory() {
    const ROWS: usize = 100_000;
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        let server = Server::start(url);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("many.jsonl");
        let lines = (0..ROWS).map(|number| {
            let (seconds, text) = (number % 60, "word ".repeat(40));
            format!(
                r#"{{"interaction_id":"i{number}","interaction_type":["click"],"timestamp":"2025-01-01T00:00:{seconds:02}Z","metadata":{{"text":"{text}"}}}}"#
            )
        });
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
        succeed(&mut server.client(&["import", file.to_str().unwrap()]));
        let list = |limit: usize| {
            let limit = limit.to_string();
            let list = ["list", "--limit", &limit, "--page-size", "1000", "-o", "jsonl"];
            succeed(&mut server.client(&list)).lines().count()
        };
        assert_eq!(list(10_000), 10_000);
        let before = server.peak_memory();
        assert_eq!(list(0), ROWS);
        let grown = server.peak_memory().saturating_sub(before);
        // The records alone are 25 MiB; a stream may hold a few pages of a mebibyte.
        assert!(grown <= 8 * 1024, "{name}: {grown} KiB more for ten times the rows");
        assert_eq!(server.stop(), Some(0), "{name}");
        database.remove().await;
    }
}

#[test]
fn import_reports_bad_lines_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("import.sqlite3").display());
    let server = Server::start(&url);
    let file = directory.path().join("mixed.jsonl");
    let lines = [
        r#"{"interaction_id":"a","interaction_type":["click"]}"#,
        "not json",
        r#"{"interaction_id":"b","interaction_type":["click"],"position":-1}"#,
        "",
        r#"{"interaction_id":"c","interaction_type":["click"],"nope":1}"#,
        r#"{"interaction_id":"d","interaction_type":["click"]}"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let output = server.client(&["import", file.to_str().unwrap()]).output().unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    for number in [2, 3, 5] {
        assert!(stderr.contains(&format!("line {number}:")), "{number}: {stderr}");
    }
    assert_eq!(succeed(&mut server.client(&["count"])).trim(), "2");
}

#[test]
fn a_mistaken_command_line_says_so() {
    let output = program(&["list", "--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("x.sqlite3").display());
    let server = Server::start(&url);
    let output = server.client(&["list", "--filters", r#"{"nope": 1}"#]).output().unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("filters.nope"), "{stderr}");
}
