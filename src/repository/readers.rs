//! Connections for reading, handed out one turn at a time.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DatabaseConnection;

use super::callers::Caller;
use super::metering::{METERS, waited};
use super::planning::Planning;
use super::turns::{Party, Room, Turn, Turns};
use super::{Error, TurnsLoad};

/// All connections for reading. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    turns: Turns,
    /// Pools of one connection each, or one pool of as many as there are turns.
    pools: Arc<[DatabaseConnection]>,
    /// Where plans are kept, a pool of as many as there are turns besides.
    keeping_plans: Option<DatabaseConnection>,
    /// Which of the pools of one connection nobody has. The one that was given back last comes first: it
    /// has read what is asked for next. Those whose query may still run come last, so that it has time
    /// to end.
    free: Arc<Mutex<VecDeque<usize>>>,
}

/// A connection for reading, until this is dropped.
#[derive(Debug)]
pub(super) struct Reader {
    pool: DatabaseConnection,
    /// Where it goes back to, where it is a pool of one connection.
    place: Option<(Arc<Mutex<VecDeque<usize>>>, usize)>,
    /// Whether what it was asked may go on after it is given back.
    unfinished: bool,
    /// Given back last, when the connection is free for the next.
    _turn: Turn,
}

impl Readers {
    /// Turns on the connections of one pool, which has as many as there is room for.
    pub(super) fn on_one_pool(room: Room, pool: DatabaseConnection) -> Self {
        let (turns, pools) = (Turns::new(room), Arc::new([pool]));
        Self { turns, pools, keeping_plans: None, free: Arc::default() }
    }

    /// The same, with another pool for what is planned once.
    pub(super) fn with_plans_kept_by(self, pool: DatabaseConnection) -> Self {
        Self { keeping_plans: Some(pool), ..self }
    }

    /// Turns on connections of which each is a pool of its own; as many as there is room for.
    pub(super) fn on_pools(room: Room, pools: Vec<DatabaseConnection>) -> Self {
        let (turns, free) = (Turns::new(room), (0..pools.len()).collect());
        Self { turns, pools: pools.into(), keeping_plans: None, free: Arc::new(Mutex::new(free)) }
    }

    /// A connection for a call that somebody waits for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none is free within two seconds.
    pub(super) async fn soon(&self, party: Party, planning: Planning) -> Result<Reader, Error> {
        let turn = waited(&METERS.to_read, self.turns.soon(party)).await?;
        if let (Planning::Once, Some(pool)) = (planning, &self.keeping_plans) {
            let pool = pool.clone();
            return Ok(Reader { pool, place: None, unfinished: false, _turn: turn });
        }
        let place = lock(&self.free).pop_front();
        let pool = self.pools[place.unwrap_or_default()].clone();
        let place = place.map(|place| (Arc::clone(&self.free), place));
        Ok(Reader { pool, place, unfinished: false, _turn: turn })
    }

    /// How many read, and wait to.
    pub(super) fn load(&self) -> TurnsLoad {
        self.turns.load()
    }

    /// The pools, without that for what is planned once.
    pub(super) fn pools(&self) -> &[DatabaseConnection] {
        &self.pools
    }

    /// The pool for what is planned once, where there is one.
    pub(super) fn keeping_plans(&self) -> Option<&DatabaseConnection> {
        self.keeping_plans.as_ref()
    }
}

impl Reader {
    /// Gives it back though not all rows were taken: looking for the next one may take it long.
    pub(super) fn give_back_unfinished(mut self) {
        self.unfinished = true;
    }
}

impl Deref for Reader {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.pool
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some((free, place)) = self.place.take() {
            let left = || Caller::current().is_some_and(|caller| caller.is_gone());
            let unfinished = self.unfinished || left();
            let mut free = lock(&free);
            if unfinished {
                free.push_back(place);
            } else {
                free.push_front(place);
            }
        }
    }
}

/// Nothing in here panics halfway through a change.
fn lock(free: &Mutex<VecDeque<usize>>) -> MutexGuard<'_, VecDeque<usize>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::repository::callers::Callers;

    fn place(reader: &Reader) -> usize {
        reader.place.as_ref().unwrap().1
    }

    #[tokio::test]
    async fn the_next_one_reads_where_one_was_just_answered_and_not_where_something_runs() {
        let room = Room { all: 3, one_namespace: 3, bulk: 0 };
        let pools = (0..3).map(|_| DatabaseConnection::default()).collect();
        let readers = Readers::on_pools(room, pools);
        let take = || readers.soon(None, Planning::Anew).map(Result::unwrap);
        let order = || async {
            let all = [take().await, take().await, take().await];
            // The last one is given back first here.
            let [first, second, third] = all;
            let places = [&first, &second, &third].map(place);
            for reader in [third, second, first] {
                drop(reader);
            }
            places
        };
        assert_eq!(order().await, [0, 1, 2]);
        let first = take().await;
        drop(take().await);
        drop(first);
        assert_eq!(order().await, [0, 1, 2]);
        take().await.give_back_unfinished();
        assert_eq!(order().await, [1, 2, 0]);
        let left = async {
            let _reader = take().await;
            std::future::pending::<()>().await;
        };
        assert!(Callers::new().answer(left).now_or_never().is_none());
        assert_eq!(order().await, [2, 0, 1]);
    }
}
