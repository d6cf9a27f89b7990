//! What a file is written in, and the interactions read from it.
//!
//! A new format is a variant of [`Format`] and a file below this one. Where each of its lines stands
//! for itself it is a variant of [`LineFormat`]; where its records span lines, it reads from the input
//! itself and is a variant of [`Records`].

mod jsonl;
mod mixpeek;
mod ubi;

use std::io::{self, Read};
use std::path::Path;

use clap::ValueEnum;
use prost_types::Timestamp;
use serde::de::DeserializeOwned;

use super::ids::Ids;
use crate::cli::csv;
use crate::cli::json::{JsonForm, reason_and_place};
use crate::cli::lines::{Line, Lines, MAX_LINE_BYTES};
use crate::domain::time::{Micros, seconds_and_nanos};
use crate::domain::violation::Violations;
use crate::grpc::proto::Interaction;
use jsonl::Jsonl;
use mixpeek::Mixpeek;
use ubi::Ubi;

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Interactions, one JSON object per line, as list prints them
    Jsonl,
    /// Interactions in columns, named by a header, as export writes them
    Csv,
    /// Events of OpenSearch User Behavior Insights, one per line, also as search hits or bulk requests
    Ubi,
    /// Interactions of Mixpeek, one per line, or whole answers of its API, one per line
    Mixpeek,
}

impl Format {
    /// What a file is taken for by its name.
    pub(super) fn of_file(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_ascii_lowercase();
        let name = name.as_encoded_bytes();
        let uncompressed = name.strip_suffix(b".gz").unwrap_or(name);
        if uncompressed.ends_with(b".csv") { Self::Csv } else { Self::Jsonl }
    }

    /// Reads `input`, which may be compressed with gzip.
    ///
    /// # Errors
    /// When its beginning cannot be read or is not of this format, or the program was built without
    /// descriptors.
    pub(super) fn read(
        self,
        input: impl Read + Send + 'static,
        ids: Ids,
        from_line: u64,
    ) -> anyhow::Result<Source> {
        let format = match self {
            Self::Jsonl => LineFormat::Jsonl(Jsonl::new()?),
            Self::Ubi => LineFormat::Ubi(Ubi::default()),
            Self::Mixpeek => LineFormat::Mixpeek(Mixpeek::new()?),
            Self::Csv => {
                let reader = csv::Reader::new(input, JsonForm::new()?)?;
                let records = Records::InCsv(Box::new(reader));
                return Ok(Source { records, ids, from_line });
            }
        };
        let records = Records::OnLines(Lines::new(input)?, format);
        Ok(Source { records, ids, from_line })
    }
}

/// An interaction, or what is wrong with it.
pub(super) type Parsed = Result<Interaction, Violations>;

/// One of the interactions of a record.
#[derive(Debug, PartialEq)]
pub(super) struct Element {
    /// Where in the record it stands, such as `results[7]`; empty where it is all of it.
    pub(super) path: String,
    /// What it says.
    pub(super) parsed: Parsed,
}

impl From<Parsed> for Element {
    fn from(parsed: Parsed) -> Self {
        Self { path: String::new(), parsed }
    }
}

/// What belongs together in a file: a line, or what spans several.
#[derive(Debug, PartialEq)]
pub(super) struct Record {
    /// The line that it begins on, from 1.
    pub(super) line: u64,
    /// Its interactions; all of them have ids.
    pub(super) elements: Vec<Element>,
}

/// The records of a file, in order.
pub(super) struct Source {
    records: Records,
    ids: Ids,
    /// Records that begin before this line are passed over.
    from_line: u64,
}

/// How records are found in the input.
enum Records {
    /// Each line is one. Blank lines are none.
    OnLines(Lines, LineFormat),
    /// The records of CSV, which may span lines.
    InCsv(Box<csv::Reader>),
}

enum LineFormat {
    Jsonl(Jsonl),
    Ubi(Ubi),
    Mixpeek(Mixpeek),
}

impl Source {
    /// The next record that holds anything; none at the end.
    ///
    /// # Errors
    /// When the input fails.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record>> {
        let Self { records, ids, from_line } = self;
        match records {
            Records::OnLines(lines, format) => next_on_lines(lines, format, ids, *from_line),
            Records::InCsv(reader) => next_in_csv(reader, ids, *from_line),
        }
    }
}

fn next_in_csv(reader: &mut csv::Reader, ids: &Ids, from_line: u64) -> io::Result<Option<Record>> {
    while let Some((line, parsed)) = reader.next()? {
        if line >= from_line {
            let mut elements = vec![parsed.into()];
            give_ids(&mut elements, |place| ids.id(line, place, reader.text()));
            return Ok(Some(Record { line, elements }));
        }
    }
    Ok(None)
}

fn next_on_lines(
    lines: &mut Lines,
    format: &mut LineFormat,
    ids: &Ids,
    from_line: u64,
) -> io::Result<Option<Record>> {
    while let Some((line, text)) = lines.next_line()? {
        if line < from_line {
            format.pass_over(text);
            continue;
        }
        let mut elements = format.elements(text);
        if let Line::Whole(text) = text {
            give_ids(&mut elements, |place| ids.id(line, place, text));
        }
        if !elements.is_empty() {
            return Ok(Some(Record { line, elements }));
        }
    }
    Ok(None)
}

