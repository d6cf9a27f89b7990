//! Opening a database and letting go of it.

use std::sync::Arc;

use sea_orm::{
    DatabaseTransaction, DbErr, RuntimeErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::task::JoinError;
use tracing::Instrument as _;

use super::metering::{METERS, waited};
use super::turns::{Party, Turn};
use super::{Dialect, Error, Repository};

mod migrate;
pub(super) mod postgres;
mod settings;
mod sqlite;

pub use migrate::MigrationState;
pub use settings::{Settings, SettingsError};

use settings::Location;

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The directory of the SQLite file cannot be made.
    #[error("cannot create the directory {directory} for the database")]
    Directory {
        /// The directory.
        directory: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The server is not one that the service can keep its promises on.
    #[error("the PostgreSQL server does not fit: {0}")]
    Unsuitable(String),
    /// The database did not answer, or not as it should.
    #[error(transparent)]
    Database(#[from] Error),
}

impl Repository {
    /// Opens the database that `settings` name; a missing SQLite file and its directory are made.
    /// The schema is left as it is: see [`Self::migrate_up`].
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, or is a PostgreSQL server that is too old or does not
    /// store text as UTF-8.
    pub async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        match &settings.location {
            Location::Sqlite(options) => sqlite::connect(options).await,
            Location::Postgres(options) => postgres::connect(options).await,
        }
    }

    /// Which kind of database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.aside.ping().await?)
    }

    /// Closes the connections once what runs on them has ended. A repository that is dropped
    /// without it loses nothing; SQLite then leaves its log to the next start.
    pub async fn close(&self) {
        let others = [&self.aside, &self.writer].into_iter().chain(self.readers.keeping_plans());
        for connection in self.readers.pools().iter().chain(others) {
            if let Err(error) = connection.close_by_ref().await {
                tracing::warn!(error = %error, "database connection not closed cleanly");
            }
        }
    }

    /// Begins a transaction that will write, within two seconds or not at all. The turn is to be
    /// kept until it has ended.
    pub(super) async fn begin_write(
        &self,
        party: Party,
    ) -> Result<(DatabaseTransaction, Turn), Error> {
        let turn = waited(&METERS.to_write, self.writes.soon(party)).await?;
        Ok((self.begin().await?, turn))
    }

    /// The same for work that can wait as long as it takes.
    pub(super) async fn begin_bulk_write(
        &self,
        party: Party,
    ) -> Result<(DatabaseTransaction, Turn), Error> {
        let turn = waited(&METERS.to_write, self.writes.in_bulk(party)).await?;
        Ok((self.begin().await?, turn))
    }

    /// In SQLite the transaction takes the write lock at once: one that starts as a reader and
    /// writes later fails, without waiting, when another has written since
    /// (<https://www.sqlite.org/rescode.html#busy_snapshot>).
    async fn begin(&self) -> Result<DatabaseTransaction, Error> {
        let sqlite = self.dialect == Dialect::Sqlite;
        let options = TransactionOptions {
            isolation_level: None,
            access_mode: None,
            sqlite_transaction_mode: sqlite.then_some(SqliteTransactionMode::Immediate),
        };
        // To its end, whoever leaves meanwhile: sqlx does not roll back a transaction whose BEGIN was
        // sent to PostgreSQL and not waited for, and the next caller would find himself in it.
        let writer = self.writer.clone();
        let begin = async move { writer.begin_with_options(options).await };
        let begun = tokio::spawn(begin.in_current_span());
        let unfinished = |error: JoinError| Error::Unavailable(DbErr::Custom(error.to_string()));
        Ok(begun.await.map_err(unfinished)??)
    }
}

/// A failure to open a connection, sorted as every other.
fn connection_error(error: sqlx::Error) -> Error {
    Error::from(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))
}

#[cfg(test)]
mod tests;
