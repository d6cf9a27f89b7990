//! How the jobs are measured: what is asked of the service, and of its anchor right after it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use interactions::domain::field::Identifier;
use interactions::domain::filter::Filter;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::sort::Sort;
use interactions::grpc::proto;
use interactions::grpc::proto::sort::Direction;
use interactions::repository::{Dialect, Way};
use sqlx::PgPool;

use crate::anchors::{self, Drawn, Pace, Pgbench, Rusqlite, Sql};
use crate::bars::Job;
use crate::client::{Ask, Asks, Haul, Reach, Span};
use crate::copying;
use crate::data::{self, Events, RARE_TYPE, RARE_WORDS};
use crate::load::Loaded;
use crate::process::Server;
use crate::report::Round;

const PAGE: i32 = 100;
const CLIENTS: usize = 16;
const LONGEST_STREAM: u64 = 500_000;
const DEEPEST: u64 = 200_000;
const BATCH: usize = 1_000;
/// Quick streams at once that warm a server up: as many as read its database at a time.
const WARMING: usize = 4;
/// How long the slow reader rests after each page.
const REST: Duration = Duration::from_millis(20);
/// Stands in the SQL for the number of a session.
const SESSION: &str = "0";

/// The other way to ask the same database.
#[derive(Debug)]
pub(crate) enum Anchor {
    Postgres { pgbench: Pgbench, pool: PgPool },
    Sqlite(Rusqlite),
}

impl Anchor {
    fn run(&self, sql: &Sql, clients: usize, span: Span) -> anyhow::Result<Pace> {
        match self {
            Self::Postgres { pgbench, pool: _ } => pgbench.run(sql, clients, span),
            Self::Sqlite(rusqlite) => rusqlite.run(sql, clients, span),
        }
    }
}

/// A loaded database with a server on it.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) loaded: Loaded,
    pub(crate) anchor: Anchor,
    pub(crate) reach: Reach,
    /// Another program that serves the same database, and is the anchor then.
    pub(crate) other: Option<Other>,
    /// Kept for as long as it is asked.
    pub(crate) _server: Server,
    pub(crate) program: PathBuf,
    pub(crate) url: String,
    pub(crate) scratch: PathBuf,
    pub(crate) span: Span,
    /// Interactions of one measurement that records.
    pub(crate) ingested: u64,
}

/// A server that the service is compared with.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) reach: Reach,
    /// Kept for as long as it is asked.
    pub(crate) _server: Server,
}

impl Bench {
    pub(crate) fn dialect(&self) -> Dialect {
        self.loaded.repository.dialect()
    }

    /// Measures a job once, and its anchor right after it.
    pub(crate) async fn measure(&self, job: Job, round: usize) -> anyhow::Result<Round> {
        if let Some(other) = &self.other {
            let figure = self.figure(job, &self.reach, round, "").await?;
            let anchor = self.figure(job, &other.reach, round, "-other").await?;
            return Ok(Round { figure, anchor: Some(anchor) });
        }
        match job {
            Job::Newest1 => {
                let figure = self.reach.median(&newest(), self.span).await?;
                let anchor = self.anchor.run(&self.newest_sql(101)?, 1, self.span)?.median_ms;
                Ok(Round { figure, anchor: Some(anchor) })
            }
            Job::Newest16 => self.rates(&newest(), &self.newest_sql(101)?).await,
            Job::Session16 => {
                let sessions = self.loaded.totals.sessions[0];
                let filter = Filter::identifier(Identifier::SessionId, SESSION.to_owned());
                let mut sql = self.sql(filter, 101)?;
                sql.drawn = Some(Drawn { placeholder: SESSION, up_to: sessions });
                self.rates(&session(sessions), &sql).await
            }
            Job::Stream => self.stream().await,
            Job::DepthTimestamp => self.depth("timestamp", Direction::Desc).await,
            Job::DepthPosition => self.depth("position", Direction::Asc).await,
            Job::DepthPositionDown => self.depth("position", Direction::Desc).await,
            Job::RareType => self.against_newest(&rare_type()).await,
            Job::AbsentValue => self.against_newest(&absent_value()).await,
            Job::RareWord => self.against_newest(&rare_word()).await,
            Job::Memory => self.memory(1).await,
            Job::Memory8 => self.memory(8).await,
            Job::Ingest1 => self.ingest(1, round).await,
            Job::Ingest4 => self.ingest(4, round).await,
        }
    }

