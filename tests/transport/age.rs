//! Connections end when they are old; calls do not.

use std::time::Duration;

use interactions::server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{PREFACE, ROWS, fill, list};
use crate::support::database::sqlite;
use crate::support::server::client;
use crate::support::service::TestService;

/// Types of frames of HTTP/2 (RFC 9113, section 6).
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_is_asked_to_end_and_its_calls_go_on() {
    let age = Duration::from_millis(500);
    let database = sqlite().await;
    let service = TestService::new(&database.repository, "age").await;
    let mut bound = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    bound.transport.connection_age = age;
    let address = bound.local_addr;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(server::run(bound, database.repository.clone(), shutdown.clone()));
    fill(&mut client(address, service.secret.clone()).await).await;
    let mut pages = list(address, &service.secret, String::new()).await;

    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(PREFACE).await.unwrap();
    idle.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(30), until_goaway(&mut idle));
    asked.await.expect("it is asked to end").unwrap();

    tokio::time::sleep(age).await;
    let mut seen = 0;
    while let Some(page) = pages.message().await.unwrap() {
        seen += page.interactions.len();
    }
    assert_eq!(seen, ROWS, "the list goes on to its end");
    drop((idle, pages));
    shutdown.cancel();
    running.await.unwrap().unwrap();
    database.remove().await;
}

async fn until_goaway(connection: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let mut header = [0; 9];
        connection.read_exact(&mut header).await?;
        let [a, b, c, kind, ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        connection.read_exact(&mut payload).await?;
        if kind == GOAWAY {
            return Ok(());
        }
    }
}
