//! What a list comes to in the database: its statements, and how they are carried out.

use sea_orm::{ConnectionTrait as _, DatabaseBackend, QueryResult, Statement};

use super::candidates::Way;
use super::planning::Planning;
use super::{Dialect, Error, Repository, Start};
use crate::domain::query::Query;

/// A statement, with its values spelled out, and its plan.
#[derive(Debug, Clone)]
pub struct Explained {
    /// How the rows are found, where that is not left to the database; in words.
    pub way: Option<&'static str>,
    /// The statement, which is never sent so: its values are bound.
    pub statement: String,
    /// The plan, line by line, as this database tells it.
    pub plan: Vec<String>,
}

impl Repository {
    /// The statements by which the next `limit` interactions of `query` after `start` are read, one
    /// after the other until they are enough. With `run` they are carried out, too, and the plan says
    /// what that took; SQLite has no such plan, and shows the same as without.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn explain(
        &self,
        query: &Query,
        start: &Start,
        limit: u64,
        run: bool,
    ) -> Result<Vec<Explained>, Error> {
        let planning = Planning::of_pages(query);
        let reader = self.readers.soon(Some(query.selection.namespace), planning).await?;
        let way = self.way_by(&reader, &query.selection, &query.sort, limit).await?;
        let prefix = match (self.dialect, run) {
            (Dialect::Sqlite, _) => "EXPLAIN QUERY PLAN ",
            (Dialect::Postgres, false) => "EXPLAIN (SETTINGS) ",
            (Dialect::Postgres, true) => "EXPLAIN (ANALYZE, BUFFERS, SETTINGS) ",
        };
        let start = self.beginning(&reader, query, start).await?;
        let mut explained = Vec::new();
        for statement in self.page_statements(query, &way, &start, limit) {
            let statement = self.render(&statement);
            let text = statement.to_string();
            let Statement { sql, values, db_backend } = statement;
            let explain = Statement { sql: format!("{prefix}{sql}"), values, db_backend };
            let rows = reader.query_all_raw(explain).await?;
            let plan = plan(&rows, db_backend)?;
            explained.push(Explained { way: named(&way), statement: text, plan });
        }
        Ok(explained)
    }
}

fn named(way: &Way) -> Option<&'static str> {
    match way {
        Way::Free => None,
        Way::Walk => Some("along the order of the list, each row tested: no index names few rows"),
        Way::Among(_) => Some("among the rows that an index names, which are few, and then sorted"),
    }
}

fn plan(rows: &[QueryResult], backend: DatabaseBackend) -> Result<Vec<String>, Error> {
    if backend == DatabaseBackend::Postgres {
        let line = |row: &QueryResult| Ok(row.try_get_by_index(0)?);
        return rows.iter().map(line).collect();
    }
    // SQLite names the parent of each line, which stands before it (https://sqlite.org/eqp.html).
    let mut depths = std::collections::HashMap::new();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, parent): (i32, i32) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let depth = depths.get(&parent).map_or(0, |depth: &usize| depth + 1);
        depths.insert(id, depth);
        let detail: String = row.try_get_by_index(3)?;
        lines.push(format!("{}{detail}", "  ".repeat(depth)));
    }
    Ok(lines)
}
