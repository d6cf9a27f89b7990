//! `interactions import`, against servers of its own over real sockets.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{Server, succeed};

/// How long something that is bound to happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server and a directory for its database and for files.
struct World {
    server: Server,
    url: String,
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("import.sqlite3").display());
        Self { server: Server::start(&url), url, directory }
    }

    fn file(&self, name: &str, lines: &[impl AsRef<str>]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines: String = lines.iter().map(|line| format!("{}\n", line.as_ref())).collect();
        std::fs::write(&path, lines).unwrap();
        path
    }

    fn import(&self, file: &Path, arguments: &[&str]) -> Command {
        let mut command = self.server.client(&["import", file.to_str().unwrap()]);
        command.args(arguments);
        command
    }

    fn count(&self) -> u64 {
        succeed(&mut self.server.client(&["count"])).trim().parse().unwrap()
    }

    /// All interactions by time, without what the service adds to each.
    fn listed(&self) -> Vec<Value> {
        let list = ["list", "--limit", "0", "--sort", "timestamp", "-o", "jsonl"];
        let listed = succeed(&mut self.server.client(&list));
        let interactions = listed.lines().map(|line| {
            let mut interaction: Value = serde_json::from_str(line).unwrap();
            assert!(interaction.as_object_mut().unwrap().remove("created_at").is_some());
            interaction
        });
        interactions.collect()
    }

    fn wait_for(&self, count: u64) {
        let started = Instant::now();
        while self.count() < count {
            assert!(started.elapsed() < PATIENCE, "never {count} interactions");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The exit code and what was said, which has to begin its last line with this many of each.
fn expect(output: Output, code: i32, counts: [u64; 3]) -> String {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let [recorded, deduplicated, refused] = counts;
    let summary =
        format!("recorded {recorded}, deduplicated {deduplicated}, refused {refused} in ");
    assert!(stderr.lines().any(|line| line.starts_with(&summary)), "{summary}: {stderr}");
    stderr
}

fn run(mut command: Command, code: i32, counts: [u64; 3]) -> String {
    expect(command.output().unwrap(), code, counts)
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn clicks(count: usize) -> Vec<String> {
    let click = |number| format!(r#"{{"interaction_type":["click"],"position":{number}}}"#);
    (0..count).map(click).collect()
}

#[test]
fn an_import_goes_on_from_a_line() {
    let world = World::new();
    let file = world.file("events.jsonl", &clicks(5));
    run(world.import(&file, &["--from-line", "3"]), 0, [3, 0, 0]);
    run(world.import(&file, &[]), 0, [2, 3, 0]);
    run(world.import(&file, &["--from-line", "6"]), 0, [0, 0, 0]);
    assert_eq!(world.count(), 5);
    let output = world.import(&file, &["--from-line", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_file_is_recorded_once_and_a_pipe_every_time() {
    let world = World::new();
    let lines = clicks(1_500);
    run(world.import(&world.file("events.jsonl", &lines), &[]), 0, [1_500, 0, 0]);
    run(world.import(&world.file("moved/events.jsonl", &lines), &[]), 0, [0, 1_500, 0]);
    run(world.import(&world.file("other.jsonl", &lines), &[]), 0, [1_500, 0, 0]);
    assert_eq!(world.count(), 3_000);
    for round in 1..=2 {
        let mut child = spawn(world.import(Path::new("-"), &[]));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines[..7].join("\n").as_bytes()).unwrap();
        drop(stdin);
        expect(child.wait_with_output().unwrap(), 0, [7, 0, 0]);
        assert_eq!(world.count(), 3_000 + 7 * round);
    }
}

#[test]
fn each_bad_interaction_is_refused_alone_with_all_its_faults() {
    let world = World::new();
    let lines = [
        r#"{"interaction_id":"a","interaction_type":["click"]}"#,
        r#"{"interaction_id":"b","interaction_type":["1"],"position":-1}"#,
        r#"{"interaction_id":"a","interaction_type":["view"]}"#,
        r#"{"interaction_id":"a","interaction_type":["click"]}"#,
        r#"{"interaction_id":"c","interaction_type":["click"]}"#,
    ];
    let said = run(world.import(&world.file("mixed.jsonl", &lines), &[]), 1, [2, 1, 2]);
    for beginning in
        ["line 2: position: ", "line 2: interaction_type[0]: ", "line 3: interaction_id: "]
    {
        assert!(said.lines().any(|line| line.starts_with(beginning)), "{beginning}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.starts_with("line ")).count(), 3, "{said}");
}

#[test]
fn ubi_events_find_their_fields() {
    let world = World::new();
    let lines = [
        r#"{"application":"shop","action_name":"Item Click","query_id":"q-1","session_id":"s-1","client_id":"c-1","user_id":"u-1","timestamp":"2025-01-22T10:00:00Z","message_type":"CLICK","event_attributes":{"object":{"object_id":17,"object_id_field":"ean"},"position":{"ordinal":3}}}"#,
        r#"{"index":{"_index":"ubi_events","_id":"bulk-1"}}"#,
        r#"{"action_name":"search","query_id":"q-2","client_id":"c-2","timestamp":1737540001000,"user_query":"red shoe"}"#,
        r#"{"_index":"ubi_events","_id":"hit-1","_score":1.0,"_source":{"action_name":"purchase","client_id":"c-3","timestamp":"2025-01-22T10:00:02Z","event_attributes":{"session_id":"s-3","position":{"ordinal":0,"x":4}}}}"#,
        r#"{"query_id":"q-4","user_query":"red shoe","timestamp":"2025-01-22T10:00:03Z"}"#,
        r#"{"action_name":"42","query_id":true}"#,
    ];
    let file = world.file("events.ndjson", &lines);
    let said = run(world.import(&file, &["--format", "ubi"]), 1, [3, 0, 2]);
    for part in ["line 5: this is a UBI query", "line 6: action_name: ", "line 6: query_id: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let mut listed = world.listed();
    let made = listed[0].as_object_mut().unwrap().remove("interaction_id").unwrap();
    assert_eq!(made.as_str().unwrap().len(), 36);
    let expected = [
        json!({
            "feature_id": "17", "interaction_type": ["item_click"], "position": 3,
            "user_id": "u-1", "session_id": "s-1", "execution_id": "q-1",
            "timestamp": "2025-01-22T10:00:00Z",
            "metadata": {
                "application": "shop", "client_id": "c-1", "message_type": "CLICK",
                "event_attributes": {"object": {"object_id_field": "ean"}},
            },
        }),
        json!({
            "interaction_id": "bulk-1", "interaction_type": ["search"], "user_id": "c-2",
            "execution_id": "q-2", "timestamp": "2025-01-22T10:00:01Z",
            "metadata": {"user_query": "red shoe"},
        }),
        json!({
            "interaction_id": "hit-1", "interaction_type": ["purchase"], "position": 0,
            "user_id": "c-3", "session_id": "s-3", "timestamp": "2025-01-22T10:00:02Z",
            "metadata": {"event_attributes": {"position": {"x": 4}}},
        }),
    ];
    assert_eq!(listed, expected);
    run(world.import(&file, &["--format", "ubi"]), 1, [0, 3, 2]);
}

#[test]
fn pages_of_mixpeek_are_read_whole() {
    let world = World::new();
    let lines = [
        r#"{"results":[{"document_id":"d-1","interaction_type":["click","long_view"],"position":2,"occurred_at":"2025-01-22T10:00:00","timestamp":"2025-02-01T00:00:00Z","interaction_id":"m-1","deduplicated":false},{"feature_id":"f-2","interaction_type":"view","timestamp":"2025-01-22T10:00:01Z","interaction_id":"m-2","created_at":"x"}],"pagination":{"total":3,"page":1}}"#,
        r#"[{"feature_id":"f-3","interaction_type":"click","occurred_at":"2025-01-22T10:00:02Z","search_request":{"queries":[{"vector_index":"text","value":"shoe","type":"text"}],"collections":["c"],"sort":{"field":"price","direction":"desc"}}},{"feature_id":"f-4","interaction_type":"1"},{"feature_id":"f-5","_id":"x"}]"#,
    ];
    let file = world.file("page.json", &lines);
    let said = run(world.import(&file, &["--format=mixpeek"]), 1, [3, 0, 2]);
    for part in ["line 2: [1].interaction_type[0]: ", "line 2: [2]._id: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let mut listed = world.listed();
    assert!(listed[2].as_object_mut().unwrap().remove("interaction_id").is_some());
    let expected = [
        json!({
            "interaction_id": "m-1", "feature_id": "d-1",
            "interaction_type": ["click", "long_view"], "position": 2,
            "timestamp": "2025-01-22T10:00:00Z",
        }),
        json!({
            "interaction_id": "m-2", "feature_id": "f-2", "interaction_type": ["view"],
            "timestamp": "2025-01-22T10:00:01Z",
        }),
        json!({
            "feature_id": "f-3", "interaction_type": ["click"],
            "timestamp": "2025-01-22T10:00:02Z",
            "search_request": {
                "queries": [{"vector_index": "text", "value": "shoe", "type": "text"}],
                "collections": ["c"], "sort": {"field": "price", "direction": "DESC"},
            },
        }),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn an_import_outlives_the_service() {
    const LINES: usize = 60_000;
    let mut world = World::new();
    let file = world.file("many.jsonl", &clicks(LINES));
    let mut import = spawn(world.import(&file, &[]));
    world.wait_for(3_000);
    world.server.kill();
    assert!(import.try_wait().unwrap().is_none(), "the import was over too early to tell");
    std::thread::sleep(Duration::from_secs(1));
    world.server.restart(&world.url);
    let output = import.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("trying again"), "{said}");
    assert_eq!(world.count(), LINES as u64, "{said}");
    run(world.import(&file, &[]), 0, [0, LINES as u64, 0]);
}

#[test]
fn an_import_that_fails_says_from_where_to_go_on() {
    let world = World::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all((clicks(1_500).join("\n") + "\n").as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let file = world.directory.path().join("cut.jsonl.gz");
    std::fs::write(&file, &whole[..whole.len() - 4]).unwrap();
    let said = run(world.import(&file, &[]), 1, [1_500, 0, 0]);
    let stopped = "error: stopped after line 1500 (go on with --from-line 1501): cannot read on";
    assert!(said.contains(stopped), "{said}");
    let mut world = world;
    world.server.kill();
    let output = world.import(&file, &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot reach the service") && !said.contains("stopped"), "{said}");
}

#[test]
fn an_interrupted_import_says_from_where_to_go_on() {
    for signal in ["-INT", "-TERM"] {
        let world = World::new();
        let mut import = spawn(world.import(Path::new("-"), &[]));
        let mut stdin = import.stdin.take().unwrap();
        // A whole batch, and the beginning of another one that does not come.
        let lines = clicks(1_200).join("\n");
        stdin.write_all(lines.as_bytes()).unwrap();
        world.wait_for(1_000);
        let id = import.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let said = expect(import.wait_with_output().unwrap(), 130, [1_000, 0, 0]);
        assert!(said.contains("stopped after line 1000 (go on with --from-line 1001)"), "{said}");
        drop(stdin);
        assert_eq!(world.count(), 1_000);
    }
}
