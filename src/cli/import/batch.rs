//! Lines made into batches, each small enough for one call.

use std::io;

use prost::Message as _;
use uuid::Uuid;

use crate::cli::json::JsonForm;
use crate::cli::lines::{Line, Lines, MAX_LINE_BYTES};
use crate::domain::interaction::{MAX_BATCH, MAX_INTERACTION_BYTES};
use crate::domain::violation::Violation;
use crate::grpc::proto;

/// Largest batch, in bytes as encoded.
const MAX_BATCH_BYTES: usize = 2 << 20;
/// What an interaction costs in a batch beside its own bytes, at most: a tag and a length.
const FRAME_BYTES: usize = 6;

/// An interaction and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its line, from 1.
    pub(super) line: u64,
    /// It has an id, so that it can be sent twice.
    pub(super) interaction: proto::Interaction,
    /// What it takes in a batch, at most.
    pub(super) bytes: usize,
}

/// One reason why a line is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The line, from 1.
    pub(super) line: u64,
    /// The field; empty where it is the whole line.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) what: String,
}

/// A line as an interaction, or the reasons why it is none.
type Parsed = Result<Item, Vec<Refusal>>;

/// What a run of lines holds.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// At most 1,000, and 2 MiB encoded.
    pub(super) items: Vec<Item>,
    /// What is wrong with the lines that hold no interaction.
    pub(super) refusals: Vec<Refusal>,
    /// How many lines `refusals` speaks of; at most 1,000.
    pub(super) refused: u64,
    /// The last line of the run.
    pub(super) last_line: u64,
    /// Size of the items, as encoded.
    pub(super) bytes: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.refused == 0
    }

    fn is_full(&self) -> bool {
        self.items.len() == MAX_BATCH || self.refused == MAX_BATCH as u64
    }

    fn has_room_for(&self, item: &Item) -> bool {
        self.bytes + item.bytes <= MAX_BATCH_BYTES
    }

    fn add(&mut self, item: Item) {
        self.bytes += item.bytes;
        self.last_line = item.line;
        self.items.push(item);
    }

    fn refuse(&mut self, refusals: Vec<Refusal>, line: u64) {
        self.refused += 1;
        self.last_line = line;
        self.refusals.extend(refusals);
    }
}

/// Reads batches. Keeps no more than one, and the interaction that did not fit into it.
pub(super) struct Batches {
    lines: Lines,
    form: JsonForm,
    held_back: Option<Item>,
}

