//! Interactions as the bytes of a file.

use std::io;
use std::path::Path;

use bytes::Bytes;
use clap::ValueEnum;

use crate::cli::csv;
use crate::cli::json::{JsonForm, Layout};

/// How interactions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object per line
    Jsonl,
    /// A header, then a record for each
    Csv,
}

impl Format {
    /// The format that the name of a file speaks of.
    pub(super) fn of(file: Option<&Path>) -> Self {
        let extension = file.and_then(Path::extension);
        if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            Self::Csv
        } else {
            Self::Jsonl
        }
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

/// Encodes whole pages, so that what is written never ends within an interaction.
pub(super) enum Encoder {
    Lines(JsonForm),
    Csv(csv::Writer),
}

impl Encoder {
    /// # Errors
    /// When the program was built without descriptors.
    pub(super) fn new(format: Format) -> anyhow::Result<Self> {
        let form = JsonForm::new()?;
        Ok(match format {
            Format::Jsonl => Self::Lines(form),
            Format::Csv => Self::Csv(csv::Writer::new(form)),
        })
    }

    /// Adds a page of encoded interactions to `rows`, after whatever the beginning of a file needs.
    ///
    /// # Errors
    /// When the page holds something that is no interaction.
    pub(super) fn encode(
        &self,
        page: &[Bytes],
        at_beginning: bool,
        rows: &mut Vec<u8>,
    ) -> io::Result<()> {
        match self {
            Self::Lines(form) => {
                for interaction in page {
                    form.write_interaction(interaction, Layout::Line, &mut *rows)?;
                    rows.push(b'\n');
                }
                Ok(())
            }
            Self::Csv(writer) => {
                if at_beginning {
                    writer.header(rows)?;
                }
                writer.page(page, rows)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_chooses_the_format() {
        let format = |file: &str| Format::of(Some(Path::new(file)));
        assert_eq!(format("a.csv"), Format::Csv);
        assert_eq!(format("a.CSV"), Format::Csv);
        for file in ["a.jsonl", "a", "csv", ".csv", "a.csv.gz", "-"] {
            assert_eq!(format(file), Format::Jsonl, "{file}");
        }
        assert_eq!(Format::of(None), Format::Jsonl);
    }

    #[test]
    fn formats_have_the_names_of_the_command_line() {
        for format in Format::value_variants() {
            assert_eq!(format.to_possible_value().unwrap().get_name(), format.name());
        }
    }

    #[test]
    fn only_the_beginning_has_a_header() {
        let rows = |format, at_beginning| {
            let mut rows = Vec::new();
            Encoder::new(format).unwrap().encode(&[], at_beginning, &mut rows).unwrap();
            String::from_utf8(rows).unwrap()
        };
        assert!(rows(Format::Csv, true).starts_with("interaction_id,"));
        for (format, at_beginning) in
            [(Format::Csv, false), (Format::Jsonl, true), (Format::Jsonl, false)]
        {
            assert_eq!(rows(format, at_beginning), "");
        }
    }
}
