//! Spreads the tables over a Citus cluster, where there is one.

use sea_orm_migration::prelude::*;

use crate::citus::{copy_to_every_node, has_citus};

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
        for table in COPIED {
            copy_to_every_node(manager, table).await?;
        }
        manager.get_connection().execute_unprepared(DISTRIBUTED).await.map(drop)
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
