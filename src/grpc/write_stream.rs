//! WriteInteractions: batches in, answers out, in order.
//!
//! On PostgreSQL two batches of a stream are written at a time, so that the database need not wait for
//! the service between them; meanwhile the next is decoded, checked and prepared. No more is taken from
//! the client, so flow control slows it down. Of two batches with an id in common the earlier one is
//! written first.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::FuturesOrdered;
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use tracing::Span;

use super::access::Access;
use super::attached::attached;
use super::decode::batch::{self, Received};
use super::error::ApiError;
use super::limits::StreamPlace;
use super::metering::METERS;
use super::pace::Pace;
use super::proto::write_interactions_response::ItemResult;
use super::proto::{WriteInteractionsRequest, WriteInteractionsResponse};
use super::{deadline, status, transport_status};
use crate::domain::time;
use crate::domain::violation::Violations;
use crate::failpoint::failpoint;
use crate::repository::{Batch, Dialect, Outcome, Repository, Taken};

/// Batches of one stream that are being written at a time. SQLite has one writer.
fn written_at_once(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Sqlite => 1,
        Dialect::Postgres => 2,
    }
}

/// What a stream works with.
pub(super) struct Work {
    pub(super) repository: Repository,
    pub(super) access: Access,
    pub(super) pace: Pace,
    /// Its own among the streams that there may be, as long as it lasts.
    pub(super) _place: StreamPlace,
}

/// Answers the batches of `requests` until they end, or with the first error.
pub(super) fn stream(
    work: Work,
    requests: Streaming<WriteInteractionsRequest>,
) -> impl Stream<Item = Result<WriteInteractionsResponse, Status>> + Send {
    let at_once = written_at_once(work.repository.dialect());
    let (answers, receiver) = mpsc::channel(at_once);
    let task = async move {
        // At most one waits here while others are being written.
        let (ready, batches) = mpsc::channel(1);
        let preparing = prepare_all(&work, requests, ready);
        let writing = write_all(&work, at_once, batches, answers);
        // Whoever of the two ends on its own closes the channel between them.
        tokio::pin!(preparing, writing);
        tokio::select! {
            written = &mut writing => written,
            () = &mut preparing => writing.await,
        }
    };
    attached(receiver, task)
}

/// Checks and prepares batches as they come, one ahead.
async fn prepare_all(
    work: &Work,
    mut requests: Streaming<WriteInteractionsRequest>,
    ready: mpsc::Sender<Result<Received, ApiError>>,
) {
    // Room first, then the batch: otherwise a further one would wait outside of the channel.
    while let Ok(room) = ready.reserve().await {
        let request = tokio::select! {
            biased;
            () = work.pace.shutdown.cancelled() => Err(ApiError::Stopping),
            request = requests.message() => match request {
                Ok(Some(request)) => Ok(request),
                Ok(None) => break,
                Err(status) => match transport_status::transport_error(&status) {
                    Some(error) => Err(error),
                    // The client has left.
                    None => break,
                },
            },
        };
        let prepared = match request {
            Ok(request) => prepare(work, request).await,
            Err(error) => Err(error),
        };
        let goes_on = prepared.is_ok();
        room.send(prepared);
        if !goes_on {
            break;
        }
    }
}

async fn prepare(work: &Work, request: WriteInteractionsRequest) -> Result<Received, ApiError> {
    let caller = work.access.caller().await?;
    // Folding documents and splitting words takes a while: not on a thread that others wait for.
    let dialect = work.repository.dialect();
    let call = Span::current();
    let checked = tokio::task::spawn_blocking(move || {
        call.in_scope(|| batch::received(request, dialect, caller.namespace, time::now()))
    });
    checked.await.unwrap_or_else(|_| Err(panicked()))
}

/// Writes batches and answers each when it is durable, in order.
async fn write_all(
    work: &Work,
    at_once: usize,
    mut batches: mpsc::Receiver<Result<Received, ApiError>>,
    answers: mpsc::Sender<WriteInteractionsResponse>,
) -> Result<(), ApiError> {
    // Those that are being written; the batches of these; and the one that comes after them.
    let (mut written, mut writing, mut next) = (FuturesOrdered::new(), VecDeque::new(), None);
    let mut end = None;
    loop {
        if written.is_empty()
            && next.is_none()
            && let Some(end) = end
        {
            return end;
        }
        let room_beside = written.len() < at_once;
        let may_begin = room_beside && next.as_ref().is_some_and(|next| is_apart(next, &writing));
        tokio::select! {
            biased;
            () = deadline::passed(work.pace.deadline) => return Err(ApiError::DeadlineExceeded),
            Some((room, answer)) = written.next() => {
                let (room, answer): (mpsc::Permit<'_, _>, Result<_, _>) = (room, answer);
                writing.pop_front();
                let answer = answer?;
                failpoint("before-answer").await;
                room.send(answer);
            }
            // Room first, then the write: what is not answered is not to be far ahead of what is.
            room = work.pace.room_for_answer(&answers), if may_begin => {
                let Some(room) = room? else { return Ok(()) };
                if let Some(Received { request_id, refused, batch }) = next.take() {
                    let batch = Arc::new(batch);
                    writing.push_back(Arc::clone(&batch));
                    written.push_back(async move {
                        (room, write(&work.repository, request_id, refused, &batch).await)
                    });
                }
            }
            received = batches.recv(), if room_beside && next.is_none() && end.is_none() => {
                match received {
                    Some(Ok(received)) => next = Some(received),
                    Some(Err(error)) => end = Some(Err(error)),
                    None => end = Some(Ok(())),
                }
            }
        }
    }
}

/// Whether a batch can be written beside those of `writing`: no id of it is one of theirs.
fn is_apart(next: &Received, writing: &VecDeque<Arc<Batch>>) -> bool {
    writing.iter().all(|batch| !next.batch.shares_an_id_with(batch))
}

async fn write(
    repository: &Repository,
    request_id: String,
    refused: Vec<Option<(String, Violations)>>,
    batch: &Batch,
) -> Result<WriteInteractionsResponse, ApiError> {
    METERS.invalid.increment(refused.iter().flatten().count() as u64);
    let fates = if batch.interactions().is_empty() {
        Vec::new()
    } else {
        repository.record_each(batch).await?
    };
    let mut written = batch.interactions().iter().zip(fates);
    let results = refused.into_iter().enumerate().map(|(place, refused)| match refused {
        Some((interaction_id, violations)) => refusal(interaction_id, ApiError::from(violations)),
        None => written.next().map_or_else(ItemResult::default, |(new, fate)| {
            result(place, new.interaction.interaction_id.clone(), fate)
        }),
    });
    Ok(WriteInteractionsResponse { request_id, results: results.collect() })
}

fn result(place: usize, interaction_id: String, fate: Result<Outcome, Taken>) -> ItemResult {
    match fate {
        Ok(outcome) => ItemResult {
            interaction_id,
            deduplicated: outcome == Outcome::Deduplicated,
            status: Some(tonic_types::Status::default()),
        },
        Err(Taken) => {
            let mut violations = Violations::default();
            violations.add(format!("interactions[{place}].interaction_id"), batch::TAKEN);
            refusal(interaction_id, ApiError::AlreadyExists(violations))
        }
    }
}

fn refusal(interaction_id: String, error: ApiError) -> ItemResult {
    let status = Some(status::of_item(error));
    ItemResult { interaction_id, deduplicated: false, status }
}

fn panicked() -> ApiError {
    ApiError::Internal { cause: "a write panicked".to_owned() }
}
