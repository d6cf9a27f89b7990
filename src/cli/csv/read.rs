//! CSV read as interactions.

use std::io::{self, BufRead, Chain, Cursor, Read};

use anyhow::{Context as _, bail, ensure};
use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Number, Value};

use super::line_by_line::LineByLine;
use super::{BETWEEN_NAMES, Cells, Column};
use crate::cli::json::{JsonForm, reason_and_place};
use crate::cli::lines::{BYTE_ORDER_MARK, uncompressed};
use crate::domain::violation::{Violations, echo};
use crate::grpc::proto::Interaction;

/// Another name for a field, as filters know it too.
const ALIASES: [(&str, &str); 1] = [("document_id", "feature_id")];
/// A line put after the input. It is a record of its own, unless a quote was left open: that one
/// would otherwise end with the input, and a file that was cut off would pass for whole. No
/// interaction may hold NUL.
const END: &[u8] = b"\n\0end\0";

/// The input, and [`END`] after it.
type Input = Chain<Chain<Cursor<Vec<u8>>, Box<dyn BufRead + Send>>, &'static [u8]>;

/// Reads interactions from CSV.
///
/// The header is required. It names any of the fields, in any order.
pub(in crate::cli) struct Reader {
    records: csv::Reader<LineByLine<Input>>,
    record: ByteRecord,
    form: JsonForm,
    columns: Vec<Column>,
    /// Why it cannot be read on, said again by each further attempt.
    failure: Option<(io::ErrorKind, String)>,
}

impl Reader {
    /// Reads from `input`, which may be compressed with gzip.
    ///
    /// # Errors
    /// When the input cannot be read, or begins with no header.
    pub(in crate::cli) fn new(
        input: impl Read + Send + 'static,
        form: JsonForm,
    ) -> anyhow::Result<Self> {
        let mut input = uncompressed(input)?;
        let mut beginning = Vec::new();
        input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut beginning)?;
        if beginning == BYTE_ORDER_MARK {
            beginning.clear();
        }
        let input = Cursor::new(beginning).chain(input).chain(END);
        // A record with too few cells or too many is refused on its own, and the rest goes on.
        let records = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(LineByLine::new(input));
        let record = ByteRecord::new();
        let mut reader = Self { records, record, form, columns: Vec::new(), failure: None };
        ensure!(reader.read()?, "CSV begins with a header, such as interaction_type,user_id");
        ensure!(!reader.quote_is_open(), "a quote in the header is not closed");
        reader.columns = reader.header()?;
        Ok(reader)
    }

    /// The next record: the line that it begins on, and the interaction, or what is wrong with it
    /// field by field. None at the end.
    ///
    /// # Errors
    /// When the input cannot be read on.
    pub(in crate::cli) fn next(
        &mut self,
    ) -> io::Result<Option<(u64, Result<Interaction, Violations>)>> {
        if !self.read()? {
            return Ok(None);
        }
        let line_ends = self.record.iter().map(line_ends).sum::<usize>() as u64;
        let last_line = self.records.get_ref().line();
        Ok(Some((last_line.saturating_sub(line_ends), self.interaction())))
    }

    /// What the last record says, in whatever columns.
    pub(in crate::cli) fn text(&self) -> &[u8] {
        self.record.as_slice()
    }

    /// Reads a record; false at the end.
    fn read(&mut self) -> io::Result<bool> {
        if let Some((kind, reason)) = &self.failure {
            return Err(io::Error::new(*kind, reason.clone()));
        }
        self.records.get_mut().begin_record();
        match self.records.read_byte_record(&mut self.record) {
            Ok(found) => Ok(found && !is_end(&self.record)),
            Err(error) => {
                let error = io::Error::from(error);
                self.failure = Some((error.kind(), error.to_string()));
                Err(error)
            }
        }
    }

    /// Whether the record took the end of the input for a part of its last cell.
    fn quote_is_open(&self) -> bool {
        self.record.iter().next_back().is_some_and(|cell| cell.ends_with(END))
    }

    /// The columns that the record names as a header.
    fn header(&self) -> anyhow::Result<Vec<Column>> {
        let mut columns: Vec<Column> = Vec::new();
        for cell in &self.record {
            let written = str::from_utf8(cell).context("the header is not UTF-8")?;
            let alias = ALIASES.iter().find(|(alias, _)| *alias == written);
            let name = alias.map_or(written, |(_, name)| name);
            let Some(field) = self.form.fields().find(|field| field.name() == name) else {
                let known: Vec<_> =
                    self.form.fields().map(|field| field.name().to_owned()).collect();
                bail!("there is no column {}; there are {}", echo(written), known.join(", "));
            };
            let twice = columns.iter().any(|column| column.name == name);
            ensure!(!twice, "the header names {name} twice");
            columns.push(Column::new(&field));
        }
        Ok(columns)
    }

    fn interaction(&self) -> Result<Interaction, Violations> {
        let mut violations = Violations::default();
        if self.quote_is_open() {
            violations.add("", "a quote is not closed");
            return Err(violations);
        }
        let (cells, columns) = (self.record.len(), self.columns.len());
        if cells != columns {
            violations.add("", format!("has {cells} cells where the header has {columns}"));
            return Err(violations);
        }
        let mut fields = Map::new();
        for (column, cell) in self.columns.iter().zip(&self.record) {
            match value(column.cells, cell) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    fields.insert(column.name.clone(), value);
                }
                Err(what) => violations.add(column.name.as_str(), what),
            }
        }
        match self.form.interaction(fields) {
            Ok(interaction) => violations.into_result(interaction),
            Err(others) => {
                violations.extend(others);
                Err(violations)
            }
        }
    }
}

/// How many lines end within a cell, counted as [`LineByLine`] does.
fn line_ends(cell: &[u8]) -> usize {
    let next = cell.iter().skip(1).map(Some).chain([None]);
    let ends = cell.iter().zip(next).filter(|(byte, next)| match byte {
        b'\n' => true,
        b'\r' => *next != Some(&b'\n'),
        0..=u8::MAX => false,
    });
    ends.count()
}

fn is_end(record: &ByteRecord) -> bool {
    record.len() == 1 && record.get(0) == END.get(1..)
}

/// What a cell says; nothing where it is empty.
fn value(cells: Cells, cell: &[u8]) -> Result<Option<Value>, String> {
    let text = str::from_utf8(cell).map_err(|_| "is not UTF-8".to_owned())?;
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(match cells {
        Cells::Text => Value::from(text),
        Cells::Names => text.split(BETWEEN_NAMES).collect(),
        // What is no number is left to the JSON form to refuse, which knows what the field takes.
        Cells::Number => {
            serde_json::from_str::<Number>(text).map_or_else(|_| text.into(), Value::from)
        }
        Cells::Json => serde_json::from_str(text)
            .map_err(|error| format!("takes JSON; {}", reason_and_place(&error)))?,
    }))
}
