//! Where a list begins whose order no index has whole.
//!
//! The index of a column goes on with the newest first. A list that falls by position and then by time,
//! or rises by both, has to sort each position's rows, for its first page all of the greatest, a
//! fiftieth of a namespace. But among those of one position the index has the order. So the greatest
//! is looked up, and the list goes on after a position that no row has, just before the first row of
//! it: its rows are then a run of their own, as they are on every later page.
//!
//! A row that is recorded in between with a greater one stands before the list's beginning, as it would
//! a moment later.

use sea_orm::sea_query::{Expr, ExprTrait, Order, SelectStatement};
use sea_orm::{ConnectionTrait as _, QueryResult};

use super::condition::Compiler;
use super::entity::interaction::Column;
use super::read::in_namespace;
use super::readers::Reader;
use super::{Error, Repository, Start};
use crate::domain::field::Time;
use crate::domain::query::{Query, Window};
use crate::domain::sort::{Direction, KeyValue, Position, SortField, SortKey};

/// What a list is sorted by first, where the index of it has the rest in the other direction.
struct Lead<'q> {
    field: &'q SortField,
    column: Column,
    direction: Direction,
}

impl<'q> Lead<'q> {
    /// `None` where an index has the whole order, none has any of it, or a filter makes few rows of
    /// many: those are sorted whatever their order.
    fn of(query: &'q Query) -> Option<Self> {
        let Query { selection, sort } = query;
        let [SortKey { field, direction }, time, id] = sort.keys() else { return None };
        let by_time = time.field == SortField::Time(Time::Timestamp);
        // The index itself rises, and its times fall.
        let askew = *direction == time.direction && time.direction == id.direction;
        let whole = selection.filter.is_everything() && selection.search.is_none();
        let column = match field {
            SortField::Identifier(field) => Column::from(*field),
            SortField::Integer(field) => Column::from(*field),
            SortField::Score => Column::DocumentScore,
            SortField::Time(_) | SortField::Json(_) => return None,
        };
        (by_time && askew && whole).then_some(Self { field, column, direction: *direction })
    }

    /// The first value.
    fn statement(&self, compiler: Compiler) -> SelectStatement {
        let order = match self.direction {
            Direction::Ascending => Order::Asc,
            Direction::Descending => Order::Desc,
        };
        // Of what is hidden, too: the list itself leaves that out.
        let mut select = in_namespace(compiler, Window::default());
        select
            .clear_selects()
            .column(self.column)
            .and_where(Expr::col(self.column).is_not_null())
            .order_by(self.column, order)
            .limit(1);
        select
    }

    /// Just before all rows of the value in `row`.
    fn position(&self, row: &QueryResult) -> Result<Position, Error> {
        let value = match self.field {
            SortField::Identifier(_) => KeyValue::Text(row.try_get_by_index(0)?),
            SortField::Score => KeyValue::Number(row.try_get_by_index(0)?),
            SortField::Integer(_) | SortField::Time(_) | SortField::Json(_) => {
                KeyValue::Integer(row.try_get_by_index::<i32>(0)?.into())
            }
        };
        let time = match self.direction {
            Direction::Ascending => i64::MIN,
            Direction::Descending => i64::MAX,
        };
        Ok(Position(vec![value, KeyValue::Integer(time), KeyValue::Text(String::new())]))
    }
}

impl Repository {
    /// `start`, or where a list begins instead that would have to be sorted from there.
    pub(super) async fn beginning(
        &self,
        reader: &Reader,
        query: &Query,
        start: &Start,
    ) -> Result<Start, Error> {
        if start.is_some() {
            return Ok(start.clone());
        }
        let Some(lead) = Lead::of(query) else { return Ok(None) };
        let compiler = self.compiler(query.selection.namespace);
        let row = reader.query_one(&lead.statement(compiler)).await?;
        row.map(|row| lead.position(&row)).transpose()
    }
}
