//! What the databases do without the service: pgbench, COPY and rusqlite, with the service's own SQL.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::time::Instant;

use anyhow::Context as _;
use futures::TryStreamExt as _;
use rusqlite::types::Value as SqliteValue;
use rusqlite::{Connection as Sqlite, OpenFlags, params_from_iter};
use sea_orm::{Statement, Value};
use sqlx::postgres::{PgConnection, PgPoolCopyExt as _, PgPoolOptions};
use sqlx::{Connection as _, PgPool};

use crate::client::{Haul, Span, median};
use crate::data::Dice;

/// Settings of the sessions in which the service reads what is measured beside pgbench, as far as plans
/// depend on them: those are planned once.
const SESSION: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
                       -c enable_bitmapscan=off -c jit=off -c random_page_cost=1.1";

/// A statement, and which of its texts is drawn anew each time: a number up to a limit.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    pub(crate) statement: Statement,
    pub(crate) drawn: Option<Drawn>,
}

/// The text that stands for one to be drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawn {
    pub(crate) placeholder: &'static str,
    pub(crate) up_to: u64,
}

/// pgbench of the PostgreSQL installation whose programs are in `bin`.
#[derive(Debug)]
pub(crate) struct Pgbench {
    pub(crate) bin: PathBuf,
    pub(crate) url: String,
}

/// What pgbench says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) median_ms: f64,
    pub(crate) per_second: f64,
}

