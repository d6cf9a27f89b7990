//! SQLite: one connection that writes, and a few that read beside it.

use std::path::Path;
use std::time::Duration;

use sea_orm::SqlxSqliteConnector;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{ConnectError, connection_error};
use crate::repository::callers::{Caller, Callers};
use crate::repository::write_queue::WriteQueue;
use crate::repository::{Dialect, Repository};

/// Readers at a time. They share the machine with the writer, and each has a thread of its own.
const READERS: u32 = 4;
/// How long a statement waits for a lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for a free connection before it is turned away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Prepared statements kept for each connection; a shape of query has one.
const STATEMENTS: usize = 256;
/// Pages of the write-ahead log after which it is copied into the database: 128 MiB. Copying less
/// often than SQLite's 1,000 pages nearly doubles what a second can insert.
const CHECKPOINT_PAGES: &str = "32768";
/// Bytes that the log is cut to after it has been copied.
const LOG_LIMIT: &str = "67108864";
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
    let writer = pool(1)
        .connect_with(options.clone().optimize_on_close(true, ANALYSIS_LIMIT))
        .await
        .map_err(connection_error)?;
    // A file opened read-only could not be read after a crash, when the log must be recovered.
    let reader = watched(pool(READERS))
        .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
        .await
        .map_err(connection_error)?;
    Ok(Repository {
        dialect: Dialect::Sqlite,
        reader: SqlxSqliteConnector::from_sqlx_sqlite_pool(reader),
        writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
        writes: WriteQueue::new(Dialect::Sqlite),
        callers: Callers::new(),
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
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_LIMIT)
        // A file that somebody tampered with cannot call functions from its schema, and a damaged
        // page is noticed when it is read.
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .statement_cache_capacity(STATEMENTS)
        .with_regexp()
        .disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection to a file does not go stale, and a new one would prepare everything anew.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_settled(connection)))
}

/// Queries on these connections end when their callers leave. Not on the one that writes: SQLite
/// rolls a transaction back whose statement is interrupted, unknown to sqlx. What runs there is short.
fn watched(pool: SqlitePoolOptions) -> SqlitePoolOptions {
    pool.after_connect(|connection, _| Box::pin(watch(connection))).before_acquire(
        |connection, _| {
            Box::pin(async {
                watch(connection).await?;
                Ok(true)
            })
        },
    )
}

/// Has the next query on `connection` stop once the caller leaves who now takes it.
async fn watch(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let mut handle = connection.lock_handle().await?;
    match Caller::current() {
        Some(caller) => handle.set_progress_handler(INSTRUCTIONS, move || !caller.is_gone()),
        None => handle.remove_progress_handler(),
    }
    Ok(())
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
