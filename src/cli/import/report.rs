//! What an import says while it runs and when it ends, on standard error.

use std::io::{self, Read, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answer::Outcome;
use super::batch::Refusal;
use super::send::News;

const TICK: Duration = Duration::from_millis(200);

/// Counts, and a progress bar where standard error is a terminal.
pub(super) struct Report {
    bar: ProgressBar,
    started: Instant,
    recorded: u64,
    deduplicated: u64,
    refused: u64,
    last_line: u64,
}

impl Report {
    /// Lines up to `last_line` are not its concern.
    pub(super) fn new(last_line: u64) -> Self {
        // Draws nothing where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let started = Instant::now();
        Self { bar, started, recorded: 0, deduplicated: 0, refused: 0, last_line }
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

    /// Tells what there is to tell.
    pub(super) fn tell(&mut self, news: News) {
        match news {
            News::Done(outcome) => self.add(outcome),
            News::Broken { why, wait } => {
                let seconds = wait.as_secs_f64();
                self.say(&format!(
                    "{}; trying again in {seconds:.1} s",
                    one_line(&why.to_string())
                ));
            }
        }
    }

    /// Reports the refusals of a batch and adds it up.
    fn add(&mut self, outcome: Outcome) {
        let Outcome { recorded, deduplicated, refused, refusals, last_line } = outcome;
        self.recorded += recorded;
        self.deduplicated += deduplicated;
        self.refused += refused;
        self.last_line = self.last_line.max(last_line);
        if !refusals.is_empty() {
            let lines: Vec<_> = refusals.iter().map(words).collect();
            self.say(&lines.join("\n"));
        }
        let rate = HumanCount(self.rate(self.started.elapsed()));
        self.bar.set_message(format!("{}, {rate}/s", self.summary()));
    }

    /// Takes the progress bar away and says what became of the interactions.
    pub(super) fn finish(&self) {
        let elapsed = self.started.elapsed();
        let (seconds, rate) = (elapsed.as_secs_f64(), HumanCount(self.rate(elapsed)));
        self.bar.finish_and_clear();
        self.say(&format!("{} in {seconds:.1} s ({rate}/s)", self.summary()));
    }

    /// Interactions that are not recorded.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The last line up to which all are recorded or refused.
    pub(super) fn last_line(&self) -> u64 {
        self.last_line
    }

    fn summary(&self) -> String {
        let Self { bar: _, started: _, recorded, deduplicated, refused, last_line: _ } = self;
        format!("recorded {recorded}, deduplicated {deduplicated}, refused {refused}")
    }

    /// Interactions per second.
    fn rate(&self, elapsed: Duration) -> u64 {
        let count = self.recorded + self.deduplicated + self.refused;
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        count.saturating_mul(1_000) / millis.max(1)
    }

    /// Says a line. Nobody listens any more where it cannot be written; the import goes on.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{line}");
        });
    }
}

/// A refusal as a line of text.
fn words(refusal: &Refusal) -> String {
    let Refusal { line, field, what } = refusal;
    let separator = if field.is_empty() { "" } else { ": " };
    one_line(&format!("line {line}: {field}{separator}{what}"))
}

/// Text with no control characters of the file's in it.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_stay_on_their_lines() {
        let refusal = |field: &str, what: &str| Refusal {
            line: 7,
            field: field.to_owned(),
            what: what.to_owned(),
        };
        assert_eq!(words(&refusal("position", "is negative")), "line 7: position: is negative");
        assert_eq!(words(&refusal("", "a\n\u{1b}[31mb")), "line 7: a\u{fffd}\u{fffd}[31mb");
    }

    #[test]
    fn batches_add_up() {
        let mut report = Report::new(9);
        assert_eq!((report.last_line(), report.rate(Duration::ZERO)), (9, 0));
        for last_line in [1_000, 2_000] {
            let outcome =
                Outcome { recorded: 900, deduplicated: 60, refused: 40, ..Outcome::default() };
            report.tell(News::Done(Outcome { last_line, ..outcome }));
        }
        assert_eq!(report.summary(), "recorded 1800, deduplicated 120, refused 80");
        assert_eq!((report.last_line(), report.refused()), (2_000, 80));
        assert_eq!(report.rate(Duration::from_millis(500)), 4_000);
    }
}
