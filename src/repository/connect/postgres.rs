//! PostgreSQL: one pool, with limits that the server enforces too.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, Statement};
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{ConnectError, connection_error};
use crate::repository::{Dialect, Error, Repository};

/// Connections at most.
const CONNECTIONS: u32 = 20;
/// How long a call waits for a free connection before it is turned away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection is replaced after this long, so that none outlives a failover for ever.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A connection that nobody needs is given back after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// A connection unused for this long is tried before it is used. In a busy pool none is; in a quiet
/// one a restart of the server goes unnoticed by callers.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Prepared statements kept for each connection; a shape of query has one.
const STATEMENTS: usize = 256;
/// The oldest major version that the service is tested on.
const OLDEST_VERSION: i32 = 15;

/// Settings of a session. (Server configuration: chapter 20 of the PostgreSQL manual.)
const SESSION: [(&str, &str); 8] = [
    // A page is a short query; a count of a large namespace may take a while.
    ("statement_timeout", "30s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
    // A query whose caller has gone ends within a second.
    ("client_connection_check_interval", "1s"),
    // Namespaces differ in size by orders of magnitude: no plan fits them all.
    ("plan_cache_mode", "force_custom_plan"),
    // Compiling a query costs more than running one of ours.
    ("jit", "off"),
    // What was answered is durable, whatever the server's default.
    ("synchronous_commit", "on"),
    ("TimeZone", "UTC"),
];

/// What differs while the schema is changed: building an index takes as long as it takes.
const MIGRATION: [(&str, &str); 2] = [("statement_timeout", "0"), ("lock_timeout", "30s")];

pub(super) async fn connect(options: &PgConnectOptions) -> Result<Repository, ConnectError> {
    let pool = pool(CONNECTIONS).connect_with(configured(options)).await;
    let connection =
        SqlxPostgresConnector::from_sqlx_postgres_pool(pool.map_err(connection_error)?);
    check_server(&connection).await?;
    Ok(Repository { dialect: Dialect::Postgres, reader: connection.clone(), writer: connection })
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

/// Refuses a server on which the service could not keep its promises.
async fn check_server(connection: &DatabaseConnection) -> Result<(), ConnectError> {
    let question = "SELECT current_setting('server_encoding') AS encoding, \
                    current_setting('server_version_num')::integer AS version";
    let statement = Statement::from_string(sea_orm::DatabaseBackend::Postgres, question);
    let row = connection.query_one_raw(statement).await.map_err(Error::from)?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("server settings".to_owned()));
    let row = row.map_err(Error::from)?;
    let encoding: String = row.try_get("", "encoding").map_err(Error::from)?;
    let version: i32 = row.try_get("", "version").map_err(Error::from)?;
    suitable(&encoding, version / 10_000).map_err(ConnectError::Unsuitable)
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
