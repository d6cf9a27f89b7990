//! Records made into batches, each small enough for one message.

use std::collections::VecDeque;
use std::io;

use prost::Message as _;

use super::format::{Element, Parsed, Record, Source};
use crate::domain::interaction::{MAX_BATCH, MAX_INTERACTION_BYTES};
use crate::domain::violation::Violation;
use crate::grpc::proto;

/// Largest batch, in bytes as encoded.
const MAX_BATCH_BYTES: usize = 2 << 20;
/// What an interaction costs in a batch beside its own bytes, at most: a tag and a length.
const FRAME_BYTES: usize = 6;
/// What the number of a batch costs in it.
const NUMBER_BYTES: usize = 32;

/// Where an interaction stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its line, from 1.
    pub(super) line: u64,
    /// Where in that line, such as `results[7]`; empty where it is all of it.
    pub(super) path: String,
}

/// One reason why an interaction is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The line, from 1.
    pub(super) line: u64,
    /// The field; empty where it is the whole line.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) what: String,
}

impl Place {
    /// Refuses what stands here for what is wrong with its `field`, or with all of it.
    pub(super) fn refusal(&self, field: &str, what: String) -> Refusal {
        let Self { line, path } = self;
        let separator = if path.is_empty() || field.is_empty() { "" } else { "." };
        Refusal { line: *line, field: format!("{path}{separator}{field}"), what }
    }
}

/// What a run of lines holds.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// At most 1,000, and 2 MiB encoded. Each has an id, so that it can be sent twice.
    pub(super) interactions: Vec<proto::Interaction>,
    /// Where each of them stands.
    pub(super) places: Vec<Place>,
    /// What is wrong with what is no interaction.
    pub(super) refusals: Vec<Refusal>,
    /// How many would-be interactions `refusals` speaks of; at most 1,000.
    pub(super) refused: u64,
    /// The last line of which nothing is left for the next batch.
    pub(super) last_line: u64,
    /// Size of the interactions, as encoded.
    pub(super) bytes: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.interactions.is_empty() && self.refused == 0
    }

    fn is_full(&self) -> bool {
        self.interactions.len() == MAX_BATCH || self.refused == MAX_BATCH as u64
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        NUMBER_BYTES + self.bytes + bytes <= MAX_BATCH_BYTES
    }
}

/// Reads batches. Keeps no more than one, and what is left of a record that did not fit into it.
pub(super) struct Batches {
    source: Source,
    /// The line of `left`.
    line: u64,
    /// Interactions of the record read last.
    left: VecDeque<Element>,
}

impl Batches {
    pub(super) fn new(source: Source) -> Self {
        Self { source, line: 0, left: VecDeque::new() }
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read on. What was read before is not lost: it came as a batch.
    pub(super) fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        while !batch.is_full() {
            let Some(element) = self.left.pop_front() else {
                match self.source.next_record() {
                    Ok(None) => break,
                    Ok(Some(Record { line, elements })) => {
                        self.line = line;
                        self.left = elements.into();
                    }
                    // A reader that failed fails again: the next call finds nothing before it.
                    Err(_) if !batch.is_empty() => break,
                    Err(error) => return Err(error),
                }
                continue;
            };
            let has_room = self.add(&mut batch, element);
            if !has_room {
                break;
            }
            batch.last_line = self.line - u64::from(!self.left.is_empty());
        }
        Ok(if batch.is_empty() { None } else { Some(batch) })
    }

    /// Adds an element of the record; false where there is no room for it, and it is left.
    fn add(&mut self, batch: &mut Batch, element: Element) -> bool {
        let Element { path, parsed } = element;
        let place = Place { line: self.line, path };
        match checked(&place, parsed) {
            Ok((interaction, bytes)) if batch.has_room_for(bytes) => {
                batch.bytes += bytes;
                batch.interactions.push(interaction);
                batch.places.push(place);
            }
            Ok((interaction, _)) => {
                self.left.push_front(Element { path: place.path, parsed: Ok(interaction) });
                return false;
            }
            Err(refusals) => {
                batch.refused += 1;
                batch.refusals.extend(refusals);
            }
        }
        true
    }
}

