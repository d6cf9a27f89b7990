//! SQLite: one connection that writes, and a few that read beside it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::SqlxSqliteConnector;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{ConnectError, connection_error};
use crate::repository::callers::{Caller, Callers};
use crate::repository::readers::Readers;
use crate::repository::turns::{Room, Turns};
use crate::repository::{Dialect, Repository};

/// Who may read at a time, each with a connection. They share the machine with the writer, and each has
/// a thread of its own.
const READS: Room = Room { all: 4, one_namespace: 3, bulk: 0 };
/// SQLite has one writer.
const WRITES: Room = Room { all: 1, one_namespace: 1, bulk: 1 };
/// Connections for short looks at keys and namespaces.
const ASIDE: u32 = 1;
/// How long a statement waits for a lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for a free connection before it is turned away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Prepared statements kept for each connection; a shape of query has one.
const STATEMENTS: usize = 256;
/// Rows that a connection may be ahead of whoever takes them: the more, the less often the one waits
/// for the other. Of the largest interactions, so many take 32 MiB.
const ROWS_AHEAD: usize = 128;
/// Pages of the write-ahead log after which it is copied into the database: 128 MiB. Copying less
/// often than SQLite's 1,000 pages nearly doubles what a second can insert.
const CHECKPOINT_PAGES: &str = "32768";
/// Bytes that the log is cut to after it has been copied.
const LOG_LIMIT: &str = "67108864";
/// Memory that a connection keeps pages in, in KiB, as SQLite wants them: negative. The rows that an index
/// of words or values names lie scattered; a few such requests fill SQLite's own 2 MiB.
const CACHE: &str = "-8192";
/// Rows of an index that `PRAGMA optimize` looks at, as SQLite advises for a bounded run
/// (<https://www.sqlite.org/lang_analyze.html#approx>).
const ANALYSIS_LIMIT: u32 = 400;
/// Instructions of SQLite's virtual machine between two looks at whether the caller still waits: a
/// fraction of a millisecond.
const INSTRUCTIONS: i32 = 2_000;

pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<Repository, ConnectError> {
    create_directory(options.get_filename()).await?;
    let options = configured(options.clone());
    // The writer comes first: it makes the file, and switches it to a write-ahead log.
    let writer = lasting(1)
        .after_release(|connection, _| Box::pin(is_settled(connection)))
        .connect_with(options.clone().optimize_on_close(true, ANALYSIS_LIMIT))
        .await
        .map_err(connection_error)?;
    // A file opened read-only could not be read after a crash, when the log must be recovered.
    let options = options.create_if_missing(false).pragma("query_only", "ON");
    let mut readers = Vec::new();
    for _ in 0..READS.all {
        let reader = watched(lasting(1)).connect_with(options.clone()).await;
        readers.push(SqlxSqliteConnector::from_sqlx_sqlite_pool(reader.map_err(connection_error)?));
    }
    let aside = lasting(ASIDE).connect_with(options).await.map_err(connection_error)?;
    Ok(Repository {
        dialect: Dialect::Sqlite,
        readers: Readers::on_pools(READS, readers),
        writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
        aside: SqlxSqliteConnector::from_sqlx_sqlite_pool(aside),
        writes: Turns::new(WRITES),
        callers: Callers::new(),
        slow: None,
    })
}

async fn create_directory(file: &Path) -> Result<(), ConnectError> {
    let Some(directory) = file.parent() else { return Ok(()) };
    tokio::fs::create_dir_all(directory).await.map_err(|source| ConnectError::Directory {
        directory: directory.display().to_string(),
        source,
    })
}

fn configured(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .journal_mode(SqliteJournalMode::Wal)
        // What was answered survives a power failure; NORMAL could lose the last commits.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("cache_size", CACHE)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_LIMIT)
        // A file that somebody tampered with cannot call functions from its schema, and a damaged
        // page is noticed when it is read.
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(ROWS_AHEAD)
        .with_regexp()
        .disable_statement_logging()
}

fn lasting(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection to a file does not go stale, and a new one would prepare everything anew.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// A query on the connection of this pool, its only one, ends when its caller leaves. Not so on the one
/// that writes: SQLite rolls a transaction back whose statement is interrupted, unknown to sqlx. What
/// runs there is short.
fn watched(pool: SqlitePoolOptions) -> SqlitePoolOptions {
    // The handler is installed once, and finds here for whom the connection works: to tell it takes
    // no trip to the thread that has the connection.
    let present = Arc::new(Mutex::new(Caller::default()));
    let watched = Arc::clone(&present);
    pool.after_connect(move |connection, _| {
        let watched = Arc::clone(&watched);
        Box::pin(async move {
            *lock(&watched) = Caller::current().unwrap_or_default();
            let mut handle = connection.lock_handle().await?;
            handle.set_progress_handler(INSTRUCTIONS, move || !lock(&watched).is_gone());
            Ok(())
        })
    })
    .before_acquire(move |connection, _| {
        let present = Arc::clone(&present);
        Box::pin(async move {
            let left = lock(&present).is_gone();
            if left {
                // His query may still run, and is to end as his.
                connection.ping().await?;
            }
            *lock(&present) = Caller::current().unwrap_or_default();
            Ok(true)
        })
    })
}

/// Nothing in here panics halfway through a change.
fn lock(present: &Mutex<Caller>) -> MutexGuard<'_, Caller> {
    present.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a connection that comes back has no transaction, by the count that sqlx keeps. A ROLLBACK
/// that fails, such as after a full disk, leaves the count wrong; the next transaction would be taken
/// for a nested one, and its commit would commit nothing. Such a connection is closed instead.
async fn is_settled(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // A rollback may still be queued. This waits behind it.
    connection.ping().await?;
    let settled = !connection.is_in_transaction();
    if !settled {
        tracing::warn!("connection closed: its transaction did not end");
    }
    Ok(settled)
}
