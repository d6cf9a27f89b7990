//! What makes the program pleasant to use: completions, manual pages, help, and its manners off a
//! terminal.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::program::{Server, program, succeed};

/// What bash offers where the cursor stands behind these words, the last of them unfinished.
fn offered(script: &Path, words: &[&str]) -> Vec<String> {
    let position = words.len() - 1;
    let (last, before) = (words[position], words[position.saturating_sub(1)]);
    let complete = format!(
        "source '{}'
        COMP_WORDS=({}); COMP_CWORD={position}
        _interactions interactions '{last}' '{before}'
        printf '%s\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
    );
    let Output { status, stdout, stderr } =
        Command::new("bash").args(["--norc", "--noprofile", "-c", &complete]).output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("interactions.bash");
    std::fs::write(&script, succeed(&mut program(&["completions", "bash"]))).unwrap();
    assert_eq!(offered(&script, &["interactions", "comp"]), ["completions"]);
    assert_eq!(offered(&script, &["interactions", "namespace", "cr"]), ["create"]);
    assert_eq!(offered(&script, &["interactions", "serve", "--max"]), ["--max-calls"]);
    assert_eq!(offered(&script, &["interactions", "config", "--reading"]), ["--reading-streams"]);
    assert_eq!(offered(&script, &["interactions", "list", "--output", "jsonl"]), ["jsonl"]);
    let commands = offered(&script, &["interactions", ""]);
    for command in ["serve", "list", "config", "man"] {
        assert!(commands.iter().any(|offered| offered == command), "{commands:?}");
    }
}

