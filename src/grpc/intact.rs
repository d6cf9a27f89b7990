//! Whether a row is still what was written.

use super::decode::interaction;
use crate::repository::StoredRow;

/// Whether a row's record is an interaction, hashes to what was noted when it was recorded, and says
/// what the row's columns say.
#[must_use]
pub fn is_intact(row: &StoredRow) -> bool {
    let stored = interaction::stored(row.record());
    let hash = interaction::stored_content_hash(row.record());
    stored.zip(hash).is_some_and(|(interaction, hash)| row.agrees_with(&interaction, hash))
}
