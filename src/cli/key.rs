//! `interactions key`: the API keys in the database.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::listing;
use super::namespace::resolve;
use crate::config::DatabaseArgs;
use crate::domain::access::{ApiKey, NamespaceId, Scope};
use crate::domain::time::{Micros, now};
use crate::repository::{DEFAULT_ORGANISATION, NewKey, Repository};
use crate::server::{self, Migrate};

const HEADER: [&str; 8] =
    ["ID", "NAME", "SCOPES", "NAMESPACES", "DEFAULT", "CREATED", "EXPIRES", "STATE"];

/// Creates, lists and revokes API keys, in the database itself.
#[derive(Debug, Args)]
pub struct Key {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(Create),
    /// List all keys, without their secrets
    List,
    /// Revoke a key for good; servers notice within ten seconds
    Revoke {
        /// The id, as `key list` shows it
        key_id: String,
    },
}

/// Create a key. The key alone goes to standard output, once; only a hash of it is stored
#[derive(Debug, Args)]
struct Create {
    /// What you call it
    #[arg(long)]
    name: String,

    /// What it may do: read, write, admin; separated by commas
    #[arg(long, required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,

    /// Confine it to this namespace, by name or id; may be repeated. Left out, it reaches all
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,

    /// The namespace of calls that name none
    #[arg(long, value_name = "NAMESPACE")]
    default_namespace: Option<String>,

    /// How long it is valid, such as 90d, 12h or 1y; left out, until it is revoked
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
}

impl Key {
    /// Runs the command. Revoking a key that is not there, or is revoked, exits with 1.
    ///
    /// # Errors
    ///
    /// When a namespace does not exist, the expiry is not in the future, or the database fails.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { action, database } = self;
        let repository = server::open(&database, Migrate::Sqlite).await?;
        match action {
            Action::Create(create) => create.run(&repository).await?,
            Action::List => list(&repository).await?,
            Action::Revoke { key_id } => {
                let revoked = repository.revoke_key(&key_id).await?;
                ensure!(revoked, "there is no key {key_id:?} that is not revoked already");
            }
        }
        repository.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

impl Create {
    async fn run(self, repository: &Repository) -> anyhow::Result<()> {
        let (key, secret) = repository.create_key(self.resolve(repository).await?).await?;
        eprintln!("created key {} ({})", key.key_id, key.name);
        eprintln!("  scopes      {}", scope_names(&key));
        eprintln!("  namespaces  {}", namespace_names(&key));
        eprintln!("  expires     {}", expiry_text(&key));
        eprintln!("This is the only time that the key is shown:");
        listing::print_line(secret.expose())?;
        Ok(())
    }

    async fn resolve(self, repository: &Repository) -> anyhow::Result<NewKey> {
        let Self { name, scopes, namespaces, default_namespace, expires } = self;
        let mut reached = BTreeSet::new();
        for namespace in &namespaces {
            reached.insert(resolve(repository, DEFAULT_ORGANISATION, namespace).await?);
        }
        let default_namespace = match default_namespace {
            Some(namespace) => Some(resolve(repository, DEFAULT_ORGANISATION, &namespace).await?),
            None => None,
        };
        let within = |default: NamespaceId| reached.is_empty() || reached.contains(&default);
        ensure!(
            default_namespace.is_none_or(within),
            "the default namespace is not among those that the key is confined to"
        );
        let scopes = Scope::ALL.into_iter().filter(|scope| scopes.contains(scope)).collect();
        let expires_at = expires.map(|span| expiry(now(), span)).transpose()?;
        let namespaces = reached.into_iter().collect();
        Ok(NewKey { name, scopes, namespaces, default_namespace, expires_at })
    }
}

/// The time `span` after `start`, by the calendar in UTC.
fn expiry(start: Micros, span: Span) -> anyhow::Result<Micros> {
    let too_far = "the expiry is too far away";
    let zoned = Timestamp::from_microsecond(start).context(too_far)?.to_zoned(TimeZone::UTC);
    let end = zoned.checked_add(span).context(too_far)?.timestamp().as_microsecond();
    ensure!(end > start, "the expiry is not in the future");
    Ok(end)
}

async fn list(repository: &Repository) -> anyhow::Result<()> {
    let keys = repository.keys().await?;
    listing::print(HEADER, keys.iter().map(row))?;
    Ok(())
}

fn row(key: &ApiKey) -> [String; HEADER.len()] {
    [
        key.key_id.clone(),
        key.name.clone(),
        scope_names(key),
        namespace_names(key),
        key.default_namespace.map_or("-".to_owned(), |namespace| namespace.to_string()),
        listing::time(key.created_at),
        expiry_text(key),
        state(key, now()).to_owned(),
    ]
}

fn state(key: &ApiKey, now: Micros) -> &'static str {
    if key.revoked_at.is_some() {
        "revoked"
    } else if key.is_valid(now) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_follows_the_calendar() {
        let start = crate::domain::time::parse("2024-02-28T12:00:00Z").unwrap();
        for (span, end) in [("2d", "2024-03-01T12:00:00Z"), ("1y", "2025-02-28T12:00:00Z")] {
            let expected = crate::domain::time::parse(end).unwrap();
            assert_eq!(expiry(start, span.parse().unwrap()).unwrap(), expected);
        }
        for wrong in ["0s", "-1d", "9999y"] {
            assert!(expiry(start, wrong.parse().unwrap()).is_err(), "{wrong}");
        }
    }
}
