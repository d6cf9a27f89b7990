//! The InteractionService.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::auth::{Auth, Caller};
use super::deadline;
use super::decode::{interaction, list};
use super::error::{ApiError, InvalidReason};
use super::page::Page;
use super::pages::{self, Pages};
use super::proto;
use super::proto::batch_create_interactions_response::ItemResult;
use super::proto::interaction_service_server::InteractionService;
use crate::domain::access::{NamespaceId, Scope};
use crate::domain::interaction::{MAX_BATCH, is_interaction_id};
use crate::domain::time;
use crate::domain::violation::Violations;
use crate::repository::{NewInteraction, Outcome, Repository, WriteError};

/// Records interactions and lists them back.
#[derive(Debug, Clone)]
pub struct InteractionServiceImpl {
    repository: Repository,
    auth: Arc<Auth>,
    shutdown: CancellationToken,
}

impl InteractionServiceImpl {
    /// A service over `repository` whose streams end when `shutdown` is cancelled.
    #[must_use]
    pub fn new(repository: Repository, auth: Arc<Auth>, shutdown: CancellationToken) -> Self {
        Self { repository, auth, shutdown }
    }

    async fn create(
        &self,
        caller: &Caller,
        request: proto::CreateInteractionRequest,
    ) -> Result<proto::Interaction, ApiError> {
        let proto::CreateInteractionRequest { interaction: given, validate_only } = request;
        let path = "interaction";
        let given = given.ok_or_else(|| {
            ApiError::invalid(InvalidReason::Request, path, "takes an interaction; none was given")
        })?;
        let mut violations = Violations::default();
        let new = interaction::new_interaction(given, time::now(), path, &mut violations);
        violations.into_result(())?;
        let new = [new];
        let written = self.repository.record(caller.namespace, &new, validate_only).await;
        let outcomes = written.map_err(|error| conflict(error, |_| path.to_owned()))?;
        let [new] = new;
        let record = match outcomes.first() {
            // What was there stands, its times included.
            Some(Outcome::Deduplicated) => {
                let id = &new.interaction.interaction_id;
                self.repository.get(caller.namespace, id).await?.unwrap_or(new.record)
            }
            Some(Outcome::Recorded) | None => new.record,
        };
        decoded(&record)
    }

    async fn batch_create(
        &self,
        caller: &Caller,
        request: proto::BatchCreateInteractionsRequest,
    ) -> Result<proto::BatchCreateInteractionsResponse, ApiError> {
        let proto::BatchCreateInteractionsRequest { interactions, validate_only } = request;
        let new = new_interactions(interactions)?;
        let written = self.repository.record(caller.namespace, &new, validate_only).await;
        let outcomes =
            written.map_err(|error| conflict(error, |place| format!("interactions[{place}]")))?;
        let results = new.into_iter().zip(outcomes).map(|(new, outcome)| ItemResult {
            interaction_id: new.interaction.interaction_id,
            deduplicated: outcome == Outcome::Deduplicated,
        });
        Ok(proto::BatchCreateInteractionsResponse { results: results.collect() })
    }

    async fn get(
        &self,
        caller: &Caller,
        request: proto::GetInteractionRequest,
    ) -> Result<proto::Interaction, ApiError> {
        let proto::GetInteractionRequest { interaction_id } = request;
        if !is_interaction_id(&interaction_id) {
            let accepted = "takes 1 to 128 of A-Z a-z 0-9 . _ : -";
            return Err(ApiError::invalid(InvalidReason::Request, "interaction_id", accepted));
        }
        let record = self.repository.get(caller.namespace, &interaction_id).await?;
        decoded(&record.ok_or(ApiError::NotFound { interaction_id })?)
    }

    async fn count(
        &self,
        caller: &Caller,
        request: proto::CountInteractionsRequest,
    ) -> Result<proto::CountInteractionsResponse, ApiError> {
        let selection = list::count(request, caller.namespace)?;
        let count = self.repository.count(&selection).await?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Ok(proto::CountInteractionsResponse { count })
    }
}

