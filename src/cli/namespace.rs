//! `interactions namespace`: the namespaces in the database.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::listing;
use crate::config::DatabaseArgs;
use crate::domain::access;
use crate::repository::Repository;
use crate::server::{self, Migrate};

/// Creates and lists namespaces, in the database itself.
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
    },
    /// List all namespaces
    List,
}

impl Namespace {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the name is malformed or taken, or the database fails.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { action, database } = self;
        let repository = server::open(&database, Migrate::Sqlite).await?;
        match action {
            Action::Create { name } => {
                let created = repository.create_namespace(&name).await?;
                listing::print_line(&created.id.to_string())?;
            }
            Action::List => list(&repository).await?,
        }
        repository.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(repository: &Repository) -> anyhow::Result<()> {
    let namespaces = repository.namespaces().await?;
    listing::print(["ID", "NAME", "CREATED"], namespaces.into_iter().map(row))?;
    Ok(())
}

fn row(namespace: access::Namespace) -> [String; 3] {
    let access::Namespace { id, organisation_id: _, name, created_at, retention: _ } = namespace;
    [id.to_string(), name, listing::time(created_at)]
}

/// The id of the namespace that `text` names, by id or by name.
pub(super) async fn resolve(
    repository: &Repository,
    organisation: i64,
    text: &str,
) -> anyhow::Result<access::NamespaceId> {
    let found = match text.parse() {
        Ok(id) => repository.namespace_by_id(organisation, id).await?,
        Err(()) => repository.namespace_by_name(organisation, text).await?,
    };
    match found {
        Some(namespace) => Ok(namespace.id),
        None => anyhow::bail!("there is no namespace {text:?}: create it first"),
    }
}
