//! Interactions, namespaces and keys in a database: SQLite or PostgreSQL, with one meaning.
//!
//! Database types and errors stop here. What differs between the databases is said by [`Dialect`],
//! in as few places as can be.

use sea_orm::{DatabaseBackend, DatabaseConnection};

use write_queue::WriteQueue;

mod access;
mod condition;
mod connect;
mod document;
mod entity;
mod error;
mod insert;
mod json_condition;
mod keyset;
mod maintenance;
mod read;
mod regex_postgres;
mod remove;
mod search;
mod write;
mod write_queue;

pub use access::{DEFAULT_ORGANISATION, NewKey, NewNamespaceError};
pub use connect::{ConnectError, MigrationState, Settings, SettingsError};
pub use error::Error;
pub use maintenance::Lease;
pub use read::Start;
pub use remove::{MAX_REMOVED, Removed};
pub use write::{Batch, Conflict, NewInteraction, Outcome, Taken, WriteError};

/// The databases that the service runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL, alone or distributed by Citus.
    Postgres,
}

impl Dialect {
    fn backend(self) -> DatabaseBackend {
        match self {
            Self::Sqlite => DatabaseBackend::Sqlite,
            Self::Postgres => DatabaseBackend::Postgres,
        }
    }
}

/// A connected database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Repository {
    dialect: Dialect,
    /// Connections for reading. In PostgreSQL the same pool as `writer`.
    reader: DatabaseConnection,
    /// Connections for writing: in SQLite a single one, because it has one writer at a time.
    writer: DatabaseConnection,
    writes: WriteQueue,
}
