//! The InteractionService.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::access::Access;
use super::answer::answer;
use super::auth::{Auth, Caller};
use super::decode::{batch, interaction, list, selection};
use super::error::{ApiError, InvalidReason};
use super::hang_up::HangUp;
use super::limits::{CallLimits, StreamPlaces};
use super::metering::METERS;
use super::pace::{Pace, PaceLimits};
use super::page::Page;
use super::pages::{self, Pages, Work};
use super::proto;
use super::proto::batch_create_interactions_response::ItemResult;
use super::proto::interaction_service_server::InteractionService;
use super::{deadline, purge, write_stream};
use crate::domain::access::{NamespaceId, Scope};
use crate::domain::interaction::{MAX_BATCH, is_interaction_id};
use crate::domain::time;
use crate::domain::violation::Violations;
use crate::failpoint::failpoint;
use crate::repository::{self, Batch, Outcome, Repository, WriteError};

/// Records interactions and lists them back.
#[derive(Debug, Clone)]
pub struct InteractionServiceImpl {
    repository: Repository,
    auth: Arc<Auth>,
    shutdown: CancellationToken,
    places: StreamPlaces,
    pace_limits: PaceLimits,
}

impl InteractionServiceImpl {
    /// A service over `repository` whose streams end when `shutdown` is cancelled.
    #[must_use]
    pub fn new(repository: Repository, auth: Arc<Auth>, shutdown: CancellationToken) -> Self {
        let places = StreamPlaces::new(&CallLimits::default());
        Self { repository, auth, shutdown, places, pace_limits: PaceLimits::default() }
    }

    /// The same with other limits on how many streams there are.
    #[must_use]
    pub fn with_call_limits(self, limits: &CallLimits) -> Self {
        Self { places: StreamPlaces::new(limits), ..self }
    }

    /// The same with other limits on streams that stand still.
    #[must_use]
    pub fn with_pace_limits(self, pace_limits: PaceLimits) -> Self {
        Self { pace_limits, ..self }
    }

    fn access(&self, metadata: MetadataMap, scope: Scope) -> Access {
        Access { auth: Arc::clone(&self.auth), metadata, scope }
    }

    fn pace(&self, metadata: &MetadataMap) -> Result<Pace, ApiError> {
        let (limits, shutdown) = (self.pace_limits, self.shutdown.clone());
        let (deadline, hang_up) = (deadline::of_stream(metadata)?, HangUp::current());
        Ok(Pace { deadline, limits, shutdown, hang_up })
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
        let (id, record) = (new.interaction.interaction_id.clone(), new.record.clone());
        let batch = Batch::new(self.repository.dialect(), caller.namespace, vec![new]);
        let written = self.repository.record(&batch, validate_only).await;
        let outcomes = written.map_err(|error| conflict(error, |_| path.to_owned()))?;
        let record = match outcomes.first() {
            // What was there stands, its times included.
            Some(Outcome::Deduplicated) => {
                self.repository.get(caller.namespace, None, &id).await?.unwrap_or(record)
            }
            Some(Outcome::Recorded) | None => record,
        };
        decoded(&record)
    }

