//! What an operator sets: flags of the command line, variables of the environment, or keys of a file.
//!
//! An argument with a variable is a key of the file and a line of docs/configuration.md.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use etcetera::{BaseStrategy as _, HomeDirError};
use secrecy::SecretString;
use tonic::codegen::http::{HeaderValue, Uri};

/// Port that the service listens on, and clients look for it at, unless told otherwise.
pub const DEFAULT_PORT: u16 = 50051;
/// Where the service listens unless told otherwise: only this machine can reach it.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);
/// The SQLite file below the user's data directory.
const DEFAULT_FILE: &str = "interactions/interactions.sqlite3";

/// Which database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// The database: sqlite:PATH or postgres://USER@HOST/DATABASE; left out, an SQLite file
    /// in the user's data directory
    #[arg(
        long,
        value_name = "URL",
        env = "INTERACTIONS_DATABASE_URL",
        hide_env_values = true,
        global = true
    )]
    pub database_url: Option<SecretString>,
}

/// Where a database is.
#[derive(Debug, Clone)]
pub enum DatabasePlace {
    /// Where a URL says, which may hold a password.
    Url(SecretString),
    /// In an SQLite file.
    SqliteFile(PathBuf),
}

impl DatabaseArgs {
    /// The place that was asked for, or else the file `interactions/interactions.sqlite3` in
    /// `$XDG_DATA_HOME` (`~/.local/share` where that is not set).
    ///
    /// # Errors
    ///
    /// When none was asked for and the user has no home directory.
    pub fn place(&self) -> Result<DatabasePlace, HomeDirError> {
        match &self.database_url {
            Some(url) => Ok(DatabasePlace::Url(url.clone())),
            None => {
                let data = etcetera::choose_base_strategy()?.data_dir();
                Ok(DatabasePlace::SqliteFile(data.join(DEFAULT_FILE)))
            }
        }
    }
}

/// Where to listen.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// The address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", env = "INTERACTIONS_LISTEN", default_value_t = DEFAULT_LISTEN)]
    pub listen: SocketAddr,

    /// Listen to other machines without TLS: where a proxy or a mesh adds it
    #[arg(long, env = "INTERACTIONS_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,
}

/// An address that others can reach, and read what is said to it.
#[derive(Debug, thiserror::Error)]
#[error(
    "others could read what is sent to {0}, keys too: give `serve` --tls-cert and --tls-key, or \
     --insecure where a proxy or a mesh adds TLS"
)]
pub struct Exposed(SocketAddr);

impl ListenArgs {
    /// The address to listen on, with TLS or without.
    ///
    /// # Errors
    ///
    /// When others could read what is said.
    pub fn address(&self, tls: bool) -> Result<SocketAddr, Exposed> {
        let Self { listen, insecure } = *self;
        let local = listen.ip().to_canonical().is_loopback();
        if local || tls || insecure { Ok(listen) } else { Err(Exposed(listen)) }
    }
}

/// Pages that may call from browsers.
#[derive(Debug, Clone, Args)]
pub struct BrowserArgs {
    /// Let pages of this origin, https://HOST or http://HOST:PORT, call from browsers by gRPC-Web; *
    /// is all; more than one are given one by one, or with commas between them
    #[arg(
        long = "cors-origin",
        value_name = "ORIGIN",
        env = "INTERACTIONS_CORS_ORIGIN",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<Origin>,
}

/// Where pages come from, as browsers say it (RFC 6454, section 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Wherever.
    Any,
    /// A scheme, a host and, unless it is the scheme's own, a port.
    Of(HeaderValue),
}

/// A text that is not an origin.
#[derive(Debug, thiserror::Error)]
#[error(
    "takes an origin such as https://shop.example or http://localhost:5173, without a path, or *"
)]
pub struct NoOrigin;

impl Origin {
    /// What a browser sends of a page from there; `None` where any will do.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderValue> {
        match self {
            Self::Any => None,
            Self::Of(origin) => Some(origin),
        }
    }
}

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = text.to_ascii_lowercase();
        let uri = Uri::from_str(&text).map_err(|_| NoOrigin)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(NoOrigin);
        };
        // Neither a path nor a user's name: a browser says neither, and none would ever match.
        let said = format!("{scheme}://{authority}");
        if text != said || authority.as_str().contains('@') {
            return Err(NoOrigin);
        }
        Ok(Self::Of(HeaderValue::from_str(&said).map_err(|_| NoOrigin)?))
    }
}

/// How much may be asked of one server at a time.
#[derive(Debug, Clone, Args)]
pub struct CallLimitArgs {
    /// Calls in work at a time, half of them for one key; beyond, callers are told to come back
    #[arg(long, value_name = "NUMBER", env = "INTERACTIONS_MAX_CALLS", default_value = "256")]
    pub max_calls: NonZeroU32,

    /// Calls a second of one API key in the long run; twice as many at once
    #[arg(
        long,
        value_name = "NUMBER",
        env = "INTERACTIONS_CALLS_PER_SECOND",
        default_value = "2000"
    )]
    pub calls_per_second: NonZeroU32,

    /// Streams of one API key at a time that list or purge
    #[arg(
        long,
        value_name = "NUMBER",
        env = "INTERACTIONS_READING_STREAMS",
        default_value = "100"
    )]
    pub reading_streams: NonZeroU32,

    /// Streams of one API key at a time that record
    #[arg(long, value_name = "NUMBER", env = "INTERACTIONS_WRITING_STREAMS", default_value = "8")]
    pub writing_streams: NonZeroU32,
}