impl Pgbench {
    /// Runs `sql` as a prepared statement on `clients` connections.
    pub(crate) fn run(&self, sql: &Sql, clients: usize, span: Span) -> anyhow::Result<Pace> {
        let scratch = tempfile::tempdir()?;
        let script = scratch.path().join("script.sql");
        std::fs::write(&script, script_of(sql)?)?;
        self.once(&script, None, clients, span.warm_up.as_secs().max(1))?;
        let log = scratch.path().join("log");
        let said = self.once(&script, Some(&log), clients, span.measured.as_secs().max(1))?;
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split(' ').next()).context("pgbench gives a rate")?;
        let mut waits = Vec::new();
        for file in std::fs::read_dir(scratch.path())? {
            let file = file?;
            if !file.file_name().to_string_lossy().starts_with("log.") {
                continue;
            }
            for line in std::fs::read_to_string(file.path())?.lines() {
                // Client, transaction, microseconds.
                let micros = line.split(' ').nth(2).context("pgbench logs its transactions")?;
                waits.push(micros.parse::<f64>()? / 1e3);
            }
        }
        Ok(Pace { median_ms: median(waits)?, per_second: rate.parse()? })
    }

    fn once(
        &self,
        script: &Path,
        log: Option<&Path>,
        clients: usize,
        seconds: u64,
    ) -> anyhow::Result<String> {
        let mut pgbench = Command::new(self.bin.join("pgbench"));
        pgbench.env("PGOPTIONS", SESSION).args(["--no-vacuum", "--protocol=prepared"]);
        pgbench.arg(format!("--client={clients}")).arg(format!("--jobs={}", clients.min(2)));
        pgbench.arg(format!("--time={seconds}")).arg("--file").arg(script);
        if let Some(log) = log {
            pgbench.arg("--log").arg(format!("--log-prefix={}", log.display()));
        }
        let output = pgbench.arg(&self.url).output().context("cannot run pgbench")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "pgbench: {errors}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// `sql` as pgbench reads it, which makes parameters of its variables again.
fn script_of(sql: &Sql) -> anyhow::Result<String> {
    let mut text = sql.statement.sql.clone();
    let mut script = String::new();
    let values = sql.statement.values.iter().flat_map(|values| &values.0);
    let values: Vec<_> = values.enumerate().collect();
    // From the last, so that $1 is not taken for the start of $12.
    for (place, value) in values.into_iter().rev() {
        let number = place + 1;
        let set = match bound(value)? {
            SqliteValue::Integer(integer) => integer.to_string(),
            SqliteValue::Text(text) => match sql.drawn {
                Some(drawn) if drawn.placeholder == text => format!("random(1, {})", drawn.up_to),
                Some(_) | None => anyhow::bail!("pgbench has no variables of text"),
            },
            SqliteValue::Null | SqliteValue::Real(_) | SqliteValue::Blob(_) => {
                anyhow::bail!("pgbench cannot bind {value:?}")
            }
        };
        script.push_str(&format!("\\set p{number} {set}\n"));
        text = text.replace(&format!("${number}"), &format!(":p{number}"));
    }
    Ok(format!("{script}{text};\n"))
}

/// A value that one of the service's statements binds.
fn bound(value: &Value) -> anyhow::Result<SqliteValue> {
    if let Value::BigInt(Some(integer)) = value {
        Ok(SqliteValue::Integer(*integer))
    } else if let Value::BigUnsigned(Some(integer)) = value {
        Ok(SqliteValue::Integer(i64::try_from(*integer)?))
    } else if let Value::String(Some(text)) = value {
        Ok(SqliteValue::Text(text.as_str().to_owned()))
    } else {
        anyhow::bail!("no benchmark binds {value:?}")
    }
}

/// A pool of `connections` with the service's settings.
pub(crate) async fn postgres(url: &str, connections: u32) -> anyhow::Result<PgPool> {
    let options: sqlx::postgres::PgConnectOptions = url.parse()?;
    let options = options.options([("plan_cache_mode", "force_custom_plan"), ("jit", "off")]);
    let options = options.options([("random_page_cost", "1.1")]);
    Ok(PgPoolOptions::new().max_connections(connections).connect_with(options).await?)
}

/// Runs one statement without an answer.
pub(crate) async fn execute(url: &str, statement: &'static str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(statement).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Lets PostgreSQL send what `sql` reads, in its binary form, and takes it.
pub(crate) async fn copy_out(pool: &PgPool, sql: &Sql) -> anyhow::Result<std::time::Duration> {
    // COPY takes no parameters.
    let copy = format!("COPY ({}) TO STDOUT (FORMAT binary)", sql.statement);
    let started = Instant::now();
    let mut chunks = pool.copy_out_raw(&copy).await?;
    while let Some(chunk) = chunks.try_next().await? {
        std::hint::black_box(chunk);
    }
    Ok(started.elapsed())
}

/// Copies the rows of namespace `from` back into the table, as the namespace `to`, over as many
/// connections as `shares` of the rows; times the way in.
pub(crate) async fn copy_in(
    pool: &PgPool,
    from: i64,
    to: i64,
    shares: u32,
) -> anyhow::Result<Haul> {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT column_name::text FROM information_schema.columns \
         WHERE table_name = 'interactions' AND column_name <> 'namespace_id' \
         ORDER BY ordinal_position",
    )
    .fetch_all(pool)
    .await?;
    let columns = columns.join(", ");
    let mut parts = Vec::new();
    for share in 0..shares {
        let copy = format!(
            "COPY (SELECT {to}::bigint, {columns} FROM interactions WHERE namespace_id = {from} \
             AND abs(hashtext(interaction_id)) % {shares} = {share}) TO STDOUT (FORMAT binary)"
        );
        let mut part = Vec::new();
        let mut chunks = pool.copy_out_raw(&copy).await?;
        while let Some(chunk) = chunks.try_next().await? {
            part.extend_from_slice(&chunk);
        }
        parts.push(part);
    }
    let copy = format!("COPY interactions (namespace_id, {columns}) FROM STDIN (FORMAT binary)");
    let started = Instant::now();
    let mut running = Vec::new();
    for part in parts {
        let (pool, copy) = (pool.clone(), copy.clone());
        running.push(tokio::spawn(async move {
            let mut into = pool.copy_in_raw(&copy).await?;
            into.send(part).await?;
            anyhow::Ok(into.finish().await?)
        }));
    }
    let mut rows = 0;
    for part in running {
        rows += part.await??;
    }
    Ok(Haul { rows, elapsed: started.elapsed() })
}

/// rusqlite on the file of the service.
#[derive(Debug, Clone)]
pub(crate) struct Rusqlite {
    pub(crate) file: PathBuf,
}

impl Rusqlite {
    pub(crate) fn open(&self) -> anyhow::Result<Sqlite> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Sqlite::open_with_flags(&self.file, flags)?)
    }

    /// Runs `sql` as a prepared statement on `clients` connections, each with a thread.
    pub(crate) fn run(&self, sql: &Sql, clients: usize, span: Span) -> anyhow::Result<Pace> {
        let start = &Barrier::new(clients);
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..clients)
                .map(|number| {
                    scope.spawn(move || self.one(sql, Dice::new(number as u64), span, start))
                })
                .collect();
            let mut waits = Vec::new();
            for thread in running {
                let waited = thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
                waits.extend(waited?);
            }
            let per_second = waits.len() as f64 / span.measured.as_secs_f64();
            Ok(Pace { median_ms: median(waits)?, per_second })
        })
    }

    fn one(
        &self,
        sql: &Sql,
        mut dice: Dice,
        span: Span,
        start: &Barrier,
    ) -> anyhow::Result<Vec<f64>> {
        let connection = self.open();
        start.wait();
        let connection = connection?;
        let mut statement = connection.prepare(&sql.statement.sql)?;
        let mut waits = Vec::new();
        let started = Instant::now();
        while started.elapsed() < span.warm_up + span.measured {
            let asked = Instant::now();
            anyhow::ensure!(read(&mut statement, sql, &mut dice)? > 0, "rusqlite finds nothing");
            if started.elapsed() > span.warm_up {
                waits.push(asked.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(waits)
    }

    /// Reads all that `sql` finds, once.
    pub(crate) fn all(&self, sql: &Sql) -> anyhow::Result<Haul> {
        let connection = self.open()?;
        let started = Instant::now();
        let rows = read(&mut connection.prepare(&sql.statement.sql)?, sql, &mut Dice::new(0))?;
        Ok(Haul { rows, elapsed: started.elapsed() })
    }
}

/// Copies the first column of every row, as whoever goes on with it has to.
fn read(
    statement: &mut rusqlite::Statement<'_>,
    sql: &Sql,
    dice: &mut Dice,
) -> anyhow::Result<u64> {
    let mut values = Vec::new();
    for value in sql.statement.values.iter().flat_map(|values| &values.0) {
        values.push(match (bound(value)?, sql.drawn) {
            (SqliteValue::Text(text), Some(drawn)) if text == drawn.placeholder => {
                SqliteValue::Text((dice.below(drawn.up_to as usize) + 1).to_string())
            }
            (other, _) => other,
        });
    }
    let mut rows = statement.query(params_from_iter(values))?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        std::hint::black_box(row.get_ref(0)?.as_blob()?.to_vec());
        count += 1;
    }
    Ok(count)
}
