//! Removing interactions: one by its id, or many in small batches, from every index at once.

use sea_orm::sea_query::{DeleteStatement, Expr, ExprTrait, Query as Sql, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::candidates::Way;
use super::entity::interaction::{Column, Entity, Part};
use super::metering::Operation;
use super::metering::shape::Shape;
use super::planning::Planning;
use super::read::{narrowed, selected, with_limit};
use super::{Dialect, Error, Repository, keyset};
use crate::domain::access::NamespaceId;
use crate::domain::query::Selection;
use crate::domain::sort::{KeyValue, Position, Sort};
use crate::domain::time::Micros;
use crate::failpoint::left_out;

/// Most interactions removed in one transaction: few enough for others not to notice.
pub const MAX_REMOVED: u64 = 500;

/// What one batch of a removal did.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed {
    /// How many interactions it removed.
    pub count: u64,
    /// Where the next batch goes on; `None` where nothing is left.
    pub next: Option<Position>,
}

/// An interaction that is to go.
struct Doomed {
    id: String,
    timestamp: Micros,
    created_at: Micros,
}

impl Repository {
    /// Removes the interaction with this id, hidden or not; whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove(&self, namespace: NamespaceId, id: &str) -> Result<bool, Error> {
        let mut delete = of_namespace(namespace);
        delete.and_where(Expr::col(Column::InteractionId).eq(id));
        let remove = async {
            let (transaction, _turn) = self.begin_write(Some(namespace)).await?;
            let mut timed = self.timed(Operation::Remove, Shape::One);
            let count = self.delete(&transaction, delete).await?;
            timed.rows(usize::try_from(count).unwrap_or_default());
            transaction.commit().await?;
            Ok(count > 0)
        };
        self.callers.answer(remove).await
    }

    /// Removes up to [`MAX_REMOVED`] interactions of `selection`, the newest after `start` first.
    /// Waits for its turn to write as long as it takes, and looks for them before that.
    ///
    /// # Errors
    /// When the database fails; nothing is removed then.
    pub async fn remove_some(
        &self,
        selection: &Selection,
        start: Option<&Position>,
    ) -> Result<Removed, Error> {
        let doomed = self.doomed(selection, start, MAX_REMOVED).await?;
        let Some(last) = doomed.last() else { return Ok(Removed { count: 0, next: None }) };
        let next = (doomed.len() as u64 == MAX_REMOVED).then(|| {
            Position(vec![KeyValue::Integer(last.timestamp), KeyValue::Text(last.id.clone())])
        });
        let newest = doomed.iter().map(|doomed| doomed.created_at).max().unwrap_or_default();
        let mut delete = of_namespace(selection.namespace);
        // In one order, as whoever writes takes them: nobody waits in a circle.
        let mut ids: Vec<_> = doomed.into_iter().map(|doomed| doomed.id).collect();
        ids.sort();
        delete
            .and_where(
                self.compiler(selection.namespace)
                    .one_of_texts(Expr::col(Column::InteractionId), &ids),
            )
            // One that was removed and recorded anew in the meantime is another one.
            .and_where(Expr::col(Column::CreatedAtUs).lte(newest));
        let remove = async {
            let (transaction, _turn) = self.begin_bulk_write(Some(selection.namespace)).await?;
            let mut timed = self.timed(Operation::RemoveMany, Shape::Interactions(ids.len()));
            let count = self.delete(&transaction, delete).await?;
            timed.rows(usize::try_from(count).unwrap_or_default());
            transaction.commit().await?;
            Ok(Removed { count, next })
        };
        self.callers.answer(remove).await
    }

    /// The ids of the newest interactions of `selection`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest_ids(
        &self,
        selection: &Selection,
        limit: u64,
    ) -> Result<Vec<String>, Error> {
        let doomed = self.doomed(selection, None, limit).await?;
        Ok(doomed.into_iter().map(|doomed| doomed.id).collect())
    }

    async fn doomed(
        &self,
        selection: &Selection,
        start: Option<&Position>,
        limit: u64,
    ) -> Result<Vec<Doomed>, Error> {
        let answer = async {
            let reader = self.readers.soon(Some(selection.namespace), Planning::Anew).await?;
            let shape = Shape::Some { selection, sort: None, limit };
            let mut timed = self.timed(Operation::FindToRemove, shape);
            let way = self.way_by(&reader, selection, &Sort::default(), limit).await?;
            timed.by(way.name());
            let statement = self.removal_statement(selection, &way, start, limit);
            let rows = reader.query_all(&statement).await?;
            timed.rows(rows.len());
            Ok::<_, Error>(rows)
        };
        let rows = self.callers.answer(answer).await?;
        let doomed = rows.iter().map(|row| {
            Ok(Doomed {
                id: row.try_get_by_index(0)?,
                timestamp: row.try_get_by_index(1)?,
                created_at: row.try_get_by_index(2)?,
            })
        });
        doomed.collect()
    }

    /// The statement that finds what a batch removes, in this way.
    #[must_use]
    pub fn removal_statement(
        &self,
        selection: &Selection,
        way: &Way,
        start: Option<&Position>,
        limit: u64,
    ) -> SelectStatement {
        let compiler = self.compiler(selection.namespace);
        let sort = Sort::default();
        let mut select = selected(compiler, selection, &sort, way);
        select.clear_selects().columns([
            Column::InteractionId,
            Column::TimestampUs,
            Column::CreatedAtUs,
        ]);
        let run = keyset::whole(compiler, &sort, start);
        with_limit(narrowed(&select, run), limit)
    }

    /// Runs `delete` and, in SQLite, makes the tables of words and facts forget its rows.
    async fn delete(
        &self,
        transaction: &DatabaseTransaction,
        mut delete: DeleteStatement,
    ) -> Result<u64, Error> {
        if self.dialect == Dialect::Postgres {
            return Ok(transaction.execute(&delete).await?.rows_affected());
        }
        delete.returning_col(Part::RowId);
        let rows = transaction.query_all(&delete).await?;
        let row_ids = rows.iter().map(|row| row.try_get_by_index::<i64>(0));
        let row_ids: Vec<_> = row_ids.collect::<Result<_, _>>()?;
        for table in [Part::InteractionWords, Part::InteractionFacts] {
            let mut forget = Sql::delete();
            forget
                .from_table(table)
                .and_where(Expr::col(Part::Rowid).is_in(row_ids.iter().copied()));
            transaction.execute(&forget).await?;
        }
        Ok(row_ids.len() as u64)
    }
}

fn of_namespace(namespace: NamespaceId) -> DeleteStatement {
    let mut delete = Sql::delete();
    delete.from_table(Entity);
    if !left_out("namespace-of-removals") {
        delete.and_where(Expr::col(Column::NamespaceId).eq(namespace.0));
    }
    delete
}
