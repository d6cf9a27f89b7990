//! The log says what the server does. How much it says is not up to strangers.

use std::fs::{self, File};

use crate::support::frames::{ACK, PING, Peer, frame};
use crate::support::program::Server;

/// More than the server says of itself from its start to its end.
const MOST_BYTES: usize = 4 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_the_server_does_and_not_what_strangers_say() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let url = format!("sqlite://{}", directory.path().join("log.sqlite3").display());
    let server = Server::start_logging(&url, File::create(&path).unwrap());
    // Answers to pings that were never sent; h2 warns of each.
    let mut stranger = Peer::greet(server.address.parse().unwrap()).await;
    stranger.say(&frame(PING, ACK, 0, &[7; 8]).repeat(10_000)).await;
    assert!(!stranger.outcome().await.closed);
    assert_eq!(server.stop(), Some(0));
    let log = fs::read_to_string(&path).unwrap();
    for said in ["database opened", "serving", "stopping", "stopped"] {
        assert!(log.contains(said), "{said} is not in {log}");
    }
    let most: String = log.chars().take(MOST_BYTES).collect();
    assert!(log.len() < MOST_BYTES, "{} bytes: {most}", log.len());
}
