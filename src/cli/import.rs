//! `interactions import`: records the interactions of a file.

mod answer;
mod batch;
mod format;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod ids;
mod report;
mod send;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::client::{Client, Connection};
use super::stop_signal::{INTERRUPTED, stop_signal};
use crate::grpc::proto::WriteInteractionsResponse;
use batch::{Batch, Batches};
use format::{Format, Source};
use ids::Ids;
use report::Report;
use send::{End, Requests, Sender};

/// How many batches are read ahead of those on their way.
const READ_AHEAD: usize = 2;
/// How long an import that is interrupted waits for answers.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Records the interactions of a file.
///
/// A line that cannot be recorded is reported by its number, and the rest goes on; the exit status is
/// then 1. Where the service is away for a while, the import waits for it and goes on. When it stops
/// before the end of the file, it says which line to go on from.
///
/// What is recorded already is not recorded twice, so the same file can be imported again. A line
/// without an id is given one, made of the file's name (without its folders), the line's number and
/// the line itself; keep these for the ids to stay the same. Standard input has no name: there such
/// a line is given another id every time.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file, plain or compressed with gzip; - is standard input
    file: PathBuf,

    /// What the file is written in [default: csv where it is named so, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Pass over the lines before this one, which counts from 1
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,

    #[command(flatten)]
    connection: Connection,
}

impl Import {
    /// Runs the command.
    ///
    /// # Errors
    /// When the file cannot be read, or the service cannot be reached or refuses the call as a whole.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { file, format, from_line, connection } = self;
        let stop = stop_signal()?;
        let mut report = Report::new(from_line - 1);
        let format = format.unwrap_or_else(|| Format::of_file(&file));
        let source = open(&file, format, from_line, &report)?;
        let client = tokio::select! {
            client = connection.connect() => client?,
            () = stop.cancelled() => return Ok(ExitCode::from(INTERRUPTED)),
        };
        let (open, batches) = (opener(client), read_ahead(Batches::new(source)));
        let sender = Sender::new(open, batches, stop.clone(), |news| report.tell(news));
        let outcome = tokio::select! {
            outcome = sender.run() => outcome,
            () = too_late(&stop) => Ok(End::Interrupted),
        };
        report.finish();
        match (outcome, stopped(report.last_line())) {
            (Err(error), Some(stopped)) => Err(error.context(stopped)),
            (Err(error), None) => Err(error),
            (Ok(End::OfFile), _) if report.refused() > 0 => Ok(ExitCode::FAILURE),
            (Ok(End::OfFile), _) => Ok(ExitCode::SUCCESS),
            (Ok(End::Interrupted), stopped) => {
                report.say(stopped.as_deref().unwrap_or("stopped before the first answer"));
                Ok(ExitCode::from(INTERRUPTED))
            }
        }
    }
}

/// Ends when an interrupted import has waited long enough.
async fn too_late(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_ANSWERS).await;
}

/// How far an import came, and how to go on.
fn stopped(last_line: u64) -> Option<String> {
    (last_line > 0).then(|| {
        let next = last_line + 1;
        format!("stopped after line {last_line} (go on with --from-line {next})")
    })
}

fn open(path: &Path, format: Format, from_line: u64, report: &Report) -> anyhow::Result<Source> {
    let source = if path == Path::new("-") {
        format.read(report.watch(io::stdin(), None), Ids::Random, from_line)
    } else {
        let context = || format!("cannot open {}", path.display());
        let file = File::open(path).with_context(context)?;
        let metadata = file.metadata().with_context(context)?;
        // What is no file, such as a pipe, has neither a size nor a name that says what it holds.
        let name = path.file_name().filter(|_| metadata.is_file());
        let ids = name.map_or(Ids::Random, |name| Ids::of_file(name.as_encoded_bytes()));
        let bytes = metadata.is_file().then_some(metadata.len());
        format.read(report.watch(file, bytes), ids, from_line)
    };
    source.with_context(|| format!("cannot read {}", path.display()))
}

/// Opens streams.
fn opener(
    client: Client,
) -> impl FnMut(Requests) -> BoxFuture<'static, Result<Streaming<WriteInteractionsResponse>, Status>>
{
    move |requests| {
        let mut client = client.clone();
        async move { Ok(client.write_interactions(requests).await?.into_inner()) }.boxed()
    }
}

/// Reads batches on a thread of their own, a few ahead of the sending.
fn read_ahead(mut batches: Batches) -> mpsc::Receiver<io::Result<Batch>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    // A thread and not a blocking task: it may sit in a read of standard input when all else is
    // over, and the runtime would wait for it.
    std::thread::spawn(move || {
        while let Some(batch) = batches.next_batch().transpose() {
            let failed = batch.is_err();
            if sender.blocking_send(batch).is_err() || failed {
                break;
            }
        }
    });
    receiver
}