#[test]
fn every_shell_has_a_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = succeed(&mut program(&["completions", shell]));
        assert!(script.contains("reading-streams") && script.contains("interactions"), "{shell}");
    }
    assert_eq!(program(&["completions", "cobol"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man/man1");
    succeed(&mut program(&["man", pages.to_str().unwrap()]));
    let page = |name: &str| std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
    for (name, words) in [
        ("interactions", "Exit status:"),
        ("interactions-list", r"\-\-sort"),
        ("interactions-serve", "INTERACTIONS_MAX_CALLS"),
        ("interactions-key-create", r"\-\-scopes"),
        ("interactions-config", r"\-\-writing\-streams"),
    ] {
        let page = page(name);
        // What troff takes for a page: its title, then at least these sections.
        assert!(page.contains("\n.TH ") || page.starts_with(".TH "), "{page}");
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS"] {
            assert!(page.contains(section), "{name} has no {section}: {page}");
        }
        assert!(page.contains(words), "{name}: {page}");
    }
    assert_eq!(succeed(&mut program(&["man"])), page("interactions"));
    let output = program(&["man", "/dev/null/x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn off_a_terminal_nothing_is_coloured_nor_moves() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("x.sqlite3").display());
    let server = Server::start(&url);
    let file = directory.path().join("a.jsonl");
    std::fs::write(&file, "{\"interaction_id\":\"a\",\"interaction_type\":[\"click\"]}\nbroken\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let mut of_database = program(&["namespace", "list"]);
    of_database.env("INTERACTIONS_DATABASE_URL", &url);
    let mut serve = program(&["serve", "--listen", &server.address]);
    serve.env("INTERACTIONS_DATABASE_URL", format!("{url}-2")).env("INTERACTIONS_LOG", "debug");
    let commands = [
        &mut program(&["--help"]),
        &mut program(&["list", "--help"]),
        &mut program(&["list", "--nonsense"]),
        &mut program(&["config"]),
        &mut of_database,
        &mut serve,
        &mut server.client(&["import", file]),
        &mut server.client(&["list", "-o", "table"]),
        &mut server.client(&["list", "--filters", r#"{"sesion_id": "a"}"#]),
        &mut server.client(&["export"]),
        &mut server.client(&["purge", "--all", "--yes"]),
    ];
    for command in commands {
        // What a terminal would be, if there were one.
        let Output { stdout, stderr, .. } = command.env("TERM", "xterm-256color").output().unwrap();
        let said = [stdout, stderr].concat();
        assert!(!said.is_empty(), "{command:?}");
        for byte in [b'\x1b', b'\r'] {
            assert!(!said.contains(&byte), "{command:?}: {}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn a_mistyped_field_is_put_right() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("x.sqlite3").display());
    let server = Server::start(&url);
    for arguments in [
        ["list", "--filters", r#"{"sesion_id": "a"}"#],
        ["list", "--sort", "-sesion_id"],
        ["list", "--select", "sesion_id"],
    ] {
        let Output { status, stderr, .. } = server.client(&arguments).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains("did you mean \"session_id\"?"), "{arguments:?}: {stderr}");
    }
}

/// As the help text of the program says.
#[test]
fn the_exit_status_tells_success_from_failure_and_nonsense() {
    let help = succeed(&mut program(&["--help"]));
    for status in ["  0 ", "  1 ", "  2 ", "  130 "] {
        assert!(help.contains(&format!("\n{status}")), "{help}");
    }
    let status = |arguments: &[&str]| program(arguments).output().unwrap().status.code();
    assert_eq!(status(&["--version"]), Some(0));
    assert_eq!(status(&["config"]), Some(0));
    assert_eq!(status(&["health", "--addr", "127.0.0.1:1"]), Some(1));
    for nonsense in [&[][..], &["nonsense"], &["get"], &["list", "--limit", "x"], &["serve", "x"]] {
        assert_eq!(status(nonsense), Some(2), "{nonsense:?}");
    }
}

/// The objects that a command prints in each format for programs; the table is for people.
fn in_every_format(command: &dyn Fn(&[&str]) -> Command, arguments: &[&str]) -> [Vec<Value>; 2] {
    let printed = |format| succeed(&mut command(&[arguments, &["-o", format]].concat()));
    let lines: Vec<Value> =
        printed("jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let json: Value = serde_json::from_str(&printed("json")).unwrap();
    let json = if let Value::Array(items) = json { items } else { vec![json] };
    let csv = printed("csv");
    let mut records = csv::Reader::from_reader(csv.as_bytes());
    let header = records.headers().unwrap().clone();
    let records: Vec<_> = records.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), lines.len(), "{csv}");
    for (record, object) in records.iter().zip(&lines) {
        for (name, cell) in header.iter().zip(record) {
            if let Some(text) = object.get(name).and_then(Value::as_str) {
                assert_eq!(cell, text, "{name}: {csv}");
            }
        }
    }
    let table = printed("table");
    assert_eq!(table.lines().count(), 1 + lines.len(), "{table}");
    assert_eq!(table.lines().next().unwrap(), table.lines().next().unwrap().to_uppercase());
    [lines, json]
}

#[test]
fn what_is_listed_comes_in_every_format() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("x.sqlite3").display());
    let server = Server::start(&url);
    let file = directory.path().join("a.jsonl");
    let line = |id| {
        format!(
            r#"{{"interaction_id":"{id}","interaction_type":["click","view"],"metadata":{{"a":"x, \"y\""}}}}"#
        )
    };
    std::fs::write(&file, ["a", "b"].map(line).join("\n")).unwrap();
    succeed(&mut server.client(&["import", file.to_str().unwrap()]));
    let client = |arguments: &[&str]| server.client(arguments);
    let of_database = |arguments: &[&str]| {
        let mut command = program(arguments);
        command.env("INTERACTIONS_DATABASE_URL", &url);
        command
    };
    let key_id = server.key["sk_live_".len()..][..12].to_owned();
    type Run<'f> = &'f dyn Fn(&[&str]) -> Command;
    let commands: [(Run<'_>, &[&str], usize); 8] = [
        (&client, &["list"], 2),
        (&client, &["list", "--user-id", "nobody"], 0),
        (&client, &["get", "a"], 1),
        (&client, &["count"], 1),
        (&of_database, &["namespace", "list"], 1),
        (&of_database, &["namespace", "get", "real"], 1),
        (&of_database, &["key", "list"], 1),
        (&of_database, &["key", "get", &key_id], 1),
    ];
    for (command, arguments, count) in commands {
        let [lines, json] = in_every_format(command, arguments);
        assert_eq!(lines.len(), count, "{arguments:?}: {lines:?}");
        assert_eq!(lines, json, "{arguments:?}");
    }
    let [states, _] = in_every_format(&of_database, &["migrate", "status"]);
    assert!(
        states.len() > 3 && states.iter().all(|state| state["state"] == "applied"),
        "{states:?}"
    );
    let [keys, _] = in_every_format(&of_database, &["key", "list"]);
    assert_eq!(keys[0]["scopes"], serde_json::json!(["read", "write"]));
    assert_eq!(keys[0]["expires"], Value::Null);
    let [counts, _] = in_every_format(&client, &["count"]);
    assert_eq!(counts[0], serde_json::json!({"count": 2}));
}
