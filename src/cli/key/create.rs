//! `interactions key create`.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{explain, show_once};
use crate::cli::flags::check;
use crate::cli::namespace::find;
use crate::domain::access::{NamespaceId, Scope, rules};
use crate::domain::time::{Micros, now};
use crate::repository::{NewKey, Repository};

/// Create a key. The key alone goes to standard output, once; only a hash of it is stored
#[derive(Debug, Args)]
pub(super) struct Create {
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

impl Create {
    pub(super) async fn run(self, repository: &Repository) -> anyhow::Result<()> {
        let (key, secret) = repository.create_key(self.resolve(repository).await?).await?;
        explain(&key);
        show_once(secret.expose())
    }

    async fn resolve(self, repository: &Repository) -> anyhow::Result<NewKey> {
        let Self { name, scopes, namespaces, default_namespace, expires } = self;
        let expires_at = expires.map(|span| expiry(now(), span)).transpose()?;
        check(|violations| {
            rules::key_name(&name, "--name", violations);
            rules::scopes(&scopes, "--scopes", violations);
            rules::confinement(namespaces.len(), "--namespace", violations);
        })?;
        let mut reached = BTreeSet::new();
        for namespace in &namespaces {
            reached.insert(find(repository, namespace).await?.id);
        }
        let default_namespace = match default_namespace {
            Some(namespace) => Some(find(repository, &namespace).await?.id),
            None => None,
        };
        let within = |default: NamespaceId| reached.is_empty() || reached.contains(&default);
        ensure!(
            default_namespace.is_none_or(within),
            "the default namespace is not among those that the key is confined to"
        );
        let scopes = Scope::ALL.into_iter().filter(|scope| scopes.contains(scope)).collect();
        let namespaces = reached.into_iter().collect();
        Ok(NewKey { name, scopes, namespaces, default_namespace, expires_at })
    }
}

/// The time `span` after `start`, by the calendar in UTC.
pub(super) fn expiry(start: Micros, span: Span) -> anyhow::Result<Micros> {
    let too_far = "the expiry is too far away";
    let zoned = Timestamp::from_microsecond(start).context(too_far)?.to_zoned(TimeZone::UTC);
    let end = zoned.checked_add(span).context(too_far)?.timestamp().as_microsecond();
    check(|violations| rules::expiry(end, start, "--expires", violations))?;
    Ok(end)
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
