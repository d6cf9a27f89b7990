//! How many interactions have which type, for PostgreSQL's planner.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::citus::has_citus;

/// Statistics on each bit of `type_mask`. Without them the planner takes nearly all rows to be of any
/// type asked for, and looks for a rare one by walking the namespace. They cost nothing when rows are
/// written. A Citus cluster goes without: its coordinator plans by other means.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// How many bits of `type_mask` have a meaning.
const WELL_KNOWN_TYPES: u32 = 22;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !has_planner(manager).await? {
            return Ok(());
        }
        for place in 0..WELL_KNOWN_TYPES {
            // As the conditions of statements spell it.
            let bit = 1_i64 << place;
            let create = format!(
                "CREATE STATISTICS interactions_type_{place}_share ON (type_mask & {bit}) \
                 FROM interactions"
            );
            manager.get_connection().execute_unprepared(&create).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !has_planner(manager).await? {
            return Ok(());
        }
        for place in 0..WELL_KNOWN_TYPES {
            let drop = format!("DROP STATISTICS IF EXISTS interactions_type_{place}_share");
            manager.get_connection().execute_unprepared(&drop).await?;
        }
        Ok(())
    }
}

async fn has_planner(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    let postgres = manager.get_database_backend() == DatabaseBackend::Postgres;
    Ok(postgres && !has_citus(manager).await?)
}
