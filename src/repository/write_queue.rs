//! Who writes next. In SQLite one transaction writes at a time, in PostgreSQL a few: whoever has to
//! wait does so here, in order, and not on a connection.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Dialect, Error};

/// How long a call that somebody waits for stands in the queue before it is turned away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writers at a time in PostgreSQL; the rest of the pool is left to readers.
const POSTGRES_WRITERS: usize = 12;
/// Of those, at most so many that nobody waits for.
const POSTGRES_BULK_WRITERS: usize = 8;

/// The queue of a database. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct WriteQueue {
    all: Arc<Semaphore>,
    /// Bulk work queues up here first, so that single calls never wait behind more of it than can
    /// run at once.
    bulk: Arc<Semaphore>,
}

/// Leave to write, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _all: Option<OwnedSemaphorePermit>,
    _bulk: Option<OwnedSemaphorePermit>,
}

impl WriteQueue {
    pub(super) fn new(dialect: Dialect) -> Self {
        let (all, bulk) = match dialect {
            Dialect::Sqlite => (1, 1),
            Dialect::Postgres => (POSTGRES_WRITERS, POSTGRES_BULK_WRITERS),
        };
        Self { all: Arc::new(Semaphore::new(all)), bulk: Arc::new(Semaphore::new(bulk)) }
    }

    /// A turn for a call that somebody waits for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not come within two seconds.
    pub(super) async fn soon(&self) -> Result<Turn, Error> {
        let turn = tokio::time::timeout(PATIENCE, permit(&self.all)).await;
        let busy = |_| Error::Unavailable(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        Ok(Turn { _all: turn.map_err(busy)?, _bulk: None })
    }

    /// A turn for work that can wait as long as it takes.
    pub(super) async fn in_bulk(&self) -> Turn {
        let bulk = permit(&self.bulk).await;
        Turn { _all: permit(&self.all).await, _bulk: bulk }
    }
}

/// `None` were the semaphore closed, which none of ours ever is.
async fn permit(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_single_call_comes_before_bulk_work_that_queues() {
        let queue = WriteQueue::new(Dialect::Sqlite);
        let writing = queue.in_bulk().await;
        let (second, third) = (queue.in_bulk(), queue.in_bulk());
        tokio::pin!(second, third);
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        let single = queue.soon();
        tokio::pin!(single);
        assert!((&mut single).now_or_never().is_none());
        drop(writing);
        let single = single.await.unwrap();
        assert!((&mut second).now_or_never().is_none());
        drop(single);
        drop(second.await);
        third.await;
    }

    #[tokio::test]
    async fn a_single_call_does_not_wait_for_ever() {
        let queue = WriteQueue::new(Dialect::Sqlite);
        let _writing = queue.in_bulk().await;
        assert!(matches!(queue.soon().await, Err(Error::Unavailable(_))));
    }
}
