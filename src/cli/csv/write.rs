//! Interactions written as CSV.

use std::io;

use bytes::Bytes;
use serde_json::Value;

use super::{BETWEEN_NAMES, Cells, Column};
use crate::cli::json::{JsonForm, write_value};

/// Writes the header and records.
pub(in crate::cli) struct Writer {
    form: JsonForm,
    columns: Vec<Column>,
}

impl Writer {
    pub(in crate::cli) fn new(form: JsonForm) -> Self {
        let columns = form.fields().map(|field| Column::new(&field)).collect();
        Self { form, columns }
    }

    /// Adds the header to `out`.
    ///
    /// # Errors
    /// None that a `Vec` can cause.
    pub(in crate::cli) fn header(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut records = csv::Writer::from_writer(out);
        records.write_record(self.columns.iter().map(|column| &column.name))?;
        records.flush()
    }

    /// Adds a record for each encoded interaction of a page to `out`.
    ///
    /// # Errors
    /// When something on the page is no interaction; `out` may then hold a part of it.
    pub(in crate::cli) fn page(&self, page: &[Bytes], out: &mut Vec<u8>) -> io::Result<()> {
        let mut records = csv::Writer::from_writer(out);
        for interaction in page {
            let values = self.form.values(interaction)?;
            for Column { name, cells } in &self.columns {
                records.write_field(cell(*cells, values.get(name))?)?;
            }
            // Ends the record.
            records.write_record(None::<&[u8]>)?;
        }
        records.flush()
    }
}

fn cell(cells: Cells, value: Option<&Value>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match (cells, value) {
        (_, None) => {}
        (_, Some(Value::String(string))) => text.extend_from_slice(string.as_bytes()),
        (Cells::Names, Some(Value::Array(names))) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            text.extend_from_slice(names.join(BETWEEN_NAMES).as_bytes());
        }
        (Cells::Text | Cells::Names | Cells::Number | Cells::Json, Some(value)) => {
            write_value(value, &mut text)?;
        }
    }
    Ok(text)
}