    async fn batch_create(
        &self,
        caller: &Caller,
        request: proto::BatchCreateInteractionsRequest,
    ) -> Result<proto::BatchCreateInteractionsResponse, ApiError> {
        let proto::BatchCreateInteractionsRequest { interactions, validate_only } = request;
        let dialect = self.repository.dialect();
        let batch = batch::whole(interactions, dialect, caller.namespace, time::now())?;
        let written = self.repository.record(&batch, validate_only).await;
        let outcomes =
            written.map_err(|error| conflict(error, |place| format!("interactions[{place}]")))?;
        let results = batch.interactions().iter().zip(outcomes).map(|(new, outcome)| ItemResult {
            interaction_id: new.interaction.interaction_id.clone(),
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
        check_id(&interaction_id)?;
        failpoint("get").await;
        let Caller { key_id: _, namespace, visible_since } = caller;
        let record = self.repository.get(*namespace, *visible_since, &interaction_id).await?;
        decoded(&record.ok_or(ApiError::NotFound { interaction_id })?)
    }

    async fn delete(
        &self,
        caller: &Caller,
        request: proto::DeleteInteractionRequest,
    ) -> Result<(), ApiError> {
        let proto::DeleteInteractionRequest { interaction_id, allow_missing } = request;
        check_id(&interaction_id)?;
        let removed = self.repository.remove(caller.namespace, &interaction_id).await?;
        METERS.deleted.increment(u64::from(removed));
        if removed || allow_missing {
            return Ok(());
        }
        Err(ApiError::NotFound { interaction_id })
    }

    async fn count(
        &self,
        caller: &Caller,
        request: proto::CountInteractionsRequest,
    ) -> Result<proto::CountInteractionsResponse, ApiError> {
        let selection = selection::count(request, caller)?;
        let count = self.repository.count(&selection).await?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Ok(proto::CountInteractionsResponse { count })
    }
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
        let (metadata, _, request) = request.into_parts();
        let pace = self.pace(&metadata)?;
        let access = self.access(metadata, Scope::Read);
        let work = async {
            let caller = access.caller().await?;
            let place = self.places.reading(&caller.key_id)?;
            let list = list::list(request, &caller)?;
            Ok((Pages::open(self.repository.clone(), list).await?, place))
        };
        let (pages, place) = pace.step(work).await?;
        Ok(Response::new(Box::pin(pages::stream(pages, Work { access, pace, _place: place }))))
    }

    async fn count_interactions(
        &self,
        request: Request<proto::CountInteractionsRequest>,
    ) -> Result<Response<proto::CountInteractionsResponse>, Status> {
        answer!(self, request, Scope::Read, count)
    }

    type WriteInteractionsStream =
        Pin<Box<dyn Stream<Item = Result<proto::WriteInteractionsResponse, Status>> + Send>>;

    async fn write_interactions(
        &self,
        request: Request<Streaming<proto::WriteInteractionsRequest>>,
    ) -> Result<Response<Self::WriteInteractionsStream>, Status> {
        let (metadata, _, requests) = request.into_parts();
        let pace = self.pace(&metadata)?;
        let access = self.access(metadata, Scope::Write);
        let caller = deadline::within(pace.deadline, access.caller()).await?;
        let work = write_stream::Work {
            repository: self.repository.clone(),
            access,
            pace,
            _place: self.places.writing(&caller.key_id)?,
        };
        Ok(Response::new(Box::pin(write_stream::stream(work, requests))))
    }

    async fn delete_interaction(
        &self,
        request: Request<proto::DeleteInteractionRequest>,
    ) -> Result<Response<()>, Status> {
        answer!(self, request, Scope::Write, delete)
    }

    type PurgeInteractionsStream =
        Pin<Box<dyn Stream<Item = Result<proto::PurgeInteractionsResponse, Status>> + Send>>;

    async fn purge_interactions(
        &self,
        request: Request<proto::PurgeInteractionsRequest>,
    ) -> Result<Response<Self::PurgeInteractionsStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let pace = self.pace(&metadata)?;
        let access = self.access(metadata, Scope::Write);
        let work = async {
            let caller = access.caller().await?;
            let place = self.places.reading(&caller.key_id)?;
            Ok((selection::purge(request, &caller, time::now())?, place))
        };
        let (purge, place) = pace.step(work).await?;
        let work = purge::Work { repository: self.repository.clone(), access, pace, _place: place };
        Ok(Response::new(Box::pin(purge::stream(work, purge))))
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
        let batch = batch::whole(batch.to_vec(), repository.dialect(), namespace, time::now())?;
        let written = repository.record(&batch, false).await;
        let outcomes =
            written.map_err(|error| conflict(error, |place| format!("interactions[{place}]")))?;
        recorded += outcomes.iter().filter(|outcome| **outcome == Outcome::Recorded).count();
    }
    Ok(recorded)
}

fn check_id(id: &str) -> Result<(), ApiError> {
    if is_interaction_id(id) {
        return Ok(());
    }
    let accepted = "takes 1 to 128 of A-Z a-z 0-9 . _ : -";
    Err(ApiError::invalid(InvalidReason::Request, "interaction_id", accepted))
}

fn conflict(error: WriteError, path: impl Fn(usize) -> String) -> ApiError {
    match error {
        WriteError::Database(error) => error.into(),
        WriteError::Conflicts(conflicts) => {
            let mut violations = Violations::default();
            for conflict in conflicts {
                let field = format!("{}.interaction_id", path(conflict.place));
                violations.add(field, batch::TAKEN);
            }
            ApiError::AlreadyExists(violations)
        }
    }
}

fn decoded(record: &[u8]) -> Result<proto::Interaction, ApiError> {
    proto::Interaction::decode(record).map_err(|error| {
        let cause = format!("a stored record is no interaction: {error}");
        repository::Error::Corrupt(cause).into()
    })
}
