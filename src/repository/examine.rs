//! How a database is set up, as far as the service's promises depend on it.

use sea_orm::{ConnectionTrait as _, QueryResult, Statement};

use super::connect::postgres::WANTED;
use super::{Dialect, Error, Repository};
use crate::domain::time::{self, Micros};

/// Interactions from which on PostgreSQL needs to know how values are spread.
const MANY: i64 = 10_000;

/// What is to be known of a database.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The database's own version, such as `PostgreSQL 15.18`.
    pub version: String,
    /// Size of the database, in bytes.
    pub bytes: u64,
    /// How far its clock is ahead of this machine's, in microseconds; `None` where they share one.
    pub clock_ahead: Option<Micros>,
    /// When an interaction was last recorded, by the clock of the server that did.
    pub last_recorded: Option<Micros>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// A setting or a state that breaks a promise, or will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// PostgreSQL says that it is on disk what is not, by this setting.
    NotDurable(&'static str),
    /// It is a standby, which cannot be written to.
    Standby,
    /// It has not as many connections to give as a server takes.
    FewConnections {
        /// How many it has left.
        free: i64,
        /// How many a server takes.
        wanted: u32,
    },
    /// It does not know how values are spread, though there are many.
    NoStatistics,
    /// Nothing keeps that knowledge up to date, nor removes what is dead.
    NoAutovacuum,
    /// SQLite keeps no write-ahead log there, so readers and the writer wait for each other.
    NoLog,
}

impl Repository {
    /// Looks at how the database is set up. Its schema has to be up to date.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn examine(&self) -> Result<Examined, Error> {
        let mut examined = match self.dialect {
            Dialect::Sqlite => self.examine_sqlite().await?,
            Dialect::Postgres => self.examine_postgres().await?,
        };
        // Each namespace has an index of it, and all together have none.
        let last = "SELECT max((SELECT max(created_at_us) FROM interactions \
                    WHERE interactions.namespace_id = namespaces.namespace_id)) FROM namespaces";
        examined.last_recorded = self.ask(last).await?.try_get_by_index(0)?;
        Ok(examined)
    }

    async fn examine_sqlite(&self) -> Result<Examined, Error> {
        let row =
            self.ask("SELECT sqlite_version(), journal_mode FROM pragma_journal_mode").await?;
        let (version, mode): (String, String) =
            (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let faults = if mode == "wal" { Vec::new() } else { vec![Fault::NoLog] };
        Ok(Examined {
            version: format!("SQLite {version}"),
            bytes: self.file_bytes().await?.unwrap_or_default(),
            clock_ahead: None,
            last_recorded: None,
            faults,
        })
    }

    async fn examine_postgres(&self) -> Result<Examined, Error> {
        let before = time::now();
        let row = self
            .ask(
                "SELECT current_setting('server_version'), pg_database_size(current_database()), \
                 (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, pg_is_in_recovery(), \
                 current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean, \
                 current_setting('autovacuum')::boolean, \
                 current_setting('max_connections')::bigint \
                 - current_setting('superuser_reserved_connections')::bigint \
                 - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
                 (SELECT reltuples::bigint FROM pg_class WHERE oid = 'interactions'::regclass), \
                 EXISTS (SELECT FROM pg_stats WHERE schemaname = ANY (current_schemas(false)) \
                 AND tablename = 'interactions')",
            )
            .await?;
        let asked = before.midpoint(time::now());
        let version: String = row.try_get_by_index(0)?;
        let bytes: i64 = row.try_get_by_index(1)?;
        let clock: i64 = row.try_get_by_index(2)?;
        let mut faults = Vec::new();
        if row.try_get_by_index(3)? {
            faults.push(Fault::Standby);
        }
        for (place, setting) in [(4, "fsync"), (5, "full_page_writes")] {
            if !row.try_get_by_index::<bool>(place)? {
                faults.push(Fault::NotDurable(setting));
            }
        }
        if !row.try_get_by_index::<bool>(6)? {
            faults.push(Fault::NoAutovacuum);
        }
        let free: i64 = row.try_get_by_index(7)?;
        if free < i64::from(WANTED) {
            faults.push(Fault::FewConnections { free, wanted: WANTED });
        }
        // Negative where nobody has looked yet.
        let (rows, known): (i64, bool) = (row.try_get_by_index(8)?, row.try_get_by_index(9)?);
        if !known && (rows >= MANY || rows < 0 && bytes > MANY * 1_000) {
            faults.push(Fault::NoStatistics);
        }
        Ok(Examined {
            version: format!("PostgreSQL {version}"),
            bytes: u64::try_from(bytes).unwrap_or_default(),
            clock_ahead: Some(clock - asked),
            last_recorded: None,
            faults,
        })
    }

    /// The only row of the answer to a question.
    async fn ask(&self, question: &'static str) -> Result<QueryResult, Error> {
        let statement = Statement::from_string(self.dialect.backend(), question);
        let row = self.aside.query_one_raw(statement).await?;
        row.ok_or_else(|| Error::Failed(sea_orm::DbErr::RecordNotFound(question.to_owned())))
    }
}
