//! Spreads the tables over a Citus cluster, where there is one.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseBackend, Statement};

/// Distributes by namespace what grows, and copies the rest to every node. Does nothing on SQLite
/// and on plain PostgreSQL.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const DISTRIBUTED: &str = "SELECT create_distributed_table('interactions', 'namespace_id')";
const COPIED: [&str; 4] = ["organisations", "namespaces", "api_keys", "api_key_namespaces"];
const ALL: [&str; 5] =
    ["interactions", "organisations", "namespaces", "api_keys", "api_key_namespaces"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !has_citus(manager).await? {
            return Ok(());
        }
        let connection = manager.get_connection();
        for table in COPIED {
            let statement = format!("SELECT create_reference_table('{table}')");
            connection.execute_unprepared(&statement).await?;
        }
        connection.execute_unprepared(DISTRIBUTED).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !has_citus(manager).await? {
            return Ok(());
        }
        for table in ALL {
            let statement = format!("SELECT undistribute_table('{table}')");
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}

async fn has_citus(manager: &SchemaManager<'_>) -> Result<bool, DbErr> {
    if manager.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(false);
    }
    let question = "SELECT 1 FROM pg_extension WHERE extname = 'citus'";
    let question = Statement::from_string(DatabaseBackend::Postgres, question);
    Ok(manager.get_connection().query_one_raw(question).await?.is_some())
}
