//! The rows of interactions: what is worked out for them, and the statements that insert them.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{
    DynIden, Expr, ExprTrait, InsertStatement, IntoIden, OnConflict, Query as Sql,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::Value;

use super::document::{Documents, facts};
use super::entity::interaction::{Column, Entity, Model, Part};
use super::write::NewInteraction;
use super::{Dialect, Error, Repository, search};
use crate::domain::access::NamespaceId;
use crate::domain::search::words_of;
use crate::domain::time::Micros;
use crate::failpoint::left_out;

/// What is stored of an interaction beside its columns and its record.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Which interaction of its batch.
    pub(super) place: usize,
    folded: String,
    exact: Option<String>,
    words: Vec<Vec<String>>,
    tokens: String,
    facts: String,
}

impl Prepared {
    pub(super) fn of(namespace: NamespaceId, place: usize, new: &NewInteraction) -> Self {
        let Documents { folded, exact } = Documents::of(&new.interaction);
        let metadata = new.interaction.metadata.clone().map(Value::Object);
        let words = metadata.as_ref().map(words_of).unwrap_or_default();
        Self {
            place,
            facts: facts(namespace, &folded).join(" "),
            tokens: search::tokens(namespace, &words),
            folded: folded.to_string(),
            exact: exact.map(|exact| exact.to_string()),
            words,
        }
    }
}

/// What tells one write of an id from another.
#[derive(Debug, Clone)]
pub(super) struct Content {
    hash: Vec<u8>,
    timestamp: Micros,
}

impl Content {
    pub(super) fn of(new: &NewInteraction) -> Self {
        Self { hash: new.content_hash.to_vec(), timestamp: new.interaction.timestamp }
    }

    /// Whether `new` says the same again.
    pub(super) fn is_that_of(&self, new: &NewInteraction) -> bool {
        let same_time = !new.timestamp_given || self.timestamp == new.interaction.timestamp;
        self.hash == new.content_hash && same_time
    }
}

impl Repository {
    /// Inserts those whose ids are free; returns their ids.
    pub(super) async fn insert_rows(
        &self,
        transaction: &DatabaseTransaction,
        namespace: NamespaceId,
        rows: &[(&NewInteraction, &Prepared)],
    ) -> Result<BTreeSet<String>, Error> {
        let insert = self.insert_statement(namespace, rows);
        let inserted = transaction.query_all(&insert).await?;
        if self.dialect == Dialect::Postgres {
            let ids = inserted.iter().map(|row| row.try_get_by_index(0));
            return Ok(ids.collect::<Result<_, _>>()?);
        }
        let mut row_ids = BTreeMap::new();
        for row in &inserted {
            row_ids.insert(row.try_get_by_index::<String>(0)?, row.try_get_by_index::<i64>(1)?);
        }
        index(transaction, rows, &row_ids).await?;
        Ok(row_ids.into_keys().collect())
    }

    fn insert_statement(
        &self,
        namespace: NamespaceId,
        rows: &[(&NewInteraction, &Prepared)],
    ) -> InsertStatement {
        let mut insert = Sql::insert();
        let mut columns: Vec<DynIden> = COLUMNS.into_iter().map(Column::into_iden).collect();
        columns.extend([Part::Document, Part::DocumentExact].map(Part::into_iden));
        let returning = match self.dialect {
            Dialect::Postgres => {
                columns.extend([Part::SearchWords, Part::SearchText].map(Part::into_iden));
                Sql::returning().column(Column::InteractionId)
            }
            Dialect::Sqlite => {
                Sql::returning().exprs([Expr::col(Column::InteractionId), Expr::col(Part::RowId)])
            }
        };
        insert.into_table(Entity).columns(columns);
        for (new, prepared) in rows {
            let mut values = column_values(namespace, new);
            values.extend(self.document_values(prepared));
            insert.values_panic(values);
        }
        let key = [Column::NamespaceId, Column::InteractionId];
        insert.on_conflict(OnConflict::columns(key).do_nothing().to_owned()).returning(returning);
        insert
    }

    fn document_values(&self, prepared: &Prepared) -> Vec<Expr> {
        let compiler = self.compiler(NamespaceId(0));
        let json = |json: Option<&String>| {
            let json = Expr::value(json.cloned());
            compiler.sql(compiler.pick("jsonb(?)", "?::jsonb"), [json])
        };
        let mut values = vec![json(Some(&prepared.folded)), json(prepared.exact.as_ref())];
        if self.dialect == Dialect::Postgres {
            let vector = Expr::value(search::vector(&prepared.words));
            values.push(compiler.sql("?::tsvector", [vector]));
            values.push(Expr::value(search::text(&prepared.words)));
        }
        values
    }
}

/// The columns that both databases fill alike, in the order of [`column_values`].
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

/// Fills SQLite's tables of words and facts for the rows just inserted.
async fn index(
    transaction: &DatabaseTransaction,
    rows: &[(&NewInteraction, &Prepared)],
    row_ids: &BTreeMap<String, i64>,
) -> Result<(), Error> {
    let mut words = Sql::insert();
    words.into_table(Part::InteractionWords).columns([Part::Rowid, Part::Words]);
    let mut facts = Sql::insert();
    facts.into_table(Part::InteractionFacts).columns([Part::Rowid, Part::Facts]);
    for (new, prepared) in rows {
        if let Some(row_id) = row_ids.get(&new.interaction.interaction_id) {
            words.values_panic([(*row_id).into(), prepared.tokens.clone().into()]);
            facts.values_panic([(*row_id).into(), prepared.facts.clone().into()]);
        }
    }
    if !row_ids.is_empty() {
        transaction.execute(&words).await?;
        transaction.execute(&facts).await?;
    }
    Ok(())
}

/// The contents of the rows that have `ids`.
pub(super) async fn contents(
    transaction: &DatabaseTransaction,
    namespace: NamespaceId,
    ids: Vec<String>,
) -> Result<BTreeMap<String, Content>, Error> {
    let mut contents = BTreeMap::new();
    if ids.is_empty() {
        return Ok(contents);
    }
    let mut select = Sql::select();
    select
        .columns([Column::InteractionId, Column::ContentHash, Column::TimestampUs])
        .from(Entity)
        .and_where(Expr::col(Column::InteractionId).is_in(ids));
    if !left_out("namespace-of-conflicts") {
        select.and_where(Expr::col(Column::NamespaceId).eq(namespace.0));
    }
    for row in transaction.query_all(&select).await? {
        let content =
            Content { hash: row.try_get_by_index(1)?, timestamp: row.try_get_by_index(2)? };
        contents.insert(row.try_get_by_index(0)?, content);
    }
    Ok(contents)
}
