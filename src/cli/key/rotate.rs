//! `interactions key rotate`.

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::Span;

use super::create::expiry;
use super::{expiry_text, explain, show_once, unknown};
use crate::cli::duration;
use crate::cli::flags::check;
use crate::domain::access::rules;
use crate::domain::time::now;
use crate::repository::{ChangedKey, DEFAULT_ORGANISATION, Repository, RotateKeyError, RotatedKey};

/// Make a key that takes the place of another. The new key alone goes to standard output, once
#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The id of the old key, as `key list` shows it
    key_id: String,

    /// How long the old key goes on to work, up to 30 days; 0s ends it at once
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    overlap: Span,

    /// How long the new key is valid; left out, as long as the old one was made to be
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
}

impl Rotate {
    pub(super) async fn run(self, repository: &Repository) -> anyhow::Result<()> {
        let Self { key_id, overlap, expires } = self;
        let overlap = duration::micros(overlap).context("--overlap")?;
        check(|violations| rules::overlap(overlap, "--overlap", violations))?;
        let expires_at = expires.map(|span| expiry(now(), span)).transpose()?;
        let rotated =
            repository.rotate_key(DEFAULT_ORGANISATION, &key_id, overlap, expires_at).await;
        match rotated {
            Ok(RotatedKey { key, secret, previous: ChangedKey { key: previous, hash: _ } }) => {
                explain(&key);
                eprintln!("The old key, {key_id}, works until {}.", expiry_text(&previous));
                show_once(secret.expose())
            }
            Err(RotateKeyError::Missing) => bail!(unknown(&key_id)),
            Err(error @ (RotateKeyError::NotValid | RotateKeyError::Database(_))) => {
                Err(error.into())
            }
        }
    }
}
