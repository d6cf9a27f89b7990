//! How long the database takes: each operation is timed, is a span of the trace, and is logged when
//! it was slow, by its shape and never by its values.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram, counter, histogram};
use tracing::Span;

use self::shape::{Shape, conditions, order};
use super::{Dialect, Repository};

pub(super) mod shape;

/// What is asked of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Page,
    Skip,
    Count,
    Get,
    Record,
    Remove,
    FindToRemove,
    RemoveMany,
    FindKey,
    FindNamespace,
}

impl Operation {
    const ALL: [Self; 10] = [
        Self::Page,
        Self::Skip,
        Self::Count,
        Self::Get,
        Self::Record,
        Self::Remove,
        Self::FindToRemove,
        Self::RemoveMany,
        Self::FindKey,
        Self::FindNamespace,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Skip => "skip",
            Self::Count => "count",
            Self::Get => "get",
            Self::Record => "record",
            Self::Remove => "remove",
            Self::FindToRemove => "find_to_remove",
            Self::RemoveMany => "remove_many",
            Self::FindKey => "find_key",
            Self::FindNamespace => "find_namespace",
        }
    }
}

/// What is counted here. The handles are taken once, after whoever exports them has started.
pub(super) struct Meters {
    took: [Histogram; Operation::ALL.len()],
    slow: [Counter; Operation::ALL.len()],
    /// Waits for a turn to read, and to write.
    pub(super) to_read: Histogram,
    pub(super) to_write: Histogram,
    pub(super) batches: Counter,
    pub(super) recorded: Counter,
    pub(super) deduplicated: Counter,
    pub(super) conflicting: Counter,
    /// Transactions that are tried again.
    pub(super) retries: Counter,
}

pub(super) static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let wait = |to: &'static str| histogram!("interactions_database_wait_seconds", "to" => to);
    let ingested = |outcome: &'static str| counter!("interactions_ingested_interactions_total", "outcome" => outcome);
    Meters {
        took: Operation::ALL.map(|operation| {
            histogram!("interactions_database_seconds", "operation" => operation.name())
        }),
        slow: Operation::ALL.map(|operation| {
            counter!("interactions_slow_queries_total", "operation" => operation.name())
        }),
        to_read: wait("read"),
        to_write: wait("write"),
        batches: counter!("interactions_ingested_batches_total"),
        recorded: ingested("recorded"),
        deduplicated: ingested("deduplicated"),
        conflicting: ingested("conflicting"),
        retries: counter!("interactions_write_retries_total"),
    }
});

/// What `turn` gives; how long that took is noted as a wait.
pub(super) async fn waited<T>(waits: &Histogram, turn: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let turn = turn.await;
    waits.record(began.elapsed());
    turn
}

/// An operation that goes on until this is dropped, however it ends.
pub(super) struct Timed<'a> {
    operation: Operation,
    shape: Shape<'a>,
    way: &'static str,
    rows: u64,
    began: Instant,
    slow: Option<Duration>,
    /// That of the trace.
    span: Span,
}

impl Repository {
    /// Begins to time an operation. Waiting for a turn is no part of it.
    pub(super) fn timed<'a>(&self, operation: Operation, shape: Shape<'a>) -> Timed<'a> {
        let system = match self.dialect {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgresql",
        };
        let span = tracing::debug_span!(
            "database",
            db.system.name = system,
            db.operation.name = operation.name(),
            db.response.returned_rows = tracing::field::Empty,
        );
        let (slow, began) = (self.slow, Instant::now());
        Timed { operation, shape, way: "", rows: 0, began, slow, span }
    }
}

impl Timed<'_> {
    /// Notes in which way the rows are found.
    pub(super) fn by(&mut self, way: &'static str) {
        self.way = way;
    }

    /// Notes how many rows came of it.
    pub(super) fn rows(&mut self, rows: usize) {
        self.rows = rows as u64;
        self.span.record("db.response.returned_rows", self.rows);
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        METERS.took[self.operation as usize].record(took);
        if self.slow.is_none_or(|slow| took < slow) {
            return;
        }
        METERS.slow[self.operation as usize].increment(1);
        let Self { operation, shape, way, rows, .. } = self;
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let operation = operation.name();
        match shape {
            Shape::One => tracing::warn!(operation, duration_ms, "slow query"),
            Shape::Some { selection, sort, limit } => tracing::warn!(
                operation,
                conditions = conditions(selection),
                sort = sort.map(order),
                limit,
                way,
                rows,
                duration_ms,
                "slow query"
            ),
            Shape::Interactions(interactions) => {
                tracing::warn!(operation, interactions, rows, duration_ms, "slow query");
            }
        }
    }
}
