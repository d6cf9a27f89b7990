//! Readers who take nothing.

use std::time::Duration;

use futures::future::join_all;
use interactions::grpc::proto;
use prost::Message as _;
use serde_json::json;

use super::Target;
use crate::support::database::databases;
use crate::support::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, Peer, SETTINGS, WINDOW_UPDATE, call, frame,
    message, stream,
};
use crate::support::ingest::numbered;
use crate::support::typed::proto_struct;

const LIST: &str = "/interactions.v1.InteractionService/ListInteractions";
const CONNECTIONS: usize = 5;
const STREAMS: u32 = 20;
/// What a stream that nobody reads may hold, in KiB: its pages of up to 1 MiB, one ready and one about
/// to be sent.
const MOST_PER_STREAM: u64 = 2 << 10;
/// The largest window that there may be.
const WIDEST: u32 = 0x7fff_ffff;
/// The usual one.
const USUAL: u32 = 65_535;

/// Records 40 MB: no stream has room for it on the way.
async fn fill(target: &Target) {
    for batch in 0..20 {
        let mut interactions = numbered(batch * 250..(batch + 1) * 250);
        for interaction in &mut interactions {
            let metadata = json!({ "text": "a long tale of shoes, ".repeat(370) });
            interaction.metadata = Some(proto_struct(metadata.as_object().unwrap()));
            interaction.interaction_id.insert(0, 'w');
        }
        let batch = proto::BatchCreateInteractionsRequest { interactions, validate_only: false };
        target.user.clone().batch_create_interactions(batch).await.unwrap();
    }
}

/// Asks for everything, often, and reads nothing.
async fn stall(target: &Target, window: u32) -> Peer {
    let all = proto::ListInteractionsRequest { page_size: 1_000, ..Default::default() };
    let mut peer = Peer::deaf(target.address).await;
    let settings = frame(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat());
    peer.say(&[PREFACE, &settings].concat()).await;
    if window > USUAL {
        peer.say(&frame(WINDOW_UPDATE, 0, 0, &(window - USUAL).to_be_bytes())).await;
    }
    for number in 0..STREAMS {
        let headers = call(LIST, &[("authorization", &target.bearer())]);
        let opened = frame(HEADERS, END_HEADERS, stream(number), &headers);
        let asked = frame(DATA, END_STREAM, stream(number), &message(&all.encode_to_vec()));
        peer.say(&[opened, asked].concat()).await;
    }
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_hold_little_and_no_connection_to_the_database() {
    for database in databases().await {
        let target = Target::on(&database.url).await;
        fill(&target).await;
        for window in [USUAL, WIDEST, WIDEST] {
            let stalled = async {
                let peers = join_all((0..CONNECTIONS).map(|_| stall(&target, window))).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
                let started = tokio::time::Instant::now();
                // The calls of others come and go.
                while database.under_way().await > 1 {
                    assert!(started.elapsed() < Duration::from_secs(20), "connections are held");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                peers
            };
            let (peers, cost) = target.under(stalled).await;
            let streams = CONNECTIONS as u64 * u64::from(STREAMS);
            let name = format!("{}, {streams} lists, window {window}", database.name);
            cost.print(&name, &format!("{} KiB each", cost.memory / streams));
            assert!(cost.memory <= streams * MOST_PER_STREAM, "{name}: {} KiB", cost.memory);
            drop(peers);
        }
        target.stop();
        database.remove().await;
    }
}
