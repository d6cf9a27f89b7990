//! docs/configuration.md, held against what the commands declare.

use clap::{Arg, CommandFactory as _};

use super::settings::{FILE_ARGUMENT, Setting, of_commands};
use crate::cli::Cli;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

/// The row of an argument. `key` and `takes` are empty for what stands in no file.
fn row(argument: &Arg, key: &str, takes: &str) -> String {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
    let defaults = defaults.collect::<Vec<_>>().join(",");
    // Of a switch, the default is clap's.
    let (value_name, default) = match argument.get_value_names() {
        Some(names) if argument.get_action().takes_values() => (format!(" {}", names[0]), defaults),
        Some(_) | None => (String::new(), "false".to_owned()),
    };
    let flag = format!("--{}{value_name}", argument.get_long().unwrap());
    let cells = [
        code(key),
        code(&flag),
        code(argument.get_env().unwrap().to_str().unwrap()),
        takes.to_owned(),
        code(&default),
        argument.get_help().unwrap().to_string().replace('|', "\\|"),
    ];
    let cells = cells.map(|cell| if cell.is_empty() { cell } else { format!(" {cell}") });
    format!("|{} |", cells.join(" |"))
}

#[test]
fn the_reference_is_complete_and_true() {
    let command = Cli::command();
    let settings = of_commands(&command);
    let mut rows: Vec<_> = settings
        .iter()
        .map(|setting| {
            let Setting { key, takes, argument, variable: _ } = setting;
            row(argument, key, takes.name())
        })
        .collect();
    let file = command.get_arguments().find(|argument| argument.get_id() == FILE_ARGUMENT);
    rows.push(row(file.unwrap(), "", ""));
    let page = std::fs::read_to_string(PAGE).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("|---"));
    let found: Vec<_> = table.skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(found == rows, "the table in docs/configuration.md should be:\n{}", rows.join("\n"));
}
