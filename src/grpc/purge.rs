//! PurgeInteractions: small batches, and a message after each.

use futures::Stream;
use tokio::sync::mpsc;
use tonic::Status;

use super::access::Access;
use super::attached::attached;
use super::decode::selection::Purge;
use super::error::ApiError;
use super::limits::StreamPlace;
use super::metering::METERS;
use super::pace::Pace;
use super::proto::PurgeInteractionsResponse;
use crate::domain::query::Selection;
use crate::domain::sort::Position;
use crate::repository::{Removed, Repository};

/// Most ids that a purge names which deletes nothing.
const MAX_SAMPLE: u64 = 100;

/// What a purge works with.
pub(super) struct Work {
    pub(super) repository: Repository,
    pub(super) access: Access,
    pub(super) pace: Pace,
    /// Its own among the streams that there may be, as long as it lasts.
    pub(super) _place: StreamPlace,
}

/// How far a purge is.
struct Purging {
    /// What was there when it began.
    selection: Selection,
    force: bool,
    /// How many those were; none before they are counted.
    total: Option<i64>,
    deleted: i64,
    /// Where the next batch goes on.
    start: Option<Position>,
    finished: bool,
}

/// Says what `purge` would delete or, with `force`, deletes it and says after each batch how far it
/// is, until the end or the first error.
pub(super) fn stream(
    work: Work,
    purge: Purge,
) -> impl Stream<Item = Result<PurgeInteractionsResponse, Status>> + Send {
    let (sender, receiver) = mpsc::channel(1);
    let task = async move {
        let mut purging = Purging::new(purge);
        // Room first: a purge runs ahead of its caller only by what the transport holds for him.
        while !purging.finished
            && let Some(room) = work.pace.room(&sender).await?
        {
            room.send(work.pace.step(purging.go_on(&work)).await?);
        }
        Ok(())
    };
    attached(receiver, task)
}

/// Also where the caller has left: what is deleted is noted for those who run the service.
impl Drop for Purging {
    fn drop(&mut self) {
        if self.force {
            let Self { deleted, total, finished, .. } = self;
            tracing::info!(deleted, total, finished, "purge ended");
        }
    }
}

impl Purging {
    fn new(purge: Purge) -> Self {
        let Purge { selection, force } = purge;
        Self { selection, force, total: None, deleted: 0, start: None, finished: false }
    }

    /// Does the next step and tells of it.
    async fn go_on(&mut self, work: &Work) -> Result<PurgeInteractionsResponse, ApiError> {
        work.access.still_in(self.selection.namespace).await?;
        let Some(total_count) = self.total else { return self.begin(&work.repository).await };
        let removed = work.repository.remove_some(&self.selection, self.start.as_ref()).await?;
        let Removed { count, next } = removed;
        self.deleted += signed(count);
        METERS.purged.increment(count);
        self.finished = next.is_none();
        self.start = next;
        let purge_sample = Vec::new();
        Ok(PurgeInteractionsResponse { purge_count: self.deleted, total_count, purge_sample })
    }

    async fn begin(
        &mut self,
        repository: &Repository,
    ) -> Result<PurgeInteractionsResponse, ApiError> {
        let total_count = signed(repository.count(&self.selection).await?);
        self.total = Some(total_count);
        self.finished = !self.force || total_count == 0;
        let (purge_count, purge_sample) = match self.force {
            true => (0, Vec::new()),
            false => (total_count, repository.newest_ids(&self.selection, MAX_SAMPLE).await?),
        };
        Ok(PurgeInteractionsResponse { purge_count, total_count, purge_sample })
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