/// An interaction that can be sent, with what it takes in a batch; else what is wrong with it.
fn checked(place: &Place, parsed: Parsed) -> Result<(proto::Interaction, usize), Vec<Refusal>> {
    let interaction = parsed.map_err(|faults| {
        let faults = faults.into_iter();
        let refusal = |Violation { field, description }| place.refusal(&field, description);
        faults.map(refusal).collect::<Vec<_>>()
    })?;
    let bytes = interaction.encoded_len();
    if bytes > MAX_INTERACTION_BYTES {
        let what = format!("{bytes} bytes encoded; at most {MAX_INTERACTION_BYTES} are accepted");
        return Err(vec![place.refusal("", what)]);
    }
    Ok((interaction, bytes + FRAME_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::import::format::Format;
    use crate::cli::import::ids::Ids;

    fn batches(input: impl io::Read + Send + 'static, format: Format) -> Batches {
        Batches::new(format.read(input, Ids::Random, 0).unwrap())
    }

    fn all(text: String, format: Format) -> Vec<Batch> {
        let mut batches = batches(io::Cursor::new(text), format);
        std::iter::from_fn(|| batches.next_batch().unwrap()).collect()
    }

    fn sizes(batches: &[Batch]) -> Vec<(usize, u64, u64)> {
        let size = |batch: &Batch| (batch.interactions.len(), batch.refused, batch.last_line);
        batches.iter().map(size).collect()
    }

    #[test]
    fn a_batch_holds_a_thousand() {
        let line = "{\"user_id\":\"u\"}\n";
        assert_eq!(
            sizes(&all(line.repeat(2_001), Format::Jsonl)),
            [(1_000, 0, 1_000), (1_000, 0, 2_000), (1, 0, 2_001)]
        );
        assert_eq!(sizes(&all(String::new(), Format::Jsonl)), []);
        let nonsense = "nonsense\n".repeat(1_001);
        assert_eq!(sizes(&all(nonsense, Format::Jsonl)), [(0, 1_000, 1_000), (0, 1, 1_001)]);
    }

    #[test]
    fn a_line_counts_as_read_when_all_of_it_is() {
        let list = |count: usize| format!("[{}]\n", vec!["{}"; count].join(","));
        let text = [list(2), list(999), list(1_500), list(499)].concat();
        assert_eq!(
            sizes(&all(text, Format::Mixpeek)),
            [(1_000, 0, 1), (1_000, 0, 2), (1_000, 0, 4)]
        );
        let [batch] = all("{}\n[{},{\"nope\":1}]".to_owned(), Format::Mixpeek).try_into().unwrap();
        assert_eq!(batch.places[1], Place { line: 2, path: "[0]".to_owned() });
        assert_eq!((batch.refusals[0].line, batch.refusals[0].field.as_str()), (2, "[1].nope"));
    }

    #[test]
    fn a_batch_is_small_enough_and_loses_nothing() {
        let long = format!("{{\"user_id\":\"{}\"}}\n", "u".repeat(200 << 10));
        let batches = all(long.repeat(23), Format::Jsonl);
        assert_eq!(sizes(&batches), [(10, 0, 10), (10, 0, 20), (3, 0, 23)]);
        for batch in batches {
            let request = proto::WriteInteractionsRequest {
                request_id: u64::MAX.to_string(),
                interactions: batch.interactions,
            };
            assert!(request.encoded_len() <= MAX_BATCH_BYTES);
        }
    }

    #[test]
    fn bad_lines_are_refused_with_their_numbers() {
        let large = format!("{{\"user_id\":\"{}\"}}", "u".repeat(MAX_INTERACTION_BYTES));
        let text = format!("{{}}\n{{\"position\":\"x\",\"color\":1}}\n\n[]\n{large}\n{{}}\n");
        let [batch] = all(text, Format::Jsonl).try_into().unwrap();
        let refused: Vec<_> =
            batch.refusals.iter().map(|refusal| (refusal.line, refusal.field.as_str())).collect();
        assert_eq!(refused, [(2, "color"), (2, "position"), (4, ""), (5, "")]);
        assert_eq!((batch.refused, batch.last_line), (3, 6));
        assert_eq!(batch.places.iter().map(|place| place.line).collect::<Vec<_>>(), [1, 6]);
    }

    #[test]
    fn what_was_read_before_an_error_comes_first() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let input = io::Read::chain(io::Cursor::new("{}\n{}\n"), Broken);
        let mut batches = batches(input, Format::Jsonl);
        assert_eq!(batches.next_batch().unwrap().unwrap().interactions.len(), 2);
        assert!(batches.next_batch().is_err());
    }
}
