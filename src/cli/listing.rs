//! What the commands for administrators print: plain columns.

use std::io::{self, Write as _};

use jiff::Timestamp;

use crate::domain::time::Micros;

/// Blanks between columns.
const GAP: u16 = 2;

/// Prints rows in columns below a header.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn print<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> io::Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    let mut out = io::stdout().lock();
    table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

/// Prints one line.
///
/// # Errors
///
/// When standard output cannot be written.
pub(super) fn print_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// A time in RFC 3339, in whole seconds.
pub(super) fn time(micros: Micros) -> String {
    let seconds = micros.div_euclid(1_000_000);
    Timestamp::from_second(seconds).map_or_else(|_| micros.to_string(), |time| time.to_string())
}
