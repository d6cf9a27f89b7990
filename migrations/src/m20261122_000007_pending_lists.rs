//! Short pending lists of the inverted indexes, for PostgreSQL.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// What is recorded waits in a list before it is worked into an inverted index, and every search reads
/// that list from end to end (manual, section 70.4.1). By default it grows to 4 MiB, of which a search
/// took 3 ms; at 256 KiB it takes a quarter of one, and to record takes as long as before.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const INVERTED: [&str; 2] = ["interactions_document", "interactions_search_words"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // In kibibytes.
        change(manager, "SET (gin_pending_list_limit = 256)").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change(manager, "RESET (gin_pending_list_limit)").await
    }
}

async fn change(manager: &SchemaManager<'_>, how: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    for index in INVERTED {
        let alter = format!("ALTER INDEX {index} {how}");
        manager.get_connection().execute_unprepared(&alter).await?;
    }
    Ok(())
}
