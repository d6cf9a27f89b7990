//! What those who run a server ask of the program: `explain` and `doctor`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use sea_orm::{ConnectionTrait as _, Database};

use crate::support::database::{databases, postgres};
use crate::support::ingest::numbered;
use crate::support::program::{furnish, program, succeed};
use crate::support::service::TestService;

fn on(url: &str, arguments: &[&str]) -> Command {
    let mut command = program(arguments);
    command.env("INTERACTIONS_DATABASE_URL", url);
    command
}

/// The lines of `doctor` by what they are about, and its exit code.
fn doctor(url: &str, flags: &[&str]) -> (Vec<[String; 3]>, Option<i32>) {
    let output = on(url, &[&["doctor"], flags].concat()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    let sum = lines.pop().unwrap();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            let (grade, rest) = line.split_once(' ').unwrap();
            let (subject, said) = rest.trim_start().split_once("  ").unwrap();
            [grade, subject, said.trim_start()].map(str::to_owned)
        })
        .collect();
    let count = |grade| lines.iter().filter(|[given, ..]| given == grade).count();
    assert_eq!(sum, format!("{} failed, {} warnings", count("FAILED"), count("warning")));
    assert_eq!(output.status.code(), Some(i32::from(count("FAILED") > 0)), "{text}");
    (lines, output.status.code())
}

