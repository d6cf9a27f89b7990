//! Reading: pages, counts and single interactions.

use bytes::Bytes;
use futures::TryStreamExt;
use sea_orm::sea_query::{Expr, ExprTrait, Query as Sql, SelectStatement};
use sea_orm::{ConnectionTrait, QueryResult, StatementBuilder, StreamTrait};

use super::candidates::Way;
use super::condition::Compiler;
use super::entity::interaction::{Column, Entity, Part};
use super::keyset::{self, Run};
use super::metering::shape::Shape;
use super::metering::{Operation, Timed};
use super::planning::Planning;
use super::readers::Reader;
use super::{Dialect, Error, Repository};
use crate::domain::access::NamespaceId;
use crate::domain::query::{Query, Selection, Window};
use crate::domain::sort::{Position, Sort};
use crate::domain::time::Micros;
use crate::failpoint::left_out;

/// Where a list goes on.
pub type Start = Option<Position>;

/// What is asked where one row is the answer.
struct Question<'a> {
    operation: Operation,
    shape: Shape<'a>,
    namespace: NamespaceId,
    planning: Planning,
}

impl Repository {
    /// The next interactions of `query` after `start`, encoded, in order: at most `limit`, and no
    /// more once they weigh over `max_bytes` (the one that goes over is the last). Fewer than
    /// `limit` that weigh less mean that the list ends there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn page(
        &self,
        query: &Query,
        start: &Start,
        limit: u64,
        max_bytes: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.callers.answer(self.read_page(query, start, limit, max_bytes)).await
    }

    async fn read_page(
        &self,
        query: &Query,
        start: &Start,
        limit: u64,
        max_bytes: usize,
    ) -> Result<Vec<Bytes>, Error> {
        let Query { selection, sort } = query;
        let planning = Planning::of_pages(query);
        let reader = self.readers.soon(Some(selection.namespace), planning).await?;
        let shape = Shape::Some { selection, sort: Some(sort), limit };
        let mut timed = self.timed(Operation::Page, shape);
        let way = self.way_by(&reader, selection, sort, limit).await?;
        timed.by(way.name());
        let mut records = Vec::new();
        let mut weight = 0;
        let start = self.beginning(&reader, query, start).await?;
        for statement in self.page_statements(query, &way, &start, limit) {
            let Some(room) = limit.checked_sub(records.len() as u64).filter(|room| *room > 0)
            else {
                break;
            };
            let statement = with_limit(statement, room);
            let mut rows = reader.stream(&statement).await?;
            while let Some(row) = rows.try_next().await? {
                let record = record(&row)?;
                weight += record.len();
                records.push(record);
                if weight > max_bytes {
                    drop(rows);
                    timed.rows(records.len());
                    reader.give_back_unfinished();
                    return Ok(records);
                }
            }
        }
        timed.rows(records.len());
        Ok(records)
    }

    /// The statements that a page is read by in this way, one after the other until it is full.
    #[must_use]
    pub fn page_statements(
        &self,
        query: &Query,
        way: &Way,
        start: &Start,
        limit: u64,
    ) -> Vec<SelectStatement> {
        let Query { selection, sort } = query;
        let compiler = self.compiler(selection.namespace);
        let select = selected(compiler, selection, sort, way);
        if let Way::Among(_) = way {
            let found = narrowed(&select, keyset::whole(compiler, sort, start.as_ref()));
            return vec![records_of(compiler, query, found, limit)];
        }
        let guessed = selection.search.is_some() || selection.filter.looks_into_json();
        let guessed = guessed && self.dialect == Dialect::Postgres;
        let page = |run: Run| match guessed {
            true => run.warily(&select, limit),
            false => with_limit(narrowed(&select, run), limit),
        };
        keyset::runs(compiler, sort, start.as_ref()).into_iter().map(page).collect()
    }

    /// The interaction that stands `place` places after `start` in the order of `query`, encoded;
    /// 1 is the next one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn nth(
        &self,
        query: &Query,
        start: &Start,
        place: u64,
    ) -> Result<Option<Bytes>, Error> {
        let Query { selection, sort } = query;
        let compiler = self.compiler(selection.namespace);
        let run = keyset::whole(compiler, sort, start.as_ref());
        let shape = Shape::Some { selection, sort: Some(sort), limit: place };
        let question = Question {
            operation: Operation::Skip,
            shape,
            namespace: selection.namespace,
            planning: Planning::of_pages(query),
        };
        let row = self.read_one(question, async |reader, timed| {
            let way = self.way_by(reader, selection, sort, place).await?;
            timed.by(way.name());
            let mut select = narrowed(&selected(compiler, selection, sort, &way), run);
            select.limit(1).offset(place.saturating_sub(1));
            Ok(select)
        });
        row.await?.map(|row| record(&row)).transpose()
    }

    /// How many interactions are in `selection`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count(&self, selection: &Selection) -> Result<u64, Error> {
        let shape = Shape::Some { selection, sort: None, limit: 0 };
        let question = Question {
            operation: Operation::Count,
            shape,
            namespace: selection.namespace,
            planning: Planning::Anew,
        };
        let counted = self.read_one(question, async |reader, timed| {
            let way = self.way_to_all_by(reader, selection).await?;
            timed.by(way.name());
            Ok(self.count_statement(selection, &way))
        });
        let count = counted.await?.map(|row| row.try_get_by_index::<i64>(0));
        let count = count.transpose()?.unwrap_or_default();
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The statement that counts `selection`, found in this way.
    #[must_use]
    pub fn count_statement(&self, selection: &Selection, way: &Way) -> SelectStatement {
        let compiler = self.compiler(selection.namespace);
        let mut select = selected(compiler, selection, &Sort::default(), way);
        select.clear_selects().expr(Expr::cust("COUNT(*)"));
        select
    }

    /// The encoded interaction with this id, unless it happened before `visible_since`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(
        &self,
        namespace: NamespaceId,
        visible_since: Option<Micros>,
        id: &str,
    ) -> Result<Option<Bytes>, Error> {
        let window = Window { visible_since, recorded_before: None };
        let mut select = in_namespace(self.compiler(namespace), window);
        select.and_where(Expr::col(Column::InteractionId).eq(id));
        let (operation, shape, planning) = (Operation::Get, Shape::One, Planning::Once);
        let question = Question { operation, shape, namespace, planning };
        let row = self.read_one(question, async |_, _| Ok(select)).await?;
        row.map(|row| record(&row)).transpose()
    }

    async fn read_one(
        &self,
        question: Question<'_>,
        select: impl AsyncFnOnce(&Reader, &mut Timed<'_>) -> Result<SelectStatement, Error>,
    ) -> Result<Option<QueryResult>, Error> {
        let Question { operation, shape, namespace, planning } = question;
        let answer = async {
            let reader = self.readers.soon(Some(namespace), planning).await?;
            let mut timed = self.timed(operation, shape);
            let select = select(&reader, &mut timed).await?;
            let row = reader.query_one(&select).await?;
            timed.rows(usize::from(row.is_some()));
            Ok(row)
        };
        self.callers.answer(answer).await
    }

    /// A statement as text, with its values, as this database gets it.
    #[must_use]
    pub fn render(&self, statement: &impl StatementBuilder) -> sea_orm::Statement {
        statement.build(&self.dialect.backend())
    }

    pub(super) fn compiler(&self, namespace: NamespaceId) -> Compiler {
        Compiler::of(self.dialect, namespace)
    }
}

