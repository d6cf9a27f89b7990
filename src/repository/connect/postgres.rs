//! PostgreSQL: a pool for reading and writing and one that keeps plans, with limits that the server
//! enforces too.

use std::io::{self, ErrorKind};
use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};

use super::{ConnectError, connection_error};
use crate::repository::callers::Callers;
use crate::repository::readers::Readers;
use crate::repository::turns::{Room, Turns};
use crate::repository::{Dialect, Error, Repository};

/// Who may read at a time, and who may write: each with a connection.
const READS: Room = Room { all: 10, one_namespace: 8, bulk: 0 };
const WRITES: Room = Room { all: 8, one_namespace: 6, bulk: 6 };
/// Connections for these.
const CONNECTIONS: u32 = 18;
/// Connections that keep plans, for the same reads.
const KEEPING_PLANS: u32 = 10;
/// Connections for short looks at keys and namespaces.
const ASIDE: u32 = 2;
/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call waits for a free connection before it is turned away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection is replaced after this long, so that none outlives a failover for ever.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A connection that nobody needs is given back after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// A connection unused for this long is tried before it is used. In a busy pool none is; in a quiet
/// one a restart of the server goes unnoticed by callers.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);
/// How long a query may go on whose caller has left. Then its connection is closed, and the server
/// notices within as long again. So queries given up one after the other never make the server run
/// more than two for each connection of the pool.
const GRACE: Duration = Duration::from_millis(100);
/// Rows of interactions, by the server's statistics, from which plans are kept. Among fewer all indexes
/// seem alike to the planner, and what it chose would last while the table grows.
const ROWS_FOR_PLANS: f32 = 50_000.0;
/// A connection that keeps plans is replaced after this long, so that soon after the table has grown
/// all do.
const PLANS_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Prepared statements kept for each connection; a shape of query has one.
const STATEMENTS: usize = 256;
/// The oldest major version that the service is tested on.
const OLDEST_VERSION: i32 = 15;

/// All connections that a server takes.
pub(in crate::repository) const WANTED: u32 = CONNECTIONS + KEEPING_PLANS + ASIDE;

/// Settings of a session. (Server configuration: chapter 20 of the PostgreSQL manual.)
const SESSION: [(&str, &str); 9] = [
    // A page is a short query; a count of a large namespace may take a while.
    ("statement_timeout", "30s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    // A query whose connection is closed ends this soon: see `GRACE`.
    ("client_connection_check_interval", "100ms"),
    // Namespaces differ in size by orders of magnitude: no plan fits them all.
    ("plan_cache_mode", "force_custom_plan"),
    // Compiling a query costs more than running one of ours.
    ("jit", "off"),
    // Indexes are in memory or on flash, where a page here costs hardly more than the next one. With
    // the default of 4.0, a value in JSON whose share was overestimated had the whole namespace
    // read in order of time.
    ("random_page_cost", "1.1"),
    // What was answered is durable, whatever the server's default.
    ("synchronous_commit", "on"),
    ("TimeZone", "UTC"),
];

/// What differs where plans are kept: the index is taken that has the order, so that a plan made with
/// statistics that were off does no more harm than these.
const KEEP_PLANS: [(&str, &str); 3] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
];

/// What differs while the schema is changed: building an index takes as long as it takes.
const MIGRATION: [(&str, &str); 2] = [("statement_timeout", "0"), ("lock_timeout", "30s")];

pub(super) async fn connect(options: &PgConnectOptions) -> Result<Repository, ConnectError> {
    let options = configured(options);
    check_server(&options).await?;
    let callers = Callers::new();
    let pool = returning(pool(CONNECTIONS), callers.clone());
    let pool = pool.connect_with(options.clone()).await.map_err(connection_error)?;
    // Made when they are first needed.
    let keeping_plans = returning(self::pool(KEEPING_PLANS), callers.clone())
        .max_lifetime(PLANS_LIFETIME)
        .after_connect(|connection, _| Box::pin(keep_plans(connection)))
        .connect_lazy_with(options.clone());
    let keeping_plans = SqlxPostgresConnector::from_sqlx_postgres_pool(keeping_plans);
    let aside = self::pool(ASIDE).connect_lazy_with(options);
    let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok(Repository {
        dialect: Dialect::Postgres,
        readers: Readers::on_one_pool(READS, connection.clone()).with_plans_kept_by(keeping_plans),
        writer: connection,
        aside: SqlxPostgresConnector::from_sqlx_postgres_pool(aside),
        writes: Turns::new(WRITES),
        callers,
        slow: None,
    })
}

