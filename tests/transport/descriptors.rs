//! A server that has run out of descriptors waits until it has some again.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::sqlite_in;
use crate::support::process::{TICKS, descriptors, processor_time};
use crate::support::program::Server;

/// Descriptors that are left to it.
const LEFT: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_it_neither_spins_nor_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&sqlite_in(directory.path()));
    let (id, address) = (server.id(), server.address.parse().unwrap());
    let limit = descriptors(id) + LEFT;
    let limits = ["--pid", &id.to_string(), &format!("--nofile={limit}:{limit}")];
    assert!(Command::new("prlimit").args(limits).status().unwrap().success());
    let mut connections = Vec::new();
    // From so many addresses that the limit for each does not matter.
    for number in 0..LEFT * 3 {
        connections.push(connect(2 + number as u8 / 16, address).await);
    }
    let seconds = 3;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One above the limit may have been there before it.
    assert!(descriptors(id) >= limit, "all are taken");
    let before = processor_time(id);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let spent = processor_time(id) - before;
    assert!(spent * 5 < seconds * TICKS, "{spent} ticks in {seconds} s");
    drop(connections);
    server.wait_until_healthy(&[]);
    assert_eq!(server.stop(), Some(0));
}

/// A connection from 127.0.0.`host`.
async fn connect(host: u8, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0))).unwrap();
    socket.connect(address).await.unwrap()
}
