//! `interactions purge`: deletes all interactions that match.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::client::{Client, Connection, explain};
use super::counter::Counter;
use super::filters::{Filters, request};
use super::stderr::{interactions, note};
use super::stop_signal::{INTERRUPTED, stop_signal};
use crate::grpc::proto::{PurgeInteractionsRequest, PurgeInteractionsResponse};

/// How many of the ids are shown before anything is deleted.
const SAMPLE: usize = 10;

/// Deletes all interactions that match, for good.
///
/// It says how many they are, and asks before it deletes them. What is recorded while it runs stays.
/// Ctrl-C stops it; what is deleted by then is gone.
#[derive(Debug, Args)]
pub(super) struct Purge {
    /// Delete every interaction of the namespace; it takes either this or filters
    // `Filters` is the group of all the filters.
    #[arg(long, required_unless_present = "Filters", conflicts_with = "Filters")]
    all: bool,

    /// Delete without asking
    #[arg(long)]
    yes: bool,

    /// Only say what would be deleted
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    connection: Connection,
}

impl Purge {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service cannot be reached, refuses the call or breaks off, or nobody can be asked.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { all, yes, dry_run, filters, connection } = self;
        let request = request!(PurgeInteractionsRequest, filters, all: all, force: false);
        let mut client = connection.connect().await?;
        let matching = preview(&mut client, request.clone()).await?;
        if matching == 0 || dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        if !yes && !confirmed(matching, connection.namespace())? {
            note("nothing was deleted");
            return Ok(ExitCode::FAILURE);
        }
        // Not before: to end the program there ends it without a loss.
        let stop = stop_signal()?;
        let request = PurgeInteractionsRequest { force: true, ..request };
        let deleting = client.purge_interactions(request);
        let answers = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(stopped(0, matching)),
            answers = deleting => answers.map_err(|status| explain(&status))?.into_inner(),
        };
        delete(answers, matching, stop).await
    }
}

/// Says how many interactions match, and which are among them.
async fn preview(client: &mut Client, request: PurgeInteractionsRequest) -> anyhow::Result<u64> {
    let answers = client.purge_interactions(request).await;
    let mut answers = answers.map_err(|status| explain(&status))?.into_inner();
    let answer = answers.message().await.map_err(|status| explain(&status))?;
    let PurgeInteractionsResponse { purge_count, total_count: _, purge_sample } =
        answer.context("the service did not say how many interactions match")?;
    let matching = u64::try_from(purge_count).context("the service counts less than none")?;
    note(&preview_text(matching, &purge_sample));
    Ok(matching)
}

fn preview_text(matching: u64, sample: &[String]) -> String {
    let verb = if matching == 1 { "matches" } else { "match" };
    let mut text = format!("{} {verb}", interactions(matching));
    let shown = &sample[..sample.len().min(SAMPLE)];
    for id in shown {
        text.push_str(&format!("\n  {id}"));
    }
    let others = matching.saturating_sub(shown.len() as u64);
    if others > 0 && !shown.is_empty() {
        text.push_str(&format!("\n  and {others} more"));
    }
    text
}

/// Whether the user wants it so.
///
/// # Errors
/// When there is no user to ask.
fn confirmed(matching: u64, namespace: Option<&str>) -> anyhow::Result<bool> {
    ensure!(
        io::stdin().is_terminal(),
        "nothing was deleted: standard input is no terminal to ask on; pass --yes to delete without \
         being asked"
    );
    let namespace = match namespace {
        Some(name) => format!("namespace {name}"),
        None => "the key's default namespace".to_owned(),
    };
    let matching = interactions(matching);
    let mut stderr = io::stderr();
    write!(stderr, "Delete {matching} from {namespace} for good? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Follows the purge to its end.
async fn delete(
    mut answers: Streaming<PurgeInteractionsResponse>,
    matching: u64,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let counter = Counter::new("{bar:30} {human_pos}/{human_len} deleted", 0, Some(matching));
    // By the last message.
    let (mut deleted, mut total) = (0, matching);
    loop {
        let answer = tokio::select! {
            biased;
            () = stop.cancelled() => {
                // To take leave of the stream stops the purge.
                drop((answers, counter));
                return Ok(stopped(deleted, total));
            }
            answer = answers.message() => answer,
        };
        match answer {
            Ok(Some(PurgeInteractionsResponse { purge_count, total_count, purge_sample: _ })) => {
                deleted = u64::try_from(purge_count).unwrap_or(deleted);
                total = u64::try_from(total_count).unwrap_or(total);
                counter.set(deleted);
            }
            Ok(None) => break,
            Err(status) => {
                drop(counter);
                return Err(anyhow!(explain(&status)).context(so_far(deleted, total)));
            }
        }
    }
    drop(counter);
    note(&format!("deleted {}", interactions(deleted)));
    Ok(ExitCode::SUCCESS)
}

fn stopped(deleted: u64, total: u64) -> ExitCode {
    note(&so_far(deleted, total));
    ExitCode::from(INTERRUPTED)
}

/// How far a purge came that ended too soon.
fn so_far(deleted: u64, total: u64) -> String {
    format!("stopped: {deleted} of {} are deleted, and what was under way", interactions(total))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        purge: Purge,
    }

    fn parsed(arguments: &[&str]) -> Result<Purge, String> {
        let program = std::iter::once("test");
        let command = Command::try_parse_from(program.chain(arguments.iter().copied()));
        command.map(|command| command.purge).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_to_be_deleted_is_always_said() {
        assert!(parsed(&["--all"]).unwrap().all);
        for filter in ["--user-id=u", "--type=click", "--search=red", "--filters={}"] {
            assert!(!parsed(&[filter]).unwrap().all, "{filter}");
            assert!(parsed(&[filter, "--all"]).is_err(), "{filter}");
        }
        for arguments in [&[][..], &["--yes"], &["--dry-run"], &["--all", "--yes", "--dry-run"]] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
        assert!(parsed(&["--user-id=", "--yes"]).is_err());
    }

    #[test]
    fn only_yes_is_yes() {
        for answer in ["y\n", "Y", " yes \n", "YES"] {
            assert!(is_yes(answer), "{answer}");
        }
        for answer in ["", "\n", "n", "yep", "y y"] {
            assert!(!is_yes(answer), "{answer}");
        }
    }

    #[test]
    fn the_preview_shows_ten_ids_at_most() {
        let ids: Vec<_> = (0..100).map(|id| format!("id-{id}")).collect();
        assert_eq!(preview_text(0, &[]), "0 interactions match");
        assert_eq!(preview_text(1, &ids[..1]), "1 interaction matches\n  id-0");
        let text = preview_text(1_959, &ids);
        assert_eq!(text.lines().count(), 12, "{text}");
        assert!(text.ends_with("\n  id-9\n  and 1949 more"), "{text}");
        assert!(preview_text(10, &ids[..10]).ends_with("\n  id-9"));
    }
}
