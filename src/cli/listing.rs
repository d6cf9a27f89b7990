//! What the commands for administrators print: rows with the same columns.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::output::Format;
use crate::domain::time::Micros;

/// Blanks between columns.
const GAP: u16 = 2;
/// What parts the entries of a list in a cell of CSV.
const BETWEEN_ENTRIES: &str = "|";

/// What stands in a column of a row.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// For people.
    text: String,
    /// For programs.
    value: Value,
}

impl Cell {
    /// A cell that programs read otherwise than people.
    pub(super) fn new(text: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { text: text.into(), value: value.into() }
    }

    /// A text that is the same to both.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { value: Value::from(text.as_str()), text }
    }

    /// A text, or what people read where there is none.
    pub(super) fn or(text: Option<String>, none: &str) -> Self {
        text.map_or_else(|| Self::new(none, Value::Null), Self::text)
    }
}

/// Prints rows, whose columns have names.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn print<const COLUMNS: usize>(
    format: Format,
    names: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [Cell; COLUMNS]>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write(format, names, rows.into_iter().collect(), &mut out)?;
    out.flush()
}

/// Prints the one row that was asked for.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn print_one<const COLUMNS: usize>(
    format: Format,
    names: [&str; COLUMNS],
    row: [Cell; COLUMNS],
) -> io::Result<()> {
    // One thing is no list.
    let format = if format == Format::Json { Format::Jsonl } else { format };
    print(format, names, [row])
}

fn write<const COLUMNS: usize>(
    format: Format,
    names: [&str; COLUMNS],
    rows: Vec<[Cell; COLUMNS]>,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Table => write_table(names, rows, out),
        Format::Json => {
            let objects: Vec<_> = rows.into_iter().map(|row| object(names, row)).collect();
            serde_json::to_writer_pretty(&mut *out, &objects)?;
            writeln!(out)
        }
        Format::Jsonl => {
            rows.into_iter().try_for_each(|row| writeln!(out, "{}", object(names, row)))
        }
        Format::Csv => {
            let mut records = csv::Writer::from_writer(out);
            records.write_record(names)?;
            for row in rows {
                records.write_record(row.map(|cell| field(&cell.value)))?;
            }
            records.flush()
        }
    }
}

fn write_table<const COLUMNS: usize>(
    names: [&str; COLUMNS],
    rows: Vec<[Cell; COLUMNS]>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(names.map(|name| name.replace('_', " ").to_uppercase()));
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| cell.text)));
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn object<const COLUMNS: usize>(names: [&str; COLUMNS], row: [Cell; COLUMNS]) -> Value {
    let members = names.into_iter().zip(row);
    let members = members.map(|(name, cell)| (name.to_owned(), cell.value));
    Value::Object(members.collect::<Map<_, _>>())
}

/// A value in CSV, where nothing is an empty cell.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(entries) => {
            entries.iter().map(field).collect::<Vec<_>>().join(BETWEEN_ENTRIES)
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Prints one line.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn print_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// A time in RFC 3339, in whole seconds.
pub(super) fn time(micros: Micros) -> String {
    let seconds = micros.div_euclid(1_000_000);
    Timestamp::from_second(seconds).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_says_the_same() {
        let names = ["name", "last_used", "scopes"];
        let both = Cell::new("read,write", vec!["read", "write"]);
        let rows = vec![
            [Cell::text("a, \"b\""), Cell::or(None, "never"), both.clone()],
            [Cell::text("c"), Cell::or(Some("today".to_owned()), "never"), both],
        ];
        let written = |format| {
            let mut out = Vec::new();
            write(format, names, rows.clone(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(Format::Table),
            "NAME    LAST USED  SCOPES\na, \"b\"  never      read,write\nc       today      read,write\n",
        );
        assert_eq!(
            written(Format::Csv),
            "name,last_used,scopes\n\"a, \"\"b\"\"\",,read|write\nc,today,read|write\n",
        );
        let lines: Vec<Value> = written(Format::Jsonl)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["last_used"], Value::Null);
        assert_eq!(lines[1]["scopes"], serde_json::json!(["read", "write"]));
        let array: Vec<Value> = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(array, lines);
    }
}
