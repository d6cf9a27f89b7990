//! `interactions import`: records the interactions of a file.

mod batch;
mod report;
mod send;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::client::{Client, Connection, explain};
use super::json::JsonForm;
use super::lines::Lines;
use batch::{Batch, Batches};
use report::Report;

/// How many batches are on their way to the service at once.
const IN_FLIGHT: usize = 4;
/// How many batches are read ahead of those.
const READ_AHEAD: usize = 2;

/// Records the interactions of a file, one JSON object per line.
///
/// A line that cannot be recorded is reported by its number, and the rest goes on; the exit status is
/// then 1. A line without an interaction_id is given one. Import the same file again after a failure:
/// lines with an interaction_id that are recorded already are not recorded twice.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// JSON Lines, plain or compressed with gzip; - is standard input
    file: PathBuf,

    #[command(flatten)]
    connection: Connection,
}

impl Import {
    /// Runs the command.
    ///
    /// # Errors
    /// When the file cannot be read, or the service cannot be reached or refuses the call as a whole.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { file, connection } = self;
        let mut report = Report::new();
        let lines = open(&file, &report)?;
        let client = connection.connect().await?;
        let batches = read_ahead(Batches::new(lines, JsonForm::new()?));
        let outcome = record_all(client, batches, &mut report).await;
        report.finish();
        match report.last_line() {
            0 => outcome?,
            line => outcome.with_context(|| format!("stopped after line {line}"))?,
        }
        Ok(if report.refused() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn open(path: &Path, report: &Report) -> anyhow::Result<Lines> {
    let lines = if path == Path::new("-") {
        Lines::new(report.watch(io::stdin(), None))
    } else {
        let context = || format!("cannot open {}", path.display());
        let file = File::open(path).with_context(context)?;
        let bytes = file.metadata().with_context(context)?.len();
        Lines::new(report.watch(file, Some(bytes)))
    };
    lines.with_context(|| format!("cannot read {}", path.display()))
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

/// Sends several batches at once and reports on them in the order of the file.
async fn record_all(
    client: Client,
    batches: mpsc::Receiver<io::Result<Batch>>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let sending = ReceiverStream::new(batches).map(|batch| {
        let client = client.clone();
        async move {
            let batch = batch.context("cannot read on")?;
            anyhow::Ok(send::send(client, batch).await)
        }
    });
    let mut outcomes = sending.buffered(IN_FLIGHT);
    while let Some(outcome) = outcomes.next().await {
        let outcome = outcome?;
        report.add(&outcome);
        if let Some(status) = outcome.failure {
            return Err(explain(&status));
        }
    }
    Ok(())
}
