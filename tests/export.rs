//! The commands that take interactions out again: `export`, `delete` and `purge`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{Server, gunzipped, program, succeed};
use crate::support::proxy::Proxy;
use crate::support::slow_road::slow_road;

const DEMO: &str = "examples/data/chorus-demo.jsonl.gz";
/// Real events, in enough pages to be interrupted between them.
const MANY: &str = "tests/data/interactions-generated-chorus-ubi.jsonl.gz";
const MANY_LINES: usize = 6_000;
/// How long an export may take to write its first page.
const PATIENCE: Duration = Duration::from_secs(60);

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server on a new database, in a directory with room for files.
fn server() -> (Server, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("export.sqlite3").display());
    (Server::start(&url), directory)
}

/// A server that holds [`MANY_LINES`] interactions.
fn server_with_many() -> (Server, TempDir) {
    let (server, directory) = server();
    let lines = gunzipped(&repository(MANY));
    let file = directory.path().join("many.jsonl");
    fs::write(&file, lines[..MANY_LINES].join("\n")).unwrap();
    succeed(&mut server.client(&["import", text(&file)]));
    (server, directory)
}

fn import(server: &Server, file: &Path) {
    succeed(&mut server.client(&["import", text(file)]));
}

fn export(server: &Server, file: &Path, options: &[&str]) -> Output {
    let arguments = [&["export", text(file)], options].concat();
    server.client(&arguments).output().unwrap()
}

