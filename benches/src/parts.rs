//! Parts of a measurement, for `scripts/bench-rivals`: load a database; ask a server for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::client::{Reach, Span, rate};
use crate::http::{HttpAsker, Question};
use crate::jobs;
use crate::load::load;

/// A part of a measurement.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Fills an empty database, and says in JSON what is needed to ask it
    #[command(hide = true)]
    Load {
        url: String,
        #[arg(long)]
        rows: u64,
    },
    /// Asks the service, and prints how many answers it gave a second
    #[command(hide = true)]
    AskService {
        #[command(flatten)]
        asking: Asking,
        #[arg(long)]
        key: String,
        #[arg(long)]
        namespace: String,
        #[arg(long)]
        question: Named,
    },
    /// Asks a program that answers in JSON, and prints how many answers it gave a second
    #[command(hide = true)]
    AskHttp {
        #[command(flatten)]
        asking: Asking,
        /// `{session}` in it is a number drawn anew each time
        #[arg(long)]
        path: String,
        /// As JSON, to be posted; `{session}` as in the path
        #[arg(long)]
        body: Option<String>,
        #[arg(long)]
        bearer: Option<String>,
        /// What an answer has once in every row
        #[arg(long)]
        mark: String,
        #[arg(long)]
        least: usize,
        #[arg(long)]
        most: usize,
    },
}

/// What the service is asked.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Named {
    Newest,
    Session,
}

/// Whom, how many at once and how long.
#[derive(Debug, Args)]
pub(crate) struct Asking {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long)]
    clients: usize,
    /// Of the largest namespace
    #[arg(long)]
    sessions: u64,
    #[arg(long)]
    warm_up_ms: u64,
    #[arg(long)]
    measured_ms: u64,
}

impl Asking {
    fn span(&self) -> Span {
        Span {
            warm_up: Duration::from_millis(self.warm_up_ms),
            measured: Duration::from_millis(self.measured_ms),
        }
    }
}

impl Part {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Load { url, rows } => {
                let loaded = load(&url, rows).await?;
                let said = serde_json::json!({
                    "key": loaded.key,
                    "namespace_id": loaded.namespace.0,
                    "rows": loaded.totals.rows[0],
                    "sessions": loaded.totals.sessions[0],
                });
                // SQLite brings its log into the file when it is closed.
                loaded.repository.close().await;
                println!("{said}");
            }
            Self::AskService { asking, key, namespace, question } => {
                let reach = Reach { address: asking.address, key, namespace };
                let asks = match question {
                    Named::Newest => jobs::newest(),
                    Named::Session => jobs::session(asking.sessions),
                };
                println!("{}", reach.rate(asking.clients, &asks, asking.span()).await?);
            }
            Self::AskHttp { asking, path, body, bearer, mark, least, most } => {
                let (address, sessions) = (asking.address, asking.sessions);
                let expected = least..=most;
                let question = Question { address, path, body, bearer, sessions, mark, expected };
                let question = Arc::new(question);
                let mut askers = Vec::new();
                for _ in 0..asking.clients {
                    askers.push(HttpAsker::connect(Arc::clone(&question)).await?);
                }
                println!("{}", rate(askers, asking.span()).await?);
            }
        }
        Ok(())
    }
}
