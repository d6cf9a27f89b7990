//! Which database: a URL, read into what a connection needs.

use std::fmt;
use std::path::Path;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

/// Which database to open. Neither `Debug` nor `Display` shows a password.
#[derive(Clone)]
pub struct Settings {
    pub(super) location: Location,
}

#[derive(Clone)]
pub(super) enum Location {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

/// Why a database URL cannot be used. It repeats nothing of the URL, which may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The scheme is none of ours.
    #[error("a database URL starts with sqlite:, postgres:// or postgresql://")]
    Scheme,
    /// The path of the SQLite file is missing or is not UTF-8.
    #[error("a SQLite URL holds the path of a file: sqlite:interactions.sqlite3")]
    SqlitePath,
    /// Several connections share the database, which one in memory does not allow.
    #[error("SQLite in memory is not supported: name a file")]
    SqliteMemory,
    /// A parameter of the SQLite URL is not one of ours.
    #[error("of the parameters of a SQLite URL only mode=rw and mode=rwc are supported")]
    SqliteParameter,
    /// The PostgreSQL URL cannot be read.
    #[error("the PostgreSQL URL cannot be read; it looks like postgres://user@host:5432/database")]
    Postgres,
}

impl Settings {
    /// Reads a database URL: `sqlite:<path>` or `sqlite://<path>`, where `%` escapes as in every
    /// URL and `?mode=rw` refuses to create the file, or `postgres://…` as libpq reads it.
    ///
    /// # Errors
    ///
    /// When it is not of one of these forms.
    pub fn from_url(url: &str) -> Result<Self, SettingsError> {
        let location = match url.split_once(':') {
            Some(("sqlite", rest)) => Location::Sqlite(Box::new(sqlite(url, rest)?)),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                let options = url.parse().map_err(|_| SettingsError::Postgres)?;
                Location::Postgres(Box::new(options))
            }
            _ => return Err(SettingsError::Scheme),
        };
        Ok(Self { location })
    }

    /// The SQLite database in the file at `path`, which is created when it is missing.
    #[must_use]
    pub fn sqlite_file(path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        Self { location: Location::Sqlite(Box::new(options)) }
    }

    /// The SQLite file; `None` for PostgreSQL.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.location {
            Location::Sqlite(options) => Some(options.get_filename()),
            Location::Postgres(_) => None,
        }
    }

    /// Whether this is SQLite, which belongs to one process and is migrated when it starts.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        match self.location {
            Location::Sqlite(_) => true,
            Location::Postgres(_) => false,
        }
    }
}

/// `rest` is `url` without the scheme.
fn sqlite(url: &str, rest: &str) -> Result<SqliteConnectOptions, SettingsError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let create = match parameters {
        "" | "mode=rwc" => true,
        "mode=rw" => false,
        "mode=memory" => return Err(SettingsError::SqliteMemory),
        _ => return Err(SettingsError::SqliteParameter),
    };
    match path {
        "" => Err(SettingsError::SqlitePath),
        ":memory:" => Err(SettingsError::SqliteMemory),
        _ => {
            let options: SqliteConnectOptions =
                url.parse().map_err(|_| SettingsError::SqlitePath)?;
            Ok(options.create_if_missing(create))
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Sqlite(options) => {
                write!(formatter, "sqlite:{}", options.get_filename().display())
            }
            Location::Postgres(options) => {
                let database = options.get_database().unwrap_or(options.get_username());
                let (host, port) = (options.get_host(), options.get_port());
                write!(formatter, "postgres://{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Settings({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_sqlite_url_names_its_file() {
        for (url, path) in [
            ("sqlite:a.db", "a.db"),
            ("sqlite:/x/a.db", "/x/a.db"),
            ("sqlite://a.db?mode=rwc", "a.db"),
            ("sqlite:///x/a%20%3f.db?mode=rw", "/x/a ?.db"),
        ] {
            assert_eq!(Settings::from_url(url).unwrap().to_string(), format!("sqlite:{path}"));
        }
    }

    #[test]
    fn other_urls_are_refused_without_repeating_them() {
        for (url, error) in [
            ("sqlite::memory:", SettingsError::SqliteMemory),
            ("sqlite://a.db?mode=memory", SettingsError::SqliteMemory),
            ("sqlite:", SettingsError::SqlitePath),
            ("sqlite:a.db?cache=shared", SettingsError::SqliteParameter),
            ("sqlite:a.db?mode=ro", SettingsError::SqliteParameter),
            ("mysql://root:hunter2@h/d", SettingsError::Scheme),
            ("postgres:d", SettingsError::Scheme),
            ("/x/a.db", SettingsError::Scheme),
            ("postgres://u:hunter2@h:notaport/d", SettingsError::Postgres),
        ] {
            let refused = Settings::from_url(url).unwrap_err();
            assert_eq!(refused, error, "{url}");
            assert!(!format!("{refused:?} {refused}").contains("hunter2"));
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let settings = Settings::from_url("postgresql://u:hunter2@h:5433/d").unwrap();
        assert_eq!(settings.to_string(), "postgres://h:5433/d");
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(!settings.is_sqlite());
    }
}
