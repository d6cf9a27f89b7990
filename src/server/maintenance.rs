//! Work in the background: removes what a retention has hidden and what deleted namespaces held.

use std::time::{Duration, Instant};

use metrics::Counter;
use tokio_util::sync::CancellationToken;

use super::metering::METERS;
use crate::domain::access::NamespaceId;
use crate::domain::field::Time;
use crate::domain::filter::Filter;
use crate::domain::query::{Selection, Window};
use crate::domain::sort::Position;
use crate::domain::time::{Micros, now};
use crate::repository::{Error, Lease, Removed, Repository};

/// From one sweep to the next. Nobody waits for it: what is to be removed cannot be read any more.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long the lease lasts, in microseconds; it is renewed with every round of a sweep.
const LEASE_LIFETIME: Micros = 120_000_000;
/// How long a deleted namespace is watched, in microseconds. What was being recorded when it was
/// deleted has come in by then: a call's key and namespace are checked anew every few seconds.
const WATCH: Micros = 10 * 60 * 1_000_000;
/// The rest after a batch is as long as the batch took, and at least this: readers and writers come
/// first.
const LEAST_REST: Duration = Duration::from_millis(5);

/// Sweeps until `shutdown`, on one server of all that share the database.
pub async fn run(repository: Repository, shutdown: CancellationToken) {
    let lease = Lease { name: "maintenance", holder: uuid::Uuid::now_v7().to_string() };
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => {}
        }
        match sweep(&repository, &lease, &shutdown).await {
            Ok(0) => METERS.sweeps.increment(1),
            Ok(removed) => {
                METERS.sweeps.increment(1);
                tracing::info!(removed, "interactions removed in the background");
            }
            Err(error) => {
                METERS.failed_sweeps.increment(1);
                let cause = error.cause();
                tracing::warn!(error = %error, cause, "maintenance failed; it is tried again");
            }
        }
    }
    if let Err(error) = repository.give_lease_back(&lease).await {
        tracing::debug!(error = %error, "lease not given back");
    }
}

/// What has to go from one namespace.
struct Chore {
    selection: Selection,
    /// Where the next batch goes on.
    start: Option<Position>,
    /// Where what it removes is counted.
    counter: &'static Counter,
}

/// Removes all that has to go, a batch from each namespace in turn, unless another server holds the
/// lease; tells how many interactions it removed.
///
/// # Errors
/// When the database fails. What was removed before that is gone.
pub async fn sweep(
    repository: &Repository,
    lease: &Lease,
    shutdown: &CancellationToken,
) -> Result<u64, Error> {
    if !repository.take_lease(lease, LEASE_LIFETIME).await? {
        return Ok(0);
    }
    let gone = repository.removed_namespaces().await?;
    let mut chores = expired(&repository.retentions().await?);
    chores.extend(gone.iter().map(|(namespace, _)| Chore::all_of(*namespace)));
    let mut removed = 0;
    while !chores.is_empty() {
        for chore in std::mem::take(&mut chores) {
            if shutdown.is_cancelled() {
                return Ok(removed);
            }
            let Chore { selection, start, counter } = chore;
            let began = Instant::now();
            let Removed { count, next } =
                repository.remove_some(&selection, start.as_ref()).await?;
            removed += count;
            counter.increment(count);
            if next.is_some() {
                chores.push(Chore { selection, start: next, counter });
            }
            if count > 0 {
                tokio::time::sleep(began.elapsed().max(LEAST_REST)).await;
            }
        }
        if !chores.is_empty() && !repository.take_lease(lease, LEASE_LIFETIME).await? {
            return Ok(removed);
        }
    }
    for (namespace, removed_at) in gone {
        if now() - removed_at > WATCH {
            repository.forget_namespace(namespace).await?;
        }
    }
    Ok(removed)
}

fn expired(retentions: &[(NamespaceId, Micros)]) -> Vec<Chore> {
    let now = now();
    let chore = |(namespace, retention): &(NamespaceId, Micros)| {
        let Chore { selection, start, counter: _ } = Chore::all_of(*namespace);
        let filter = Filter::before(Time::Timestamp, now - retention);
        let selection = Selection { filter, ..selection };
        Chore { selection, start, counter: &METERS.expired }
    };
    retentions.iter().map(chore).collect()
}

impl Chore {
    fn all_of(namespace: NamespaceId) -> Self {
        let filter = Filter::EVERYTHING;
        Self {
            selection: Selection { namespace, window: Window::default(), filter, search: None },
            start: None,
            counter: &METERS.of_removed_namespaces,
        }
    }
}
