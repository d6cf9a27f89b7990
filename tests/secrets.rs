//! What is secret stays so: no key, no password and nothing that people did shows in the log, however
//! much of it is asked for, nor a key in the database.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use clap::Parser as _;
use futures::StreamExt as _;
use interactions::cli::Cli;
use interactions::config::{DatabaseArgs, DatabasePlace};
use interactions::domain::access::KeySecret;
use interactions::grpc::proto;
use interactions::repository::Settings;
use secrecy::SecretString;
use serde_json::json;
use tonic::{Code, Status};

use crate::support::database::{TestDatabase, databases};
use crate::support::program::{free_address, furnish, program, succeed};
use crate::support::scrape::Metrics;
use crate::support::server::{Client, client};
use crate::support::typed::proto_struct;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// In the database's URL.
const PASSWORD: &str = "Pa55wordOfTheDatabase";
/// What somebody did, and what is asked of it.
const PRIVATE: [&str; 4] =
    ["valueInMetadata", "keyInMetadata", "wordSearchedFor", "personWhoDidIt"];

/// A server whose output is kept.
struct Logged {
    child: Child,
    address: String,
    metrics: String,
    log: tempfile::NamedTempFile,
}

impl Logged {
    fn start(url: &str) -> Self {
        let (address, metrics) = (free_address(), free_address());
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut serve = program(&[
            "serve",
            "--listen",
            &address,
            "--metrics-listen",
            &metrics,
            "--slow-query",
            "1",
        ]);
        serve.env("INTERACTIONS_DATABASE_URL", url).env("INTERACTIONS_LOG", "trace");
        let child = into_file(&mut serve, log.as_file()).spawn().unwrap();
        let started = Instant::now();
        while !program(&["health", "--addr", &address]).output().unwrap().status.success() {
            assert!(started.elapsed() < PATIENCE, "the server does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { child, address, metrics, log }
    }

    /// Stops it; returns what it wrote.
    fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        let stopped = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(stopped.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn into_file<'c>(command: &'c mut Command, file: &File) -> &'c mut Command {
    command.stdout(file.try_clone().unwrap()).stderr(file.try_clone().unwrap())
}

/// `url` with a password, which a server that trusts everybody does not look at.
fn with_password(url: &str) -> String {
    url.replacen("postgres@", &format!("postgres:{PASSWORD}@"), 1)
}

/// The part of a key that nobody may see; what stands before it is public.
fn secret_part(key: &str) -> String {
    key["sk_live_".len() + 12..].to_owned()
}

async fn list(client: &mut Client, request: proto::ListInteractionsRequest) -> Result<(), Status> {
    let mut pages = client.list_interactions(request).await?.into_inner();
    while let Some(page) = pages.next().await {
        page?;
    }
    Ok(())
}

/// Calls of every kind, those that fail among them.
async fn call(address: &str, key: &str, invalid: [&str; 2]) {
    let [value, name, word, person] = PRIVATE;
    let mut client = client(address.parse().unwrap(), key.to_owned()).await;
    let metadata = json!({ name: value, "text": word });
    let interaction = proto::Interaction {
        interaction_id: "a".to_owned(),
        interaction_type: vec!["click".to_owned()],
        user_id: person.to_owned(),
        metadata: Some(proto_struct(metadata.as_object().unwrap())),
        ..Default::default()
    };
    let create = |interaction| proto::CreateInteractionRequest {
        interaction: Some(interaction),
        validate_only: false,
    };
    client.create_interaction(create(interaction.clone())).await.unwrap();
    let other = proto::Interaction { position: Some(1), ..interaction.clone() };
    let taken = client.create_interaction(create(other)).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let wrong = proto::Interaction { position: Some(-1), ..interaction };
    let wrong = client.create_interaction(create(wrong)).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let filters = json!({ format!("metadata.{name}"): { "regex": value }, "user_id": person });
    let request = proto::ListInteractionsRequest {
        filters: Some(proto_struct(filters.as_object().unwrap())),
        search: word.to_owned(),
        include_total: true,
        ..Default::default()
    };
    list(&mut client, request.clone()).await.unwrap();
    let token = proto::ListInteractionsRequest { page_token: value.to_owned(), ..request.clone() };
    let token = list(&mut client, token).await.unwrap_err();
    assert_eq!(token.code(), Code::InvalidArgument);
    let get = |id: &str| proto::GetInteractionRequest { interaction_id: id.to_owned() };
    client.get_interaction(get("a")).await.unwrap();
    assert_eq!(client.get_interaction(get("b")).await.unwrap_err().code(), Code::NotFound);
    for key in invalid {
        let client = crate::support::server::client(address.parse().unwrap(), key.to_owned());
        let status = list(&mut client.await, request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
    let purge = proto::PurgeInteractionsRequest {
        user_id: person.to_owned(),
        force: true,
        ..Default::default()
    };
    let mut purged = client.purge_interactions(purge).await.unwrap().into_inner();
    while purged.message().await.unwrap().is_some() {}
}

#[track_caller]
fn assert_hidden<'s>(text: &str, secrets: impl IntoIterator<Item = &'s str>) {
    for secret in secrets {
        if let Some(place) = text.find(secret) {
            let line = text[..place].rfind('\n').map_or(0, |end| end + 1);
            let end = text[place..].find('\n').map_or(text.len(), |end| place + end);
            panic!("{secret} shows: {}", &text[line..end]);
        }
    }
}

/// Whether a file beside the one of this SQLite database holds one of `secrets`.
fn files_hold(url: &str, secrets: &[String]) -> bool {
    let Some(path) = url.strip_prefix("sqlite://") else { return false };
    let directory = Path::new(path).parent().unwrap();
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let contents: Vec<_> = files.map(|file| std::fs::read(file).unwrap()).collect();
    assert!(contents.iter().map(Vec::len).sum::<usize>() > 10_000);
    let holds = |content: &Vec<u8>, secret: &String| {
        content.windows(secret.len()).any(|window| window == secret.as_bytes())
    };
    contents.iter().any(|content| secrets.iter().any(|secret| holds(content, secret)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_at_its_loudest_holds_no_secret() {
    for database in databases().await {
        let TestDatabase { name, url, .. } = &database;
        database.repository.close().await;
        let url = with_password(url);
        let key = furnish(&url, "secrets");
        let on = |arguments: &[&str]| {
            succeed(program(arguments).env("INTERACTIONS_DATABASE_URL", &url)).trim().to_owned()
        };
        let revoked = on(&["key", "create", "--name", "gone", "--scopes", "read"]);
        on(&["key", "revoke", &revoked["sk_live_".len()..][..12]]);
        let unknown = KeySecret::from_entropy(&[5; 64]).expose().to_owned();
        let server = Logged::start(&url);
        call(&server.address, &key, [&revoked, &unknown]).await;
        let secrets = [&key, &revoked, &unknown].map(|key| secret_part(key));
        assert!(!files_hold(&url, &secrets), "{name}");
        let metrics = Metrics::of(&server.metrics).text;
        assert!(metrics.contains("grpc_server_handled_total"), "{metrics}");
        assert_hidden(
            &metrics,
            secrets.iter().map(String::as_str).chain([PASSWORD]).chain(PRIVATE),
        );
        let log = server.stop();
        assert!(!files_hold(&url, &secrets), "{name}");
        // It is the log, and loud.
        assert!(log.contains("database opened") && log.contains("TRACE"), "{name}: {log}");
        assert_hidden(&log, secrets.iter().map(String::as_str).chain([PASSWORD]).chain(PRIVATE));
        database.remove().await;
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_not_named_with_its_password() {
    let nowhere = free_address();
    let urls = [
        format!("postgres://postgres:{PASSWORD}@{nowhere}/x"),
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:port/x"),
        format!("postgres:{PASSWORD}"),
        format!("mysql://root:{PASSWORD}@127.0.0.1/x"),
        format!("sqlite://{PASSWORD}?key={PASSWORD}"),
        with_password(&refused_url()),
    ];
    for url in &urls {
        for arguments in [&["serve"][..], &["migrate"], &["key", "list"]] {
            let mut command = program(arguments);
            command.env("INTERACTIONS_DATABASE_URL", url).env("INTERACTIONS_LOG", "trace");
            let Output { status, stdout, stderr } = command.output().unwrap();
            assert!(!status.success(), "{url}");
            let text = String::from_utf8([stdout, stderr].concat()).unwrap();
            assert!(text.contains("error: "), "{text}");
            assert_hidden(&text, [PASSWORD]);
        }
    }
}

/// The server of the tests, asked for a database that is not there.
fn refused_url() -> String {
    let url = std::env::var("INTERACTIONS_TEST_POSTGRES_URL").unwrap();
    format!("{}/no_such_database", url.rsplit_once('/').unwrap().0)
}

#[test]
fn settings_do_not_show_what_is_secret() {
    let url = format!("postgres://user:{PASSWORD}@host/database");
    let place = DatabasePlace::Url(SecretString::from(url.clone()));
    let arguments = DatabaseArgs { database_url: Some(SecretString::from(url.clone())) };
    let settings = Settings::from_url(&url).unwrap();
    let key = KeySecret::from_entropy(&[5; 64]);
    let serve = Cli::try_parse_from(["interactions", "serve", "--database-url", &url]).unwrap();
    let count = Cli::try_parse_from(["interactions", "count", "--key", key.expose()]).unwrap();
    let shown =
        format!("{place:?} {arguments:?} {settings:?} {settings} {key:?} {serve:?} {count:?}");
    assert_hidden(&shown, [PASSWORD, &secret_part(key.expose())]);
    for help in [&["serve", "--help"][..], &["count", "--help"]] {
        let mut help = program(help);
        help.env("INTERACTIONS_DATABASE_URL", &url).env("INTERACTIONS_API_KEY", key.expose());
        assert!(help.get_envs().any(|(name, _)| name == OsStr::new("INTERACTIONS_API_KEY")));
        assert_hidden(&succeed(&mut help), [PASSWORD, &secret_part(key.expose())]);
    }
}
