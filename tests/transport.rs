//! Connections: how they are taken, encrypted, and ended.

mod age;
mod browsers;
mod certificates;
mod dead;
mod descriptors;
mod drain;
mod roads;
mod tls;

use std::net::SocketAddr;
use std::path::Path;

use interactions::grpc::page::Page;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_client::InteractionServiceClient;
use tonic::transport::Endpoint;
use tonic::{Request, Streaming};

use crate::support::ingest::numbered;
use crate::support::program::program;
use crate::support::server::{Client, write_all};

/// More than a client's windows and the buffers of a server hold.
const ROWS: usize = 20_000;

const SMALL_WINDOW: u32 = 65_535;

type Pages = Streaming<Page>;

/// The URL of an SQLite database in `directory`.
fn sqlite_in(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("transport.sqlite3").display())
}

/// Records [`ROWS`] interactions.
async fn fill(client: &mut Client) {
    let batch = |first| proto::WriteInteractionsRequest {
        interactions: numbered(first..first + 1_000),
        ..Default::default()
    };
    let batches: Vec<_> = (0..ROWS).step_by(1_000).map(batch).collect();
    let (answers, error) = write_all(client, batches).await;
    assert_eq!((answers.len(), error.map(|error| error.code())), (ROWS / 1_000, None));
}

/// A list of everything from `page_token` on, on a connection of its own that takes little ahead.
async fn list(address: SocketAddr, key: &str, page_token: String) -> Pages {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let endpoint = endpoint.initial_stream_window_size(SMALL_WINDOW);
    let channel = endpoint.initial_connection_window_size(SMALL_WINDOW).connect().await.unwrap();
    let list = proto::ListInteractionsRequest { page_size: 100, page_token, ..Default::default() };
    let mut request = Request::new(list);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let mut client = InteractionServiceClient::new(channel);
    client.list_interactions(request).await.unwrap().into_inner()
}

#[test]
fn other_machines_are_not_listened_to_without_tls() {
    let directory = tempfile::tempdir().unwrap();
    for command in ["serve", "demo"] {
        let mut listen = program(&[command, "--listen", "0.0.0.0:0"]);
        listen.env("INTERACTIONS_DATABASE_URL", sqlite_in(directory.path()));
        let output = listen.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        for flag in ["--tls-cert", "--tls-key", "--insecure"] {
            assert!(stderr.contains(flag), "{command}: {stderr}");
        }
    }
}
