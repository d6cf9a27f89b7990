//! A number that grows, shown while it does.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TICK: Duration = Duration::from_millis(200);

/// Shows a number where standard error is a terminal, and nothing elsewhere. It goes away when it is
/// dropped.
pub(super) struct Counter(ProgressBar);

impl Counter {
    /// Counts from `start` on, up to `total` where it is known.
    pub(super) fn new(template: &str, start: u64, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_position(start);
        // What was there before says nothing about the speed.
        bar.reset_eta();
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(super) fn set(&self, count: u64) {
        self.0.set_position(count);
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
