//! Many frames. Where a limit is passed the connection is closed, and its goodbye says which.

use super::Target;
use crate::support::frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Heard, PADDED, PING,
    PREFACE, PRIORITY, Peer, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, call, field,
    frame, message, stream,
};

/// Waits for its message; no key is asked for.
const CHECK: &str = "/grpc.health.v1.Health/Check";
const COUNT: &str = "/interactions.v1.InteractionService/CountInteractions";

/// Frames that are sent at once.
const TOGETHER: usize = 64;

/// What is to come of a flood.
enum End {
    /// Closed, with these words.
    Closed(&'static str),
    /// Read to its end.
    Kept,
    /// Either, depending on how frames share packets.
    Either,
}

struct Flood {
    name: &'static str,
    /// Whether the flooder hears what the server says meanwhile.
    listens: bool,
    /// Whether each frame waits until the server has taken up the one before.
    waits: bool,
    first: Vec<u8>,
    times: usize,
    repeated: Box<dyn Fn(u32) -> Vec<u8> + Send>,
    end: End,
}

/// Opens a call on `stream`.
fn open(stream: u32, path: &str, others: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &call(path, others))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// One setting (section 6.5.1).
fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

fn flood(
    name: &'static str,
    times: usize,
    end: End,
    repeated: impl Fn(u32) -> Vec<u8> + Send + 'static,
) -> Flood {
    let repeated = Box::new(repeated);
    Flood { name, listens: true, waits: false, first: Vec::new(), times, repeated, end }
}

impl Flood {
    fn after(self, first: Vec<u8>) -> Self {
        Self { first, ..self }
    }

    fn one_by_one(self) -> Self {
        Self { waits: true, ..self }
    }

    fn deaf(self) -> Self {
        Self { listens: false, ..self }
    }

    /// What the server said of it, and how many frames it took.
    async fn run(&self, target: &Target) -> (Heard, usize) {
        let mut peer = Peer::deaf(target.address).await;
        if self.listens {
            peer.listen();
        }
        peer.say(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &self.first].concat()).await;
        let (mut taken, together) = (0, if self.waits { 1 } else { TOGETHER });
        while taken < self.times {
            let some = taken..self.times.min(taken + together);
            let bytes: Vec<u8> = some.flat_map(|n| (self.repeated)(n as u32)).collect();
            if !peer.say(&bytes).await || (self.waits && peer.outcome().await.closed) {
                break;
            }
            taken += together;
        }
        (peer.outcome().await, taken.min(self.times))
    }
}

/// Calls that are begun for nothing.
fn of_calls(bearer: String) -> Vec<Flood> {
    let count = move |n| {
        let key = [("authorization", bearer.as_str())];
        [open(stream(n), COUNT, &key), frame(DATA, END_STREAM, stream(n), &message(&[]))].concat()
    };
    vec![
        flood("rapid reset", 20_000, End::Closed("too_many_resets"), |n| {
            let opened = frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &call(CHECK, &[]));
            [opened, reset(stream(n))].concat()
        }),
        // A reset of what the server has begun to work on is nothing that HTTP/2 counts.
        flood("resets of calls under way", 1_000, End::Kept, move |n| {
            [count(n), if n == 0 { Vec::new() } else { reset(stream(n - 1)) }].concat()
        })
        .one_by_one(),
        flood("lying content-length", 5_000, End::Closed("too_many_internal_resets"), |n| {
            let opened = open(stream(n), CHECK, &[("content-length", "1")]);
            [opened, frame(DATA, 0, stream(n), b"xx")].concat()
        })
        .deaf(),
        flood("window too wide", 5_000, End::Closed("too_many_internal_resets"), |n| {
            let widened = frame(WINDOW_UPDATE, 0, stream(n), &0x7fff_ffff_u32.to_be_bytes());
            [open(stream(n), CHECK, &[]), widened].concat()
        })
        .deaf(),
        flood("priority over oneself", 5_000, End::Closed("too_many_internal_resets"), |n| {
            let priority = [&stream(n).to_be_bytes()[..], &[0]].concat();
            [open(stream(n), CHECK, &[]), frame(PRIORITY, 0, stream(n), &priority)].concat()
        })
        .deaf(),
        flood("calls without end", 20_000, End::Closed("too_many_internal_resets"), |n| {
            open(stream(n), CHECK, &[])
        }),
    ]
}

