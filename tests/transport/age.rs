//! Connections end when they are old; calls do not.

use std::time::Duration;

use interactions::server;
use tokio_util::sync::CancellationToken;

use super::{ROWS, fill, list};
use crate::support::database::sqlite;
use crate::support::frames::Peer;
use crate::support::server::client;
use crate::support::service::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_is_asked_to_end_and_its_calls_go_on() {
    let age = Duration::from_millis(500);
    let database = sqlite().await;
    let service = TestService::new(&database.repository, "age").await;
    let mut bound = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    bound.transport.life.age = age;
    let address = bound.local_addr;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(server::run(bound, database.repository.clone(), shutdown.clone()));
    fill(&mut client(address, service.secret.clone()).await).await;
    let mut pages = list(address, &service.secret, String::new()).await;

    let mut idle = Peer::greet(address).await;
    assert!(idle.hears(|heard| heard.goaway.is_some()).await, "it is asked to end");

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
