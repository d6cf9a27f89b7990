//! Interactions as CSV (RFC 4180, in UTF-8): a header with the names of the proto's fields, then a
//! record for each interaction.
//!
//! An empty cell is an absent field. Types stand in one cell, with `|` between them; objects are JSON
//! text, numbers are JSON numbers, and times are as in JSON.

mod line_by_line;
mod read;
#[cfg(test)]
mod tests;
mod write;

use prost_reflect::{FieldDescriptor, Kind};

pub(super) use read::Reader;
pub(super) use write::Writer;

/// What parts the types in their cell. No name of a type can hold it.
const BETWEEN_NAMES: &str = "|";
/// A message that is a string in JSON.
const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    /// The name of the field.
    name: String,
    cells: Cells,
}

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cells {
    /// A string as it is.
    Text,
    /// Several strings.
    Names,
    /// A number as in JSON.
    Number,
    /// Any other JSON.
    Json,
}

impl Column {
    fn new(field: &FieldDescriptor) -> Self {
        let kind = field.kind();
        let cells = match (field.is_list(), field.is_map()) {
            (false, false) => Cells::of_one(&kind),
            (true, _) if kind == Kind::String => Cells::Names,
            (true, _) | (_, true) => Cells::Json,
        };
        Self { name: field.name().to_owned(), cells }
    }
}

impl Cells {
    fn of_one(kind: &Kind) -> Self {
        match kind {
            Kind::String | Kind::Bytes | Kind::Enum(_) => Self::Text,
            Kind::Message(message) if message.full_name() == TIMESTAMP => Self::Text,
            Kind::Double
            | Kind::Float
            | Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64 => Self::Number,
            Kind::Bool | Kind::Message(_) => Self::Json,
        }
    }
}
