//! What migrations do on a Citus cluster, and nowhere else.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseBackend, Statement};

/// Copies a small table to every node of a cluster, where there is one.
pub(crate) async fn copy_to_every_node(
    manager: &SchemaManager<'_>,
    table: &str,
) -> Result<(), DbErr> {
    if !has_citus(manager).await? {
        return Ok(());
    }
    let statement = format!("SELECT create_reference_table('{table}')");
    manager.get_connection().execute_unprepared(&statement).await.map(drop)
}

/// Whether the database is a Citus cluster.
pub(crate) async fn has_citus(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    if manager.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(false);
    }
    let question = "SELECT 1 FROM pg_extension WHERE extname = 'citus'";
    let question = Statement::from_string(DatabaseBackend::Postgres, question);
    Ok(manager.get_connection().query_one_raw(question).await?.is_some())
}
