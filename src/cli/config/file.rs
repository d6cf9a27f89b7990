//! The configuration file: where it is, and what it says.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Command;
use clap::error::{ContextKind, ContextValue};
use etcetera::BaseStrategy as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::secret::is_hidden;
use super::settings::{self, Setting, Takes};
use crate::cli::stderr::note;
use crate::domain::nearest::nearest;
use crate::domain::violation::echo;

/// The file below the user's configuration directory.
const FILE: &str = "interactions/config.toml";
/// Largest file that is read, in bytes: what is larger is none of ours.
const MAX_BYTES: u64 = 1 << 20;

/// What a file says, of which every value has been checked.
#[derive(Debug, Default)]
pub(in crate::cli) struct ConfigFile {
    /// Empty where there is no file.
    path: PathBuf,
    values: BTreeMap<String, Vec<String>>,
}

impl ConfigFile {
    /// Reads the file that is named, or else the one in the user's configuration directory, if there
    /// is any.
    ///
    /// # Errors
    /// When the named file is missing, or one cannot be read, or is no file for `settings`. The error
    /// names every line that is wrong, and repeats nothing secret.
    pub(in crate::cli) fn find(named: Option<&Path>, settings: &[Setting]) -> anyhow::Result<Self> {
        let (path, file) = match named {
            Some(path) => (path.to_owned(), File::open(path)),
            None => match of_user() {
                Some(path) => match File::open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Ok(Self::default());
                    }
                    file => (path, file),
                },
                None => return Ok(Self::default()),
            },
        };
        let cannot_read = || format!("cannot read the configuration file {}", path.display());
        let file = file.with_context(cannot_read)?;
        let open_to_all = is_open_to_all(&file).with_context(cannot_read)?;
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).with_context(cannot_read)?;
        let values = parse(&path, &text, settings).map_err(anyhow::Error::msg)?;
        let found = Self { path, values };
        if open_to_all && found.holds_secret(settings) {
            let path = found.path.display();
            note(&format!("warning: {path} holds a key or a password, and everybody can read it"));
        }
        Ok(found)
    }

    /// The values that it has for a setting.
    #[must_use]
    pub(in crate::cli) fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    #[must_use]
    pub(in crate::cli) fn path(&self) -> &Path {
        &self.path
    }

    /// The command with what the file says in place of the defaults.
    #[must_use]
    pub(in crate::cli) fn apply(&self, command: Command) -> Command {
        settings::with_defaults(command, &|setting| self.get(&setting.key).map(<[_]>::to_vec))
    }

    fn holds_secret(&self, settings: &[Setting]) -> bool {
        settings.iter().any(|setting| {
            let mut values = self.get(&setting.key).unwrap_or_default().iter();
            values.any(|value| is_hidden(setting, value))
        })
    }
}

/// Where the file of the user would be who has a home directory.
fn of_user() -> Option<PathBuf> {
    let directories = etcetera::choose_base_strategy().ok()?;
    Some(directories.config_dir().join(FILE))
}

/// Whether users can read it who have no part in it.
#[cfg(unix)]
fn is_open_to_all(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// The values in the text of a file; or what is wrong with it, line by line.
fn parse(
    path: &Path,
    text: &str,
    settings: &[Setting],
) -> Result<BTreeMap<String, Vec<String>>, String> {
    let place = |start: usize| {
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        format!("{}:{line}", path.display())
    };
    // Not as the error shows itself: that is with the line, which may hold a secret.
    let table = DeTable::parse(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        format!("{}: {}", place(start), error.message())
    })?;
    let mut values = BTreeMap::new();
    let mut wrong = Vec::new();
    for (key, value) in table.get_ref() {
        let start = key.span().start;
        match value_of(key.get_ref(), value, settings) {
            Ok(value) => {
                values.insert(key.get_ref().to_string(), value);
            }
            Err(error) => wrong.push((start, error)),
        }
    }
    if wrong.is_empty() {
        return Ok(values);
    }
    wrong.sort();
    let wrong = wrong.into_iter().map(|(start, error)| format!("{}: {error}", place(start)));
    Err(wrong.collect::<Vec<_>>().join("\n"))
}

