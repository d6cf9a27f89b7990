//! Interactions printed to any output, page by page.

use std::io::{self, Write};

use bytes::Bytes;

use super::table::Table;
use crate::cli::csv;
use crate::cli::json::{JsonForm, Layout};
use crate::cli::output::Format;

/// Prints pages of encoded interactions as they come and keeps none of them.
pub(in crate::cli) struct Pages<W> {
    out: W,
    style: Style,
    form: JsonForm,
    printed: u64,
}

enum Style {
    Table(Table),
    Array,
    Lines,
    Csv { writer: csv::Writer, begun: bool },
}

impl<W: Write> Pages<W> {
    /// Prints to `out`; a table fits into `width` columns, where it is given.
    ///
    /// # Errors
    /// When the program was built without descriptors.
    pub(in crate::cli) fn new(out: W, format: Format, width: Option<u16>) -> anyhow::Result<Self> {
        let style = match format {
            Format::Table => Style::Table(Table::new(width)),
            Format::Json => Style::Array,
            Format::Jsonl => Style::Lines,
            Format::Csv => Style::Csv { writer: csv::Writer::new(JsonForm::new()?), begun: false },
        };
        Ok(Self { out, style, form: JsonForm::new()?, printed: 0 })
    }

    /// How many interactions were printed.
    pub(in crate::cli) fn printed(&self) -> u64 {
        self.printed
    }

    /// Prints a page and passes it on.
    ///
    /// # Errors
    /// When it cannot be written, or holds something that is no interaction.
    pub(in crate::cli) fn write(&mut self, page: &[Bytes]) -> io::Result<()> {
        let Self { out, style, form, printed } = self;
        match style {
            Style::Table(table) => table.write(page, out)?,
            Style::Array => {
                for interaction in page {
                    out.write_all(if *printed == 0 { b"[\n" } else { b",\n" })?;
                    form.write_interaction(interaction, Layout::Line, &mut *out)?;
                    *printed += 1;
                }
                return out.flush();
            }
            Style::Csv { writer, begun } => {
                let mut rows = Vec::new();
                if !*begun {
                    writer.header(&mut rows)?;
                    *begun = true;
                }
                writer.page(page, &mut rows)?;
                out.write_all(&rows)?;
            }
            Style::Lines => {
                for interaction in page {
                    form.write_interaction(interaction, Layout::Line, &mut *out)?;
                    out.write_all(b"\n")?;
                }
            }
        }
        *printed += page.len() as u64;
        out.flush()
    }

    /// Ends the output. An array that was cut short is left open, so that nobody takes it for whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::cli) fn finish(mut self) -> io::Result<()> {
        match self.style {
            Style::Array if self.printed == 0 => self.out.write_all(b"[]\n")?,
            Style::Array => self.out.write_all(b"\n]\n")?,
            Style::Table(_) | Style::Lines | Style::Csv { .. } => {}
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::grpc::proto::Interaction;

    fn printed(format: Format, pages: &[&[&str]]) -> String {
        let mut out = Vec::new();
        let mut output = Pages::new(&mut out, format, None).unwrap();
        for page in pages {
            let page: Vec<_> = page
                .iter()
                .map(|id| Interaction { interaction_id: (*id).to_owned(), ..Default::default() })
                .map(|interaction| Bytes::from(interaction.encode_to_vec()))
                .collect();
            output.write(&page).unwrap();
        }
        assert_eq!(output.printed(), pages.iter().map(|page| page.len() as u64).sum::<u64>());
        output.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_array_is_one_over_all_pages() {
        let cases: [&[&[&str]]; 4] = [&[&["a"], &["b", "c"]], &[&[], &["a"], &[]], &[&[]], &[]];
        for pages in cases {
            let text = printed(Format::Json, pages);
            let array: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            let found: Vec<_> = array.iter().map(|item| item["interaction_id"].as_str()).collect();
            let ids: Vec<_> = pages.concat().into_iter().map(Some).collect();
            assert_eq!(found, ids, "{text}");
        }
    }

    #[test]
    fn csv_has_one_header_over_all_pages() {
        let text = printed(Format::Csv, &[&[], &["a"], &["b", "c"]]);
        let ids: Vec<_> = text.lines().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(ids, ["interaction_id", "a", "b", "c"], "{text}");
    }

    #[test]
    fn lines_hold_an_object_each() {
        let text = printed(Format::Jsonl, &[&["a"], &["b"]]);
        assert_eq!(text, "{\"interaction_id\":\"a\"}\n{\"interaction_id\":\"b\"}\n");
    }
}
