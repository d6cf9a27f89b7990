//! Messages that come byte by byte, and never to an end.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;
use tonic::Code;

use super::Target;
use super::calls::{connect, status, usual};
use crate::support::frames::{
    DATA, END_HEADERS, HEADERS, PREFACE, Peer, SETTINGS, call, frame, stream,
};

const SERVICE: &str = "/interactions.v1.InteractionService";
/// Both methods together stay below what one address may have.
const CONNECTIONS: usize = 12;
const STREAMS: u32 = 100;
/// Bytes of each message that come, of the 4 MiB that are announced.
const BYTES: u32 = 30;
/// What a call may hold meanwhile, in KiB.
const MOST_PER_MESSAGE: u64 = 128;

/// Longer than an answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Begins as many messages as there may be calls, and goes on with all of them.
async fn trickle(target: &Target, method: &str) -> Peer {
    let mut peer = Peer::deaf(target.address).await;
    peer.listen();
    peer.say(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
    let headers = call(&format!("{SERVICE}/{method}"), &[("authorization", &target.bearer())]);
    for number in 0..STREAMS {
        let opened = frame(HEADERS, END_HEADERS, stream(number), &headers);
        let begun = frame(DATA, 0, stream(number), &[0, 0, 0x40, 0, 0]);
        peer.say(&[opened, begun].concat()).await;
    }
    for _ in 0..BYTES {
        let bytes: Vec<u8> =
            (0..STREAMS).flat_map(|number| frame(DATA, 0, stream(number), b"x")).collect();
        peer.say(&bytes).await;
        assert!(!peer.outcome().await.closed, "it is slow, and nothing else");
    }
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_messages_keep_nobody_from_working() {
    let target = Target::start().await;
    for method in ["BatchCreateInteractions", "WriteInteractions"] {
        let slow = async { join_all((0..CONNECTIONS).map(|_| trickle(&target, method))).await };
        let (peers, cost) = target.under(slow).await;
        cost.print(method, &format!("{} messages under way", CONNECTIONS as u32 * STREAMS));
        let most = CONNECTIONS as u64 * u64::from(STREAMS) * MOST_PER_MESSAGE;
        assert!(cost.memory <= most, "{method}: {} KiB", cost.memory);
        drop(peers);
    }
    target.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_turned_away_before_they_have_said_all() {
    let target = Target::start().await;
    let requests = connect(&target).await;
    let parts = async {
        for _ in 0..STREAMS {
            let call = usual("BatchCreateInteractions", "Bearer of no key");
            let mut requests = requests.clone().ready().await.unwrap();
            let (answer, mut sending) = requests.send_request(call, false).unwrap();
            // All but the last byte of the largest message that there may be.
            let part = [&[0, 0, 0x40, 0, 0][..], &vec![0; (4 << 20) - 1]].concat();
            // The answer may have come before it.
            let _ = sending.send_data(part.into(), false);
            let answer = timeout(PATIENCE, answer).await.expect("an answer").unwrap();
            let (code, reason) = status(answer.headers()).unwrap();
            let refused = [
                (Code::Unauthenticated, "INVALID_API_KEY"),
                (Code::ResourceExhausted, "TOO_MANY_REFUSALS"),
            ];
            assert!(refused.contains(&(code, reason.as_str())), "{code:?}, {reason}");
        }
    };
    let ((), cost) = target.under(parts).await;
    cost.print("parts of messages without a key", "turned away");
    cost.assert_bounded("parts of messages without a key");
    target.stop();
}