/// A connection beside the pool of `connection`, without the time limits of short queries.
pub(super) async fn for_migrations(
    connection: &DatabaseConnection,
) -> Result<DatabaseConnection, Error> {
    let options = connection.get_postgres_connection_pool().connect_options();
    let options = PgConnectOptions::clone(&options).options(MIGRATION);
    let pool = pool(1).connect_with(options).await.map_err(connection_error)?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

fn configured(options: &PgConnectOptions) -> PgConnectOptions {
    let name = options.get_application_name().unwrap_or("interactions").to_owned();
    options
        .clone()
        .options(SESSION)
        .application_name(&name)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        .idle_timeout(IDLE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for >= TEST_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Takes connections back only when they are free. sqlx would wait for the query that is running on
/// one, however long it takes.
fn returning(pool: PgPoolOptions, callers: Callers) -> PgPoolOptions {
    pool.after_release(move |connection, _| {
        // Asking costs a round trip, so it is done only where somebody has left.
        let doubtful = callers.some_left_lately();
        Box::pin(async move {
            if !doubtful {
                return Ok(true);
            }
            match tokio::time::timeout(GRACE, connection.ping()).await {
                Ok(answer) => answer.map(|()| true),
                Err(_) => {
                    tracing::debug!("connection closed: its caller left in the middle of a query");
                    Ok(false)
                }
            }
        })
    })
}

/// Has a new connection keep its plans, unless the table is so small that they would be made by chance.
/// That of Citus, whose rows are elsewhere, has none.
async fn keep_plans(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let rows = "SELECT reltuples FROM pg_class WHERE oid = to_regclass('interactions')";
    let rows: Option<f32> = sqlx::query_scalar(rows).fetch_optional(&mut *connection).await?;
    if rows.is_some_and(|rows| rows >= ROWS_FOR_PLANS) {
        for (setting, value) in KEEP_PLANS {
            let set = "SELECT set_config($1, $2, false)";
            sqlx::query(set).bind(setting).bind(value).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Refuses a server on which the service could not keep its promises. It is asked outside the pool,
/// which tries again until its time is up and then says no more than that.
async fn check_server(options: &PgConnectOptions) -> Result<(), ConnectError> {
    let asked = tokio::time::timeout(CONNECT_TIMEOUT, ask_server(options)).await;
    let answer = asked.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into()));
    let (encoding, version) = answer.map_err(connection_error)?;
    suitable(&encoding, version / 10_000).map_err(ConnectError::Unsuitable)
}

/// The server's encoding and version, the latter as 150018 for 15.18.
async fn ask_server(options: &PgConnectOptions) -> Result<(String, i32), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let question =
        "SELECT current_setting('server_encoding'), current_setting('server_version_num')::integer";
    let answer = sqlx::query_as(question).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(answer)
}

fn suitable(encoding: &str, major_version: i32) -> Result<(), String> {
    if encoding != "UTF8" {
        return Err(format!("its database is encoded in {encoding}, and has to be in UTF8"));
    }
    if major_version < OLDEST_VERSION {
        return Err(format!(
            "it is version {major_version}, and has to be {OLDEST_VERSION} or later"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_and_other_encodings_do_not_fit() {
        assert_eq!(suitable("UTF8", OLDEST_VERSION), Ok(()));
        assert!(suitable("UTF8", OLDEST_VERSION - 1).is_err());
        assert!(suitable("SQL_ASCII", OLDEST_VERSION).is_err());
    }

    #[test]
    fn the_name_of_the_application_is_the_operators_to_choose() {
        let chosen: PgConnectOptions = "postgres://h/d?application_name=mine".parse().unwrap();
        assert_eq!(configured(&chosen).get_application_name(), Some("mine"));
        let unset = PgConnectOptions::new_without_pgpass();
        assert_eq!(configured(&unset).get_application_name(), Some("interactions"));
    }
}
