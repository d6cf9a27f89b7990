//! Connections for reading, handed out one turn at a time.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::DatabaseConnection;

use super::Error;
use super::turns::{Party, Room, Turn, Turns};

/// All connections for reading. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    turns: Turns,
    /// Pools of one connection each, or one pool of as many as there are turns.
    pools: Arc<[DatabaseConnection]>,
    /// Which of the pools of one connection nobody has; the one that was given back first comes first,
    /// so that what still runs on another has time to end.
    free: Arc<Mutex<VecDeque<usize>>>,
}

/// A connection for reading, until this is dropped.
#[derive(Debug)]
pub(super) struct Reader {
    pool: DatabaseConnection,
    /// Where it goes back to, where it is a pool of one connection.
    place: Option<(Arc<Mutex<VecDeque<usize>>>, usize)>,
    /// Given back last, when the connection is free for the next.
    _turn: Turn,
}

impl Readers {
    /// Turns on the connections of one pool, which has as many as there is room for.
    pub(super) fn on_one_pool(room: Room, pool: DatabaseConnection) -> Self {
        Self { turns: Turns::new(room), pools: Arc::new([pool]), free: Arc::default() }
    }

    /// Turns on connections of which each is a pool of its own; as many as there is room for.
    pub(super) fn on_pools(room: Room, pools: Vec<DatabaseConnection>) -> Self {
        let free = (0..pools.len()).collect();
        Self { turns: Turns::new(room), pools: pools.into(), free: Arc::new(Mutex::new(free)) }
    }

    /// A connection for a call that somebody waits for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none is free within two seconds.
    pub(super) async fn soon(&self, party: Party) -> Result<Reader, Error> {
        let turn = self.turns.soon(party).await?;
        let place = lock(&self.free).pop_front();
        let pool = self.pools[place.unwrap_or_default()].clone();
        let place = place.map(|place| (Arc::clone(&self.free), place));
        Ok(Reader { pool, place, _turn: turn })
    }

    /// The pools, to be closed.
    pub(super) fn pools(&self) -> &[DatabaseConnection] {
        &self.pools
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
            lock(&free).push_back(place);
        }
    }
}

/// Nothing in here panics halfway through a change.
fn lock(free: &Mutex<VecDeque<usize>>) -> MutexGuard<'_, VecDeque<usize>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}
