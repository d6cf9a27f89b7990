//! Recording: many interactions in one transaction, each at most once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sea_orm::sea_query::{
    DynIden, Expr, ExprTrait, InsertStatement, IntoIden, OnConflict, Query as Sql,
};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::Value;

use super::document::{Documents, facts};
use super::entity::interaction::{Column, Entity, Part};
use super::{Dialect, Error, Repository, search};
use crate::domain::access::NamespaceId;
use crate::domain::interaction::Interaction;
use crate::domain::search::words_of;
use crate::domain::time::Micros;

/// An interaction to record.
#[derive(Debug, Clone)]
pub struct NewInteraction {
    /// What it says.
    pub interaction: Interaction,
    /// Whether the caller gave its timestamp; the server's own is not compared with what is stored.
    pub timestamp_given: bool,
    /// Tells its content, times aside, from any other.
    pub content_hash: [u8; 16],
    /// The encoded message, as readers will get it.
    pub record: Bytes,
}

/// What became of an interaction that was to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is recorded now.
    Recorded,
    /// It was recorded before, with the same content; nothing changed.
    Deduplicated,
}

/// Another interaction has the same id and other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// Which of the interactions to be recorded, from 0.
    pub place: usize,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Some of the ids are taken by other content.
    #[error("some ids are taken")]
    Conflicts(Vec<Conflict>),
    /// The database failed. Whether anything was recorded is not known when it failed at the end;
    /// the same call again finds out.
    #[error(transparent)]
    Database(#[from] Error),
}

/// What tells one write of an id from another.
#[derive(Clone, PartialEq)]
struct Content {
    hash: Vec<u8>,
    timestamp: Micros,
}

impl Repository {
    /// Records all of `interactions`, or none of them. The answer has one outcome for each, in
    /// order.
    ///
    /// # Errors
    /// When an id is taken by other content, or the database fails.
    pub async fn record(
        &self,
        namespace: NamespaceId,
        interactions: &[NewInteraction],
        validate_only: bool,
    ) -> Result<Vec<Outcome>, WriteError> {
        // In the order of their keys: two batches with the same ids cannot wait for each other.
        let mut first_by_id = BTreeMap::new();
        for (place, new) in interactions.iter().enumerate() {
            first_by_id.entry(new.interaction.interaction_id.as_str()).or_insert(place);
        }
        let firsts: Vec<_> = first_by_id.values().map(|place| &interactions[*place]).collect();
        let transaction = self.begin_write().await?;
        let inserted = self.insert(&transaction, namespace, &firsts).await?;
        let present = contents(&transaction, namespace, &firsts, &inserted).await?;
        let outcomes = judge(interactions, &first_by_id, &inserted, &present);
        if validate_only || outcomes.is_err() {
            transaction.rollback().await.map_err(Error::from)?;
        } else {
            transaction.commit().await.map_err(Error::from)?;
        }
        outcomes
    }

    /// Inserts those whose ids are free; returns their ids.
    async fn insert(
        &self,
        transaction: &DatabaseTransaction,
        namespace: NamespaceId,
        interactions: &[&NewInteraction],
    ) -> Result<BTreeSet<String>, Error> {
        let documents: Vec<_> = interactions.iter().map(|new| Stored::of(namespace, new)).collect();
        let insert = self.insert_statement(namespace, interactions, &documents);
        let rows = transaction.query_all(&insert).await?;
        if self.dialect == Dialect::Postgres {
            let ids = rows.iter().map(|row| row.try_get_by_index(0));
            return Ok(ids.collect::<Result<_, _>>()?);
        }
        let mut row_ids = BTreeMap::new();
        for row in &rows {
            row_ids.insert(row.try_get_by_index::<String>(0)?, row.try_get_by_index::<i64>(1)?);
        }
        index(transaction, interactions, &documents, &row_ids).await?;
        Ok(row_ids.into_keys().collect())
    }

    fn insert_statement(
        &self,
        namespace: NamespaceId,
        interactions: &[&NewInteraction],
        documents: &[Stored],
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
        for (new, stored) in interactions.iter().zip(documents) {
            let mut values = column_values(namespace, new);
            values.extend(self.document_values(stored));
            insert.values_panic(values);
        }
        let key = [Column::NamespaceId, Column::InteractionId];
        insert.on_conflict(OnConflict::columns(key).do_nothing().to_owned()).returning(returning);
        insert
    }

    fn document_values(&self, stored: &Stored) -> Vec<Expr> {
        let compiler = self.compiler(NamespaceId(0));
        let json = |json: Option<&String>| {
            let json = Expr::value(json.cloned());
            compiler.sql(compiler.pick("jsonb(?)", "?::jsonb"), [json])
        };
        let mut values = vec![json(Some(&stored.folded)), json(stored.exact.as_ref())];
        if self.dialect == Dialect::Postgres {
            let vector = Expr::value(search::vector(&stored.words));
            values.push(compiler.sql("?::tsvector", [vector]));
            values.push(Expr::value(search::text(&stored.words)));
        }
        values
    }
}

/// What is stored of an interaction beside its columns and its record.
struct Stored {
    folded: String,
    exact: Option<String>,
    words: Vec<Vec<String>>,
    tokens: String,
    facts: String,
}

