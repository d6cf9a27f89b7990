//! Whether everything that is stored is what was written.

use crate::domain::access::NamespaceId;
use crate::grpc::intact::is_intact;
use crate::repository::{Error, Repository};

/// Rows that are looked at together.
const ROWS: u64 = 1_000;
/// Most damaged interactions that are named.
const MAX_NAMED: usize = 100;
/// Largest SQLite file whose pages are looked at with every start, in bytes: a fraction of a second.
const QUICK_BYTES: u64 = 64 << 20;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Interactions that were read.
    pub interactions: u64,
    /// How many of them are damaged.
    pub damaged: u64,
    /// The first of these.
    pub named: Vec<(NamespaceId, String)>,
}

/// Reads everything and compares it with the hashes that were noted when it was recorded. Goes on
/// after a damaged interaction.
///
/// # Errors
///
/// When the database fails, or is so damaged that it cannot be read.
pub async fn verify(repository: &Repository) -> Result<Verified, Error> {
    repository.check_pages().await?;
    let mut verified = Verified::default();
    let mut last = None;
    loop {
        let rows = repository.rows_after(last.as_ref(), ROWS).await?;
        for row in &rows {
            verified.interactions += 1;
            if !is_intact(row) {
                verified.damaged += 1;
                if verified.named.len() < MAX_NAMED {
                    verified.named.push((row.namespace(), row.interaction_id().to_owned()));
                }
            }
        }
        match rows.into_iter().last() {
            Some(row) => last = Some(row),
            None => return Ok(verified),
        }
    }
}

/// The part of it that every start can wait for.
///
/// # Errors
///
/// When the database fails, or is damaged.
pub async fn at_start(repository: &Repository) -> Result<(), Error> {
    match repository.file_bytes().await? {
        Some(bytes) if bytes <= QUICK_BYTES => repository.check_pages().await,
        Some(_) | None => Ok(()),
    }
}
