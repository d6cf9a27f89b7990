//! What the service tells of itself: metrics, traces and the log.

use std::fs::File;
use std::path::PathBuf;

use interactions::grpc::proto;
use interactions::grpc::proto::write_interactions_response::ItemResult;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use crate::support::ingest::numbered;
use crate::support::program::{Server, free_address};
use crate::support::server::{Client, client, write_all};

mod collector;
mod log;
mod metrics;
mod traces;
mod watchers;

/// A server whose metrics and log are to be had.
struct Watched {
    server: Server,
    metrics: String,
    directory: tempfile::TempDir,
}

impl Watched {
    fn start(url: &str, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let metrics = free_address();
        let flags = [flags, &["--metrics-listen", &metrics]].concat();
        let log = File::create(directory.path().join("log")).unwrap();
        let server = Server::start_in(url, &flags, variables, log);
        Self { server, metrics, directory }
    }

    async fn client(&self) -> Client {
        client(self.server.address.parse().unwrap(), self.server.key.clone()).await
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// The lines of the log so far, of which each has to be an object.
    fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.log_path()).unwrap();
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        text.lines().map(parse).collect()
    }
}

/// What the calls of [`call_everything`] do to interactions.
struct Done {
    recorded: f64,
    deduplicated: f64,
    conflicting: f64,
    invalid: f64,
    batches: f64,
}

/// Calls of every kind, some of which fail: two of CreateInteraction that succeed and one that does
/// not, a batch, a stream of two batches, a list of three pages, and one each of the others.
async fn call_everything(client: &mut Client) -> Done {
    let create = |interaction| proto::CreateInteractionRequest {
        interaction: Some(interaction),
        validate_only: false,
    };
    let mut given = numbered(0..20).into_iter();
    let first = given.next().unwrap();
    client.create_interaction(create(first.clone())).await.unwrap();
    client.create_interaction(create(first.clone())).await.unwrap();
    let other = proto::Interaction { position: Some(7), ..first };
    let taken = client.create_interaction(create(other.clone())).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let batch = proto::BatchCreateInteractionsRequest {
        interactions: given.by_ref().take(9).collect(),
        validate_only: false,
    };
    client.batch_create_interactions(batch).await.unwrap();
    let wrong = proto::Interaction { position: Some(-1), ..other.clone() };
    let batches = [given.collect(), vec![other, wrong]];
    let requests = batches.map(|interactions| proto::WriteInteractionsRequest {
        request_id: String::new(),
        interactions,
    });
    let (answers, error) = write_all(client, requests.into()).await;
    assert!(error.is_none(), "{error:?}");
    let failed = |result: &&ItemResult| result.status.as_ref().is_some_and(|it| it.code != 0);
    assert_eq!(answers[1].results.iter().filter(failed).count(), 2);
    let list = proto::ListInteractionsRequest { page_size: 8, ..Default::default() };
    let mut pages = client.list_interactions(list).await.unwrap().into_inner();
    let mut listed = 0;
    while let Some(page) = pages.message().await.unwrap() {
        listed += page.interactions.len();
    }
    assert_eq!(listed, 20);
    client.count_interactions(proto::CountInteractionsRequest::default()).await.unwrap();
    let get = |id: &str| proto::GetInteractionRequest { interaction_id: id.to_owned() };
    client.get_interaction(get("n0000003")).await.unwrap();
    assert_eq!(client.get_interaction(get("nope")).await.unwrap_err().code(), Code::NotFound);
    let delete = proto::DeleteInteractionRequest {
        interaction_id: "n0000003".to_owned(),
        allow_missing: false,
    };
    client.delete_interaction(delete).await.unwrap();
    let purge = proto::PurgeInteractionsRequest {
        session_id: "s1".to_owned(),
        force: true,
        ..Default::default()
    };
    let mut purged = client.purge_interactions(purge).await.unwrap().into_inner();
    while purged.message().await.unwrap().is_some() {}
    Done { recorded: 20.0, deduplicated: 1.0, conflicting: 2.0, invalid: 1.0, batches: 5.0 }
}

/// `message` as a call that carries `headers`.
fn with<T>(message: T, headers: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in headers {
        request.metadata_mut().insert(*name, MetadataValue::try_from(*value).unwrap());
    }
    request
}
