//! One batch, sent until each of its interactions is recorded or refused.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::batch::{Batch, Item, Refusal};
use crate::cli::client::Client;
use crate::grpc::proto::{BatchCreateInteractionsRequest, BatchCreateInteractionsResponse};

/// How often a batch is sent before the import gives up; with the waits between, for about 25 s.
const ATTEMPTS: u32 = 8;
/// The wait after the first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait that the service can ask for.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(60);
/// How long the service may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Interactions that are recorded now.
    pub(super) recorded: u64,
    /// Interactions that were recorded already.
    pub(super) deduplicated: u64,
    /// Lines that are not recorded.
    pub(super) refused: u64,
    /// Why not, by line.
    pub(super) refusals: Vec<Refusal>,
    /// The last line of the batch.
    pub(super) last_line: u64,
    /// What stopped it, where not every interaction was recorded or refused.
    pub(super) failure: Option<Status>,
}

/// Sends a batch. It is recorded whole or not at all, so what the service refuses is taken out and
/// the rest sent again.
pub(super) async fn send(mut client: Client, batch: Batch) -> Outcome {
    let Batch { mut items, refusals, refused, last_line, bytes: _ } = batch;
    let mut outcome = Outcome { refused, refusals, last_line, ..Outcome::default() };
    while !items.is_empty() {
        match record(&mut client, &items).await {
            Ok(BatchCreateInteractionsResponse { results }) => {
                let deduplicated = results.iter().filter(|result| result.deduplicated).count();
                outcome.deduplicated += deduplicated as u64;
                outcome.recorded += (items.len() - deduplicated) as u64;
                break;
            }
            Err(status) => {
                let (left, refused) = take_out(items, item_faults(&status));
                if refused.is_empty() {
                    outcome.failure = Some(status);
                    break;
                }
                items = left;
                outcome.refused += refused.len() as u64;
                outcome.refusals.extend(refused.into_iter().flatten());
            }
        }
    }
    outcome.refusals.sort_by_key(|refusal| refusal.line);
    outcome
}

/// Sends the items, again and again while the failure may pass.
async fn record(
    client: &mut Client,
    items: &[Item],
) -> Result<BatchCreateInteractionsResponse, Status> {
    let mut attempt = 1;
    loop {
        let interactions = items.iter().map(|item| item.interaction.clone()).collect();
        let request = BatchCreateInteractionsRequest { interactions, validate_only: false };
        let answer =
            tokio::time::timeout(ANSWER_TIMEOUT, client.batch_create_interactions(request));
        let status = match answer.await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("the service did not answer in time"),
        };
        if attempt == ATTEMPTS || !may_pass(&status) {
            return Err(status);
        }
        tokio::time::sleep(wait(attempt, &status)).await;
        attempt += 1;
    }
}

/// Whether the same call can succeed later. Every interaction has an id, so it can be repeated.
fn may_pass(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded
    ) || is_of_transport(status)
}

/// Whether the connection failed and not the service.
fn is_of_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// How long to wait after the failure of an attempt, which counts from 1: half to all of a time that
/// doubles, so that batches that failed together do not come back together.
fn wait(attempt: u32, status: &Status) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1 << (attempt - 1)).min(LONGEST_WAIT);
    let random = getrandom::u32().unwrap_or(u32::MAX);
    let chosen = longest.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX));
    let asked = status.get_details_retry_info().and_then(|details| details.retry_delay);
    chosen.max(asked.unwrap_or_default().min(LONGEST_ASKED_WAIT))
}

/// What is wrong with single items, by their place in the batch: fields, and what is wrong with each.
type Faults = BTreeMap<usize, Vec<(String, String)>>;

/// What the error says of single items; nothing where it speaks of the call as a whole.
fn item_faults(status: &Status) -> Faults {
    let mut faults = Faults::new();
    if !matches!(status.code(), Code::InvalidArgument | Code::AlreadyExists) {
        return faults;
    }
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    for violation in violations.unwrap_or_default() {
        if let Some((index, field)) = item_path(&violation.field) {
            faults.entry(index).or_default().push((field.to_owned(), violation.description));
        }
    }
    faults
}

