//! What an import says while it runs and when it ends, on standard error.

use std::io::{self, Read, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::batch::Refusal;
use super::send::Outcome;

const TICK: Duration = Duration::from_millis(200);

/// Counts, and a progress bar where standard error is a terminal.
pub(super) struct Report {
    bar: ProgressBar,
    recorded: u64,
    deduplicated: u64,
    refused: u64,
    last_line: u64,
}

impl Report {
    pub(super) fn new() -> Self {
        // Draws nothing where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self { bar, recorded: 0, deduplicated: 0, refused: 0, last_line: 0 }
    }

    /// Shows how much of `input` is read; `bytes` is its size, where it is known.
    pub(super) fn watch<R: Read>(&self, input: R, bytes: Option<u64>) -> impl Read + use<R> {
        let template = match bytes {
            Some(_) => "{bar:30} {bytes}/{total_bytes} ({eta} left), {msg}",
            None => "{spinner} {bytes}, {msg}",
        };
        if let Some(bytes) = bytes {
            self.bar.set_length(bytes);
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.enable_steady_tick(TICK);
        self.bar.wrap_read(input)
    }

    /// Reports the refusals of a batch and adds it up.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.recorded += outcome.recorded;
        self.deduplicated += outcome.deduplicated;
        self.refused += outcome.refused;
        if outcome.failure.is_none() {
            self.last_line = outcome.last_line;
        }
        if !outcome.refusals.is_empty() {
            let text: String = outcome.refusals.iter().map(words).collect();
            self.bar.suspend(|| say(&text));
        }
        self.bar.set_message(self.summary());
    }

    /// Takes the progress bar away and says what became of the lines.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        say(&format!("{}\n", self.summary()));
    }

    /// Lines that are not recorded.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The last line up to which all are recorded or refused.
    pub(super) fn last_line(&self) -> u64 {
        self.last_line
    }

    fn summary(&self) -> String {
        let Self { bar: _, recorded, deduplicated, refused, last_line: _ } = self;
        format!("recorded {recorded}, deduplicated {deduplicated}, refused {refused}")
    }
}

/// A refusal as a line of text, with no control characters of the file's in it.
fn words(refusal: &Refusal) -> String {
    let Refusal { line, field, what } = refusal;
    let separator = if field.is_empty() { "" } else { ": " };
    let text = format!("line {line}: {field}{separator}{what}");
    let text = text.replace(char::is_control, "\u{fffd}");
    format!("{text}\n")
}

/// Nobody listens any more where standard error cannot be written; the import goes on.
fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
