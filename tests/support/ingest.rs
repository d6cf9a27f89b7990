//! A client that records in bulk and does not let go until everything is acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use interactions::grpc::proto;
use prost_types::Timestamp;
use tonic::{Code, Status};

use super::server::{Client, client};
use super::typed::proto_struct;

/// How long one batch may stay without an answer over all attempts.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the server said of each id.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// Ids, and whether the answer called them new.
    pub ids: BTreeMap<String, bool>,
    /// How often a stream broke.
    pub broken: usize,
}

/// Numbered interactions of which every index has something to remember.
pub fn numbered(numbers: impl Iterator<Item = usize>) -> Vec<proto::Interaction> {
    numbers
        .map(|number| {
            let metadata =
                serde_json::json!({ "title": format!("red shoe {number}"), "n": number });
            proto::Interaction {
                interaction_id: format!("n{number:07}"),
                interaction_type: vec!["click".to_owned()],
                session_id: format!("s{}", number / 10),
                timestamp: Some(Timestamp { seconds: 1_735_689_600 + number as i64, nanos: 0 }),
                metadata: Some(proto_struct(metadata.as_object().unwrap())),
                ..Default::default()
            }
        })
        .collect()
}

/// Sends `batches` until each is answered; a batch without an answer is sent again on a new stream.
/// `answered` counts batches as they are.
pub async fn ingest(
    address: SocketAddr,
    key: &str,
    batches: Vec<Vec<proto::Interaction>>,
    answered: Arc<AtomicUsize>,
) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut done = 0;
    let mut last_progress = Instant::now();
    while done < batches.len() {
        assert!(last_progress.elapsed() < PATIENCE, "batch {done} gets no answer");
        let Some(mut client) = reach(address, key).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let rest = batches.iter().enumerate().skip(done).map(|(number, interactions)| {
            proto::WriteInteractionsRequest {
                request_id: number.to_string(),
                interactions: interactions.clone(),
            }
        });
        let rest: Vec<_> = rest.take(256).collect();
        let stream = match client.write_interactions(tokio_stream::iter(rest)).await {
            Ok(stream) => stream,
            Err(status) => {
                broken(&mut acknowledged, &status).await;
                continue;
            }
        };
        let mut answers = stream.into_inner();
        loop {
            match answers.message().await {
                Ok(Some(answer)) => {
                    assert_eq!(answer.request_id, done.to_string(), "answers come in order");
                    note(&mut acknowledged, &batches[done], answer);
                    done += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                    last_progress = Instant::now();
                }
                Ok(None) => break,
                Err(status) => {
                    broken(&mut acknowledged, &status).await;
                    break;
                }
            }
        }
    }
    acknowledged
}

async fn reach(address: SocketAddr, key: &str) -> Option<Client> {
    tokio::net::TcpStream::connect(address).await.ok()?;
    tokio::time::timeout(Duration::from_secs(5), tokio::spawn(client(address, key.to_owned())))
        .await
        .ok()?
        .ok()
}

/// What a resending client may meet; anything else is a fault.
async fn broken(acknowledged: &mut Acknowledged, status: &Status) {
    let transport = std::error::Error::source(status).is_some();
    let expected = matches!(
        status.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled
    );
    assert!(transport || expected, "{status:?}");
    acknowledged.broken += 1;
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn note(
    acknowledged: &mut Acknowledged,
    batch: &[proto::Interaction],
    answer: proto::WriteInteractionsResponse,
) {
    assert_eq!(answer.results.len(), batch.len());
    for (sent, result) in batch.iter().zip(answer.results) {
        assert_eq!(sent.interaction_id, result.interaction_id);
        assert_eq!(result.status.unwrap().code, 0);
        let before = acknowledged.ids.insert(result.interaction_id, !result.deduplicated);
        assert!(before.is_none(), "{} is answered twice", sent.interaction_id);
    }
}

/// Every id of a namespace, in order, by a list that is resumed where it breaks.
pub async fn all_ids(address: SocketAddr, key: &str) -> Vec<String> {
    let mut client = client(address, key.to_owned()).await;
    let sort = proto::Sort {
        field: "interaction_id".to_owned(),
        direction: proto::sort::Direction::Asc.into(),
    };
    let request = proto::ListInteractionsRequest {
        sort: vec![sort],
        page_size: 1_000,
        select: vec!["interaction_id".to_owned()],
        ..Default::default()
    };
    let mut pages = client.list_interactions(request).await.unwrap().into_inner();
    let mut ids = Vec::new();
    while let Some(page) = pages.message().await.unwrap() {
        ids.extend(
            super::service::interactions(&page).into_iter().map(|found| found.interaction_id),
        );
    }
    ids
}

/// How many interactions have the word that all have.
pub async fn count_by_words(address: SocketAddr, key: &str) -> i64 {
    let mut client = client(address, key.to_owned()).await;
    let request =
        proto::CountInteractionsRequest { search: "red".to_owned(), ..Default::default() };
    client.count_interactions(request).await.unwrap().into_inner().count
}
