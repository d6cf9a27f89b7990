//! What fuzz targets reach in this module.

use std::io::Cursor;

use clap::ValueEnum as _;

use super::format::{Format, Record};
use super::ids::Ids;
use crate::domain::violation::Violations;
use crate::grpc::proto::Interaction;

/// A record of a file.
#[derive(Debug, PartialEq)]
pub struct FileRecord {
    /// The line that it begins on, from 1.
    pub line: u64,
    /// Its interactions, or what is wrong with them.
    pub parsed: Vec<Result<Interaction, Violations>>,
}

/// The names of the formats.
pub fn file_formats() -> impl Iterator<Item = String> {
    let values = Format::value_variants().iter().filter_map(Format::to_possible_value);
    values.map(|value| value.get_name().to_owned())
}

/// The records of a file that begin on `from_line` or later, up to where it cannot be read on.
#[must_use]
pub fn read_file(format: &str, content: &[u8], from_line: u64) -> Vec<FileRecord> {
    let Ok(format) = Format::from_str(format, false) else { return Vec::new() };
    let content = Cursor::new(content.to_vec());
    let Ok(mut source) = format.read(content, Ids::of_file(b"file"), from_line) else {
        return Vec::new();
    };
    let records = std::iter::from_fn(|| source.next_record().ok().flatten());
    let parsed = |Record { line, elements }| FileRecord {
        line,
        parsed: elements.into_iter().map(|element| element.parsed).collect(),
    };
    records.map(parsed).collect()
}
