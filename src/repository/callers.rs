//! Whether anybody still waits for an answer. A query goes on when the future that asked for it is
//! dropped: sqlx tells the database nothing, and its connection is not free before the query ends.
//! So whoever leaves says so here, and the pools see to the rest, each in the way of its database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

tokio::task_local! {
    /// The hooks of a pool run in the task that takes a connection, and find here for whom.
    static CALLER: Caller;
}

/// How long a connection may take from being dropped until its pool looks after it.
const LATELY: Duration = Duration::from_secs(1);

/// One who waits for an answer, or has left.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    gone: Arc<AtomicBool>,
}

impl Caller {
    /// The one for whom the present task works, where it is known.
    pub(super) fn current() -> Option<Self> {
        CALLER.try_with(Self::clone).ok()
    }

    /// Whether he left before he was answered.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// All callers of a database. Clones are of the same.
#[derive(Debug, Clone)]
pub(super) struct Callers {
    since: Instant,
    /// When the last one left, in milliseconds from `since`, plus one; 0: none has.
    last_left: Arc<AtomicU64>,
}

impl Callers {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), last_left: Arc::default() }
    }

    /// The answer of `work`, whose caller has left when this is dropped before.
    pub(super) fn answer<T>(&self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        let caller = Caller::default();
        // On the heap at once: queries are large, and would be copied into every future around them.
        let work = Box::pin(CALLER.scope(caller.clone(), work));
        async move {
            let mut work = work;
            // Dropped before `work`: once that lets go of a connection, it is known why.
            let mut waiting = Waiting { callers: self, caller, answered: false };
            let answer = work.as_mut().await;
            waiting.answered = true;
            answer
        }
    }

    /// Whether a connection that comes back may be in the middle of a query.
    pub(super) fn some_left_lately(&self) -> bool {
        let left = self.last_left.load(Ordering::Relaxed);
        left > 0 && self.now().saturating_sub(left) <= millis(LATELY)
    }

    fn now(&self) -> u64 {
        millis(self.since.elapsed()) + 1
    }
}

struct Waiting<'a> {
    callers: &'a Callers,
    caller: Caller,
    answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.caller.gone.store(true, Ordering::Relaxed);
            self.callers.last_left.store(self.callers.now(), Ordering::Relaxed);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_is_answered_has_not_left() {
        let callers = Callers::new();
        let caller = callers.answer(async { Caller::current() }).await.unwrap();
        assert!(!caller.is_gone() && !callers.some_left_lately());
        assert!(Caller::current().is_none());
    }

    #[tokio::test]
    async fn who_leaves_is_gone_before_what_he_held_is_dropped() {
        struct Connection(Option<Caller>, std::sync::mpsc::Sender<bool>);
        impl Drop for Connection {
            fn drop(&mut self) {
                self.1.send(self.0.as_ref().unwrap().is_gone()).unwrap();
            }
        }
        let callers = Callers::new();
        let (sender, receiver) = std::sync::mpsc::channel();
        let work = async {
            let _connection = Connection(Caller::current(), sender);
            std::future::pending::<()>().await;
        };
        assert!(callers.answer(work).now_or_never().is_none());
        assert!(receiver.recv().unwrap());
        assert!(callers.some_left_lately());
    }
}
