//! The command line: one file for each command.
//!
//! `serve`, `demo`, `migrate`, `verify`, `doctor`, `explain`, `namespace` and `key` work on the database; `import`, `export`,
//! `list`, `count`, `get`, `delete`, `purge` and `health` are clients of the service and know nothing
//! of it but its proto. `config` shows what all of them would run with; `completions` and
//! `man` write down what they are.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::telemetry::log::{Format, Log};

pub mod client;
mod client_tls;
mod completions;
mod config;
pub mod count;
mod counter;
mod csv;
pub mod delete;
pub mod demo;
pub mod demo_data;
mod doctor;
mod duration;
mod examples;
mod explain;
pub mod export;
pub mod filters;
mod flags;
pub mod get;
pub mod health;
pub mod import;
pub mod json;
pub mod key;
pub mod lines;
pub mod list;
mod listing;
mod man;
pub mod migrate;
pub mod namespace;
mod output;
mod paged;
pub mod purge;
mod retry;
pub mod serve;
mod stderr;
pub mod stdout;
mod stop_signal;
pub mod verify;

use config::file::ConfigFile;
use config::settings::Setting;

/// The program's name.
const PROGRAM: &str = "interactions";

/// Remembers what people did with search results, and answers questions about it, over gRPC.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, arg_required_else_help = true)]
pub struct Cli {
    /// The configuration file; left out, interactions/config.toml in the user's configuration
    /// directory, if there is one
    #[arg(long, value_name = "FILE", env = "INTERACTIONS_CONFIG", global = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Migrate(migrate::Migrate),
    Verify(verify::Verify),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Namespace(namespace::Namespace),
    Key(key::Key),
    Import(import::Import),
    Export(export::Export),
    List(list::List),
    Count(count::Count),
    Get(get::Get),
    Delete(delete::Delete),
    Purge(purge::Purge),
    Health(health::Health),
    Config(config::Config),
    Completions(completions::Completions),
    Man(man::Manual),
}

impl Cli {
    /// Reads the command line, and with it the configuration file.
    ///
    /// # Errors
    ///
    /// A [`clap::Error`] when the command line makes no sense or is answered by a help text; another
    /// when the file is missing or wrong.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let (command, settings) = Self::command_and_settings();
        let matches = command.clone().try_get_matches_from(&arguments)?;
        let named = matches.get_one::<PathBuf>(config::settings::FILE_ARGUMENT);
        let file = ConfigFile::find(named.map(PathBuf::as_path), &settings)?;
        // Once more: a flag or a variable is what clap can tell from a default.
        let matches = file.apply(command).try_get_matches_from(&arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let Command::Config(config) = &mut cli.command {
            config.describe(&matches, &settings, &file);
        }
        Ok(cli)
    }

    /// All that the command line takes, with its help texts.
    #[must_use]
    pub fn command_line() -> clap::Command {
        Self::command_and_settings().0
    }

    fn command_and_settings() -> (clap::Command, Vec<Setting>) {
        let command = Self::command();
        let settings = config::settings::of_commands(&command);
        let command = examples::with_examples(config::with_settings(command, &settings));
        (command, settings)
    }

    /// How this command logs unless the environment says otherwise: a server tells what it does, a
    /// tool only what goes wrong, and that to people.
    #[must_use]
    pub fn log(&self) -> Log {
        let format = Format::Text;
        match &self.command {
            Command::Serve(serve) => Log { level: LevelFilter::INFO, format: serve.log_format() },
            Command::Migrate(_) => Log { level: LevelFilter::INFO, format },
            Command::Demo(_)
            | Command::Verify(_)
            | Command::Doctor(_)
            | Command::Explain(_)
            | Command::Namespace(_)
            | Command::Key(_)
            | Command::Import(_)
            | Command::Export(_)
            | Command::List(_)
            | Command::Count(_)
            | Command::Get(_)
            | Command::Delete(_)
            | Command::Purge(_)
            | Command::Health(_)
            | Command::Config(_)
            | Command::Completions(_)
            | Command::Man(_) => Log { level: LevelFilter::WARN, format },
        }
    }

    /// Whether this is the service itself, whose calls are traced.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the command fails; the error says why, for the user to read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(command) => command.run().await,
            Command::Demo(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::Verify(command) => command.run().await,
            Command::Doctor(command) => command.run().await,
            Command::Explain(command) => command.run().await,
            Command::Namespace(command) => command.run().await,
            Command::Key(command) => command.run().await,
            Command::Import(command) => command.run().await,
            Command::Export(command) => command.run().await,
            Command::List(command) => command.run().await,
            Command::Count(command) => command.run().await,
            Command::Get(command) => command.run().await,
            Command::Delete(command) => command.run().await,
            Command::Purge(command) => command.run().await,
            Command::Health(command) => command.run().await,
            Command::Config(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command_line().debug_assert();
    }
}