/// Splits `interactions[7].position` into 7 and `position`, `interactions[7]` into 7 and nothing.
fn item_path(path: &str) -> Option<(usize, &str)> {
    let (index, field) = path.strip_prefix("interactions[")?.split_once(']')?;
    Some((index.parse().ok()?, field.strip_prefix('.').unwrap_or(field)))
}

/// Parts the items without faults from the others, of which the refusals are left.
fn take_out(items: Vec<Item>, mut faults: Faults) -> (Vec<Item>, Vec<Vec<Refusal>>) {
    let mut left = Vec::with_capacity(items.len());
    let mut refused = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let Some(faults) = faults.remove(&index) else {
            left.push(item);
            continue;
        };
        let refusals = faults.into_iter();
        let refusals = refusals.map(|(field, what)| Refusal { line: item.line, field, what });
        refused.push(refusals.collect());
    }
    (left, refused)
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;
    use crate::grpc::proto::Interaction;

    fn invalid(fields: &[&str]) -> Status {
        let mut details = ErrorDetails::new();
        for field in fields {
            details.add_bad_request_violation(*field, "wrong");
        }
        Status::with_error_details(Code::InvalidArgument, "", details)
    }

    #[test]
    fn paths_of_items_are_understood() {
        assert_eq!(item_path("interactions[7].position"), Some((7, "position")));
        assert_eq!(item_path("interactions[0]"), Some((0, "")));
        assert_eq!(item_path("interactions[12].metadata.a[1]"), Some((12, "metadata.a[1]")));
        for path in ["", "interactions", "interactions[]", "interactions[x].y", "filters[1]"] {
            assert_eq!(item_path(path), None, "{path}");
        }
    }

    #[test]
    fn bad_items_are_taken_out_and_keep_their_lines() {
        let items =
            (10..14).map(|line| Item { line, interaction: Interaction::default(), bytes: 0 });
        let status = invalid(&["interactions[2].a", "interactions[2].b", "interactions[0]", "x"]);
        let (left, refused) = take_out(items.collect(), item_faults(&status));
        assert_eq!(left.iter().map(|item| item.line).collect::<Vec<_>>(), [11, 13]);
        let refused = refused.into_iter().flatten().map(|refusal| (refusal.line, refusal.field));
        let refused: Vec<_> = refused.collect();
        let expected = [(10, ""), (12, "a"), (12, "b")];
        assert_eq!(refused, expected.map(|(line, field)| (line, field.to_owned())));
    }

    #[test]
    fn an_error_of_the_call_blames_no_item() {
        assert!(item_faults(&invalid(&["x-namespace"])).is_empty());
        assert!(item_faults(&Status::unauthenticated("no key")).is_empty());
    }

    #[test]
    fn waits_grow_and_heed_the_service() {
        let status = Status::unavailable("");
        assert!((FIRST_WAIT / 2..=FIRST_WAIT).contains(&wait(1, &status)));
        assert!((LONGEST_WAIT / 2..=LONGEST_WAIT).contains(&wait(ATTEMPTS, &status)));
        let asked = |delay| {
            let details = ErrorDetails::with_retry_info(Some(delay));
            wait(1, &Status::with_error_details(Code::Unavailable, "", details))
        };
        assert_eq!(asked(Duration::from_secs(3)), Duration::from_secs(3));
        assert_eq!(asked(Duration::from_secs(3_600)), LONGEST_ASKED_WAIT);
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        assert!(may_pass(&Status::unavailable("")) && may_pass(&Status::resource_exhausted("")));
        assert!(may_pass(&Status::from_error(Box::new(std::io::Error::other("reset")))));
        assert!(!may_pass(&Status::unauthenticated("")) && !may_pass(&invalid(&[])));
    }
}
