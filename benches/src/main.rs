//! Measures the service against what its database could do without it, and holds the ratios against
//! the performance bars. `scripts/bench` builds and runs it.
//!
//! Every measurement is followed by that of its anchor; so a machine that is busy with something else
//! slows both. What is compared with a bar is the median of the rounds' ratios.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Parser};
use interactions::repository::Dialect;

use crate::anchors::{Pgbench, Rusqlite};
use crate::bars::Job;
use crate::client::{Reach, Span};
use crate::jobs::{Anchor, Bench, Other};
use crate::load::load;
use crate::parts::Part;
use crate::process::Server;
use crate::report::Line;

mod anchors;
mod bars;
mod client;
mod copying;
mod data;
mod http;
mod jobs;
mod load;
mod parts;
mod process;
mod report;

#[derive(Debug, Parser)]
enum Task {
    Measure(Arguments),
    #[command(flatten)]
    Part(Part),
}

/// Measures the service, and fails where a bar is missed by more than the rounds differ.
#[derive(Debug, Args)]
struct Arguments {
    /// 100,000 interactions and three short rounds
    #[arg(long)]
    quick: bool,

    /// Interactions of the data set
    #[arg(long, value_parser = clap::value_parser!(u64).range(20_000..))]
    rows: Option<u64>,

    /// One job, or `sqlite` or `postgres` for those of one database
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// Another build of the service, to be compared with in place of the databases
    #[arg(long, hide = true)]
    other: Option<PathBuf>,

    /// An empty PostgreSQL database
    #[arg(long, hide = true)]
    postgres_url: String,

    /// The directory of PostgreSQL's programs
    #[arg(long, hide = true)]
    postgres_bin: PathBuf,

    /// Where the report goes
    #[arg(long, hide = true)]
    reports: PathBuf,

    /// What is measured
    #[arg(long, hide = true)]
    commit: String,
}

struct Size {
    name: &'static str,
    rows: u64,
    rounds: usize,
    span: Span,
    ingested: u64,
}

