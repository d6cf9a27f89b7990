use std::net::Ipv4Addr;
use std::pin::pin;

use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tonic::transport::server::Connected as _;

use super::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn limits() -> Limits {
    Limits { preface: Duration::from_millis(200), ..Limits::default() }
}

/// The connections of a listener, counted as they come.
async fn listen(limits: Limits) -> (SocketAddr, tokio::sync::mpsc::Receiver<Connection>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(100);
    tokio::spawn(async move {
        let mut connections = pin!(connections(listener, limits, None));
        while let Some(connection) = connections.next().await {
            sender.send(connection).await.unwrap();
        }
    });
    (address, receiver)
}

/// A connection from 127.0.0.`host`.
async fn connect(host: u8, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0))).unwrap();
    socket.connect(address).await.unwrap()
}

async fn connect_and_greet(host: u8, address: SocketAddr) -> TcpStream {
    let mut socket = connect(host, address).await;
    socket.write_all(PREFACE).await.unwrap();
    socket
}

/// Whether the other side closes.
async fn is_closed(socket: &mut TcpStream) -> bool {
    // An error is the other side's reset.
    !matches!(timeout(PATIENCE, socket.read(&mut [0])).await.unwrap(), Ok(1))
}

#[tokio::test]
async fn the_preface_is_checked_and_passed_on() {
    let (address, mut connections) = listen(limits()).await;
    let mut client = connect(1, address).await;
    // In pieces, and with more behind it.
    for bytes in [&PREFACE[..5], &PREFACE[5..], b"and more"] {
        client.write_all(bytes).await.unwrap();
        client.flush().await.unwrap();
    }
    let mut connection = timeout(PATIENCE, connections.recv()).await.unwrap().unwrap();
    let info = connection.connect_info();
    assert_eq!(info.remote_addr, Some(client.local_addr().unwrap()));
    let mut read = vec![0; PREFACE.len() + 8];
    connection.read_exact(&mut read[..3]).await.unwrap();
    connection.read_exact(&mut read[3..]).await.unwrap();
    assert_eq!(read, [PREFACE, b"and more"].concat());
}

#[tokio::test]
async fn whoever_is_silent_or_speaks_another_language_is_dropped() {
    let (address, mut connections) = listen(limits()).await;
    let mut silent = connect(1, address).await;
    let mut slow = connect(1, address).await;
    slow.write_all(&PREFACE[..23]).await.unwrap();
    let mut other = connect(1, address).await;
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _client = connect_and_greet(1, address).await;
    // Nobody waits for the others.
    let connection = timeout(PATIENCE, connections.recv()).await.unwrap();
    for socket in [&mut silent, &mut slow, &mut other] {
        assert!(is_closed(socket).await);
    }
    assert!(connection.is_some());
    assert!(connections.try_recv().is_err());
}

#[tokio::test]
async fn one_peer_does_not_take_all_places() {
    let (address, mut connections) = listen(Limits::default()).await;
    let (mut clients, mut served) = (Vec::new(), Vec::new());
    for _ in 0..MAX_CONNECTIONS_PER_PEER {
        clients.push(connect_and_greet(1, address).await);
        served.push(timeout(PATIENCE, connections.recv()).await.unwrap().unwrap());
    }
    assert!(is_closed(&mut connect(1, address).await).await, "the 33rd");
    let _other = connect_and_greet(2, address).await;
    let other = timeout(PATIENCE, connections.recv()).await.unwrap();
    assert!(other.is_some(), "another peer");
    served.pop();
    let _again = connect_and_greet(1, address).await;
    assert!(
        timeout(PATIENCE, connections.recv()).await.unwrap().is_some(),
        "a place is free again"
    );
}

#[tokio::test]
async fn http_1_is_taken_only_where_it_is_allowed() {
    let (address, mut connections) = listen(Limits { http1: true, ..limits() }).await;
    let mut client = connect(1, address).await;
    client.write_all(b"P").await.unwrap();
    client.write_all(b"OST / HTTP/1.1\r\n").await.unwrap();
    let mut connection = connections.recv().await.unwrap();
    assert_eq!(connection.protocol(), Protocol::Http1);
    let mut said = [0; 16];
    connection.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"POST / HTTP/1.1\r");
    connect_and_greet(1, address).await;
    assert_eq!(connections.recv().await.unwrap().protocol(), Protocol::Http2);

    let (address, mut connections) = listen(limits()).await;
    let mut client = connect(1, address).await;
    client.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
    assert!(is_closed(&mut client).await);
    assert!(connections.try_recv().is_err());
}
