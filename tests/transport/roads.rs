//! Roads on which bytes come slowly, and clients who say all that they have to say at once.

use interactions::grpc::proto;
use prost::Message as _;

use crate::support::database::databases;
use crate::support::frames::{DATA, END_HEADERS, HEADERS, Peer, call, frame, message};
use crate::support::ingest::{all_ids, numbered};
use crate::support::proxy::{Proxy, Way, Ways};
use crate::support::server::{SocketServer, client, write_all};
use crate::support::service::TestService;

const BATCHES: usize = 10;
const BATCH: usize = 20;

fn batch(number: usize) -> proto::WriteInteractionsRequest {
    proto::WriteInteractionsRequest {
        request_id: number.to_string(),
        interactions: numbered(number * BATCH..(number + 1) * BATCH),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_may_come_one_by_one() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "bytes").await;
        let server = SocketServer::start(&database.url).await;
        let bytewise = || Ways { to_server: Way::Bytewise, to_client: Way::Bytewise };
        let road = Proxy::start_with(server.address, bytewise).await;
        let mut client = client(road.address, service.secret.clone()).await;
        let (answers, error) = write_all(&mut client, (0..BATCHES).map(batch).collect()).await;
        assert_eq!((answers.len(), error.map(|error| error.code())), (BATCHES, None));
        assert_eq!(all_ids(road.address, &service.secret).await.len(), BATCHES * BATCH);
        server.stop().await;
        database.remove().await;
    }
}

/// Whoever ends his side of the connection instead of his calls leaves: what he has had no answer to
/// may be there or not, as after any other break, and he sends it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_loses_nothing_that_was_answered() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "halves").await;
        let server = SocketServer::start(&database.url).await;
        let key = format!("Bearer {}", service.secret);
        let path = "/interactions.v1.InteractionService/WriteInteractions";
        let mut peer = Peer::greet(server.address).await;
        peer.say(&frame(HEADERS, END_HEADERS, 1, &call(path, &[("authorization", &key)]))).await;
        for number in 0..BATCHES {
            let batch = message(&batch(number).encode_to_vec());
            for piece in batch.chunks(16 << 10) {
                peer.say(&frame(DATA, 0, 1, piece)).await;
            }
            if number == BATCHES / 2 {
                assert!(peer.hears(|heard| heard.answers > 1).await);
            }
        }
        peer.hang_up().await;
        assert!(peer.hears(|heard| heard.closed).await);
        let answered = peer.heard().answers;
        let there = all_ids(server.address, &service.secret).await.len();
        println!("{}: {answered} answered, {there} there", database.name);
        assert!(answered > 1 && there >= answered * BATCH && there % BATCH == 0);
        let mut client = server.client(&service.secret).await;
        let (answers, error) = write_all(&mut client, (0..BATCHES).map(batch).collect()).await;
        assert_eq!((answers.len(), error.map(|error| error.code())), (BATCHES, None));
        assert_eq!(all_ids(server.address, &service.secret).await.len(), BATCHES * BATCH);
        server.stop().await;
        database.remove().await;
    }
}
