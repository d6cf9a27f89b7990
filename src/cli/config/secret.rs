//! What is not to be shown of settings.

use std::sync::LazyLock;

use regex::Regex;

use super::settings::Setting;
use crate::repository::Settings;

/// The URLs of databases that certainly hold no password.
static WITHOUT_PASSWORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(sqlite:[^?@]*(\?mode=\w+)?|postgres(ql)?://([^:@/?#]+@)?([^:@/?#\[\]]*|\[[0-9a-f:]+\])(:[0-9]+)?(/[^:@?#]*)?)$",
    )
    .ok()
});
/// The beginning of any URL with a password.
static WITH_PASSWORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"://[^@]*:[^@]*@").ok());

/// Whether a setting's value is not to be shown: a key, or a URL with a password. When in doubt, it is.
#[must_use]
pub(super) fn is_hidden(setting: &Setting, value: &str) -> bool {
    if setting.is_secret() {
        !WITHOUT_PASSWORD.as_ref().is_some_and(|without| without.is_match(value))
    } else {
        WITH_PASSWORD.as_ref().is_none_or(|with| with.is_match(value))
    }
}

/// What may be shown of a value that is hidden.
#[must_use]
pub(super) fn hint(value: &str) -> String {
    // Of a database, where it is.
    Settings::from_url(value).map_or_else(|_| "…".to_owned(), |settings| settings.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::config::settings::of_commands;

    fn hidden(key: &str, value: &str) -> bool {
        let settings = of_commands(&Cli::command());
        is_hidden(settings.iter().find(|setting| setting.key == key).unwrap(), value)
    }

    #[test]
    fn a_database_is_shown_only_without_a_password() {
        for shown in [
            "sqlite:a.db",
            "sqlite:///x/a.db?mode=rw",
            "postgres://host/database",
            "postgresql://user@host:5432/database",
            "postgres://user@[::1]:5432/database",
            "postgres:///database",
        ] {
            assert!(!hidden("database_url", shown), "{shown}");
        }
        for secret in [
            "postgres://user:hunter2@host/database",
            "postgres://user:hunter2",
            "postgres://user:hun@ter2@host/database",
            "postgres://user:hun/ter2@host/database",
            "postgres://host/database?password=hunter2",
            "postgres://host/database#hunter2",
            "postgres:hunter2",
            "mysql://root:hunter2@host/database",
            "sqlite://a.db?key=hunter2",
            "hunter2",
        ] {
            assert!(hidden("database_url", secret), "{secret}");
            assert!(!hint(secret).contains("hunter2"), "{}", hint(secret));
        }
        assert_eq!(hint("postgres://u:hunter2@h/d"), "postgres://h:5432/d");
    }

    #[test]
    fn a_key_is_never_shown() {
        assert!(hidden("key", "sk_live_x") && hidden("key", ""));
        assert!(hidden("addr", "https://user:hunter2@host"));
        assert!(!hidden("addr", "https://host:1") && !hidden("addr", "127.0.0.1:1"));
    }
}
