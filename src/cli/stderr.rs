//! Standard error: what is told to people beside the output.

use std::io::{self, Write as _};

/// Tells people something. Nobody listens where it cannot be written.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// So many interactions, in words.
#[must_use]
pub(super) fn interactions(count: u64) -> String {
    match count {
        1 => "1 interaction".to_owned(),
        count => format!("{count} interactions"),
    }
}