fn count(server: &Server) -> usize {
    succeed(&mut server.client(&["count"])).trim().parse().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A client command that reaches the server by another address.
fn by_way_of(address: &str, server: &Server, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.args(["--addr", address, "--namespace", &server.namespace]);
    command.env("INTERACTIONS_API_KEY", &server.key);
    command
}

fn progress_of(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.progress", file.display()))
}

/// An export that is slow, and has written a page or more.
fn under_way(server: &Server, file: &Path, options: &[&str]) -> Child {
    let address = slow_road(&server.address, Duration::from_millis(10));
    let arguments = [&["export", text(file)], options].concat();
    let mut command = by_way_of(&address, server, &arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let written = || {
        let progress = fs::read(progress_of(file)).ok()?;
        serde_json::from_slice::<Value>(&progress).unwrap()["interactions"].as_u64()
    };
    while written().is_none_or(|count| count == 0) {
        assert!(started.elapsed() < PATIENCE, "the export does not come off the ground");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// What an export holds beside `created_at`, which is not the same elsewhere.
fn lines_without_creation(file: &Path) -> Vec<Value> {
    let lines = fs::read_to_string(file).unwrap();
    let lines = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert!(line.as_object_mut().unwrap().remove("created_at").is_some());
        line
    });
    lines.collect()
}

/// The same of CSV, in which it is the last column.
fn cells_without_creation(file: &Path) -> Vec<Vec<String>> {
    let mut records = csv::ReaderBuilder::new().has_headers(false).from_path(file).unwrap();
    let cells = |record: csv::StringRecord| {
        let mut cells: Vec<_> = record.iter().map(str::to_owned).collect();
        assert!(!cells.pop().unwrap().is_empty());
        cells
    };
    records.records().map(|record| cells(record.unwrap())).collect()
}

#[test]
fn what_is_exported_can_be_imported() {
    let ((first, directory), (second, _other)) = (server(), server());
    import(&first, &repository(DEMO));
    let file = |name: &str| directory.path().join(name);
    let (lines, cells) = (file("a.jsonl"), file("a.csv"));
    for path in [&lines, &cells] {
        let output = export(&first, path, &[]);
        assert_eq!(
            (output.status.code(), stderr(&output)),
            (Some(0), "exported 1959 interactions\n".to_owned())
        );
        assert!(!progress_of(path).exists());
    }
    let exported = lines_without_creation(&lines);
    let times: Vec<_> = exported.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "the oldest come first");
    for (from, to) in [(&cells, "b.jsonl"), (&lines, "b.csv")] {
        import(&second, from);
        assert_eq!(count(&second), 1_959);
        assert!(export(&second, &file(to), &[]).status.success());
        succeed(&mut second.client(&["purge", "--all", "--yes"]));
        assert_eq!(count(&second), 0);
    }
    assert!(exported == lines_without_creation(&file("b.jsonl")));
    assert!(cells_without_creation(&cells) == cells_without_creation(&file("b.csv")));
}

#[test]
fn an_export_to_standard_output_is_the_list() {
    let (server, directory) = server();
    import(&server, &repository(DEMO));
    let filter = ["--type", "click", "--sort", "-position,user_id"];
    let list = [&["list", "--limit", "0", "-o", "jsonl"], &filter[..]].concat();
    let listed = succeed(&mut server.client(&list));
    assert!(listed.lines().count() > 100);
    for file in [&[][..], &["-"], &["/dev/stdout"]] {
        let arguments = [&["export"], file, &filter].concat();
        assert_eq!(succeed(&mut server.client(&arguments)), listed);
    }
    let nothing = export(&server, &directory.path().join("none.csv"), &["--user-id", "nobody"]);
    assert_eq!(stderr(&nothing), "exported 0 interactions\n");
    let header = fs::read_to_string(directory.path().join("none.csv")).unwrap();
    assert!(header.starts_with("interaction_id,feature_id,") && header.lines().count() == 1);
}

#[test]
fn an_export_that_was_killed_goes_on_where_it_was() {
    let (server, directory) = server_with_many();
    for (name, signal) in [("a.jsonl", "KILL"), ("a.csv", "KILL"), ("b.csv", "INT")] {
        let file = directory.path().join(name);
        let whole = directory.path().join(format!("whole-{name}"));
        assert!(export(&server, &whole, &[]).status.success());
        let child = under_way(&server, &file, &[]);
        let id = child.id().to_string();
        Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        if signal == "INT" {
            assert_eq!(output.status.code(), Some(130));
            let said = stderr(&output);
            assert!(said.starts_with("stopped after ") && said.contains("--resume"), "{said}");
        }
        let half = fs::metadata(&file).unwrap().len();
        assert!(half > 0 && half < fs::metadata(&whole).unwrap().len(), "{half}");
        // What a program that is killed while it writes leaves behind.
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"torn \"\n{").unwrap();
        let other = export(&server, &file, &["--resume", "--type", "click"]);
        assert_eq!(other.status.code(), Some(1));
        assert!(stderr(&other).contains("--type was not given"), "{}", stderr(&other));
        let output = export(&server, &file, &["--resume"]);
        assert_eq!(stderr(&output), format!("exported {MANY_LINES} interactions\n"));
        assert!(fs::read(&file).unwrap() == fs::read(&whole).unwrap(), "{name}");
        assert!(!progress_of(&file).exists());
        let again = export(&server, &file, &["--resume"]);
        assert_eq!(again.status.code(), Some(1));
        assert!(stderr(&again).contains("it is complete"), "{}", stderr(&again));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_made_again() {
    let (server, directory) = server_with_many();
    let (whole, file) = (directory.path().join("whole.csv"), directory.path().join("a.csv"));
    assert!(export(&server, &whole, &[]).status.success());
    let proxy = Proxy::start(server.address.parse().unwrap(), || 2_500_000).await;
    let address = proxy.address.to_string();
    succeed(&mut by_way_of(&address, &server, &["export", text(&file)]));
    assert!(proxy.cuts.load(Ordering::Relaxed) > 1);
    assert!(fs::read(&file).unwrap() == fs::read(&whole).unwrap());
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let (server, directory) = server();
    import(&server, &repository(DEMO));
    let file = directory.path().join("mine.jsonl");
    fs::write(&file, "mine").unwrap();
    for options in [&[][..], &["--resume"]] {
        let output = export(&server, &file, options);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }
    assert!(export(&server, &file, &["--force"]).status.success());
    assert_eq!(lines_without_creation(&file).len(), 1_959);
    // A request that is refused leaves nothing, also of what is to be replaced.
    for options in [&["--sort", "nope"][..], &["--sort", "nope", "--force"]] {
        let new = directory.path().join("new.jsonl");
        for path in [&file, &new] {
            assert_eq!(export(&server, path, options).status.code(), Some(1));
            assert!(!progress_of(path).exists());
        }
        assert!(!new.exists());
    }
    assert_eq!(lines_without_creation(&file).len(), 1_959);
}

#[test]
fn single_interactions_are_deleted() {
    let (server, directory) = server();
    let file = directory.path().join("few.jsonl");
    let line = |id: &str| format!(r#"{{"interaction_id":"{id}","interaction_type":["click"]}}"#);
    fs::write(&file, ["a", "b", "c", "d"].map(line).join("\n")).unwrap();
    import(&server, &file);
    let output = server.client(&["delete", "a", "nope", "not an id", "b"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let said = stderr(&output);
    assert!(said.contains("nope: ") && said.contains("not an id: "), "{said}");
    assert_eq!(count(&server), 2);
    let output = server.client(&["delete", "--allow-missing", "a", "nope", "c"]).output().unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len(), stderr(&output)),
        (Some(0), 0, String::new())
    );
    assert_eq!(
        succeed(&mut server.client(&["list", "--select", "user_id", "-o", "jsonl"])),
        "{\"interaction_id\":\"d\"}\n"
    );
}

#[test]
fn a_purge_deletes_what_matches_and_only_when_told_to() {
    let (server, _directory) = server();
    import(&server, &repository(DEMO));
    let clicks = |server: &Server| -> usize {
        succeed(&mut server.client(&["count", "--type", "click"])).trim().parse().unwrap()
    };
    let (all, matching) = (count(&server), clicks(&server));
    assert!(matching > 10 && matching < all);
    let purge = |options: &[&str]| {
        let arguments = [&["purge", "--type", "click"], options].concat();
        server.client(&arguments).output().unwrap()
    };
    let preview = format!("{matching} interactions match\n");
    for (options, code) in [(&["--dry-run"][..], 0), (&[], 1)] {
        let output = purge(options);
        let said = stderr(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(code), 0));
        assert!(said.starts_with(&preview), "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("  ")).count(), 11, "{said}");
        assert_eq!(said.contains("--yes"), code == 1, "{said}");
        assert_eq!(count(&server), all);
    }
    let output = purge(&["--yes"]);
    assert!(output.status.success());
    assert!(stderr(&output).ends_with(&format!("deleted {matching} interactions\n")));
    assert_eq!((count(&server), clicks(&server)), (all - matching, 0));
    assert_eq!(stderr(&purge(&[])), "0 interactions match\n");
    for mistaken in [&["purge", "--yes"][..], &["purge", "--yes", "--all", "--type", "view"]] {
        assert_eq!(server.client(mistaken).output().unwrap().status.code(), Some(2));
    }
    // A filter that matches everything is not taken for one.
    assert_eq!(
        server.client(&["purge", "--yes", "--filters", "{}"]).output().unwrap().status.code(),
        Some(1)
    );
    assert_eq!(count(&server), all - matching);
}
