//! `interactions namespace`: the namespaces in the database.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::duration::{self, Retention};
use super::flags::check;
use super::listing::{self, Cell};
use super::output::Format;
use crate::config::DatabaseArgs;
use crate::domain::access::{self, rules};
use crate::domain::time::Micros;
use crate::repository::{DEFAULT_ORGANISATION, RemoveNamespaceError, Repository};
use crate::server::{self, Migrate};

const COLUMNS: [&str; 4] = ["id", "name", "retention", "created"];

/// Creates, changes, lists and deletes namespaces, in the database itself.
#[derive(Debug, Args)]
pub struct Namespace {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a namespace and print its id
    Create {
        /// Its name: lower-case letters, digits and hyphens
        name: String,

        /// How long its interactions are kept, such as 90d or 36h, or none for ever
        #[arg(long, value_name = "DURATION", default_value = "none")]
        retention: Retention,
    },
    /// Show one namespace
    Get {
        /// Its name or its id
        name: String,

        /// How to print it
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Format,
    },
    /// List all namespaces
    List {
        /// How to print them
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Format,
    },
    /// Change how long the interactions of a namespace are kept
    Update {
        /// Its name or its id
        name: String,

        /// How long from now on, such as 90d or 36h, or none for ever
        #[arg(long, value_name = "DURATION")]
        retention: Retention,

        /// How to print what it is now
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Format,
    },
    /// Delete a namespace, with all that is in it
    Delete {
        /// Its name or its id
        name: String,

        /// Delete it also where it holds interactions
        #[arg(long)]
        force: bool,
    },
}

impl Namespace {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the name is malformed, taken or unknown, the retention is too short or too long, the
    /// namespace to be deleted is not empty, or the database fails.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { action, database } = self;
        let repository = server::open(&database, Migrate::Sqlite).await?;
        match action {
            Action::Create { name, retention } => create(&repository, &name, retention).await?,
            Action::Get { name, output } => print_one(output, find(&repository, &name).await?)?,
            Action::List { output } => {
                let rows = repository.namespaces().await?.into_iter().map(row);
                listing::print(output, COLUMNS, rows)?;
            }
            Action::Update { name, retention, output } => {
                print_one(output, update(&repository, &name, retention).await?)?;
            }
            Action::Delete { name, force } => delete(&repository, &name, force).await?,
        }
        repository.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn create(repository: &Repository, name: &str, retention: Retention) -> anyhow::Result<()> {
    let retention = micros(retention)?;
    let created = repository.create_namespace_in(DEFAULT_ORGANISATION, name, retention).await?;
    listing::print_line(&created.id.to_string())?;
    Ok(())
}

async fn update(
    repository: &Repository,
    name: &str,
    retention: Retention,
) -> anyhow::Result<access::Namespace> {
    let retention = micros(retention)?;
    let id = find(repository, name).await?.id;
    let changed = repository.set_retention(DEFAULT_ORGANISATION, id, retention).await?;
    changed.with_context(|| unknown(name))
}

async fn delete(repository: &Repository, name: &str, force: bool) -> anyhow::Result<()> {
    let access::Namespace { id, organisation_id, name, created_at: _, retention: _ } =
        find(repository, name).await?;
    match repository.remove_namespace(organisation_id, id, force).await {
        Ok(()) => eprintln!("deleted namespace {id} ({name}); servers notice within a second"),
        Err(RemoveNamespaceError::NotEmpty) => {
            bail!("namespace {name} holds interactions: --force deletes them with it")
        }
        Err(error @ (RemoveNamespaceError::Missing | RemoveNamespaceError::Database(_))) => {
            return Err(error.into());
        }
    }
    Ok(())
}

fn micros(retention: Retention) -> anyhow::Result<Option<Micros>> {
    match retention {
        Retention::Forever => Ok(None),
        Retention::For(span) => {
            let micros = duration::micros(span).context("--retention")?;
            check(|violations| rules::retention(micros, "--retention", violations))?;
            Ok(Some(micros))
        }
    }
}

fn print_one(format: Format, namespace: access::Namespace) -> anyhow::Result<()> {
    Ok(listing::print_one(format, COLUMNS, row(namespace))?)
}

fn row(namespace: access::Namespace) -> [Cell; COLUMNS.len()] {
    let access::Namespace { id, organisation_id: _, name, created_at, retention } = namespace;
    let retention = Cell::or(retention.map(duration::text), "none");
    [Cell::text(id.to_string()), Cell::text(name), retention, Cell::text(listing::time(created_at))]
}

/// The namespace that `text` names, by id or by name.
pub(super) async fn find(repository: &Repository, text: &str) -> anyhow::Result<access::Namespace> {
    let found = match text.parse() {
        Ok(id) => repository.namespace_by_id(DEFAULT_ORGANISATION, id).await?,
        Err(()) => repository.namespace_by_name(DEFAULT_ORGANISATION, text).await?,
    };
    found.with_context(|| unknown(text))
}

fn unknown(text: &str) -> String {
    format!("there is no namespace {text:?}: create it first")
}
