//! Organisations, their namespaces, and the API keys that open them.

use sea_orm_migration::prelude::*;

use crate::columns::{Kind, nullable, required, table};

/// Organisations, namespaces and API keys.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The organisation that everything belongs to until another is made.
const DEFAULT_ORGANISATION: (i64, &str, i64) = (1, "default", 0);

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        organisations(manager).await?;
        namespaces(manager).await?;
        api_keys(manager).await?;
        api_key_namespaces(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["api_key_namespaces", "api_keys", "namespaces", "organisations"] {
            manager.drop_table(Table::drop().table(name).to_owned()).await?;
        }
        Ok(())
    }
}

async fn organisations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let organisations = table(manager, "organisations")
        .col(required(manager, "organisation_id", Kind::BigInt).primary_key())
        .col(required(manager, "name", Kind::Text).unique_key())
        .col(required(manager, "created_at_us", Kind::BigInt))
        .to_owned();
    manager.create_table(organisations).await?;
    let (id, name, created_at) = DEFAULT_ORGANISATION;
    let insert = Query::insert()
        .into_table("organisations")
        .columns(["organisation_id", "name", "created_at_us"])
        .values_panic([id.into(), name.into(), created_at.into()])
        .to_owned();
    manager.execute(insert).await
}

async fn namespaces(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let unique_name = Index::create().unique().col("organisation_id").col("name").to_owned();
    let namespaces = table(manager, "namespaces")
        .col(required(manager, "namespace_id", Kind::BigInt).primary_key())
        .col(required(manager, "organisation_id", Kind::BigInt))
        .col(required(manager, "name", Kind::Text))
        .col(required(manager, "created_at_us", Kind::BigInt))
        .index(unique_name.clone().name("namespaces_name"))
        .to_owned();
    manager.create_table(namespaces).await
}

async fn api_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let api_keys = table(manager, "api_keys")
        .col(required(manager, "key_id", Kind::Text).primary_key())
        .col(required(manager, "organisation_id", Kind::BigInt))
        .col(required(manager, "name", Kind::Text))
        // The SHA-256 of the key; the key itself is nowhere.
        .col(required(manager, "secret_hash", Kind::Bytes).unique_key())
        // Bits: 1 read, 2 write, 4 admin.
        .col(required(manager, "scopes", Kind::BigInt))
        .col(nullable(manager, "default_namespace_id", Kind::BigInt))
        .col(required(manager, "created_at_us", Kind::BigInt))
        .col(nullable(manager, "expires_at_us", Kind::BigInt))
        .col(nullable(manager, "revoked_at_us", Kind::BigInt))
        .to_owned();
    manager.create_table(api_keys).await
}

async fn api_key_namespaces(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let grants = table(manager, "api_key_namespaces")
        .col(required(manager, "key_id", Kind::Text))
        .col(required(manager, "namespace_id", Kind::BigInt))
        .primary_key(Index::create().col("key_id").col("namespace_id"))
        .to_owned();
    manager.create_table(grants).await
}