    /// What a job comes to at one server. What it records goes by this name besides.
    async fn figure(
        &self,
        job: Job,
        reach: &Reach,
        round: usize,
        name: &str,
    ) -> anyhow::Result<f64> {
        match job {
            Job::Newest1 => reach.median(&newest(), self.span).await,
            Job::Newest16 => reach.rate(CLIENTS, &newest(), self.span).await,
            Job::Session16 => {
                let asks = session(self.loaded.totals.sessions[0]);
                reach.rate(CLIENTS, &asks, self.span).await
            }
            Job::Stream => Ok(self.streamed(reach).await?.per_second()),
            Job::RareType => reach.median(&rare_type(), self.span).await,
            Job::AbsentValue => reach.median(&absent_value(), self.span).await,
            Job::RareWord => reach.median(&rare_word(), self.span).await,
            Job::Ingest1 => Ok(self.recorded(reach, 1, round, name).await?.1.per_second()),
            Job::Ingest4 => Ok(self.recorded(reach, 4, round, name).await?.1.per_second()),
            Job::DepthTimestamp
            | Job::DepthPosition
            | Job::DepthPositionDown
            | Job::Memory
            | Job::Memory8 => anyhow::bail!("compared with a bar, not with another server"),
        }
    }

    async fn rates(&self, asks: &Asks, sql: &Sql) -> anyhow::Result<Round> {
        let figure = self.reach.rate(CLIENTS, asks, self.span).await?;
        let anchor = self.anchor.run(sql, CLIENTS, self.span)?.per_second;
        Ok(Round { figure, anchor: Some(anchor) })
    }

    async fn stream(&self) -> anyhow::Result<Round> {
        let figure = self.streamed(&self.reach).await?;
        let wanted = figure.rows;
        let sql = self.newest_sql(LONGEST_STREAM)?;
        let anchor = match &self.anchor {
            Anchor::Postgres { pool, pgbench: _ } => {
                wanted as f64 / anchors::copy_out(pool, &sql).await?.as_secs_f64()
            }
            Anchor::Sqlite(rusqlite) => {
                let all = rusqlite.all(&sql)?;
                anyhow::ensure!(all.rows == wanted, "rusqlite finds {} rows", all.rows);
                all.per_second()
            }
        };
        Ok(Round { figure: figure.per_second(), anchor: Some(anchor) })
    }

    async fn streamed(&self, reach: &Reach) -> anyhow::Result<Haul> {
        let wanted = self.loaded.totals.rows[0].min(LONGEST_STREAM);
        let read = reach.stream(long_stream(), Duration::ZERO).await?;
        anyhow::ensure!(read.rows == wanted, "the stream has {} rows", read.rows);
        Ok(read)
    }

    async fn depth(&self, field: &str, direction: Direction) -> anyhow::Result<Round> {
        let depth = (self.loaded.totals.rows[0] / 2).min(DEEPEST);
        let sort = proto::Sort { field: field.to_owned(), direction: direction.into() };
        let first = proto::ListInteractionsRequest { sort: vec![sort], ..page() };
        let page_token = self.reach.token_at(first.clone(), depth).await?;
        let deep = proto::ListInteractionsRequest { page_token, ..first.clone() };
        let anchor = self.reach.median(&always(first), self.span).await?;
        let figure = self.reach.median(&always(deep), self.span).await?;
        Ok(Round { figure, anchor: Some(anchor) })
    }

    async fn against_newest(&self, asks: &Asks) -> anyhow::Result<Round> {
        let anchor = self.reach.median(&newest(), self.span).await?;
        let figure = self.reach.median(asks, self.span).await?;
        Ok(Round { figure, anchor: Some(anchor) })
    }

    /// What each of `readers` slow streams adds to a server of its own, on which as many quick ones
    /// have filled before what it keeps: the page caches of its connections, and what the allocator
    /// does not give back.
    async fn memory(&self, readers: usize) -> anyhow::Result<Round> {
        let server = Server::start(&self.program, &self.url, &self.scratch)?;
        let reach = Reach { address: server.address, ..self.reach.clone() };
        reach.streams(WARMING.max(readers), long_stream(), Duration::ZERO).await?;
        server.forget_peak()?;
        let before = server.memory()?;
        let read = reach.streams(readers, long_stream(), REST).await?;
        let grown = server.peak_memory()?.saturating_sub(before);
        let wanted = self.loaded.totals.rows[0].min(LONGEST_STREAM) * readers as u64;
        anyhow::ensure!(read == wanted, "the streams have {read} rows");
        let each = grown as f64 / f64::from(1 << 20) / readers as f64;
        Ok(Round { figure: each, anchor: None })
    }