impl Batches {
    pub(super) fn new(lines: Lines, form: JsonForm) -> Self {
        Self { lines, form, held_back: None }
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// When the lines cannot be read on. What was read before is not lost: it came as a batch.
    pub(super) fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        if let Some(item) = self.held_back.take() {
            batch.add(item);
        }
        while !batch.is_full() {
            match self.next_item() {
                Ok(None) => break,
                Ok(Some(Ok(item))) if batch.has_room_for(&item) => batch.add(item),
                Ok(Some(Ok(item))) => {
                    self.held_back = Some(item);
                    break;
                }
                Ok(Some(Err(refusals))) => batch.refuse(refusals, self.lines.number()),
                // A reader that failed fails again: the next call finds nothing before the error.
                Err(_) if !batch.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(if batch.is_empty() { None } else { Some(batch) })
    }

    fn next_item(&mut self) -> io::Result<Option<Parsed>> {
        let Some((line, text)) = self.lines.next_line()? else { return Ok(None) };
        Ok(Some(match text {
            Line::TooLong => Err(refusal(line, format!("longer than {MAX_LINE_BYTES} bytes"))),
            Line::Whole(json) => item(&self.form, line, json),
        }))
    }
}

fn item(form: &JsonForm, line: u64, json: &[u8]) -> Parsed {
    let refusal_of =
        |fault: Violation| Refusal { line, field: fault.field, what: fault.description };
    let parsed = form.parse_interaction(json);
    let mut interaction =
        parsed.map_err(|faults| faults.into_iter().map(refusal_of).collect::<Vec<_>>())?;
    // Made here and not by the service, so that a batch whose answer was lost can be sent again.
    if interaction.interaction_id.is_empty() {
        interaction.interaction_id = Uuid::now_v7().to_string();
    }
    let bytes = interaction.encoded_len();
    if bytes > MAX_INTERACTION_BYTES {
        let what = format!("{bytes} bytes encoded; at most {MAX_INTERACTION_BYTES} are accepted");
        return Err(refusal(line, what));
    }
    Ok(Item { line, interaction, bytes: bytes + FRAME_BYTES })
}

fn refusal(line: u64, what: String) -> Vec<Refusal> {
    vec![Refusal { line, field: String::new(), what }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(text: String) -> Batches {
        Batches::new(Lines::new(io::Cursor::new(text)).unwrap(), JsonForm::new().unwrap())
    }

    fn all(text: String) -> Vec<Batch> {
        let mut batches = batches(text);
        std::iter::from_fn(|| batches.next_batch().unwrap()).collect()
    }

    fn sizes(batches: &[Batch]) -> Vec<(usize, u64, u64)> {
        batches.iter().map(|batch| (batch.items.len(), batch.refused, batch.last_line)).collect()
    }

    #[test]
    fn a_batch_holds_a_thousand() {
        let line = "{\"user_id\":\"u\"}\n";
        assert_eq!(
            sizes(&all(line.repeat(2_001))),
            [(1_000, 0, 1_000), (1_000, 0, 2_000), (1, 0, 2_001)]
        );
        assert_eq!(sizes(&all(String::new())), []);
        assert_eq!(sizes(&all("nonsense\n".repeat(1_001))), [(0, 1_000, 1_000), (0, 1, 1_001)]);
    }

    #[test]
    fn a_batch_is_small_enough_and_loses_nothing() {
        let long = format!("{{\"user_id\":\"{}\"}}\n", "u".repeat(200 << 10));
        let batches = all(long.repeat(23));
        assert_eq!(sizes(&batches), [(10, 0, 10), (10, 0, 20), (3, 0, 23)]);
        for batch in batches {
            let interactions = batch.items.into_iter().map(|item| item.interaction).collect();
            let request =
                proto::BatchCreateInteractionsRequest { interactions, validate_only: false };
            assert!(request.encoded_len() <= MAX_BATCH_BYTES);
        }
    }

    #[test]
    fn ids_are_made_where_there_are_none() {
        let [batch] = all("{}\n{\"interaction_id\":\"mine\"}\n{}".to_owned()).try_into().unwrap();
        let ids: Vec<_> =
            batch.items.iter().map(|item| item.interaction.interaction_id.as_str()).collect();
        assert_eq!((ids[0].len(), ids[1], ids[2].len()), (36, "mine", 36));
        assert_ne!(ids[0], ids[2]);
    }

    #[test]
    fn bad_lines_are_refused_with_their_numbers() {
        let large = format!("{{\"user_id\":\"{}\"}}", "u".repeat(MAX_INTERACTION_BYTES));
        let text = format!("{{}}\n{{\"position\":\"x\",\"color\":1}}\n\n[]\n{large}\n{{}}\n");
        let [batch] = all(text).try_into().unwrap();
        let refused: Vec<_> =
            batch.refusals.iter().map(|refusal| (refusal.line, refusal.field.as_str())).collect();
        assert_eq!(refused, [(2, "color"), (2, "position"), (4, ""), (5, "")]);
        assert_eq!((batch.refused, batch.last_line), (3, 6));
        assert_eq!(batch.items.iter().map(|item| item.line).collect::<Vec<_>>(), [1, 6]);
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
        let lines = Lines::new(input).unwrap();
        let mut batches = Batches::new(lines, JsonForm::new().unwrap());
        assert_eq!(batches.next_batch().unwrap().unwrap().items.len(), 2);
        assert!(batches.next_batch().is_err());
    }
}