impl Size {
    fn of(arguments: &Arguments) -> Self {
        let span = |warm_up, measured| Span {
            warm_up: Duration::from_millis(warm_up),
            measured: Duration::from_millis(measured),
        };
        let size = if arguments.quick {
            let (rows, ingested) = (100_000, 8_000);
            Self { name: "quick", rows, rounds: 3, span: span(300, 1_000), ingested }
        } else {
            let (rows, ingested) = (1_000_000, 20_000);
            Self { name: "full", rows, rounds: 5, span: span(500, 2_500), ingested }
        };
        Self { rows: arguments.rows.unwrap_or(size.rows), ..size }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Task::parse() {
        Task::Measure(arguments) => measure_all(&arguments).await,
        Task::Part(part) => part.run().await.map(|()| ExitCode::SUCCESS),
    }
}

async fn measure_all(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let size = Size::of(arguments);
    let names = Job::ALL.map(|job| job.names().0);
    if let Some(only) = arguments.only.as_deref() {
        let known = names.contains(&only) || only == "sqlite" || only == "postgres";
        anyhow::ensure!(known, "--only takes sqlite, postgres or one of: {}", names.join(", "));
    }
    let scratch = tempfile::tempdir()?;
    let mut benches = Vec::new();
    if arguments.only.as_deref() != Some("sqlite") {
        benches.push(on_postgres(arguments, &size, scratch.path()).await?);
    }
    if arguments.only.as_deref() != Some("postgres") {
        benches.push(on_sqlite(arguments, &size, scratch.path()).await?);
    }
    let jobs = Job::ALL.into_iter().filter(|job| match arguments.only.as_deref() {
        None | Some("sqlite" | "postgres") => true,
        Some(only) => job.names().0 == only,
    });
    let jobs = jobs.filter(|job| arguments.other.is_none() || job.is_of_servers());
    let jobs: Vec<_> = jobs.collect();
    let lines = measure(&benches, &jobs, size.rounds).await?;
    let facts = facts(arguments, &size, &benches)?;
    drop(benches);
    let missed = write(arguments, &size, &facts, &lines)?;
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn on_postgres(arguments: &Arguments, size: &Size, scratch: &Path) -> anyhow::Result<Bench> {
    let url = arguments.postgres_url.clone();
    eprintln!("PostgreSQL:");
    let loaded = load(&url, size.rows).await?;
    // What autovacuum and the checkpointer would get to, in their own time.
    anchors::execute(&url, "VACUUM ANALYZE").await?;
    anchors::execute(&url, "CHECKPOINT").await?;
    let pgbench = Pgbench { bin: arguments.postgres_bin.clone(), url: url.clone() };
    let pool = anchors::postgres(&url, 4).await?;
    bench(loaded, Anchor::Postgres { pgbench, pool }, url, arguments, size, scratch)
}

async fn on_sqlite(arguments: &Arguments, size: &Size, scratch: &Path) -> anyhow::Result<Bench> {
    let file = scratch.join("bench.sqlite3");
    let url = format!("sqlite:{}", file.display());
    eprintln!("SQLite:");
    let loaded = load(&url, size.rows).await?;
    bench(loaded, Anchor::Sqlite(Rusqlite { file }), url, arguments, size, scratch)
}

fn bench(
    loaded: load::Loaded,
    anchor: Anchor,
    url: String,
    arguments: &Arguments,
    size: &Size,
    scratch: &Path,
) -> anyhow::Result<Bench> {
    let beside = std::env::current_exe()?;
    let program = beside.with_file_name("interactions");
    let server = Server::start(&program, &url, scratch)?;
    let namespace = "bench-0".to_owned();
    let reach = Reach { address: server.address, key: loaded.key.clone(), namespace };
    let other = match &arguments.other {
        Some(program) => {
            let server = Server::start(program, &url, scratch)?;
            let reach = Reach { address: server.address, ..reach.clone() };
            Some(Other { reach, _server: server })
        }
        None => None,
    };
    let (span, ingested, scratch) = (size.span, size.ingested, scratch.to_owned());
    let _server = server;
    Ok(Bench { loaded, anchor, reach, other, _server, program, url, scratch, span, ingested })
}

async fn measure(benches: &[Bench], jobs: &[Job], rounds: usize) -> anyhow::Result<Vec<Line>> {
    let mut lines: BTreeMap<(usize, usize), Line> = BTreeMap::new();
    for round in 0..rounds {
        let started = Instant::now();
        for (bench_place, bench) in benches.iter().enumerate() {
            let dialect = bench.dialect();
            let database = database(dialect);
            for (job_place, job) in jobs.iter().enumerate() {
                let (name, text) = job.names();
                let measured = bench.measure(*job, round).await;
                let measured = measured.with_context(|| format!("{database}: {name}"))?;
                let line = lines.entry((bench_place, job_place)).or_insert_with(|| Line {
                    job: format!("{database}: {text}"),
                    unit: job.unit(),
                    anchor: bench.other.as_ref().map_or(job.anchor(dialect), |_| "the other"),
                    bar: job.bar(dialect).filter(|_| bench.other.is_none()),
                    rounds: Vec::new(),
                });
                line.rounds.push(measured);
            }
        }
        eprintln!("round {} of {rounds}: {:.0} s", round + 1, started.elapsed().as_secs_f64());
    }
    Ok(lines.into_values().collect())
}

fn database(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Sqlite => "SQLite",
    }
}

fn facts(arguments: &Arguments, size: &Size, benches: &[Bench]) -> anyhow::Result<Vec<String>> {
    let output = Command::new(arguments.postgres_bin.join("postgres")).arg("--version").output()?;
    let postgres = String::from_utf8(output.stdout)?.trim().to_owned();
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    let memory = memory.unwrap_or_default() >> 20;
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name"));
    let processor = processor.unwrap_or("processor unknown").trim_start_matches([' ', '\t', ':']);
    let largest = benches.first().map(|bench| bench.loaded.totals.rows[0]).unwrap_or_default();
    let (rows, rounds) = (size.rows, size.rounds);
    let mut facts = vec![
        format!("{}, commit {}", jiff::Timestamp::now().round(jiff::Unit::Second)?, arguments.commit),
        format!("{cores} cores ({processor}), {memory} GiB; clients, service and database share them"),
        format!("{postgres} (fsync off), SQLite {} (synchronous FULL)", rusqlite::version()),
        format!("{rows} interactions in 20 namespaces, {largest} in the largest; {rounds} rounds"),
        "Anchors run the service's own SQL, in the same run, each right after its job. pgbench has rows \
         sent as text; clients of the service leave interactions encoded, as pgbench leaves rows."
            .to_owned(),
        "A ratio is figure by anchor, the median of the rounds'; memory is held against its bar by \
         itself."
            .to_owned(),
        "Memory is what slow streams add to the peak of a server, resident, that quick streams have warmed \
         up: its page caches are full."
            .to_owned(),
    ];
    if arguments.other.is_some() {
        // The rest is about anchors.
        facts.truncate(4);
    }
    Ok(facts)
}

/// Writes the report and prints it; says whether a bar is missed.
fn write(
    arguments: &Arguments,
    size: &Size,
    facts: &[String],
    lines: &[Line],
) -> anyhow::Result<bool> {
    let title = format!("Performance, {} run", size.name);
    let chart = format!("report-{}.svg", size.name);
    let markdown = report::markdown(&title, facts, lines, &chart);
    print!("{markdown}");
    // A part is no report.
    if arguments.only.is_none() && arguments.other.is_none() {
        let reports = &arguments.reports;
        std::fs::create_dir_all(reports)?;
        std::fs::write(reports.join(&chart), report::chart(&title, lines))?;
        std::fs::write(reports.join(format!("report-{}.md", size.name)), markdown)?;
    }
    Ok(lines.iter().any(Line::is_missed))
}
