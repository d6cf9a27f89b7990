//! What is no HTTP/2, or breaks its rules (after the cases of h2spec).

use std::net::SocketAddr;

use super::Target;
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Heard, PADDED, PING,
    PREFACE, PRIORITY, PUSH_PROMISE, Peer, RST_STREAM, SETTINGS, WINDOW_UPDATE, call, field, frame,
};

/// Waits for its message; no key is asked for.
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// What is to come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The connection is closed.
    Closed,
    /// The stream is reset, and the connection goes on.
    Reset,
    /// It is answered.
    Answered,
    /// Nothing.
    Kept,
}

use End::{Answered, Closed, Kept, Reset};

/// Said in place of the preface.
fn prefaces() -> Vec<(&'static str, Vec<u8>)> {
    // The beginning of a handshake of TLS 1.2, as far as its length.
    let hello = [&[0x16, 3, 1, 0x02, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 507]].concat();
    let noise = (0..1_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut other = PREFACE.to_vec();
    *other.last_mut().unwrap() = b'x';
    vec![
        ("a request of HTTP/1.1", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("an upgrade", b"PRI * HTTP/1.1\r\nupgrade: h2c\r\n\r\n".to_vec()),
        ("TLS", hello),
        ("noise", noise),
        ("a preface that ends otherwise", other),
        ("a preface of zeros", vec![0; 24]),
    ]
}

/// Frames of the connection; said after the preface.
fn of_the_connection() -> Vec<(&'static str, End, Vec<u8>)> {
    let widest = frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
    let setting = |bytes: &[u8]| frame(SETTINGS, 0, 0, bytes);
    vec![
        ("settings of five bytes", Closed, setting(&[0; 5])),
        ("settings of a stream", Closed, frame(SETTINGS, 0, 1, &[])),
        ("settings that both say and agree", Closed, frame(SETTINGS, ACK, 0, &[0, 1, 0, 0, 0, 0])),
        ("agreement to nothing", Closed, frame(SETTINGS, ACK, 0, &[]).repeat(3)),
        ("pushes half allowed", Closed, setting(&[0, 2, 0, 0, 0, 2])),
        ("an initial window of 2^31", Closed, setting(&[0, 4, 0x80, 0, 0, 0])),
        ("frames of one byte", Closed, setting(&[0, 5, 0, 0, 0, 1])),
        ("frames of 2^24 bytes", Closed, setting(&[0, 5, 1, 0, 0, 0])),
        ("an unknown setting", Kept, setting(&[0xff, 0xff, 0, 0, 0, 1])),
        ("a ping of seven bytes", Closed, frame(PING, 0, 0, &[0; 7])),
        ("a ping of a stream", Closed, frame(PING, 0, 1, &[0; 8])),
        ("a window too wide", Closed, widest.repeat(2)),
        ("a window wider by nothing", Closed, frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window update of three bytes", Closed, frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        ("a goodbye of a stream", Closed, frame(GOAWAY, 0, 1, &[0; 8])),
        ("a goodbye of four bytes", Closed, frame(GOAWAY, 0, 0, &[0; 4])),
        ("a frame of 16 MiB", Closed, vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]),
        ("a frame longer than agreed", Closed, frame(0x42, 0, 0, &[0; 16_385])),
    ]
}

/// Frames in places where they have no business.
fn of_streams() -> Vec<(&'static str, End, Vec<u8>)> {
    let all = END_HEADERS | END_STREAM;
    let get = |stream| frame(HEADERS, all, stream, &call(CHECK, &[]));
    let open = |stream| frame(HEADERS, END_HEADERS, stream, &call(CHECK, &[]));
    let begun = frame(HEADERS, END_STREAM, 1, &call(CHECK, &[]));
    let more = |kind, stream, payload: &[u8]| {
        [begun.clone(), frame(kind, END_HEADERS, stream, payload)].concat()
    };
    let priority = |stream: u32| [&stream.to_be_bytes()[..], &[0]].concat();
    vec![
        ("a call on stream 0", Closed, get(0)),
        ("a call on a stream of the server's", Closed, get(2)),
        ("a call on an earlier stream", Closed, [get(5), get(3)].concat()),
        ("data on stream 0", Closed, frame(DATA, 0, 0, b"x")),
        ("data before a call", Closed, frame(DATA, 0, 1, b"x")),
        ("a reset before a call", Closed, frame(RST_STREAM, 0, 1, &[0; 4])),
        ("a reset of three bytes", Closed, [open(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat()),
        ("a reset of the connection", Closed, frame(RST_STREAM, 0, 0, &[0; 4])),
        ("a window before a call", Closed, frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())),
        ("a promise", Closed, frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("a priority of the connection", Closed, frame(PRIORITY, 0, 0, &priority(1))),
        ("a priority of four bytes", Closed, frame(PRIORITY, 0, 1, &[0; 4])),
        ("more of nothing", Closed, frame(CONTINUATION, END_HEADERS, 1, &[])),
        ("a ping between headers", Closed, more(PING, 0, &[0; 8])),
        ("data between headers", Closed, more(DATA, 1, b"x")),
        ("more headers of another call", Closed, more(CONTINUATION, 3, &[])),
        ("an unknown frame between headers", Closed, more(0x42, 1, &[])),
        ("padding longer than data", Closed, [open(1), frame(DATA, PADDED, 1, &[9, 0])].concat()),
        ("padding longer than headers", Closed, frame(HEADERS, all | PADDED, 1, &[200, 0x82])),
        ("data after the end", Closed, [get(1), frame(DATA, 0, 1, b"x")].concat()),
    ]
}

/// Blocks of headers that HPACK does not allow (RFC 7541), and such as are too large once unpacked.
fn of_headers() -> Vec<(&'static str, End, Vec<u8>)> {
    let block = |bytes: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, bytes);
    let after = |bytes: &[u8]| block(&[call(CHECK, &[]), bytes.to_vec()].concat());
    // Remembered by the first call (0x40), and named by its place in the table 12,000 times.
    let large = field("x-large", &[b'a'; 3_000]);
    let remember = [&call(CHECK, &[])[..], &[0x40], &large[1..]].concat();
    let remember = frame(HEADERS, END_HEADERS | END_STREAM, 1, &remember);
    let bomb = [&call(CHECK, &[])[..], &[0xbe; 12_000]].concat();
    let bomb = [remember, frame(HEADERS, END_HEADERS | END_STREAM, 3, &bomb)].concat();
    vec![
        ("entry 0 of the table", Closed, after(&[0x80])),
        ("an entry that is not there", Closed, after(&[0xff, 0x80, 0x01])),
        ("a number without end", Closed, after(&[0xff; 20])),
        ("a string longer than its block", Closed, after(&[0, 100, b'x'])),
        ("a Huffman code of nothing", Closed, after(&[0, 0x84, 0xff, 0xff, 0xff, 0xff, 0])),
        ("a table too large", Closed, block(&[0x3f, 0xff, 0xff, 0xff, 0x7f])),
        ("a table that changes after a header", Closed, after(&[0x20])),
        ("a bomb", Closed, bomb),
    ]
}

/// Calls that HTTP/2 does not allow, on a connection that may go on.
fn of_calls() -> Vec<(&'static str, End, Vec<u8>)> {
    let with =
        |others: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &call(CHECK, others));
    let only = |fields: &[(&str, &str)]| {
        let block: Vec<u8> =
            fields.iter().flat_map(|(name, value)| field(name, value.as_bytes())).collect();
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)
    };
    let trailers = frame(HEADERS, END_HEADERS, 1, &field("x-more", b"1"));
    let open = frame(HEADERS, END_HEADERS, 1, &call(CHECK, &[]));
    let itself = [&1_u32.to_be_bytes()[..], &[0]].concat();
    vec![
        ("no headers", Reset, only(&[])),
        ("no method", Reset, only(&[(":scheme", "http"), (":path", CHECK)])),
        ("no path", Answered, only(&[(":method", "POST"), (":scheme", "http")])),
        ("an empty path", Reset, only(&[(":method", "POST"), (":scheme", "http"), (":path", "")])),
        ("two methods", Reset, with(&[(":method", "POST")])),
        ("a status", Reset, with(&[(":status", "200")])),
        ("an unknown pseudo-header", Closed, with(&[(":nothing", "1")])),
        ("a header in capitals", Closed, with(&[("X-Large", "1")])),
        ("a header of the connection", Reset, with(&[("connection", "close")])),
        ("chunks", Reset, with(&[("transfer-encoding", "chunked")])),
        ("te of another kind", Reset, with(&[("te", "gzip")])),
        ("a length that is none", Reset, with(&[("content-length", "many")])),
        ("two lengths", Reset, with(&[("content-length", "0"), ("content-length", "1")])),
        ("less than its length", Reset, with(&[("content-length", "5")])),
        ("a line feed in a header", Closed, with(&[("x-large", "a\nb")])),
        ("trailers that do not end it", Reset, [open.clone(), trailers].concat()),
        ("priority over itself", Reset, [open, frame(PRIORITY, 0, 1, &itself)].concat()),
    ]
}

/// What comes of `bytes` after the preface.
async fn outcome(address: SocketAddr, expected: End, bytes: &[u8]) -> Heard {
    let mut peer = Peer::greet(address).await;
    peer.say(bytes).await;
    if expected == Answered {
        peer.hears(|heard| heard.closed || !heard.answered.is_empty()).await;
    }
    peer.outcome().await
}

fn end(heard: &Heard) -> End {
    match heard {
        Heard { closed: true, .. } => Closed,
        Heard { resets, .. } if !resets.is_empty() => Reset,
        Heard { answered, .. } if !answered.is_empty() => Answered,
        Heard { .. } => Kept,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_ends_the_call_or_the_connection_it_came_on() {
    let target = Target::start().await;
    let mut wrong = Vec::new();
    let said = async {
        for (name, bytes) in prefaces() {
            let mut peer = Peer::connect(target.address).await;
            peer.say(&bytes).await;
            assert!(peer.hears(|heard| heard.closed).await, "{name}");
        }
        let frames = [of_the_connection(), of_streams(), of_headers(), of_calls()].concat();
        for (name, expected, bytes) in frames {
            let heard = outcome(target.address, expected, &bytes).await;
            if end(&heard) != expected {
                wrong.push(format!("{name}: {heard:?}"));
            }
        }
    };
    let ((), cost) = target.under(said).await;
    cost.print("nonsense", "said");
    cost.assert_bounded("nonsense");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    target.stop();
}
