//! What an operator sets: flags of the command line, or variables of the environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use etcetera::{BaseStrategy as _, HomeDirError};
use secrecy::SecretString;

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
}
