//! `interactions migrate`: the schema of the database.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::listing::{self, Cell};
use super::output::Format;
use crate::config::DatabaseArgs;
use crate::repository::{MigrationState, Repository};
use crate::server;

/// Brings the schema of the database up to date, or back.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Apply what the database lacks (this is the default)
    Up,
    /// Take back the last migrations, AND THE DATA in what they made
    Down {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Show which migrations the database has
    Status {
        /// How to print them
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Format,
    },
}

impl Migrate {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or a migration fails.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { action, database } = self;
        let repository = server::open(&database, server::Migrate::Never).await?;
        match action.unwrap_or(Action::Up) {
            Action::Up => repository.migrate_up().await?,
            Action::Down { steps } => repository.migrate_down(steps).await?,
            Action::Status { output } => print_states(&repository, output).await?,
        }
        repository.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn print_states(repository: &Repository, format: Format) -> anyhow::Result<()> {
    let row = |MigrationState { name, applied }| {
        [Cell::text(if applied { "applied" } else { "pending" }), Cell::text(name)]
    };
    let rows = repository.migration_states().await?.into_iter().map(row);
    Ok(listing::print(format, ["state", "name"], rows)?)
}
