//! `interactions export`: writes all interactions that match to a file.

mod encoder;
mod output;
mod progress;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::client::{Connection, explain};
use super::counter::Counter;
use super::filters::{Filters, SortKeys, request};
use super::paged::Paged;
use super::stderr::{interactions, note};
use super::stop_signal::{INTERRUPTED, stop_signal};
use crate::grpc::page::Page;
use crate::grpc::proto::ListInteractionsRequest;
use encoder::{Encoder, Format};
use output::{Existing, Output};

/// The most that a page holds.
const PAGE_SIZE: i32 = 1_000;

/// Writes all interactions that match to a file, in a form that import takes.
///
/// Where the connection breaks, it goes on from the page reached. While FILE is being written,
/// FILE.progress beside it says how much of it is whole: after Ctrl-C or a crash, the same command
/// with --resume goes on from there. When FILE is complete, FILE.progress is gone.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write; left out or -, standard output
    file: Option<PathBuf>,

    /// How to write them [default: csv where FILE ends in .csv, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Fields to sort by, such as -timestamp,position or metadata.price; - is descending
    #[arg(long, value_name = "FIELDS", default_value = "timestamp", allow_hyphen_values = true)]
    sort: SortKeys,

    /// Go on with a FILE that is not complete; all else must be as it was
    #[arg(long, requires = "file", conflicts_with = "force")]
    resume: bool,

    /// Write FILE anew where there is one already
    #[arg(long, requires = "file")]
    force: bool,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    connection: Connection,
}

/// How an export ended that did not fail.
enum End {
    Complete,
    Stopped,
}

impl Export {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service cannot be reached, refuses the call or stays away, or the file cannot be
    /// written or is none to go on with.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { file, format, sort, resume, force, filters, connection } = self;
        let format = format.unwrap_or_else(|| Format::of(file.as_deref()));
        let request = request!(
            ListInteractionsRequest,
            filters,
            sort: sort.0,
            page_size: PAGE_SIZE,
            page_token: String::new(),
            limit: 0,
            skip: 0,
            include_total: false,
            select: Vec::new(),
        );
        let existing = match (resume, force) {
            (true, _) => Existing::GoOn,
            (false, true) => Existing::Replace,
            (false, false) => Existing::Refuse,
        };
        let asked = progress::asked(&request, format, connection.namespace())?;
        let mut output = Output::choose(file.as_deref(), existing, asked)?;
        let encoder = Encoder::new(format)?;
        let client = connection.connect().await?;
        let stop = stop_signal()?;
        let page_token = output.page_token().to_owned();
        let pages = Paged::patient(client, ListInteractionsRequest { page_token, ..request });
        match write_all(pages, &encoder, &mut output, &stop).await {
            Ok(End::Complete) => {
                note(&format!("exported {}", interactions(output.interactions())));
                Ok(ExitCode::SUCCESS)
            }
            Ok(End::Stopped) => {
                note(&stopped(&output));
                Ok(ExitCode::from(INTERRUPTED))
            }
            Err(error) if output.interactions() == 0 => Err(error),
            Err(error) => Err(error.context(stopped(&output))),
        }
    }
}

/// Writes pages until the last of them, or until it is to stop.
async fn write_all(
    mut pages: Paged,
    encoder: &Encoder,
    output: &mut Output,
    stop: &CancellationToken,
) -> anyhow::Result<End> {
    let template = "{spinner} {human_pos} interactions, {per_sec:0}";
    let counter = Counter::new(template, output.interactions(), None);
    let mut rows = Vec::new();
    while let Some(page) = unless_stopped(stop, pages.next()).await {
        let page = page.map_err(|status| explain(&status))?;
        let Page { interactions, next_page_token, total_size: _ } = page;
        rows.clear();
        encoder.encode(&interactions, output.is_empty(), &mut rows)?;
        let complete = next_page_token.is_empty();
        output.write(&rows, interactions.len() as u64, next_page_token)?;
        counter.set(output.interactions());
        if complete {
            output.finish()?;
            return Ok(End::Complete);
        }
    }
    Ok(End::Stopped)
}

async fn unless_stopped<T>(stop: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        value = future => Some(value),
    }
}

/// How far an export came that ended too soon, and how to go on.
fn stopped(output: &Output) -> String {
    let stopped = format!("stopped after {}", interactions(output.interactions()));
    if output.can_go_on() {
        format!("{stopped} (the same command with --resume goes on)")
    } else {
        stopped
    }
}