/// Headers without end, and bodies in the smallest pieces.
fn of_pieces() -> Vec<Flood> {
    let begun = frame(HEADERS, 0, 1, &call(CHECK, &[]));
    let opened = open(1, CHECK, &[]);
    // The message is longer than all that comes of it.
    let body = [opened.clone(), frame(DATA, 0, 1, &[0, 0, 0x20, 0, 0])].concat();
    let large = field("x-large", &[b'a'; 8_000]);
    vec![
        flood("empty continuations", 5_000, End::Closed("too_many_continuations"), |_| {
            frame(CONTINUATION, 0, 1, &[])
        })
        .after(begun.clone()),
        flood("headers without end", 5_000, End::Closed("too_many_continuations"), move |_| {
            frame(CONTINUATION, 0, 1, &[large.clone(), large.clone()].concat())
        })
        .after(begun),
        flood("empty data", 50_000, End::Closed("too_many_data_frames"), |_| {
            frame(DATA, 0, 1, &[])
        })
        .after(opened),
        flood("single bytes", 50_000, End::Either, |_| frame(DATA, 0, 1, b"x")).after(body.clone()),
        flood("padding", 20_000, End::Either, |_| {
            frame(DATA, PADDED, 1, &[&[255][..], b"x", &[0; 255]].concat())
        })
        .after(body),
    ]
}

/// What belongs to no call. HTTP/2 sets no limit to it, and it costs little.
fn of_the_connection() -> Vec<Flood> {
    let ping = |n: u32| frame(PING, 0, 0, &u64::from(n).to_be_bytes());
    let settings = |n: u32| {
        let (window, table) =
            (setting(4, if n.is_multiple_of(2) { 0 } else { 0x7fff_ffff }), setting(1, n));
        frame(SETTINGS, 0, 0, &[window, table].concat())
    };
    vec![
        flood("pings", 50_000, End::Kept, ping),
        flood("pings whose answers are not heard", 50_000, End::Kept, ping).deaf(),
        flood("answers to pings that nobody sent", 50_000, End::Kept, |n| {
            frame(PING, ACK, 0, &u64::from(n).to_be_bytes())
        }),
        flood("settings", 50_000, End::Kept, settings),
        flood("settings whose answers are not heard", 50_000, End::Kept, settings).deaf(),
        flood("settings while calls wait", 20_000, End::Kept, settings)
            .after((0..100).flat_map(|n| open(stream(n), CHECK, &[])).collect()),
        flood("window updates", 50_000, End::Kept, |_| {
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())
        }),
        flood("window updates of a call", 50_000, End::Kept, |_| {
            frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())
        })
        .after(open(1, CHECK, &[])),
        flood("priorities", 50_000, End::Kept, |n| {
            frame(PRIORITY, 0, stream(n) + 2, &[0, 0, 0, 1, 0])
        }),
        flood("frames of no known type", 50_000, End::Kept, |n| frame(0x42, 0xff, n, &[7; 32])),
    ]
}

async fn run(target: &Target, floods: Vec<Flood>) {
    for flood in floods {
        let ((heard, taken), cost) = target.under(flood.run(target)).await;
        let goaway = heard.goaway.as_ref().map(|(_, words)| words.as_str());
        let fate = match (heard.closed, goaway) {
            (true, words) => format!("closed after {taken}: {words:?}"),
            (false, _) => format!("{taken} read"),
        };
        cost.print(flood.name, &fate);
        cost.assert_bounded(flood.name);
        match flood.end {
            End::Closed(words) => {
                assert!(heard.closed, "{}: {fate}", flood.name);
                // Whoever is still talking when the connection is closed may not get to hear why.
                assert!(goaway.is_none_or(|said| said == words), "{}: {fate}", flood.name);
            }
            End::Kept => assert!(!heard.closed, "{}: {fate}", flood.name),
            End::Either => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_begun_for_nothing_end_the_connection() {
    let target = Target::start().await;
    run(&target, of_calls(target.bearer())).await;
    run(&target, of_pieces()).await;
    // Fewer than it takes to be shown out.
    let mut peer = Peer::greet(target.address).await;
    peer.say(&(0..1_000).flat_map(|n| open(stream(n), CHECK, &[])).collect::<Vec<_>>()).await;
    let heard = peer.outcome().await;
    assert!(!heard.closed && heard.resets.values().all(|reason| *reason == REFUSED_STREAM));
    assert_eq!(heard.resets.len(), 900, "a hundred at a time");
    // A server that stops waits for calls under way.
    drop(peer);
    target.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_no_call_costs_no_memory() {
    let target = Target::start().await;
    run(&target, of_the_connection()).await;
    target.stop();
}
