//! Recording: many interactions in one transaction, each at most once.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sea_orm::DatabaseTransaction;

use super::insert::{Content, Rows};
use super::metering::shape::Shape;
use super::metering::{METERS, Operation};
use super::{Dialect, Error, Repository};
use crate::domain::access::NamespaceId;
use crate::domain::interaction::Interaction;
use crate::failpoint::failpoint;

/// How often a transaction is tried that the database gave up for the sake of another.
const ATTEMPTS: u32 = 3;
/// The wait before the next try, in milliseconds: at least, and at most.
const BACK_OFF_MILLIS: (u64, u64) = (50, 400);

/// An interaction to record.
#[derive(Debug, Clone)]
pub struct NewInteraction {
    /// What it says.
    pub interaction: Interaction,
    /// Whether the caller gave its timestamp; the server's own is not compared with what is stored.
    pub timestamp_given: bool,
    /// Tells its content, times aside, from any other.
    pub content_hash: [u8; 16],
    /// The encoded message, as readers will get it.
    pub record: Bytes,
}

/// What became of an interaction that was to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is recorded now.
    Recorded,
    /// It was recorded before, with the same content; nothing changed.
    Deduplicated,
}

/// Another interaction has the same id and other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

/// Which of the interactions to be recorded, from 0, finds its id taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// Its place.
    pub place: usize,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Some of the ids are taken by other content.
    #[error("some ids are taken")]
    Conflicts(Vec<Conflict>),
    /// The database failed. Whether anything was recorded is not known when it failed at the end;
    /// the same call again finds out.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Interactions of one namespace, with all that is worked out before a transaction begins.
#[derive(Debug)]
pub struct Batch {
    dialect: Dialect,
    namespace: NamespaceId,
    interactions: Vec<NewInteraction>,
    /// The place of the first of each id, in the order of the ids: two batches with the same ids
    /// cannot wait for each other.
    firsts: Vec<usize>,
    /// The rows of all firsts, until they are sent: hardly any batch is sent again.
    ready: Mutex<Option<Rows>>,
}

impl Batch {
    /// Works out what a database of this `dialect` will store of `interactions`. Takes a while:
    /// documents are folded, words split.
    #[must_use]
    pub fn new(
        dialect: Dialect,
        namespace: NamespaceId,
        interactions: Vec<NewInteraction>,
    ) -> Self {
        let mut first_by_id = BTreeMap::new();
        for (place, new) in interactions.iter().enumerate() {
            first_by_id.entry(new.interaction.interaction_id.as_str()).or_insert(place);
        }
        let firsts: Vec<_> = first_by_id.into_values().collect();
        let new = firsts.iter().map(|place| &interactions[*place]);
        let ready = Mutex::new(Some(Rows::of(dialect, namespace, new)));
        Self { dialect, namespace, interactions, firsts, ready }
    }

    /// The interactions, in the order in which they were given.
    #[must_use]
    pub fn interactions(&self) -> &[NewInteraction] {
        &self.interactions
    }

    /// Whether some interaction has the same id in both.
    #[must_use]
    pub fn shares_an_id_with(&self, other: &Self) -> bool {
        // Both are in order.
        let (mut ours, mut theirs) = (self.ids(), other.ids());
        let (mut our, mut their) = (ours.next(), theirs.next());
        while let (Some(one), Some(another)) = (our, their) {
            match one.cmp(another) {
                Ordering::Less => our = ours.next(),
                Ordering::Greater => their = theirs.next(),
                Ordering::Equal => return true,
            }
        }
        false
    }

    /// Every id, once, in order.
    fn ids(&self) -> impl Iterator<Item = &str> {
        let firsts = self.firsts.iter();
        firsts.map(|place| self.interactions[*place].interaction.interaction_id.as_str())
    }
}

/// When what was written is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Where every interaction of the batch was fine.
    All,
    /// Whatever was fine.
    Each,
    /// Never: only to see what would happen.
    Nothing,
}

impl Repository {
    /// Records all of `batch`, or nothing of it. The answer has one outcome for each interaction, in
    /// order. With `validate_only` nothing is recorded, and the answer is the same.
    ///
    /// # Errors
    /// When an id is taken by other content, or the database fails.
    pub async fn record(
        &self,
        batch: &Batch,
        validate_only: bool,
    ) -> Result<Vec<Outcome>, WriteError> {
        let keep = if validate_only { Keep::Nothing } else { Keep::All };
        let fates = self.write(batch, keep).await?;
        let taken = fates.iter().enumerate().filter(|(_, fate)| fate.is_err());
        let conflicts: Vec<_> = taken.map(|(place, _)| Conflict { place }).collect();
        if conflicts.is_empty() {
            Ok(fates.into_iter().flatten().collect())
        } else {
            Err(WriteError::Conflicts(conflicts))
        }
    }

    /// Records those of `batch` whose ids are not taken by other content. Waits for its turn as long
    /// as it takes. The answer says of each interaction, in order, what became of it.
    ///
    /// # Errors
    /// When the database fails. Whether anything was recorded is not known when it failed at the
    /// end; the same call again finds out.
    pub async fn record_each(&self, batch: &Batch) -> Result<Vec<Result<Outcome, Taken>>, Error> {
        self.write(batch, Keep::Each).await
    }

