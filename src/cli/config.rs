//! `interactions config`: what the program would run with, and who says so.

pub(super) mod file;
#[cfg(test)]
mod reference;
mod secret;
pub(super) mod settings;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

use super::stdout::{Stdout, unless_closed};
use crate::telemetry;
use file::ConfigFile;
use secret::{hint, is_hidden};
use settings::{Setting, Takes};

/// The command's name.
const NAME: &str = "config";

/// Prints the settings that the program would run with, and where each comes from.
///
/// What it prints is a configuration file that sets the same; keys, and URLs with a password, are
/// left out of it. A flag counts for more than its variable, a variable more than the file, and the
/// file more than the default.
#[derive(Debug, Args)]
pub(super) struct Config {
    /// Print nothing, and only say whether file and variables are sound, with status 0 or 1
    #[arg(long)]
    check: bool,

    /// What there is to print: of the other arguments, which are those of all other commands.
    #[arg(skip)]
    effective: String,
}

impl Config {
    /// Runs the command.
    ///
    /// # Errors
    /// When standard output cannot be written. What is wrong with the configuration was found before.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { check, effective } = self;
        if check {
            return Ok(ExitCode::SUCCESS);
        }
        unless_closed(Stdout::new().write_line(effective.trim_end()))
    }

    /// Takes what the command line came to.
    pub(super) fn describe(
        &mut self,
        matches: &ArgMatches,
        settings: &[Setting],
        file: &ConfigFile,
    ) {
        if let Some(matches) = matches.subcommand_matches(NAME) {
            self.effective = effective(settings, matches, file);
        }
    }
}

/// The command line with every setting as an argument of `config`.
#[must_use]
pub(super) fn with_settings(command: Command, settings: &[Setting]) -> Command {
    let arguments = settings.iter().map(|setting| setting.argument.clone().global(false));
    command.mut_subcommand(NAME, |config| config.args(arguments))
}

/// All settings as a file.
fn effective(settings: &[Setting], matches: &ArgMatches, file: &ConfigFile) -> String {
    let mut text = String::new();
    for setting in settings {
        let line = match matches.value_source(setting.id()) {
            Some(source) => {
                let values = values(setting, matches);
                line(setting, &values, &source_name(setting, source, file))
            }
            None => format!("# {} is not set", setting.key),
        };
        text.push_str(&line);
        text.push('\n');
    }
    for variable in telemetry::log::FILTER_VARIABLES {
        text.push_str(&match std::env::var(variable) {
            Ok(value) => format!("# {variable} is {}\n", quoted(&value)),
            Err(_) => format!("# {variable} is not set\n"),
        });
    }
    text
}

/// The values of a setting that has any.
fn values(setting: &Setting, matches: &ArgMatches) -> Vec<OsString> {
    match setting.takes {
        // Its variable may say so in other words.
        Takes::Switch => vec![matches.get_flag(setting.id()).to_string().into()],
        Takes::Text | Takes::Number | Takes::List => {
            let values = matches.get_raw(setting.id()).into_iter().flatten();
            values.map(OsStr::to_owned).collect()
        }
    }
}

fn source_name(setting: &Setting, source: ValueSource, file: &ConfigFile) -> String {
    if source == ValueSource::CommandLine {
        format!("flag --{}", setting.flag())
    } else if source == ValueSource::EnvVariable {
        format!("variable {}", setting.variable)
    } else if file.get(&setting.key).is_some() {
        format!("file {}", one_line(file.path()))
    } else {
        "default".to_owned()
    }
}

/// The line of a setting that has values.
fn line(setting: &Setting, values: &[OsString], source: &str) -> String {
    let Setting { key, takes, .. } = setting;
    let Some(values) = values.iter().map(|value| value.to_str()).collect::<Option<Vec<_>>>() else {
        return format!("# {key} is not UTF-8, and cannot be in a file  # {source}");
    };
    if let Some(value) = values.iter().find(|value| is_hidden(setting, value)) {
        return format!("# {key} = {}  # {source}; hidden", quoted(&hint(value)));
    }
    let mut line = format!("{key} = ");
    match (takes, values.as_slice()) {
        (Takes::List, values) => {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            line.push_str(&format!("[{}]", values.join(", ")));
        }
        (Takes::Switch, [value]) => line.push_str(value),
        (Takes::Number, [value]) => line.push_str(&number(value)),
        (Takes::Text | Takes::Switch | Takes::Number, values) => {
            line.push_str(&quoted(&values.concat()));
        }
    }
    let _ = write!(line, "  # {source}");
    line
}

/// A number as TOML has it, which knows of no leading zeros.
fn number(text: &str) -> String {
    match (text.parse::<i128>(), text.parse::<f64>()) {
        (Ok(whole), _) => whole.to_string(),
        (Err(_), Ok(number)) => format!("{number:?}"),
        (Err(_), Err(_)) => quoted(text),
    }
}

/// A text as TOML has it, on one line: as JSON has it, but that TOML escapes one character more.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn one_line(path: &Path) -> String {
    path.display().to_string().replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    #[test]
    fn texts_and_numbers_read_back() {
        for text in ["", "a", "a \"b\" \\ # c", "a\nb\r\t\0\u{7f}\u{1b}é\u{2028}", "'''"] {
            let line = format!("a = {}", quoted(text));
            assert_eq!(line.lines().count(), 1);
            let table = DeTable::parse(&line).unwrap();
            assert_eq!(table.get_ref()["a"].get_ref().as_str(), Some(text), "{line}");
        }
        for (text, written) in [("5", "5"), ("+5", "5"), ("007", "7"), ("-1", "-1"), (".5", "0.5")]
        {
            assert_eq!(number(text), written);
        }
    }
}
