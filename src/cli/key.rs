//! `interactions key`: the API keys in the database.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::listing::{self, Cell};
use super::output::Format;
use crate::config::DatabaseArgs;
use crate::domain::access::ApiKey;
use crate::domain::time::now;
use crate::repository::{DEFAULT_ORGANISATION, Repository};
use crate::server::{self, Migrate};

mod create;
mod rotate;

const COLUMNS: [&str; 9] =
    ["id", "name", "scopes", "namespaces", "default", "created", "expires", "last_used", "state"];

/// Creates, lists, rotates and revokes API keys, in the database itself.
#[derive(Debug, Args)]
pub struct Key {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(create::Create),
    /// Show one key, without its secret
    Get {
        /// The id, as `key list` shows it
        key_id: String,

        /// How to print it
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Format,
    },
    /// List all keys, without their secrets
    List {
        /// How to print them
        #[arg(short, long, value_name = "FORMAT", default_value = "table")]
        output: Format,
    },
    Rotate(rotate::Rotate),
    /// Revoke a key for good; servers notice within ten seconds
    Revoke {
        /// The id, as `key list` shows it
        key_id: String,
    },
}

impl Key {
    /// Runs the command. To revoke a key that is revoked already changes nothing.
    ///
    /// # Errors
    ///
    /// When a key or a namespace does not exist, a value breaks a rule, or the database fails.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { action, database } = self;
        let repository = server::open(&database, Migrate::Sqlite).await?;
        match action {
            Action::Create(create) => create.run(&repository).await?,
            Action::Get { key_id, output } => get(&repository, &key_id, output).await?,
            Action::List { output } => {
                listing::print(output, COLUMNS, repository.keys().await?.iter().map(row))?;
            }
            Action::Rotate(rotate) => rotate.run(&repository).await?,
            Action::Revoke { key_id } => revoke(&repository, &key_id).await?,
        }
        repository.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn get(repository: &Repository, key_id: &str, output: Format) -> anyhow::Result<()> {
    let key = repository.key_by_id(DEFAULT_ORGANISATION, key_id).await?;
    let key = key.with_context(|| unknown(key_id))?;
    Ok(listing::print_one(output, COLUMNS, row(&key))?)
}

async fn revoke(repository: &Repository, key_id: &str) -> anyhow::Result<()> {
    match repository.revoke_key(DEFAULT_ORGANISATION, key_id).await? {
        Some(_) => Ok(()),
        None => bail!(unknown(key_id)),
    }
}

fn unknown(key_id: &str) -> String {
    format!("there is no key {key_id:?}: see `key list`")
}

/// Says what a new key is, to whoever is there to read it.
fn explain(key: &ApiKey) {
    eprintln!("created key {} ({})", key.key_id, key.name);
    eprintln!("  scopes      {}", scope_names(key));
    eprintln!("  namespaces  {}", namespace_names(key));
    eprintln!("  expires     {}", expiry_text(key));
}

/// Shows the secret of a new key on standard output, which nothing else goes to.
fn show_once(secret: &str) -> anyhow::Result<()> {
    eprintln!("This is the only time that the key is shown:");
    Ok(listing::print_line(secret)?)
}

fn row(key: &ApiKey) -> [Cell; COLUMNS.len()] {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
    let namespaces: Vec<_> = key.namespaces.iter().map(ToString::to_string).collect();
    // None would be read as no namespace, and it is all of them.
    let namespaces = if namespaces.is_empty() { Value::Null } else { namespaces.into() };
    [
        Cell::text(&key.key_id),
        Cell::text(&key.name),
        Cell::new(scope_names(key), scopes),
        Cell::new(namespace_names(key), namespaces),
        Cell::or(key.default_namespace.map(|namespace| namespace.to_string()), "-"),
        Cell::text(listing::time(key.created_at)),
        Cell::or(key.expires_at.map(listing::time), "never"),
        Cell::or(key.last_used_at.map(listing::time), "never"),
        Cell::text(state(key)),
    ]
}

fn state(key: &ApiKey) -> &'static str {
    if key.revoked_at.is_some() {
        "revoked"
    } else if key.is_valid(now()) {
        "valid"
    } else {
        "expired"
    }
}

fn expiry_text(key: &ApiKey) -> String {
    key.expires_at.map_or("never".to_owned(), listing::time)
}

fn scope_names(key: &ApiKey) -> String {
    key.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(",")
}

fn namespace_names(key: &ApiKey) -> String {
    if key.namespaces.is_empty() {
        return "all".to_owned();
    }
    key.namespaces.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
