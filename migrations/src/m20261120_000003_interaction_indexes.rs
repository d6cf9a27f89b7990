//! The indexes of the table of interactions.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// Indexes for every simple filter, every sortable column, types, JSON values and words.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Columns that are filtered or sorted by, each with an index of its own that goes on in the
/// default order.
const COLUMNS: [&str; 10] = [
    "feature_id",
    "user_id",
    "session_id",
    "execution_id",
    "retriever_id",
    "feature_uri",
    "position",
    "result_set_size",
    "document_score",
    "created_at_us",
];

/// How many bits of `type_mask` have a meaning.
const WELL_KNOWN_TYPES: u32 = 22;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_index(in_order("interactions_timestamp", None)).await?;
        for column in COLUMNS {
            let name = format!("interactions_{column}");
            manager.create_index(in_order(&name, Some(column))).await?;
        }
        let connection = manager.get_connection();
        for place in 0..WELL_KNOWN_TYPES {
            connection.execute_unprepared(&type_index(place)).await?;
        }
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            for statement in POSTGRES_INVERTED {
                connection.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            for name in ["interactions_search_words", "interactions_document"] {
                manager.drop_index(Index::drop().name(name).to_owned()).await?;
            }
        }
        let types = (0..WELL_KNOWN_TYPES).map(|place| format!("interactions_type_{place}"));
        let columns = COLUMNS.map(|column| format!("interactions_{column}"));
        let timestamp = "interactions_timestamp".to_owned();
        for name in types.chain(columns).chain([timestamp]) {
            manager.drop_index(Index::drop().name(name).to_owned()).await?;
        }
        Ok(())
    }
}

/// An index of one namespace's rows by `column`, newest first among equals.
fn in_order(name: &str, column: Option<&'static str>) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table("interactions").col("namespace_id");
    if let Some(column) = column {
        index.col(column);
    }
    index
        .col(("timestamp_us", IndexOrder::Desc))
        .col(("interaction_id", IndexOrder::Desc))
        .to_owned()
}

/// An index of the rows of one type, newest first. The bit is a literal, so that a statement which
/// spells the same condition finds it. (The schema builder has no partial indexes on expressions.)
fn type_index(place: u32) -> String {
    let bit = 1_i64 << place;
    format!(
        "CREATE INDEX interactions_type_{place} ON interactions \
         (namespace_id, timestamp_us DESC, interaction_id DESC) WHERE (type_mask & {bit}) <> 0"
    )
}

/// Inverted indexes, which the schema builder cannot spell: values at paths, and words.
const POSTGRES_INVERTED: [&str; 3] = [
    "CREATE EXTENSION IF NOT EXISTS btree_gin",
    "CREATE INDEX interactions_document ON interactions \
     USING gin (namespace_id, document jsonb_path_ops) WITH (fastupdate = on)",
    "CREATE INDEX interactions_search_words ON interactions \
     USING gin (namespace_id, search_words) WITH (fastupdate = on)",
];
