//! Batches of interactions to be recorded.

use super::interaction::new_interaction;
use crate::domain::access::NamespaceId;
use crate::domain::interaction::{MAX_BATCH, is_interaction_id};
use crate::domain::time::Micros;
use crate::domain::violation::Violations;
use crate::grpc::error::{ApiError, InvalidReason};
use crate::grpc::proto;
use crate::repository::{Batch, Dialect};

/// What is wrong with an id that other content has.
pub(in crate::grpc) const TAKEN: &str = "another interaction has this id, with other content";

/// Longest `request_id`, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 256;

/// Checks a batch that is recorded whole or not at all: every violation of every interaction is
/// listed.
pub(in crate::grpc) fn whole(
    interactions: Vec<proto::Interaction>,
    dialect: Dialect,
    namespace: NamespaceId,
    now: Micros,
) -> Result<Batch, ApiError> {
    check_size(interactions.len(), 1)?;
    let mut violations = Violations::default();
    let checked = interactions.into_iter().enumerate().map(|(place, message)| {
        new_interaction(message, now, &format!("interactions[{place}]"), &mut violations)
    });
    let checked = checked.collect();
    let checked = violations.into_result(checked)?;
    Ok(Batch::new(dialect, namespace, checked))
}

/// A batch of a stream, whose interactions stand or fall each on its own.
#[derive(Debug)]
pub(in crate::grpc) struct Received {
    pub(in crate::grpc) request_id: String,
    /// For each interaction of the request, in order: the caller's id, if it has one, and what is
    /// wrong with it, where something is.
    pub(in crate::grpc) refused: Vec<Option<(String, Violations)>>,
    /// The others, in order.
    pub(in crate::grpc) batch: Batch,
}

/// Checks a batch of a stream.
pub(in crate::grpc) fn received(
    request: proto::WriteInteractionsRequest,
    dialect: Dialect,
    namespace: NamespaceId,
    now: Micros,
) -> Result<Received, ApiError> {
    let proto::WriteInteractionsRequest { request_id, interactions } = request;
    if request_id.len() > MAX_REQUEST_ID_BYTES {
        let limit = format!("has at most {MAX_REQUEST_ID_BYTES} bytes");
        return Err(ApiError::invalid(InvalidReason::Request, "request_id", limit));
    }
    check_size(interactions.len(), 0)?;
    let mut fine = Vec::with_capacity(interactions.len());
    let mut refused = Vec::with_capacity(interactions.len());
    for (place, message) in interactions.into_iter().enumerate() {
        let mut violations = Violations::default();
        let path = format!("interactions[{place}]");
        // Given back as the caller wrote it, where it is an id at all: what is not may be long.
        let given = Some(message.interaction_id.clone()).filter(|id| is_interaction_id(id));
        let new = new_interaction(message, now, &path, &mut violations);
        if violations.is_empty() {
            fine.push(new);
            refused.push(None);
        } else {
            refused.push(Some((given.unwrap_or_default(), violations)));
        }
    }
    Ok(Received { request_id, refused, batch: Batch::new(dialect, namespace, fine) })
}

/// Checks how many interactions a request has.
pub(in crate::grpc) fn check_size(found: usize, least: usize) -> Result<(), ApiError> {
    if (least..=MAX_BATCH).contains(&found) {
        return Ok(());
    }
    let limit = format!("takes {least} to {MAX_BATCH} interactions; got {found}");
    Err(ApiError::invalid(InvalidReason::Request, "interactions", limit))
}
