//! The rows of interactions: what is worked out for them, and the statements that insert them.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query as Sql};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::entity::interaction::{Column, Entity};
use super::write::NewInteraction;
use super::{Dialect, Error, Repository};
use crate::domain::access::NamespaceId;
use crate::domain::time::Micros;
use crate::failpoint::left_out;

mod postgres;
mod sqlite;

/// Rows that are ready to be inserted into one of the databases.
#[derive(Debug)]
pub(super) enum Rows {
    Sqlite(sqlite::Rows),
    Postgres(postgres::Rows),
}

impl Rows {
    /// Works out the rows of `interactions`. Takes a while: documents are folded, words split.
    pub(super) fn of<'n>(
        dialect: Dialect,
        namespace: NamespaceId,
        interactions: impl Iterator<Item = &'n NewInteraction>,
    ) -> Self {
        match dialect {
            Dialect::Sqlite => Self::Sqlite(sqlite::Rows::of(namespace, interactions)),
            Dialect::Postgres => Self::Postgres(postgres::Rows::of(namespace, interactions)),
        }
    }

    /// Inserts those whose ids are free, in the order given; returns their ids.
    pub(super) async fn insert(
        self,
        transaction: &DatabaseTransaction,
    ) -> Result<BTreeSet<String>, Error> {
        match self {
            Self::Sqlite(rows) => rows.insert(transaction).await,
            Self::Postgres(rows) => rows.insert(transaction).await,
        }
    }
}

/// Leaves rows alone whose ids are taken.
fn on_conflict() -> OnConflict {
    OnConflict::columns([Column::NamespaceId, Column::InteractionId]).do_nothing().to_owned()
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
    /// The contents of the rows that have `ids`.
    pub(super) async fn contents(
        &self,
        transaction: &DatabaseTransaction,
        namespace: NamespaceId,
        ids: &[String],
    ) -> Result<BTreeMap<String, Content>, Error> {
        let mut contents = BTreeMap::new();
        if ids.is_empty() {
            return Ok(contents);
        }
        let compiler = self.compiler(namespace);
        let mut select = Sql::select();
        select
            .columns([Column::InteractionId, Column::ContentHash, Column::TimestampUs])
            .from(Entity)
            .and_where(compiler.one_of_texts(Expr::col(Column::InteractionId), ids));
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
}
