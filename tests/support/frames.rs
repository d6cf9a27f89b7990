//! Frames of HTTP/2 made by hand (RFC 9113), for those who say what no client says.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// What every client begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (section 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags of frames.
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

/// Reasons of resets and goodbyes (section 7).
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;

/// How long a server may take to do what it is to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// A server that takes nothing for so long waits for its own words to be heard.
const STALLED: Duration = Duration::from_millis(500);

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The stream that a client opens after `number` others.
pub fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// A header as HPACK writes it without tables (RFC 7541, section 6.2.2).
pub fn field(name: &str, value: &[u8]) -> Vec<u8> {
    [&[0][..], &integer(name.len()), name.as_bytes(), &integer(value.len()), value].concat()
}

/// The length of a string (RFC 7541, section 5.1).
fn integer(number: usize) -> Vec<u8> {
    if number < 127 {
        return vec![u8::try_from(number).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![127], number - 127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// The headers of a gRPC call to `path`, and others after them.
pub fn call(path: &str, others: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let fields = usual.iter().chain(others);
    fields.flat_map(|(name, value)| field(name, value.as_bytes())).collect()
}

/// A message as gRPC sends it, in one piece and not compressed.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// What a server has said.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Whether it has closed the connection.
    pub closed: bool,
    /// The reason of its goodbye, in a number and in words.
    pub goaway: Option<(u32, String)>,
    /// Streams that it reset, with the reasons.
    pub resets: BTreeMap<u32, u32>,
    /// Streams on which it has begun to answer.
    pub answered: BTreeSet<u32>,
    /// Streams on which its answer is complete.
    pub complete: BTreeSet<u32>,
    /// How many frames of data it sent.
    pub answers: usize,
    /// The last of our pings that it answered.
    pub pong: Vec<u8>,
}

/// A connection whose words are made by hand.
pub struct Peer {
    to_server: OwnedWriteHalf,
    /// Said, and not taken yet.
    unsent: Vec<u8>,
    from_server: Option<OwnedReadHalf>,
    hearing: watch::Sender<Heard>,
    heard: watch::Receiver<Heard>,
}

impl Peer {
    /// One that has said nothing, and listens.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut peer = Self::deaf(address).await;
        peer.listen();
        peer
    }

    /// One that has begun as a client does, and listens.
    pub async fn greet(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address).await;
        peer.say(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        peer
    }

    /// One that has said nothing, and does not listen.
    pub async fn deaf(address: SocketAddr) -> Self {
        let (from_server, to_server) = TcpStream::connect(address).await.unwrap().into_split();
        let (hearing, heard) = watch::channel(Heard::default());
        Self { to_server, unsent: Vec::new(), from_server: Some(from_server), hearing, heard }
    }

    /// Listens from now on, whatever else it does.
    pub fn listen(&mut self) {
        if let Some(from_server) = self.from_server.take() {
            tokio::spawn(hear(from_server, self.hearing.clone()));
        }
    }

    /// Says `bytes`; whether the server has taken all of them. What it has not taken comes before what
    /// is said next.
    pub async fn say(&mut self, bytes: &[u8]) -> bool {
        self.unsent.extend_from_slice(bytes);
        while !self.unsent.is_empty() {
            match timeout(STALLED, self.to_server.write(&self.unsent)).await {
                Ok(Ok(written)) => drop(self.unsent.drain(..written)),
                Ok(Err(_)) | Err(_) => return false,
            }
        }
        true
    }

    /// What has come of all that was said: waits until the server has either closed the connection or
    /// shown, by answering pings, that it has read to the end.
    pub async fn outcome(&mut self) -> Heard {
        self.listen();
        // It answers the first one before it says what it has to say of the frames before.
        for last in [*b"the last", *b"the end!"] {
            self.unsent.extend(frame(PING, 0, 0, &last));
            let started = Instant::now();
            while !self.say(&[]).await && !self.heard.borrow().closed {
                assert!(started.elapsed() < PATIENCE, "what was said is not taken");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let ended = self.hears(|heard| heard.closed || heard.pong == last).await;
            assert!(ended, "the server neither answers nor closes");
        }
        self.heard.borrow().clone()
    }

    /// Says that it has nothing more to say, and listens on.
    pub async fn hang_up(&mut self) {
        self.listen();
        let _ = self.to_server.shutdown().await;
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// Whether what it has heard comes to be as `expected`.
    pub async fn hears(&mut self, expected: impl FnMut(&Heard) -> bool) -> bool {
        timeout(PATIENCE, self.heard.wait_for(expected)).await.is_ok_and(|heard| heard.is_ok())
    }
}

async fn hear(mut from_server: OwnedReadHalf, hearing: watch::Sender<Heard>) {
    while let Ok((kind, flags, stream, payload)) = next(&mut from_server).await {
        hearing.send_modify(|heard| match kind {
            RST_STREAM => drop(heard.resets.insert(stream, number(&payload))),
            GOAWAY => {
                let words = String::from_utf8_lossy(&payload[8..]).into_owned();
                heard.goaway = Some((number(&payload[4..]), words));
            }
            PING if flags & ACK != 0 => heard.pong = payload,
            HEADERS | DATA => {
                heard.answered.insert(stream);
                heard.answers += usize::from(kind == DATA);
                if flags & END_STREAM != 0 {
                    heard.complete.insert(stream);
                }
            }
            _ => {}
        });
    }
    hearing.send_modify(|heard| heard.closed = true);
}

/// The type, the flags, the stream and the payload of the next frame.
async fn next(from_server: &mut OwnedReadHalf) -> io::Result<(u8, u8, u32, Vec<u8>)> {
    let mut header = [0; 9];
    from_server.read_exact(&mut header).await?;
    let [a, b, c, kind, flags, stream @ ..] = header;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    from_server.read_exact(&mut payload).await?;
    Ok((kind, flags, u32::from_be_bytes(stream), payload))
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}
