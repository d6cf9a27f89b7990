//! Peers who are gone without a word.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use interactions::server::Transport;
use interactions::server::conversation::Life;

use super::{fill, list};
use crate::support::database::sqlite;
use crate::support::program::program;
use crate::support::proxy::{Proxy, Way, Ways};
use crate::support::server::SocketServer;
use crate::support::service::TestService;

/// Many times what the server is told to wait for a sign of life.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the server has closed so many connections.
async fn closed(proxy: &Proxy, count: usize) {
    let started = tokio::time::Instant::now();
    while proxy.closed.load(Ordering::Relaxed) < count {
        assert!(started.elapsed() < PATIENCE, "the server holds on to it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_sign_of_life_is_closed() {
    let database = sqlite().await;
    let service = TestService::new(&database.repository, "dead").await;
    let transport = Transport {
        life: Life {
            keepalive_interval: Duration::from_millis(300),
            keepalive_timeout: Duration::from_millis(300),
            ..Life::default()
        },
        ..Transport::default()
    };
    let server = SocketServer::start_with(&database.url, transport).await;
    fill(&mut server.client(&service.secret).await).await;

    // The network swallows what either side says, from the first page on.
    let silent = || Ways { to_server: Way::Lost(1_000), to_client: Way::Lost(20_000) };
    let road = Proxy::start_with(server.address, silent).await;
    let mut pages = list(road.address, &service.secret, String::new()).await;
    pages.message().await.unwrap().unwrap();
    closed(&road, 1).await;

    // The client stands still, and its system still takes what comes.
    let open = || Ways { to_server: Way::Open, to_client: Way::Open };
    let road = Proxy::start_with(server.address, open).await;
    let mut client = program(&["list", "--addr", &road.address.to_string(), "--limit", "1000000"]);
    client.env("INTERACTIONS_API_KEY", &service.secret).stdout(std::process::Stdio::piped());
    // It writes more than anybody reads, so it is still there.
    let mut client = client.spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(road.closed.load(Ordering::Relaxed), 0, "it lives");
    let id = client.id().to_string();
    assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    closed(&road, 1).await;
    client.kill().unwrap();
    client.wait().unwrap();
    server.stop().await;
    database.remove().await;
}
