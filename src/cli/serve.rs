//! `interactions serve`: the service itself.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::stop_signal::stop_signal;
use crate::config::{DatabaseArgs, ListenArgs, TlsArgs};
use crate::server::tls::{Tls, TlsFiles};
use crate::server::{self, Migrate};

/// Serves until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    tls: TlsArgs,

    /// Leave a PostgreSQL schema as it is, and refuse to start where it is not up to date
    #[arg(long)]
    no_migrate: bool,
}

impl Serve {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, the address is taken or needs TLS, or the certificates are
    /// of no use.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { database, listen, tls, no_migrate } = self;
        let files = tls_files(tls);
        let listen = listen.address(files.is_some())?;
        let tls = match files {
            Some(files) => Some(Tls::load(files).await?),
            None => None,
        };
        let shutdown = stop_signal()?;
        let migrate = if no_migrate { Migrate::Sqlite } else { Migrate::Always };
        let repository = server::open(&database, migrate).await?;
        let bound = server::bind(listen).await;
        let mut bound = bound.with_context(|| format!("cannot listen on {listen}"))?;
        bound.tls = tls;
        server::run(bound, repository, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn tls_files(arguments: TlsArgs) -> Option<TlsFiles> {
    let TlsArgs { tls_cert, tls_key, tls_client_ca } = arguments;
    // Neither is given without the other.
    let (certificate, key) = tls_cert.zip(tls_key)?;
    Some(TlsFiles { certificate, key, client_authorities: tls_client_ca })
}
