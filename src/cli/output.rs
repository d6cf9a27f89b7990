//! How commands print what they found.

use clap::ValueEnum;

/// The forms that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for people
    Table,
    /// JSON: one array, or one object where one thing was asked for
    Json,
    /// JSON Lines: one object on each line
    Jsonl,
    /// CSV: a header, then a record for each
    Csv,
}