impl Stored {
    fn of(namespace: NamespaceId, new: &NewInteraction) -> Self {
        let Documents { folded, exact } = Documents::of(&new.interaction);
        let metadata = new.interaction.metadata.clone().map(Value::Object);
        let words = metadata.as_ref().map(words_of).unwrap_or_default();
        Self {
            facts: facts(namespace, &folded).join(" "),
            tokens: search::tokens(namespace, &words),
            folded: folded.to_string(),
            exact: exact.map(|exact| exact.to_string()),
            words,
        }
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
    let Interaction {
        interaction_id,
        feature_id,
        user_id,
        session_id,
        execution_id,
        retriever_id,
        feature_uri,
        types,
        position,
        result_set_size,
        document_score,
        timestamp,
        created_at,
        metadata: _,
        query_snapshot: _,
        search_request: _,
    } = interaction;
    vec![
        Expr::value(namespace.0),
        Expr::value(interaction_id.clone()),
        Expr::value(*timestamp),
        Expr::value(*created_at),
        Expr::value(types.mask()),
        Expr::value(*document_score),
        Expr::value(*position),
        Expr::value(*result_set_size),
        Expr::value(feature_id.clone()),
        Expr::value(user_id.clone()),
        Expr::value(session_id.clone()),
        Expr::value(execution_id.clone()),
        Expr::value(retriever_id.clone()),
        Expr::value(feature_uri.clone()),
        Expr::value(content_hash.to_vec()),
        Expr::value(record.to_vec()),
    ]
}

/// Fills SQLite's tables of words and facts for the rows just inserted.
async fn index(
    transaction: &DatabaseTransaction,
    interactions: &[&NewInteraction],
    documents: &[Stored],
    row_ids: &BTreeMap<String, i64>,
) -> Result<(), Error> {
    let mut words = Sql::insert();
    words.into_table(Part::InteractionWords).columns([Part::Rowid, Part::Words]);
    let mut facts = Sql::insert();
    facts.into_table(Part::InteractionFacts).columns([Part::Rowid, Part::Facts]);
    for (new, stored) in interactions.iter().zip(documents) {
        if let Some(row_id) = row_ids.get(&new.interaction.interaction_id) {
            words.values_panic([(*row_id).into(), stored.tokens.clone().into()]);
            facts.values_panic([(*row_id).into(), stored.facts.clone().into()]);
        }
    }
    if !row_ids.is_empty() {
        transaction.execute(&words).await?;
        transaction.execute(&facts).await?;
    }
    Ok(())
}

/// The contents of those rows whose ids were taken.
async fn contents(
    transaction: &DatabaseTransaction,
    namespace: NamespaceId,
    interactions: &[&NewInteraction],
    inserted: &BTreeSet<String>,
) -> Result<BTreeMap<String, Content>, Error> {
    let ids = interactions.iter().map(|new| &new.interaction.interaction_id);
    let taken: Vec<_> = ids.filter(|id| !inserted.contains(*id)).cloned().collect();
    let mut contents = BTreeMap::new();
    if taken.is_empty() {
        return Ok(contents);
    }
    let mut select = Sql::select();
    select
        .columns([Column::InteractionId, Column::ContentHash, Column::TimestampUs])
        .from(Entity)
        .and_where(Expr::col(Column::NamespaceId).eq(namespace.0))
        .and_where(Expr::col(Column::InteractionId).is_in(taken));
    for row in transaction.query_all(&select).await? {
        let content =
            Content { hash: row.try_get_by_index(1)?, timestamp: row.try_get_by_index(2)? };
        contents.insert(row.try_get_by_index(0)?, content);
    }
    Ok(contents)
}

/// Says of every interaction what became of it, given who was inserted and who was there before.
fn judge(
    interactions: &[NewInteraction],
    first_by_id: &BTreeMap<&str, usize>,
    inserted: &BTreeSet<String>,
    present: &BTreeMap<String, Content>,
) -> Result<Vec<Outcome>, WriteError> {
    let mut conflicts = Vec::new();
    let mut outcomes = Vec::with_capacity(interactions.len());
    for (place, new) in interactions.iter().enumerate() {
        let id = new.interaction.interaction_id.as_str();
        let first = first_by_id.get(id).copied().unwrap_or(place);
        if inserted.contains(id) && first == place {
            outcomes.push(Outcome::Recorded);
            continue;
        }
        // Taken by a row that was there, or by an earlier one of the same batch.
        let earlier = &interactions[first];
        let taken_by = present.get(id).cloned().unwrap_or_else(|| Content {
            hash: earlier.content_hash.to_vec(),
            timestamp: earlier.interaction.timestamp,
        });
        let same_time = !new.timestamp_given || taken_by.timestamp == new.interaction.timestamp;
        if taken_by.hash == new.content_hash && same_time {
            outcomes.push(Outcome::Deduplicated);
        } else {
            conflicts.push(Conflict { place });
        }
    }
    if conflicts.is_empty() { Ok(outcomes) } else { Err(WriteError::Conflicts(conflicts)) }
}