/// What the service tells of itself.
#[derive(Debug, Clone, Args)]
pub struct WatchingArgs {
    /// Show metrics to Prometheus at http://ADDRESS/metrics; they need no key and hold no secret
    #[arg(long, value_name = "ADDRESS", env = "INTERACTIONS_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,

    /// How lines of the log are written; auto: as text on a terminal, or else as JSON
    #[arg(
        long,
        value_name = "FORMAT",
        env = "INTERACTIONS_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    pub log_format: LogFormat,

    /// Log what takes the database so long, without its values; 0: nothing
    #[arg(
        long,
        value_name = "MILLISECONDS",
        env = "INTERACTIONS_SLOW_QUERY",
        default_value = "1000"
    )]
    pub slow_query: u32,
}

impl WatchingArgs {
    /// What is slow for the database; `None`: nothing.
    #[must_use]
    pub fn slow(&self) -> Option<Duration> {
        (self.slow_query > 0).then(|| Duration::from_millis(self.slow_query.into()))
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people on a terminal, or else for programs.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The certificates of the service.
#[derive(Debug, Clone, Args)]
pub struct TlsArgs {
    /// The certificate of the service and its chain, in PEM format; read anew when it changes
    #[arg(long, value_name = "FILE", env = "INTERACTIONS_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// Its private key, in PEM format
    #[arg(long, value_name = "FILE", env = "INTERACTIONS_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Take only clients with a certificate of these authorities, in PEM format
    #[arg(long, value_name = "FILE", env = "INTERACTIONS_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
}

/// Certificates of which one is of no use without another.
#[derive(Debug, thiserror::Error)]
#[error("{given} is of no use without {missing}")]
pub struct Incomplete {
    given: &'static str,
    missing: &'static str,
}

impl TlsArgs {
    /// The certificate and its private key, where there are any.
    ///
    /// # Errors
    ///
    /// When one of what belongs together is missing: clap's `requires` does not look into the file.
    pub fn certificate(&self) -> Result<Option<(&Path, &Path)>, Incomplete> {
        let Self { tls_cert, tls_key, tls_client_ca } = self;
        if tls_client_ca.is_some() && tls_cert.is_none() {
            return Err(Incomplete { given: "--tls-client-ca", missing: "--tls-cert" });
        }
        together(("--tls-cert", tls_cert.as_deref()), ("--tls-key", tls_key.as_deref()))
    }
}

/// Both of two values that belong together, or neither.
///
/// # Errors
///
/// When only one is there.
pub fn together<T>(
    (one, first): (&'static str, Option<T>),
    (other, second): (&'static str, Option<T>),
) -> Result<Option<(T, T)>, Incomplete> {
    match (first, second) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Incomplete { given: one, missing: other }),
        (None, Some(_)) => Err(Incomplete { given: other, missing: one }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for origin in ["https://shop.example", "http://localhost:5173", "http://[::1]:8080"] {
            assert_eq!(origin.parse::<Origin>().unwrap().header().unwrap(), origin);
        }
        let upper = "HTTPS://Shop.Example".parse::<Origin>().unwrap();
        assert_eq!(upper.header().unwrap(), "https://shop.example");
        assert_eq!("*".parse::<Origin>().unwrap(), Origin::Any);
        for other in [
            "",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "null",
            "https://*.example/x",
            "a b",
            "//a",
        ] {
            assert!(other.parse::<Origin>().is_err(), "{other}");
        }
    }

    #[test]
    fn only_this_machine_is_listened_to_without_tls() {
        let address = |listen: &str, insecure, tls| {
            ListenArgs { listen: listen.parse().unwrap(), insecure }.address(tls)
        };
        for local in ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(address(local, false, false).is_ok(), "{local}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
            let error = address(open, false, false).unwrap_err().to_string();
            for flag in ["--tls-cert", "--tls-key", "--insecure"] {
                assert!(error.contains(flag), "{error}");
            }
            assert!(address(open, true, false).is_ok(), "{open}");
            assert!(address(open, false, true).is_ok(), "{open}");
        }
    }
    #[test]
    fn certificates_are_never_left_unused() {
        let certificate = |[tls_cert, tls_key, tls_client_ca]: [Option<&str>; 3]| {
            let path = |path: Option<&str>| path.map(PathBuf::from);
            let (tls_cert, tls_key) = (path(tls_cert), path(tls_key));
            let tls = TlsArgs { tls_cert, tls_key, tls_client_ca: path(tls_client_ca) };
            tls.certificate().map(|both| both.is_some()).map_err(|error| error.to_string())
        };
        let (a, without) = (Some("a.pem"), "is of no use without");
        assert_eq!(certificate([None, None, None]), Ok(false));
        assert_eq!(certificate([a, a, None]), Ok(true));
        assert_eq!(certificate([a, a, a]), Ok(true));
        for (given, wrong) in [
            ([a, None, None], format!("--tls-cert {without} --tls-key")),
            ([None, a, None], format!("--tls-key {without} --tls-cert")),
            ([a, None, a], format!("--tls-cert {without} --tls-key")),
            ([None, None, a], format!("--tls-client-ca {without} --tls-cert")),
            ([None, a, a], format!("--tls-client-ca {without} --tls-cert")),
        ] {
            assert_eq!(certificate(given), Err(wrong));
        }
    }
}
