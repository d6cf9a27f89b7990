//! What can go wrong with a database, in words that say what a caller can do about it.

use sea_orm::{DbErr, RuntimeErr};

/// A failure of the database. The cause is for the log, never for a caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away or too busy; the same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// The transaction was given up for the sake of another one; the same again may succeed.
    #[error("the database gave the transaction up")]
    Contended(#[source] DbErr),
    /// There is no room left to write.
    #[error("the database has no room left")]
    Full(#[source] DbErr),
    /// A statement took longer than it may.
    #[error("the database took too long")]
    TimedOut(#[source] DbErr),
    /// The stored data is damaged.
    #[error("the stored data is damaged")]
    Corrupt(String),
    /// Anything else; a fault of the service.
    #[error("the database failed")]
    Failed(#[source] DbErr),
}

impl Error {
    /// What the database said, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        std::error::Error::source(self).map(ToString::to_string)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match kind(&error) {
            Kind::Unavailable => Self::Unavailable(error),
            Kind::Contended => Self::Contended(error),
            Kind::Full => Self::Full(error),
            Kind::TimedOut => Self::TimedOut(error),
            Kind::Corrupt => Self::Corrupt(error.to_string()),
            Kind::Failed => Self::Failed(error),
        }
    }
}

enum Kind {
    Unavailable,
    Contended,
    Full,
    TimedOut,
    Corrupt,
    Failed,
}

/// Sorts an error by SQLSTATE (PostgreSQL manual, appendix A) or by SQLite's result code
/// (<https://www.sqlite.org/rescode.html>), never by its text.
#[expect(clippy::wildcard_enum_match_arm, reason = "sqlx may add errors; those are failures")]
fn kind(error: &DbErr) -> Kind {
    let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
        let waited = matches!(error, DbErr::ConnectionAcquire(_));
        return if waited { Kind::Unavailable } else { Kind::Failed };
    };
    let RuntimeErr::SqlxError(cause) = cause else { return Kind::Failed };
    match cause.as_ref() {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        sqlx::Error::Database(cause) => cause.code().map_or(Kind::Failed, |code| by_code(&code)),
        _ => Kind::Failed,
    }
}

fn by_code(code: &str) -> Kind {
    // SQLite: the low byte of the extended code is the primary one. A SQLSTATE has five characters.
    if code.len() < 5
        && let Ok(code) = code.parse::<u32>()
    {
        return match code & 0xff {
            // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_CANTOPEN
            5 | 6 | 10 | 14 => Kind::Unavailable,
            // SQLITE_FULL
            13 => Kind::Full,
            // SQLITE_INTERRUPT
            9 => Kind::TimedOut,
            // SQLITE_CORRUPT, SQLITE_NOTADB
            11 | 26 => Kind::Corrupt,
            _ => Kind::Failed,
        };
    }
    match code {
        // disk_full
        "53100" => Kind::Full,
        // query_canceled, lock_not_available
        "57014" | "55P03" => Kind::TimedOut,
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Kind::Contended,
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => Kind::Corrupt,
        // Connection exceptions, insufficient resources, operator intervention.
        code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57") => {
            Kind::Unavailable
        }
        _ => Kind::Failed,
    }
}

#[cfg(test)]
impl Error {
    /// A database that is away, for reasons that nobody outside may read.
    pub(crate) fn away(cause: &str) -> Self {
        Self::Unavailable(DbErr::Custom(cause.to_owned()))
    }
}
