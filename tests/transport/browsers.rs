//! What browsers speak, as far as they are let in: HTTP/1.1 and gRPC-Web.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use interactions::grpc::page::Page;
use interactions::grpc::proto;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::sqlite_in;
use crate::support::heavy::{self, wide};
use crate::support::program::Server;
use crate::support::server::{client, write_all};
use crate::support::service::interactions;

const ORIGIN: &str = "https://shop.example";
const LIST: &str = "/interactions.v1.InteractionService/ListInteractions";
/// Many times what the server gives a client for what it has to do.
const PATIENCE: Duration = Duration::from_secs(100);

/// A list of everything, as gRPC-Web asks for it.
fn list_call(server: &Server, origin: &str) -> Vec<u8> {
    let head = format!(
        "POST {LIST} HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\ncontent-type: application/grpc-web+proto\r\n\
         x-grpc-web: 1\r\nauthorization: Bearer {}\r\ncontent-length: 5\r\n\r\n",
        server.address, server.key
    );
    [head.as_bytes(), &[0; 5]].concat()
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address.parse::<SocketAddr>().unwrap()).await.unwrap()
}

/// What the server answers until it closes.
async fn ask(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut socket = connect(server).await;
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // An error is the other side's reset.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it closes");
    answer
}

fn head(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

/// The body of an answer, out of its chunks (RFC 9112, section 7.1).
fn body(answer: &[u8]) -> Vec<u8> {
    let start = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let (mut chunks, mut body) = (&answer[start..], Vec::new());
    loop {
        let end = chunks.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend(&chunks[end + 2..end + 2 + size]);
        chunks = &chunks[end + 2 + size + 2..];
    }
}

/// The pages in a body of gRPC-Web, and the trailers behind them.
fn pages(mut body: &[u8]) -> (Vec<Page>, String) {
    let mut pages = Vec::new();
    loop {
        let size = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        let (frame, rest) = body[5..].split_at(size);
        if body[0] == 0x80 {
            assert!(rest.is_empty());
            return (pages, String::from_utf8(frame.to_vec()).unwrap());
        }
        pages.push(Page::decode(frame).unwrap());
        body = rest;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_http_1_to_a_server_that_lets_no_browser_in() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&sqlite_in(directory.path()));
    assert_eq!(ask(&server, &list_call(&server, ORIGIN)).await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_let_in_from_where_they_are_told_to_be_and_no_further() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_in(directory.path());
    let server = Server::start_with(&url, &["--cors-origin", ORIGIN], &[]);
    let mut writer = client(server.address.parse().unwrap(), server.key.clone()).await;
    let batch = |first| proto::WriteInteractionsRequest {
        interactions: (first..first + 200).map(wide).collect(),
        ..Default::default()
    };
    let batches = (0..heavy::ROWS).step_by(200).map(batch).collect();
    assert!(write_all(&mut writer, batches).await.1.is_none());

    let answer = ask(&server, &list_call(&server, ORIGIN)).await;
    assert!(head(&answer).contains(&format!("access-control-allow-origin: {ORIGIN}")));
    let (found, trailers) = pages(&body(&answer));
    assert_eq!(
        found.iter().map(|page| interactions(page).len()).sum::<usize>(),
        heavy::ROWS as usize
    );
    assert!(trailers.starts_with("grpc-status:0"), "{trailers}");

    for (origin, allowed) in [(ORIGIN, true), ("https://shop.example.evil", false), ("null", false)]
    {
        let question = format!(
            "OPTIONS {LIST} HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\
             access-control-request-headers: authorization,x-grpc-web\r\n\r\n"
        );
        let answer = head(&ask(&server, question.as_bytes()).await);
        assert_eq!(answer.contains("access-control-allow-origin"), allowed, "{origin}: {answer}");
    }

    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nlarge: {}\r\n\r\n", "x".repeat(20 << 10));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", " 400 "),
        (
            &format!("POST {LIST} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n\r\n"),
            " 400 ",
        ),
        (&large, " 431 "),
        ("nonsense\r\n\r\n", " 400 "),
    ] {
        let answer = head(&ask(&server, request.as_bytes()).await);
        assert!(answer.contains(status), "{answer}");
    }

    // One that never ends what it says, and one that does not take what it hears.
    let (mut slow, mut stalled) = (connect(&server).await, connect(&server).await);
    slow.write_all(b"POST / HTTP/1.1\r\nhost:").await.unwrap();
    stalled.write_all(&list_call(&server, ORIGIN)).await.unwrap();
    let begun = Instant::now();
    let mut nothing = Vec::new();
    let _ = timeout(PATIENCE, slow.read_to_end(&mut nothing)).await.expect("it is not waited for");
    assert!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut taken = Vec::new();
    let _ = timeout(PATIENCE, stalled.read_to_end(&mut taken)).await.expect("it is not waited for");
    assert!(!taken.ends_with(b"0\r\n\r\n"), "what was cut off does not look like the end");
}