/// What is said of a subject, with its grade.
fn said<'l>(lines: &'l [[String; 3]], subject: &str) -> Vec<(&'l str, &'l str)> {
    let about = lines.iter().filter(|[_, given, _]| given == subject);
    about.map(|[grade, _, said]| (grade.as_str(), said.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_what_is_asked_and_how_it_is_found() {
    for database in databases().await {
        let (url, name) = (&database.url, database.name);
        let service = TestService::new(&database.repository, "explained").await;
        service.record(numbered(0..500)).await;
        let namespace = ["explain", "--namespace", "explained"];
        let filters =
            r#"{"OR":[{"session_id":"s3"},{"metadata.n":{"lt":5}}],"user_id":{"ne":"u'1"}}"#;
        let text = succeed(&mut on(
            url,
            &[&namespace[..], &["--filters", filters, "--sort=position"]].concat(),
        ));
        for line in [
            "    any of",
            r#"      session_id = "s3""#,
            "      metadata.n < 5",
            "    not",
            r#"      user_id = "u'1""#,
            "  position ascending",
            "  timestamp descending",
            "statement",
            "plan",
        ] {
            assert!(text.lines().any(|given| given == line), "{name}: {line} in\n{text}");
        }
        // It can be pasted into a shell of the database.
        let statement = text.lines().skip_while(|line| *line != "statement").nth(1).unwrap();
        assert!(
            (statement.contains("'u''1'") || statement.contains(r"E'u\'1'")),
            "{name}: {statement}"
        );

        let text = succeed(&mut on(url, &[&namespace[..], &["--session-id=s3"]].concat()));
        assert!(text.contains("interactions_session_id"), "{name}: an index is used\n{text}");
        let text = succeed(&mut on(url, &[&namespace[..], &["--search=shoe"]].concat()));
        assert!(text.contains("search\n  shoe\n"), "{name}\n{text}");

        // Of the page after a token.
        let page = service.first_page(Default::default()).await;
        let token = format!("--page-token={}", page.unwrap().next_page_token);
        let further = succeed(&mut on(url, &[&namespace[..], &[&token]].concat()));
        assert!(further.contains("\"timestamp_us\""), "{name}\n{further}");

        let analyze = on(url, &[&namespace[..], &["--analyze"]].concat()).output().unwrap();
        if name == "postgres" {
            let text = String::from_utf8(analyze.stdout).unwrap();
            assert!(text.contains("actual time="), "{text}");
        } else {
            assert_eq!(analyze.status.code(), Some(1));
        }

        for (wrong, message) in [
            ([&namespace[..], &["--filters", r#"{"positon":1}"#]].concat(), "positon"),
            ([&namespace[..], &["--page-token=x"]].concat(), "page token"),
            (vec!["explain", "--namespace", "other"], "there is no namespace"),
        ] {
            let refused = on(url, &wrong).output().unwrap();
            let stderr = String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success() && stderr.contains(message), "{name}: {stderr}");
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_is_content_with_what_is_well_and_names_what_is_not() {
    for database in databases().await {
        let (url, name) = (&database.url, database.name);
        let (lines, _) = doctor(url, &[]);
        assert_eq!(said(&lines, "namespaces")[0].0, "warning", "{name}");
        assert_eq!(said(&lines, "keys")[0].0, "warning", "{name}");

        furnish(url, "well");
        let (lines, _) = doctor(url, &[]);
        for subject in
            ["address", "descriptors", "database", "schema", "clock", "namespaces", "keys"]
        {
            assert_eq!(said(&lines, subject)[0].0, "ok", "{name}: {lines:?}");
        }
        let failed = lines.iter().filter(|[grade, ..]| grade == "FAILED");
        // The server of tests may forgo what makes writing slow.
        let expected =
            |said: &str| said.starts_with("fsync ") || said.starts_with("full_page_writes ");
        assert!(
            failed.into_iter().all(|[_, _, said]| name == "postgres" && expected(said)),
            "{lines:?}"
        );

        // A key that ends soon, a clock that was wrong, and a schema that is behind.
        succeed(&mut on(
            url,
            &["key", "create", "--name", "short", "--scopes", "read", "--expires", "3d"],
        ));
        let (lines, _) = doctor(url, &[]);
        assert!(said(&lines, "keys").iter().any(|(grade, said)| *grade == "warning" && said.contains("(short) ends in 2 days")));
        let service = TestService::new(&database.repository, "ahead").await;
        service.record(numbered(0..1)).await;
        let later = "UPDATE interactions SET created_at_us = created_at_us + 7200000000";
        let connection = Database::connect(url).await.unwrap();
        connection.execute_unprepared(later).await.unwrap();
        connection.close().await.unwrap();
        let (lines, _) = doctor(url, &[]);
        assert_eq!(said(&lines, "clock")[0].0, "warning", "{name}: {lines:?}");
        succeed(&mut on(url, &["migrate", "down"]));
        let (lines, code) = doctor(url, &[]);
        assert_eq!((said(&lines, "schema")[0].0, code), ("FAILED", Some(1)), "{name}");
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_looks_at_files_and_at_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let url = format!("sqlite:{}", path("d.sqlite3"));
    let (lines, code) = doctor(&url, &[]);
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(said(&lines, "database")[0].1.contains("the first start makes it"));
    assert!(!Path::new(&path("d.sqlite3")).exists(), "it changes nothing");

    furnish(&url, "files");
    fs::set_permissions(path("d.sqlite3"), fs::Permissions::from_mode(0o644)).unwrap();
    let (lines, code) = doctor(&url, &["--listen", "0.0.0.0:50051"]);
    assert_eq!((said(&lines, "file")[0].0, code), ("warning", Some(1)));
    assert!(said(&lines, "address")[0].1.contains("--tls-cert"));
    fs::set_permissions(path("d.sqlite3"), fs::Permissions::from_mode(0o600)).unwrap();

    let write = |until: i32, mode: u32| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(until, 1, 1);
        fs::write(path("c.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(path("c.key"), key.serialize_pem()).unwrap();
        fs::set_permissions(path("c.key"), fs::Permissions::from_mode(mode)).unwrap();
    };
    let files = [format!("--tls-cert={}", path("c.pem")), format!("--tls-key={}", path("c.key"))];
    let flags: Vec<_> = files.iter().map(String::as_str).collect();
    for (until, mode, certificate, key) in
        [(4000, 0o600, "ok", 0), (2001, 0o600, "FAILED", 0), (4000, 0o644, "ok", 1)]
    {
        write(until, mode);
        let (lines, _) = doctor(&url, &flags);
        assert_eq!(said(&lines, "certificate")[0].0, certificate, "{lines:?}");
        assert_eq!(said(&lines, "private key").len(), key, "{lines:?}");
    }
    fs::write(path("c.pem"), "nonsense").unwrap();
    let (lines, code) = doctor(&url, &flags);
    assert_eq!((said(&lines, "certificate")[0].0, code), ("FAILED", Some(1)));

    fs::write(path("d.sqlite3"), "nonsense").unwrap();
    assert_eq!(said(&doctor(&url, &[]).0, "database")[0].0, "FAILED");
    let (lines, _) = doctor("postgres://127.0.0.1:1/nothing", &[]);
    assert_eq!(said(&lines, "database")[0].0, "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_shows_no_password() {
    let database = postgres().await;
    let secret = database.url.replacen("postgres@", "postgres:hunter2@", 1);
    let output = on(&secret, &["doctor"]).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("database") && !text.contains("hunter2"), "{text}");
    database.remove().await;
}
