//! Whose turn it is to use the database. A connection does one thing at a time; whoever has to wait
//! for one does so here, where namespaces take turns: one that asks for much waits for itself, and
//! not the others for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::oneshot;

use self::line::Line;
use super::{Error, TurnsLoad};
use crate::domain::access::NamespaceId;

mod line;

/// How long a call that somebody waits for stands in line before it is turned away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many may use the database at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// In all.
    pub(super) all: usize,
    /// For one namespace: slow queries of one are not to take all.
    pub(super) one_namespace: usize,
    /// For work in bulk, which nobody waits for.
    pub(super) bulk: usize,
}

/// For whom the database is used: a namespace, or whoever manages them.
pub(super) type Party = Option<NamespaceId>;

/// How long somebody is ready to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A call: two seconds.
    Call,
    /// Work in bulk: as long as it takes.
    Bulk,
}

/// Everybody who uses the database or waits to. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    room: Room,
    /// Whoever has a turn, in no order.
    using: Vec<(Party, Kind)>,
    calls: Line<oneshot::Sender<Turn>>,
    bulk: Line<oneshot::Sender<Turn>>,
    /// How many calls still come before the next work in bulk: those that waited when its time came.
    calls_first: usize,
}

/// Leave to use the database, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    party: Party,
    kind: Kind,
}

impl Turns {
    pub(super) fn new(room: Room) -> Self {
        Self(Arc::new(Mutex::new(State {
            room,
            using: Vec::with_capacity(room.all),
            calls: Line::default(),
            bulk: Line::default(),
            calls_first: 0,
        })))
    }

    /// A turn for a call that somebody waits for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not come within two seconds.
    pub(super) async fn soon(&self, party: Party) -> Result<Turn, Error> {
        let turn = tokio::time::timeout(PATIENCE, self.turn(party, Kind::Call)).await;
        let busy = || Error::Unavailable(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        turn.ok().flatten().ok_or_else(busy)
    }

    /// A turn for work that can wait as long as it takes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the line is given up, which none is while somebody stands in it.
    pub(super) async fn in_bulk(&self, party: Party) -> Result<Turn, Error> {
        let gone =
            || Error::Unavailable(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        self.turn(party, Kind::Bulk).await.ok_or_else(gone)
    }

    /// How many have a turn, and wait for one.
    pub(super) fn load(&self) -> TurnsLoad {
        let state = self.lock();
        TurnsLoad {
            using: state.using.len(),
            waiting: state.calls.len() + state.bulk.len(),
            most: state.room.all,
        }
    }

    /// `None` were the line given up, which no line is while somebody stands in it.
    async fn turn(&self, party: Party, kind: Kind) -> Option<Turn> {
        let waiting = {
            let mut state = self.lock();
            // Whoever waits now waits for room that this one does not take.
            if state.admits(party, kind) {
                state.using.push((party, kind));
                return Some(Turn { turns: self.clone(), party, kind });
            }
            let (sender, waiting) = oneshot::channel();
            state.stand_in_line(party, kind, sender);
            waiting
        };
        waiting.await.ok()
    }

    /// Gives turns to those whose time has come.
    fn go_on(&self) {
        loop {
            let (waiter, turn) = {
                let mut state = self.lock();
                let Some((party, kind, waiter)) = state.next() else { return };
                state.using.push((party, kind));
                (waiter, Turn { turns: self.clone(), party, kind })
            };
            // Whoever has left meanwhile gives his turn back here, outside of the lock.
            drop(waiter.send(turn));
        }
    }

    /// Nothing in here panics between two changes that belong together, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is room for one more of this party and kind.
    fn admits(&self, party: Party, kind: Kind) -> bool {
        let count = |which: &dyn Fn(&(Party, Kind)) -> bool| {
            self.using.iter().filter(|user| which(user)).count()
        };
        self.using.len() < self.room.all
            && count(&|user| user.0 == party) < self.room.one_namespace
            && (kind == Kind::Call || count(&|user| user.1 == Kind::Bulk) < self.room.bulk)
    }

    /// Whether work in bulk that waits has waited for the calls that come before it.
    fn bulk_is_next(&self) -> bool {
        self.calls_first == 0 && self.bulk.parties().any(|party| self.admits(party, Kind::Bulk))
    }

    fn stand_in_line(&mut self, party: Party, kind: Kind, waiter: oneshot::Sender<Turn>) {
        if kind == Kind::Bulk && self.bulk.is_empty() {
            self.calls_first = self.calls.len();
        }
        self.line_mut(kind).join(party, waiter);
    }

    /// Who comes next, of those that there is room for.
    fn next(&mut self) -> Option<(Party, Kind, oneshot::Sender<Turn>)> {
        if self.bulk_is_next()
            && let Some(next) = self.next_of(Kind::Bulk)
        {
            self.calls_first = self.calls.len();
            return Some(next);
        }
        let call = self.next_of(Kind::Call);
        if call.is_some() {
            self.calls_first = self.calls_first.saturating_sub(1);
            return call;
        }
        self.next_of(Kind::Bulk)
    }

    fn next_of(&mut self, kind: Kind) -> Option<(Party, Kind, oneshot::Sender<Turn>)> {
        loop {
            let party = self.line(kind).parties().find(|party| self.admits(*party, kind))?;
            let waiter = self.line_mut(kind).take(party)?;
            // Some have left.
            if !waiter.is_closed() {
                return Some((party, kind, waiter));
            }
        }
    }

    fn line(&self, kind: Kind) -> &Line<oneshot::Sender<Turn>> {
        match kind {
            Kind::Call => &self.calls,
            Kind::Bulk => &self.bulk,
        }
    }

    fn line_mut(&mut self, kind: Kind) -> &mut Line<oneshot::Sender<Turn>> {
        match kind {
            Kind::Call => &mut self.calls,
            Kind::Bulk => &mut self.bulk,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        let own = (self.party, self.kind);
        if let Some(place) = state.using.iter().position(|user| *user == own) {
            state.using.swap_remove(place);
        }
        drop(state);
        self.turns.go_on();
    }
}

#[cfg(test)]
mod tests;
