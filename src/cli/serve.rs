//! `interactions serve`: the service itself.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::stop_signal::stop_signal;
use crate::config::{DatabaseArgs, ListenArgs};
use crate::server::{self, Migrate};

/// Serves until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    listen: ListenArgs,

    /// Leave a PostgreSQL schema as it is, and refuse to start where it is not up to date
    #[arg(long)]
    no_migrate: bool,
}

impl Serve {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or the address is taken.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { database, listen: ListenArgs { listen }, no_migrate } = self;
        let shutdown = stop_signal()?;
        let migrate = if no_migrate { Migrate::Sqlite } else { Migrate::Always };
        let repository = server::open(&database, migrate).await?;
        let bound = server::bind(listen).await;
        let bound = bound.with_context(|| format!("cannot listen on {listen}"))?;
        server::run(bound, repository, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}