    async fn write(&self, batch: &Batch, keep: Keep) -> Result<Vec<Result<Outcome, Taken>>, Error> {
        let mut attempt = 1;
        loop {
            match self.callers.answer(self.try_write(batch, keep)).await {
                Err(Error::Contended(cause)) if attempt < ATTEMPTS => {
                    tracing::warn!(attempt, cause = %cause, "transaction given up for another");
                    METERS.retries.increment(1);
                    tokio::time::sleep(back_off()).await;
                    attempt += 1;
                }
                written => return written,
            }
        }
    }

    async fn try_write(
        &self,
        batch: &Batch,
        keep: Keep,
    ) -> Result<Vec<Result<Outcome, Taken>>, Error> {
        let (transaction, _turn) = match keep {
            Keep::All | Keep::Nothing => self.begin_write(Some(batch.namespace)).await?,
            Keep::Each => self.begin_bulk_write(Some(batch.namespace)).await?,
        };
        let shape = Shape::Interactions(batch.interactions.len());
        let mut timed = self.timed(Operation::Record, shape);
        let (inserted, present) = self.insert_or_find(&transaction, batch).await?;
        timed.rows(inserted.len());
        let fates = judge(batch, &inserted, &present);
        let fine = fates.iter().all(Result::is_ok);
        if keep == Keep::Each || (keep == Keep::All && fine) {
            if failpoint("before-commit").await {
                return Err(on_demand());
            }
            transaction.commit().await?;
            note(&fates);
            if failpoint("after-commit").await {
                return Err(on_demand());
            }
        } else {
            transaction.rollback().await?;
            if keep == Keep::All {
                METERS.conflicting.increment(count(&fates, Err(Taken)));
            }
        }
        Ok(fates)
    }

    /// Inserts what is not there yet; returns the ids inserted, and the contents of the others.
    async fn insert_or_find(
        &self,
        transaction: &DatabaseTransaction,
        batch: &Batch,
    ) -> Result<(BTreeSet<String>, BTreeMap<String, Content>), Error> {
        let (mut inserted, mut present) = (BTreeSet::new(), BTreeMap::new());
        let mut pending = batch.firsts.clone();
        // Once, unless somebody deletes a row between the two statements: its id is free then, and
        // taking it for present would lose the interaction.
        while !pending.is_empty() {
            inserted.extend(batch.rows(&pending).insert(transaction).await?);
            failpoint("after-insert").await;
            pending.retain(|place| !inserted.contains(batch.id(*place)));
            let taken: Vec<_> = pending.iter().map(|place| batch.id(*place).to_owned()).collect();
            present.extend(self.contents(transaction, batch.namespace, &taken).await?);
            pending.retain(|place| !present.contains_key(batch.id(*place)));
        }
        Ok((inserted, present))
    }
}

impl Batch {
    fn id(&self, place: usize) -> &str {
        &self.interactions[place].interaction.interaction_id
    }

    /// The place of the first interaction with this id.
    fn first(&self, id: &str) -> Option<usize> {
        let found = self.firsts.binary_search_by(|place| self.id(*place).cmp(id));
        found.ok().map(|found| self.firsts[found])
    }

    /// The rows of the interactions at `places`, some of the firsts or all.
    fn rows(&self, places: &[usize]) -> Rows {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        ready.filter(|_| places.len() == self.firsts.len()).unwrap_or_else(|| {
            let new = places.iter().map(|place| &self.interactions[*place]);
            Rows::of(self.dialect, self.namespace, new)
        })
    }
}

/// Says of every interaction what became of it, given who was inserted and who was there before.
fn judge(
    batch: &Batch,
    inserted: &BTreeSet<String>,
    present: &BTreeMap<String, Content>,
) -> Vec<Result<Outcome, Taken>> {
    let fate = |(place, new): (usize, &NewInteraction)| {
        let id = new.interaction.interaction_id.as_str();
        let first = batch.first(id).unwrap_or(place);
        if inserted.contains(id) && first == place {
            return Ok(Outcome::Recorded);
        }
        // Taken by a row that was there, or by an earlier one of the same batch.
        let earlier = || Content::of(&batch.interactions[first]);
        let taken_by = present.get(id).cloned().unwrap_or_else(earlier);
        if taken_by.is_that_of(new) { Ok(Outcome::Deduplicated) } else { Err(Taken) }
    };
    batch.interactions.iter().enumerate().map(fate).collect()
}

/// Counts what was recorded and what was not.
fn note(fates: &[Result<Outcome, Taken>]) {
    METERS.batches.increment(1);
    METERS.recorded.increment(count(fates, Ok(Outcome::Recorded)));
    METERS.deduplicated.increment(count(fates, Ok(Outcome::Deduplicated)));
    METERS.conflicting.increment(count(fates, Err(Taken)));
}

fn count(fates: &[Result<Outcome, Taken>], fate: Result<Outcome, Taken>) -> u64 {
    fates.iter().filter(|other| **other == fate).count() as u64
}

/// The failure that a test asks for.
fn on_demand() -> Error {
    Error::Unavailable(sea_orm::DbErr::Custom("failpoint".to_owned()))
}

/// A random wait, so that two transactions in each other's way do not meet again.
fn back_off() -> Duration {
    let (least, most) = BACK_OFF_MILLIS;
    let random = u64::from(getrandom::u32().unwrap_or_default());
    Duration::from_millis(least + random % (most - least))
}
