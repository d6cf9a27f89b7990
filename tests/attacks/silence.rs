//! Those who connect and say nothing, or too little.

use std::time::Duration;

use interactions::grpc::proto;
use interactions::server::Transport;
use interactions::server::accept::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;

use crate::support::database::sqlite;
use crate::support::frames::PREFACE;
use crate::support::server::{SocketServer, client_on};
use crate::support::service::TestService;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the other side closes. An error is its reset.
async fn closed(socket: &mut TcpStream) {
    let read = tokio::time::timeout(PATIENCE, socket.read(&mut [0])).await;
    assert!(!matches!(read.expect("it is closed"), Ok(1)));
}

/// Whether the server has room for a client at 127.0.0.`host`.
async fn serves(host: u8, server: &SocketServer, key: &str) -> bool {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let endpoint = endpoint.local_address(Some([127, 0, 0, host].into()));
    let Ok(channel) = endpoint.connect().await else { return false };
    let all = proto::CountInteractionsRequest::default();
    client_on(channel, key.to_owned()).count_interactions(all).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_in_silence_shuts_out_nobody_else_and_himself_not_for_long() {
    let database = sqlite().await;
    let service = TestService::new(&database.repository, "silence").await;
    let limits = Limits { preface: Duration::from_secs(5), ..Limits::default() };
    let places = limits.connections_per_peer;
    let transport = Transport { limits, ..Transport::default() };
    let server = SocketServer::start_with(&database.url, transport).await;
    let mut silent = Vec::new();
    for number in 0..100 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        // Every other one begins, and one byte is missing; there may be nobody to take it.
        let _ = socket.write_all(&PREFACE[..(number % 2) * 23]).await;
        silent.push(socket);
    }
    for socket in &mut silent[places..] {
        closed(socket).await;
    }
    assert!(!serves(1, &server, &service.secret).await, "his places are taken");
    assert!(serves(2, &server, &service.secret).await, "somebody else has one");
    for socket in &mut silent {
        closed(socket).await;
    }
    assert!(serves(1, &server, &service.secret).await, "there is room again");
    server.stop().await;
    database.remove().await;
}