    /// Records in a namespace of its own; tells which, and how long it took.
    async fn recorded(
        &self,
        reach: &Reach,
        streams: usize,
        round: usize,
        name: &str,
    ) -> anyhow::Result<(i64, Haul)> {
        let namespace = format!("ingest-{streams}-{round}{name}");
        let id = self.loaded.repository.create_namespace(&namespace).await?.id.0;
        let events = Events::new(self.ingested, (streams + 100 * round) as u64);
        let events: Vec<_> = events.map(|event| event.interaction).collect();
        let mut batches = vec![Vec::new(); streams];
        for (number, batch) in events.chunks(BATCH).enumerate() {
            batches[number % streams].push(proto::WriteInteractionsRequest {
                request_id: number.to_string(),
                interactions: batch.to_vec(),
            });
        }
        let reach = Reach { namespace, ..reach.clone() };
        Ok((id, reach.record(batches).await?))
    }

    async fn ingest(&self, streams: usize, round: usize) -> anyhow::Result<Round> {
        let (namespace, recorded) = self.recorded(&self.reach, streams, round, "").await?;
        let copied = format!("ingest-{streams}-{round}-copied");
        let copied = self.loaded.repository.create_namespace(&copied).await?.id.0;
        let anchor = match &self.anchor {
            Anchor::Postgres { pool, pgbench: _ } => {
                let shares = u32::try_from(streams)?;
                let copied = anchors::copy_in(pool, namespace, copied, shares).await?;
                anyhow::ensure!(copied.rows == recorded.rows, "{} rows copied", copied.rows);
                copied.per_second()
            }
            Anchor::Sqlite(rusqlite) => {
                let copied = copying::copy_in(&mut rusqlite.open()?, namespace, copied, BATCH)?;
                anyhow::ensure!(copied.rows == recorded.rows, "{} rows copied", copied.rows);
                copied.per_second()
            }
        };
        Ok(Round { figure: recorded.per_second(), anchor: Some(anchor) })
    }

    fn newest_sql(&self, limit: u64) -> anyhow::Result<Sql> {
        self.sql(Filter::EVERYTHING, limit)
    }

    /// The SQL that the service reads the first page of such a list with.
    fn sql(&self, filter: Filter, limit: u64) -> anyhow::Result<Sql> {
        let namespace = self.loaded.namespace;
        let selection = Selection { namespace, window: Window::default(), filter, search: None };
        let sort = Sort::build(Vec::new(), "sort");
        let sort = sort.map_err(|violations| anyhow::anyhow!("{violations:?}"))?;
        let repository = &self.loaded.repository;
        let statements =
            repository.page_statements(&Query { selection, sort }, &Way::Free, &None, limit);
        let [statement] = statements.as_slice() else {
            anyhow::bail!("such a page takes one statement");
        };
        Ok(Sql { statement: repository.render(statement), drawn: None })
    }
}

fn page() -> proto::ListInteractionsRequest {
    proto::ListInteractionsRequest { page_size: PAGE, limit: PAGE.into(), ..Default::default() }
}

fn long_stream() -> proto::ListInteractionsRequest {
    let limit = LONGEST_STREAM as i64;
    proto::ListInteractionsRequest { page_size: 1_000, limit, ..Default::default() }
}

/// The same full page again and again.
fn always(request: proto::ListInteractionsRequest) -> Asks {
    let full = PAGE as usize..=PAGE as usize;
    Arc::new(move |_| Ask { request: request.clone(), expected: full.clone() })
}

/// The newest interactions of a namespace.
pub(crate) fn newest() -> Asks {
    always(page())
}

/// The interactions of one of so many sessions.
pub(crate) fn session(sessions: u64) -> Asks {
    Arc::new(move |dice| {
        let session_id = (dice.below(sessions as usize) + 1).to_string();
        let request = proto::ListInteractionsRequest { session_id, ..page() };
        Ask { request, expected: 1..=PAGE as usize }
    })
}

fn rare_type() -> Asks {
    Arc::new(|_| {
        let interaction_type = RARE_TYPE.to_owned();
        let request = proto::ListInteractionsRequest { interaction_type, ..page() };
        Ask { request, expected: 1..=PAGE as usize }
    })
}

fn absent_value() -> Asks {
    Arc::new(|dice| {
        let absent = data::text(&format!("absent-{}", dice.below(1_000_000)));
        let filters = Some(data::fields([("metadata.geo.city", absent)]));
        let request = proto::ListInteractionsRequest { filters, ..page() };
        Ask { request, expected: 0..=0 }
    })
}

fn rare_word() -> Asks {
    Arc::new(|dice| {
        let search = format!("rare{}", dice.below(RARE_WORDS));
        let request = proto::ListInteractionsRequest { search, ..page() };
        Ask { request, expected: 1..=PAGE as usize }
    })
}
