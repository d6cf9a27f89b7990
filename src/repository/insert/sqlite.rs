//! SQLite: the rows themselves, and then what its tables of words and facts have of them.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{DynIden, Expr, IntoIden, Query as Sql};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};

use super::on_conflict;
use crate::domain::access::NamespaceId;
use crate::domain::search::word_lines;
use crate::repository::condition::Compiler;
use crate::repository::document::Document;
use crate::repository::entity::interaction::{Column, Entity, Model, Part};
use crate::repository::write::NewInteraction;
use crate::repository::{Dialect, Error, search};

/// Rows to be inserted.
#[derive(Debug)]
pub(in crate::repository) struct Rows {
    insert: Statement,
    indexed: Vec<Indexed>,
}

/// What an interaction is found by in the tables of words and facts.
#[derive(Debug)]
struct Indexed {
    interaction_id: String,
    tokens: String,
    facts: String,
}

impl Rows {
    pub(super) fn of<'n>(
        namespace: NamespaceId,
        interactions: impl Iterator<Item = &'n NewInteraction>,
    ) -> Self {
        let compiler = Compiler::of(Dialect::Sqlite, namespace);
        let json = |json| compiler.sql("jsonb(?)", [Expr::value::<Option<String>>(json)]);
        let mut columns: Vec<DynIden> = COLUMNS.into_iter().map(Column::into_iden).collect();
        columns.extend([Part::Document, Part::DocumentExact].map(Part::into_iden));
        let mut insert = Sql::insert();
        insert.into_table(Entity).columns(columns);
        let mut indexed = Vec::new();
        for new in interactions {
            let document = Document::of(&new.interaction);
            let mut values = column_values(namespace, new);
            values.extend([json(Some(document.folded())), json(document.exact())]);
            insert.values_panic(values);
            let lines = new.interaction.metadata.as_ref().map(word_lines).unwrap_or_default();
            indexed.push(Indexed {
                interaction_id: new.interaction.interaction_id.clone(),
                tokens: search::tokens(namespace, &lines),
                facts: document.facts(namespace),
            });
        }
        let returning = [Expr::col(Column::InteractionId), Expr::col(Part::RowId)];
        insert.on_conflict(on_conflict()).returning(Sql::returning().exprs(returning));
        Self { insert: DbBackend::Sqlite.build(&insert), indexed }
    }

    pub(super) async fn insert(
        self,
        transaction: &DatabaseTransaction,
    ) -> Result<BTreeSet<String>, Error> {
        let Self { insert, indexed } = self;
        let mut row_ids = BTreeMap::new();
        for row in transaction.query_all_raw(insert).await? {
            row_ids.insert(row.try_get_by_index::<String>(0)?, row.try_get_by_index::<i64>(1)?);
        }
        let mut words = Sql::insert();
        words.into_table(Part::InteractionWords).columns([Part::Rowid, Part::Words]);
        let mut facts = Sql::insert();
        facts.into_table(Part::InteractionFacts).columns([Part::Rowid, Part::Facts]);
        for row in indexed {
            if let Some(row_id) = row_ids.get(&row.interaction_id) {
                words.values_panic([(*row_id).into(), row.tokens.into()]);
                facts.values_panic([(*row_id).into(), row.facts.into()]);
            }
        }
        if !row_ids.is_empty() {
            transaction.execute(&words).await?;
            transaction.execute(&facts).await?;
        }
        Ok(row_ids.into_keys().collect())
    }
}

/// The columns of [`column_values`], in its order.
const COLUMNS: [Column; 16] = [
    Column::NamespaceId,
    Column::InteractionId,
    Column::TimestampUs,
    Column::CreatedAtUs,
    Column::TypeMask,
    Column::DocumentScore,
    Column::Position,
    Column::ResultSetSize,
    Column::FeatureId,
    Column::UserId,
    Column::SessionId,
    Column::ExecutionId,
    Column::RetrieverId,
    Column::FeatureUri,
    Column::ContentHash,
    Column::Record,
];

fn column_values(namespace: NamespaceId, new: &NewInteraction) -> Vec<Expr> {
    let NewInteraction { interaction, timestamp_given: _, content_hash, record } = new;
    let Model {
        namespace_id,
        interaction_id,
        timestamp_us,
        created_at_us,
        type_mask,
        document_score,
        position,
        result_set_size,
        feature_id,
        user_id,
        session_id,
        execution_id,
        retriever_id,
        feature_uri,
        content_hash,
        record,
    } = Model::of(namespace, interaction, *content_hash, record);
    vec![
        Expr::value(namespace_id),
        Expr::value(interaction_id),
        Expr::value(timestamp_us),
        Expr::value(created_at_us),
        Expr::value(type_mask),
        Expr::value(document_score),
        Expr::value(position),
        Expr::value(result_set_size),
        Expr::value(feature_id),
        Expr::value(user_id),
        Expr::value(session_id),
        Expr::value(execution_id),
        Expr::value(retriever_id),
        Expr::value(feature_uri),
        Expr::value(content_hash),
        Expr::value(record),
    ]
}
