//! How long interactions are kept, what is being removed, and when keys were used.

use sea_orm_migration::prelude::*;

use crate::citus::copy_to_every_node;
use crate::columns::{Kind, nullable, required, table};

/// Retention, removed namespaces, last use of keys, and leases.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Microseconds; none: for ever.
        let retention = nullable(manager, "retention_us", Kind::BigInt);
        manager
            .alter_table(Table::alter().table("namespaces").add_column(retention).to_owned())
            .await?;
        let last_used_at = nullable(manager, "last_used_at_us", Kind::BigInt);
        manager
            .alter_table(Table::alter().table("api_keys").add_column(last_used_at).to_owned())
            .await?;
        // Namespaces whose interactions are still to be removed. They stand in a table of their own,
        // so that nothing has to remember to leave them out.
        let removed = table(manager, "removed_namespaces")
            .col(required(manager, "namespace_id", Kind::BigInt).primary_key())
            .col(required(manager, "removed_at_us", Kind::BigInt))
            .to_owned();
        manager.create_table(removed).await?;
        copy_to_every_node(manager, "removed_namespaces").await?;
        // Which server does what only one should do at a time, and until when it may.
        let leases = table(manager, "leases")
            .col(required(manager, "name", Kind::Text).primary_key())
            .col(required(manager, "holder", Kind::Text))
            .col(required(manager, "expires_at_us", Kind::BigInt))
            .to_owned();
        manager.create_table(leases).await?;
        copy_to_every_node(manager, "leases").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["leases", "removed_namespaces"] {
            manager.drop_table(Table::drop().table(name).to_owned()).await?;
        }
        let api_keys = Table::alter().table("api_keys").drop_column("last_used_at_us").to_owned();
        manager.alter_table(api_keys).await?;
        let namespaces = Table::alter().table("namespaces").drop_column("retention_us").to_owned();
        manager.alter_table(namespaces).await
    }
}