/// Authorises a call, then answers it, both before its time is up.
macro_rules! answer {
    ($service:expr, $request:expr, $scope:expr, $method:ident) => {{
        let deadline = deadline::of($request.metadata())?;
        let work = async {
            let caller = $service.auth.authorize($request.metadata(), $scope).await?;
            $service.$method(&caller, $request.into_inner()).await
        };
        Ok(Response::new(deadline::within(deadline, work).await?))
    }};
}

#[tonic::async_trait]
impl InteractionService for InteractionServiceImpl {
    async fn create_interaction(
        &self,
        request: Request<proto::CreateInteractionRequest>,
    ) -> Result<Response<proto::Interaction>, Status> {
        answer!(self, request, Scope::Write, create)
    }

    async fn batch_create_interactions(
        &self,
        request: Request<proto::BatchCreateInteractionsRequest>,
    ) -> Result<Response<proto::BatchCreateInteractionsResponse>, Status> {
        answer!(self, request, Scope::Write, batch_create)
    }

    async fn get_interaction(
        &self,
        request: Request<proto::GetInteractionRequest>,
    ) -> Result<Response<proto::Interaction>, Status> {
        answer!(self, request, Scope::Read, get)
    }

    type ListInteractionsStream = Pin<Box<dyn Stream<Item = Result<Page, Status>> + Send>>;

    async fn list_interactions(
        &self,
        request: Request<proto::ListInteractionsRequest>,
    ) -> Result<Response<Self::ListInteractionsStream>, Status> {
        let deadline = deadline::of(request.metadata())?;
        let work = async {
            let caller = self.auth.authorize(request.metadata(), Scope::Read).await?;
            let list = list::list(request.into_inner(), caller.namespace)?;
            Pages::open(self.repository.clone(), list).await
        };
        let pages = deadline::within(deadline, work).await?;
        Ok(Response::new(Box::pin(pages::stream(pages, deadline, self.shutdown.clone()))))
    }

    async fn count_interactions(
        &self,
        request: Request<proto::CountInteractionsRequest>,
    ) -> Result<Response<proto::CountInteractionsResponse>, Status> {
        answer!(self, request, Scope::Read, count)
    }
}

/// Records interactions as a client's batches would; returns how many were new.
///
/// # Errors
/// Those of `BatchCreateInteractions`.
pub async fn record_all(
    repository: &Repository,
    namespace: NamespaceId,
    interactions: Vec<proto::Interaction>,
) -> Result<usize, ApiError> {
    let mut recorded = 0;
    for batch in interactions.chunks(MAX_BATCH) {
        let new = new_interactions(batch.to_vec())?;
        let written = repository.record(namespace, &new, false).await;
        let outcomes =
            written.map_err(|error| conflict(error, |place| format!("interactions[{place}]")))?;
        recorded += outcomes.iter().filter(|outcome| **outcome == Outcome::Recorded).count();
    }
    Ok(recorded)
}

/// Checks a batch; every violation of every interaction is listed.
fn new_interactions(
    interactions: Vec<proto::Interaction>,
) -> Result<Vec<NewInteraction>, ApiError> {
    if !(1..=MAX_BATCH).contains(&interactions.len()) {
        let found = interactions.len();
        let limit = format!("takes 1 to {MAX_BATCH} interactions; got {found}");
        return Err(ApiError::invalid(InvalidReason::Request, "interactions", limit));
    }
    let now = time::now();
    let mut violations = Violations::default();
    let checked = interactions.into_iter().enumerate().map(|(place, message)| {
        let path = format!("interactions[{place}]");
        interaction::new_interaction(message, now, &path, &mut violations)
    });
    let checked = checked.collect();
    Ok(violations.into_result(checked)?)
}

fn conflict(error: WriteError, path: impl Fn(usize) -> String) -> ApiError {
    match error {
        WriteError::Database(error) => error.into(),
        WriteError::Conflicts(conflicts) => {
            let mut violations = Violations::default();
            for conflict in conflicts {
                let field = format!("{}.interaction_id", path(conflict.place));
                violations.add(field, "another interaction has this id, with other content");
            }
            ApiError::AlreadyExists(violations)
        }
    }
}

fn decoded(record: &[u8]) -> Result<proto::Interaction, ApiError> {
    proto::Interaction::decode(record).map_err(|error| ApiError::Internal {
        cause: format!("a stored record is no interaction: {error}"),
    })
}