impl LineFormat {
    fn elements(&mut self, line: Line<'_>) -> Vec<Element> {
        let Line::Whole(text) = line else {
            self.pass_over(line);
            let limit = format!("longer than {MAX_LINE_BYTES} bytes");
            return vec![Err(violation("", limit)).into()];
        };
        match self {
            Self::Jsonl(jsonl) => vec![jsonl.parse(text).into()],
            Self::Ubi(ubi) => ubi.parse(text).map(Element::from).into_iter().collect(),
            Self::Mixpeek(mixpeek) => mixpeek.parse(text),
        }
    }

    /// Notes what a line that is not to be recorded says of the next one.
    fn pass_over(&mut self, line: Line<'_>) {
        let text = match line {
            Line::Whole(text) => text,
            Line::TooLong => b"",
        };
        match self {
            Self::Ubi(ubi) => ubi.pass_over(text),
            Self::Jsonl(_) | Self::Mixpeek(_) => {}
        }
    }
}

/// An interaction has an id before it is sent, so that it can be sent again.
fn give_ids(elements: &mut [Element], id: impl Fn(usize) -> String) {
    for (place, element) in elements.iter_mut().enumerate() {
        if let Ok(interaction) = &mut element.parsed
            && interaction.interaction_id.is_empty()
        {
            interaction.interaction_id = id(place);
        }
    }
}

/// The message for a time.
fn timestamp(micros: Micros) -> Timestamp {
    let (seconds, nanos) = seconds_and_nanos(micros);
    Timestamp { seconds, nanos }
}

/// Reads the JSON of a line.
fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, Violations> {
    serde_json::from_slice(line).map_err(|error| violation("", reason_and_place(&error)))
}

fn violation(field: &str, what: impl Into<String>) -> Violations {
    let mut violations = Violations::default();
    violations.add(field, what);
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line and the id of every interaction.
    fn read(format: Format, text: &str, from_line: u64) -> Vec<(u64, String)> {
        let input = io::Cursor::new(text.to_owned());
        let mut source = format.read(input, Ids::of_file(b"file"), from_line).unwrap();
        let records = std::iter::from_fn(|| source.next_record().unwrap());
        let ids = records.flat_map(|Record { line, elements }| {
            let ids = elements.into_iter();
            ids.map(move |element| (line, element.parsed.unwrap().interaction_id))
        });
        ids.collect()
    }

    #[test]
    fn ids_are_given_where_there_are_none_and_stay_the_same() {
        let text = "{}\n\n{\"interaction_id\":\"mine\"}\n{}";
        let found = read(Format::Jsonl, text, 0);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!((found[0].1.len(), found[1].1.as_str(), found[2].1.len()), (36, "mine", 36));
        assert_ne!(found[0].1, found[2].1);
        assert_eq!(read(Format::Jsonl, text, 1), found);
        assert_eq!(read(Format::Jsonl, text, 2), found[1..]);
        assert_eq!(read(Format::Jsonl, text, 4), found[2..]);
        assert_eq!(read(Format::Jsonl, text, 5), []);
    }

    #[test]
    fn elements_of_one_line_get_ids_of_their_own() {
        let found = read(Format::Mixpeek, "[{},{}]\n[]\n{}", 0);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 1, 3]);
        assert_ne!(found[0].1, found[1].1);
    }

    #[test]
    fn an_action_line_is_heeded_also_where_it_is_passed_over() {
        let text = r#"{"index":{"_id":"a"}}
            {"action_name":"click"}
            {"create":{"_id":"b"}}
            {"action_name":"click"}"#;
        let expected = [(2, "a".to_owned()), (4, "b".to_owned())];
        assert_eq!(read(Format::Ubi, text, 0), expected);
        assert_eq!(read(Format::Ubi, text, 2), expected);
        assert_eq!(read(Format::Ubi, text, 4), expected[1..]);
    }

    #[test]
    fn records_of_csv_are_known_by_the_line_that_they_begin_on() {
        let text = "interaction_id,user_id\n,\"two\nlines\"\nmine,u\n,u\n";
        let found = read(Format::Csv, text, 0);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!((found[0].1.len(), found[1].1.as_str(), found[2].1.len()), (36, "mine", 36));
        assert_eq!(read(Format::Csv, text, 3), found[1..]);
        assert_eq!(read(Format::Csv, text, 5), found[2..]);
    }

    #[test]
    fn the_name_of_a_file_tells_csv() {
        for name in ["a.csv", "b/a.CSV", "a.csv.gz"] {
            assert_eq!(Format::of_file(Path::new(name)), Format::Csv, "{name}");
        }
        for name in ["a.jsonl", "a.jsonl.gz", "csv", "csv.gz", "-", ""] {
            assert_eq!(Format::of_file(Path::new(name)), Format::Jsonl, "{name}");
        }
    }

    #[test]
    fn a_long_line_is_refused() {
        let text = format!("{{}}\n{}\n{{}}", "x".repeat(MAX_LINE_BYTES + 1));
        for (from_line, lines) in [(1, vec![1, 2, 3]), (2, vec![2, 3]), (3, vec![3])] {
            let input = io::Cursor::new(text.clone());
            let mut source = Format::Jsonl.read(input, Ids::Random, from_line).unwrap();
            let records: Vec<_> = std::iter::from_fn(|| source.next_record().unwrap()).collect();
            assert_eq!(records.iter().map(|record| record.line).collect::<Vec<_>>(), lines);
            for Record { line, elements } in records {
                assert_eq!(elements[0].parsed.is_err(), line == 2);
            }
        }
    }
}
