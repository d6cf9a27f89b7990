//! The table of interactions, one row each.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::columns::{Kind, nullable, required, table};

/// The table of interactions and, in SQLite, the full-text tables beside it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut interactions = table(manager, "interactions");
        let key = Index::create().col("namespace_id").col("interaction_id").to_owned();
        if manager.get_database_backend() == DatabaseBackend::Sqlite {
            // The full-text tables speak of a row by its number, which has to survive VACUUM: only
            // a column of one's own does (https://www.sqlite.org/lang_vacuum.html).
            let row_id = nullable(manager, "row_id", Kind::BigInt).primary_key().to_owned();
            interactions.col(row_id).index(key.clone().unique());
        } else {
            interactions.primary_key(&mut key.clone());
        }
        for column in columns(manager) {
            interactions.col(column);
        }
        if manager.get_database_backend() == DatabaseBackend::Sqlite {
            manager.create_table(interactions).await?;
            return full_text_tables(manager).await;
        }
        interactions
            .col(ColumnDef::new("search_words").custom("tsvector").not_null())
            .col(required(manager, "search_text", Kind::Text));
        manager.create_table(interactions).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DatabaseBackend::Sqlite {
            for name in ["interaction_facts", "interaction_words"] {
                manager.drop_table(Table::drop().table(name).to_owned()).await?;
            }
        }
        manager.drop_table(Table::drop().table("interactions").to_owned()).await
    }
}

/// The columns that both databases have. Those of fixed width stand first, which packs rows best.
fn columns(manager: &SchemaManager<'_>) -> Vec<ColumnDef> {
    vec![
        required(manager, "namespace_id", Kind::BigInt),
        // Microseconds since 1970.
        required(manager, "timestamp_us", Kind::BigInt),
        required(manager, "created_at_us", Kind::BigInt),
        // One bit for each well-known type; callers' own types stand in the document.
        required(manager, "type_mask", Kind::BigInt),
        nullable(manager, "document_score", Kind::Double),
        nullable(manager, "position", Kind::Int),
        nullable(manager, "result_set_size", Kind::Int),
        required(manager, "interaction_id", Kind::Text),
        nullable(manager, "feature_id", Kind::Text),
        nullable(manager, "user_id", Kind::Text),
        nullable(manager, "session_id", Kind::Text),
        nullable(manager, "execution_id", Kind::Text),
        nullable(manager, "retriever_id", Kind::Text),
        nullable(manager, "feature_uri", Kind::Text),
        // What filters on JSON look at, in lower case.
        required(manager, "document", Kind::Json),
        // The same as it came, where lower case changed it.
        nullable(manager, "document_exact", Kind::Json),
        // Half a SHA-256 of what the caller sent, without its timestamp: tells a repeated write
        // from another one of the same id.
        required(manager, "content_hash", Kind::Bytes),
        // The encoded message, which is what readers get.
        required(manager, "record", Kind::Bytes),
    ]
}

/// SQLite's indexes of words and of values. They hold no content of their own; a row of theirs has
/// the number of the interaction's row. The tokeniser only splits at spaces here: whoever writes
/// has split and folded already, and everything beyond ASCII counts as part of a token.
async fn full_text_tables(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for statement in [
        "CREATE VIRTUAL TABLE interaction_words USING fts5(words, \
         content='', contentless_delete=1, tokenize=\"ascii tokenchars '_'\")",
        // No positions: a value is there or it is not.
        "CREATE VIRTUAL TABLE interaction_facts USING fts5(facts, \
         content='', contentless_delete=1, detail=none, tokenize='ascii')",
    ] {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