/// Everything of one namespace that is not hidden. This is the one place where a namespace becomes a
/// condition, and its retention another.
pub(super) fn in_namespace(compiler: Compiler, window: Window) -> SelectStatement {
    let Window { visible_since, recorded_before } = window;
    let mut select = Sql::select();
    select.column(Column::Record).from(Entity);
    if !left_out("namespace-of-reads") {
        select.and_where(compiler.column(Column::NamespaceId).eq(compiler.namespace.0));
    }
    if let Some(since) = visible_since {
        select.and_where(Expr::col(Column::TimestampUs).gte(since));
    }
    if let Some(time) = recorded_before {
        // The sign keeps the index of this column out of it: nearly every row is older, and those
        // found by it would have to be sorted, all of them for each batch.
        let older = [Expr::col(Column::CreatedAtUs), Expr::value(time)];
        select.and_where(compiler.sql("+? < ?", older));
    }
    select
}

/// Everything of `selection`, found in this way.
pub(super) fn selected(
    compiler: Compiler,
    selection: &Selection,
    sort: &Sort,
    way: &Way,
) -> SelectStatement {
    let compiler = match way {
        Way::Among(_) => compiler.without_indexes(),
        Way::Free | Way::Walk => compiler,
    };
    let mut select = in_namespace(compiler, selection.window);
    for condition in compiler.conditions(selection, sort, way) {
        select.and_where(condition);
    }
    select
}

/// The records of the first `limit` rows of `found`. SQLite sorts what it selects, so the numbers of
/// rows are sorted, and records fetched of those that are on the page.
fn records_of(
    compiler: Compiler,
    query: &Query,
    mut found: SelectStatement,
    limit: u64,
) -> SelectStatement {
    found.clear_selects().column(Part::RowId).limit(limit);
    let mut records = in_namespace(compiler.without_indexes(), query.selection.window);
    records.and_where(Expr::col(Part::RowId).in_subquery(found));
    keyset::whole(compiler, &query.sort, None).apply(&mut records);
    with_limit(records, limit)
}

pub(super) fn narrowed(select: &SelectStatement, run: Run) -> SelectStatement {
    let mut select = select.clone();
    run.apply(&mut select);
    select
}

pub(super) fn with_limit(mut select: SelectStatement, limit: u64) -> SelectStatement {
    select.reset_limit().limit(limit);
    select
}

fn record(row: &QueryResult) -> Result<Bytes, Error> {
    Ok(Bytes::from(row.try_get_by_index::<Vec<u8>>(0)?))
}