/// What a key sets, or what is wrong with it.
fn value_of(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    settings: &[Setting],
) -> Result<Vec<String>, String> {
    let setting = settings.iter().find(|setting| setting.key == key).ok_or_else(|| {
        let unknown = format!("unknown key {}", echo(key));
        match nearest(key, settings.iter().map(|setting| setting.key.as_str())) {
            Some(near) => format!("{unknown}; did you mean {near}?"),
            None => format!("{unknown}: `interactions config` shows those that there are"),
        }
    })?;
    let texts = texts(setting.takes, value.get_ref()).ok_or_else(|| {
        format!("{key} takes {}, not {}", setting.takes.name(), kind(value.get_ref()))
    })?;
    for text in &texts {
        setting.check(text).map_err(|error| refusal(setting, text, &error))?;
    }
    Ok(texts)
}

/// A value as the command line would have it, if it is of the right kind.
fn texts(takes: Takes, value: &DeValue<'_>) -> Option<Vec<String>> {
    match (takes, value) {
        (Takes::Switch, DeValue::Boolean(value)) => Some(vec![value.to_string()]),
        (Takes::Number, DeValue::Integer(number)) => {
            let value = i128::from_str_radix(number.as_str(), number.radix());
            Some(vec![value.map_or_else(|_| number.as_str().to_owned(), |value| value.to_string())])
        }
        (Takes::Number, DeValue::Float(number)) => Some(vec![number.as_str().to_owned()]),
        (Takes::Text, DeValue::String(text)) => Some(vec![text.to_string()]),
        (Takes::List, DeValue::Array(list)) => {
            list.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        }
        (Takes::Switch | Takes::Number | Takes::Text | Takes::List, _) => None,
    }
}

/// What something in a file is, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "such a list",
        DeValue::Table(_) => "a table",
    }
}

/// Why a setting does not take a value.
fn refusal(setting: &Setting, value: &str, error: &clap::Error) -> String {
    let Setting { key, .. } = setting;
    let value = if setting.is_secret() { "the value".to_owned() } else { echo(value) };
    let reason = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(reason), _) => reason.to_string(),
        (None, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
            format!("it takes {}", valid.join(", "))
        }
        (None, _) => "it is empty".to_owned(),
    };
    format!("{value} is no value for {key}: {reason}")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn read(text: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
        let settings = settings::of_commands(&Cli::command());
        parse(Path::new("c.toml"), text, &settings)
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let text =
            "listen = '127.0.0.1:1'\nmax_calls = 1_000\nreading_streams = 0x10\ninsecure = true";
        let values = read(text).unwrap();
        let expected = [
            ("insecure", "true"),
            ("listen", "127.0.0.1:1"),
            ("max_calls", "1000"),
            ("reading_streams", "16"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
        assert_eq!(values, BTreeMap::from(expected));
        assert!(read("# nothing\n").unwrap().is_empty());
    }

    #[test]
    fn everything_wrong_is_said_with_its_line() {
        let text = "\nmax_cals = 1\n\nlisten = 5\n[server]\nport = 1\n";
        assert_eq!(
            read(text).unwrap_err(),
            "c.toml:2: unknown key \"max_cals\"; did you mean max_calls?\n\
             c.toml:4: listen takes text, not a number\n\
             c.toml:5: unknown key \"server\": `interactions config` shows those that there are",
        );
    }

    #[test]
    fn values_are_checked_as_flags_are() {
        for (text, error) in [
            ("max_calls = 0", "\"0\" is no value for max_calls: number would be zero"),
            ("max_calls = -1", "\"-1\" is no value for max_calls: invalid digit"),
            ("max_calls = 1.5", "\"1.5\" is no value for max_calls: invalid digit"),
            ("max_calls = 99999999999", "for max_calls: number too large"),
            ("max_calls = '5'", "max_calls takes a number, not text"),
            ("max_calls = [5]", "max_calls takes a number, not such a list"),
            ("listen = 'here'", "\"here\" is no value for listen: invalid socket address"),
            ("insecure = 'yes'", "insecure takes true or false, not text"),
            ("tls_cert = ''", "\"\" is no value for tls_cert: it is empty"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.starts_with("c.toml:1: ") && found.contains(error), "{found}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_not_repeated() {
        for text in ["a = 1\nkey = \"sk_secret", "key = sk_secret", "key = 'a'\nkey = 'sk_secret'"]
        {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("c.toml:") && !error.contains("secret"), "{error}");
        }
    }
}
