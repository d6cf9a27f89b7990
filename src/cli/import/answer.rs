//! What the service says of a batch.

use anyhow::{Context as _, ensure};
use tonic::Code;
use tonic_types::{RpcStatusExt as _, Status};

use super::batch::{Batch, Place, Refusal};
use crate::grpc::proto::WriteInteractionsResponse;
use crate::grpc::proto::write_interactions_response::ItemResult;

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Interactions that are recorded now.
    pub(super) recorded: u64,
    /// Interactions that were recorded already.
    pub(super) deduplicated: u64,
    /// Interactions that are not recorded.
    pub(super) refused: u64,
    /// Why not, by line.
    pub(super) refusals: Vec<Refusal>,
    /// The last line of which nothing is left for the next batch.
    pub(super) last_line: u64,
}

/// Reads the answer to a batch that was sent under `request_id`.
///
/// # Errors
/// When it is not the answer to this batch.
pub(super) fn outcome(
    request_id: &str,
    batch: Batch,
    answer: WriteInteractionsResponse,
) -> anyhow::Result<Outcome> {
    let WriteInteractionsResponse { request_id: answered, results } = answer;
    ensure!(
        answered == request_id,
        "the service broke its promise: it answered batch {answered:?} before batch {request_id:?}"
    );
    let Batch { interactions, places, refusals, refused, last_line, bytes: _ } = batch;
    ensure!(
        results.len() == interactions.len(),
        "the service broke its promise: {} results for {} interactions",
        results.len(),
        interactions.len()
    );
    let mut outcome = Outcome { refused, refusals, last_line, ..Outcome::default() };
    for (place, result) in places.iter().zip(results) {
        let ItemResult { interaction_id: _, deduplicated, status } = result;
        let status = status.context("the service broke its promise: a result has no status")?;
        let code = Code::from_i32(status.code);
        if code != Code::Ok {
            outcome.refused += 1;
            outcome.refusals.extend(refusals_of(place, code, &status));
        } else if deduplicated {
            outcome.deduplicated += 1;
        } else {
            outcome.recorded += 1;
        }
    }
    outcome.refusals.sort_by_key(|refusal| refusal.line);
    Ok(outcome)
}

/// Every reason that the service gives for refusing an interaction; at least one.
fn refusals_of(place: &Place, code: Code, status: &Status) -> Vec<Refusal> {
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    let violations = violations.unwrap_or_default().into_iter();
    let refusals: Vec<_> = violations
        .map(|violation| place.refusal(field_of_item(&violation.field), violation.description))
        .collect();
    if !refusals.is_empty() {
        return refusals;
    }
    let what = if status.message.is_empty() { code.description() } else { &status.message };
    vec![place.refusal("", what.to_owned())]
}

/// `position` of `interactions[7].position`, and nothing of `interactions[7]`.
fn field_of_item(path: &str) -> &str {
    let item = path.strip_prefix("interactions[").and_then(|rest| rest.split_once(']'));
    match item {
        Some((_, field)) => field.strip_prefix('.').unwrap_or(field),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;
    use crate::grpc::proto::Interaction;

    fn result(code: Code, message: &str, fields: &[&str], deduplicated: bool) -> ItemResult {
        let mut details = ErrorDetails::new();
        for field in fields {
            details.add_bad_request_violation(*field, "wrong");
        }
        let status = tonic::Status::with_error_details(code, message, details);
        let status = Status::decode(status.details()).unwrap();
        ItemResult { interaction_id: String::new(), deduplicated, status: Some(status) }
    }

    fn batch(lines: &[u64]) -> Batch {
        Batch {
            interactions: vec![Interaction::default(); lines.len()],
            places: lines.iter().map(|line| Place { line: *line, path: String::new() }).collect(),
            last_line: lines.iter().copied().max().unwrap_or_default(),
            ..Batch::default()
        }
    }

    fn answer(request_id: &str, results: Vec<ItemResult>) -> WriteInteractionsResponse {
        WriteInteractionsResponse { request_id: request_id.to_owned(), results }
    }

    #[test]
    fn paths_of_items_are_shortened() {
        for (path, field) in [
            ("interactions[7].position", "position"),
            ("interactions[0]", ""),
            ("interactions[12].metadata.a[1]", "metadata.a[1]"),
            ("interactions", "interactions"),
            ("", ""),
            ("filters[1].a", "filters[1].a"),
        ] {
            assert_eq!(field_of_item(path), field);
        }
    }

    #[test]
    fn every_interaction_is_counted_once_and_every_fault_is_named() {
        let mut batch = batch(&[10, 11, 13, 14, 15]);
        let before = Refusal { line: 12, field: "x".to_owned(), what: "unknown".to_owned() };
        batch.refusals = vec![before.clone()];
        batch.refused = 1;
        batch.places[2].path = "results[3]".to_owned();
        let faults = ["interactions[2].a", "interactions[2].b", "interactions[2]"];
        let results = vec![
            result(Code::Ok, "", &[], false),
            result(Code::Ok, "", &[], true),
            result(Code::InvalidArgument, "invalid", &faults, false),
            result(Code::AlreadyExists, "there with other content", &[], false),
            result(Code::AlreadyExists, "", &[], false),
        ];
        let outcome = outcome("7", batch, answer("7", results)).unwrap();
        let Outcome { recorded, deduplicated, refused, refusals, last_line } = outcome;
        assert_eq!((recorded, deduplicated, refused, last_line), (1, 1, 4, 15));
        let refusal = |line, field: &str, what: &str| Refusal {
            line,
            field: field.to_owned(),
            what: what.to_owned(),
        };
        let expected = [
            before,
            refusal(13, "results[3].a", "wrong"),
            refusal(13, "results[3].b", "wrong"),
            refusal(13, "results[3]", "wrong"),
            refusal(14, "", "there with other content"),
            refusal(15, "", Code::AlreadyExists.description()),
        ];
        assert_eq!(refusals, expected);
    }

    #[test]
    fn an_answer_to_something_else_is_an_error() {
        let fine = || result(Code::Ok, "", &[], false);
        assert!(outcome("1", batch(&[1]), answer("1", vec![fine()])).is_ok());
        let unsaid = ItemResult { status: None, ..fine() };
        for wrong in [
            answer("2", vec![fine()]),
            answer("", vec![fine()]),
            answer("1", vec![]),
            answer("1", vec![fine(), fine()]),
            answer("1", vec![unsaid]),
        ] {
            assert!(outcome("1", batch(&[1]), wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
