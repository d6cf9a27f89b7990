//! Interactions as this program prints them, one on each line.

use super::Parsed;
use crate::cli::json::JsonForm;

/// Reads lines.
pub(super) struct Jsonl(JsonForm);

impl Jsonl {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(JsonForm::new()?))
    }

    pub(super) fn parse(&self, line: &[u8]) -> Parsed {
        self.0.parse_interaction(line)
    }
}
