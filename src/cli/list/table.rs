//! Interactions as a table that is printed page by page, with one header and steady columns.

use std::io::{self, Write};

use bytes::Bytes;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width};
use prost::Message as _;

use crate::grpc::proto::Interaction;

const HEADER: [&str; COLUMNS] = ["TIME", "TYPES", "POSITION", "USER", "SESSION", "FEATURE", "ID"];
const COLUMNS: usize = 7;
/// Columns that give way where room is short, the last of them last: `get` wants the whole id.
const FLEXIBLE: [&[usize]; 2] = [&[1, 3, 4, 5], &[6]];
/// What a column that gives way keeps, in columns of the terminal: all fit into 80.
const LEAST_WIDTH: u16 = 6;
/// What it is given where there is room, for the pages that are still to come.
const FAIR_WIDTH: u16 = 16;
/// Blanks between columns.
const GAP: u16 = 2;

/// Prints rows. For a terminal the first page settles the widths of the columns, and what is longer
/// is cut. Elsewhere nothing is cut, and a column may grow from page to page.
#[derive(Debug)]
pub(super) struct Table {
    terminal_width: Option<u16>,
    /// Empty before the first page.
    widths: Vec<u16>,
}

impl Table {
    /// A table for a terminal of so many columns, or for no terminal.
    #[must_use]
    pub(super) fn new(terminal_width: Option<u16>) -> Self {
        Self { terminal_width, widths: Vec::new() }
    }

    /// Prints a page of encoded interactions, under a header if it is the first.
    ///
    /// # Errors
    /// When it cannot be written, or holds something that is no interaction.
    pub(super) fn write(&mut self, page: &[Bytes], out: &mut impl Write) -> io::Result<()> {
        let mut table = comfy_table::Table::new();
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_truncation_indicator("…");
        if self.widths.is_empty() {
            let mut header = Row::from(HEADER);
            header.max_height(1);
            table.set_header(header);
        }
        for interaction in page {
            let interaction = Interaction::decode(interaction.as_ref());
            let interaction =
                interaction.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let mut row = Row::from(cells(&interaction));
            row.max_height(1);
            table.add_row(row);
        }
        self.settle_widths(&table.column_max_content_widths());
        set_widths(&mut table, &self.widths);
        table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
    }

    fn settle_widths(&mut self, content: &[u16]) {
        let first = self.widths.is_empty();
        match self.terminal_width {
            Some(terminal) if first => self.widths = fit(content, terminal),
            Some(_) => {}
            None if first => self.widths = content.to_vec(),
            None => {
                for (width, content) in self.widths.iter_mut().zip(content) {
                    *width = (*width).max(*content);
                }
            }
        }
    }
}

fn set_widths(table: &mut comfy_table::Table, widths: &[u16]) {
    table.load_style(comfy_table::presets::NOTHING);
    for (column, width) in table.column_iter_mut().zip(widths) {
        column.set_padding((0, GAP));
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + GAP)));
    }
}

/// Narrows the widest of the columns that give way, until all fit or none can give more.
fn fit(content: &[u16], terminal: u16) -> Vec<u16> {
    let fits = |widths: &[u16]| {
        let widths = widths.iter().map(|width| u32::from(*width + GAP)).sum::<u32>();
        widths <= u32::from(terminal + GAP)
    };
    let mut widths = content.to_vec();
    for column in FLEXIBLE.concat() {
        widths[column] = widths[column].max(FAIR_WIDTH);
    }
    if fits(&widths) {
        return widths;
    }
    widths = content.to_vec();
    for group in FLEXIBLE {
        while !fits(&widths) {
            let widest = group.iter().copied().max_by_key(|column| widths[*column]);
            match widest {
                Some(column) if widths[column] > LEAST_WIDTH => widths[column] -= 1,
                Some(_) | None => break,
            }
        }
    }
    widths
}

fn cells(interaction: &Interaction) -> [String; COLUMNS] {
    [
        interaction.timestamp.map(|time| time.to_string()).unwrap_or_default(),
        printable(&interaction.interaction_type.join(",")),
        interaction.position.map(|position| position.to_string()).unwrap_or_default(),
        printable(&interaction.user_id),
        printable(&interaction.session_id),
        printable(&interaction.feature_id),
        printable(&interaction.interaction_id),
    ]
}

/// The text with its control characters escaped: they could command the terminal.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interaction(id: &str, user: &str) -> Interaction {
        Interaction {
            interaction_id: id.to_owned(),
            interaction_type: vec!["click".to_owned(), "view".to_owned()],
            position: Some(3),
            user_id: user.to_owned(),
            session_id: "SESSION-ddf28a1d-c8e8-40fd-b6a6-89ca0547c184".to_owned(),
            timestamp: Some(prost_types::Timestamp { seconds: 0, nanos: 1_000 }),
            ..Default::default()
        }
    }

    fn printed(width: Option<u16>, pages: &[&[Interaction]]) -> Vec<String> {
        let mut table = Table::new(width);
        let mut out = Vec::new();
        for page in pages {
            let page: Vec<_> = page.iter().map(|item| item.encode_to_vec().into()).collect();
            table.write(&page, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn off_a_terminal_nothing_is_cut() {
        let long = "u".repeat(300);
        let lines = printed(None, &[&[interaction("a", "x")], &[interaction("b", &long)]]);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>(),
            ["TIME", "TYPES", "POSITION", "USER", "SESSION", "FEATURE", "ID"],
        );
        assert!(lines[1].starts_with("1970-01-01T00:00:00.000001Z  click,view  3         x"));
        assert!(lines[2].contains(&long) && lines[2].ends_with("  b"), "{lines:#?}");
    }

    #[test]
    fn on_a_terminal_columns_are_steady_and_fit() {
        let id = "0949ebda-f603-4d88-9090-5cdb74c577ec";
        let pages = [interaction(id, "user"), interaction("short", &"long".repeat(20))];
        for width in [80, 100, 120, 160] {
            let lines = printed(Some(width), &[&pages[..1], &pages[1..]]);
            assert_eq!(lines.len(), 3, "{lines:#?}");
            let longest = lines.iter().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(width), "{lines:#?}");
            let starts = |line: &str, cell: &str| {
                line.find(cell).map(|at| line[..at].chars().count()).unwrap()
            };
            assert_eq!(starts(&lines[0], "ID"), starts(&lines[2], "short"), "{lines:#?}");
            assert_eq!(width >= 110, lines[1].contains(id), "{width}: {lines:#?}");
        }
    }

    #[test]
    fn no_interactions_are_a_header_alone() {
        assert_eq!(printed(None, &[&[]]).len(), 1);
        assert_eq!(printed(Some(80), &[&[], &[]]).len(), 1);
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        let lines = printed(None, &[&[interaction("a", "x\n\u{1b}[31m\u{9b}y")]]);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].contains(r"x\n\u{1b}[31m\u{9b}y"), "{lines:#?}");
    }
}
