//! Interactions, namespaces and keys in a database: SQLite or PostgreSQL, with one meaning.
//!
//! Database types and errors stop here. What differs between the databases is said by [`Dialect`],
//! in as few places as can be.

use std::time::Duration;

use sea_orm::{DatabaseBackend, DatabaseConnection};

use callers::Callers;
use readers::Readers;
use turns::Turns;

mod callers;
mod candidates;
mod condition;
mod connect;
mod document;
mod edge;
mod entity;
mod error;
mod examine;
mod explain;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod insert;
mod json_condition;
mod keys;
mod keyset;
mod load;
mod maintenance;
mod metering;
mod namespaces;
mod planning;
mod random;
mod read;
mod readers;
mod regex_postgres;
mod remove;
mod search;
mod turns;
mod verify;
mod write;

pub use candidates::{Candidates, Way};
pub use connect::{ConnectError, MigrationState, Settings, SettingsError};
pub use error::Error;
pub use examine::{Examined, Fault};
pub use explain::Explained;
pub use keys::{ChangedKey, KeyPlace, NewKey, RotateKeyError, RotatedKey};
pub use load::{Load, PoolLoad, TurnsLoad};
pub use maintenance::Lease;
pub use namespaces::{NewNamespaceError, RemoveNamespaceError};
pub use read::Start;
pub use remove::{MAX_REMOVED, Removed};
pub use verify::StoredRow;
pub use write::{Batch, Conflict, NewInteraction, Outcome, Taken, WriteError};

/// The organisation that everything belongs to until there is another; migrations make it.
pub const DEFAULT_ORGANISATION: i64 = 1;

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
    /// Connections for reading. In PostgreSQL of the same pool as `writer`.
    readers: Readers,
    /// Connections for writing: in SQLite a single one, because it has one writer at a time.
    writer: DatabaseConnection,
    /// A few connections for short looks at keys and namespaces, which every call waits for: no
    /// query of a caller's gets at these.
    aside: DatabaseConnection,
    writes: Turns,
    callers: Callers,
    /// What takes as long as this is logged; `None`: nothing is.
    slow: Option<Duration>,
}

impl Repository {
    /// The same, which logs every operation that takes `slow` or longer.
    #[must_use]
    pub fn with_slow_queries(self, slow: Option<Duration>) -> Self {
        Self { slow, ..self }
    }
}
