//! `interactions serve`: the service itself.

use std::num::NonZeroU32;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::stop_signal::stop_signal;
use crate::config::{
    BrowserArgs, CallLimitArgs, DatabaseArgs, Incomplete, ListenArgs, LogFormat, TlsArgs,
    WatchingArgs,
};
use crate::grpc::limits::CallLimits;
use crate::server::tls::{Tls, TlsFiles};
use crate::server::{self, Migrate};
use crate::telemetry::log::Format;
use crate::telemetry::metrics::Exporter;

/// Serves until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    browsers: BrowserArgs,

    #[command(flatten)]
    limits: CallLimitArgs,

    #[command(flatten)]
    watching: WatchingArgs,

    /// Leave a PostgreSQL schema as it is, and refuse to start where it is not up to date
    #[arg(long)]
    no_migrate: bool,

    /// Read all that is stored first, and refuse to start where something is damaged
    #[arg(long)]
    verify: bool,
}

impl Serve {
    /// How the log is written.
    #[must_use]
    pub fn log_format(&self) -> Format {
        match self.watching.log_format {
            LogFormat::Auto => Format::by_terminal(),
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, the address is taken or needs TLS, or the certificates are
    /// of no use.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { database, listen, tls, browsers, limits, watching, no_migrate, verify } = self;
        let files = tls_files(&tls)?;
        let listen = listen.address(files.is_some())?;
        let tls = match files {
            Some(files) => Some(Tls::load(files).await?),
            None => None,
        };
        let shutdown = stop_signal()?;
        let migrate = if no_migrate { Migrate::Sqlite } else { Migrate::Always };
        // First of all: whoever counts takes what there is to count with.
        let metrics = match watching.metrics_listen {
            Some(listen) => Some(Exporter::bind(listen).await?),
            None => None,
        };
        let repository = server::open(&database, migrate).await?;
        let repository = repository.with_slow_queries(watching.slow());
        if verify {
            let found = server::verify::verify(&repository).await?;
            anyhow::ensure!(
                found.damaged == 0,
                "{} of {} interactions are damaged: `interactions verify` names them",
                found.damaged,
                found.interactions
            );
        }
        let bound = server::bind(listen).await;
        let mut bound = bound.with_context(|| format!("cannot listen on {listen}"))?;
        bound.tls = tls;
        bound.cors_origins = browsers.cors_origins;
        bound.metrics = metrics;
        bound.call_limits = call_limits(&limits);
        server::run(bound, repository, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The files of certificates that were named.
pub(super) fn tls_files(arguments: &TlsArgs) -> Result<Option<TlsFiles>, Incomplete> {
    Ok(arguments.certificate()?.map(|(certificate, key)| TlsFiles {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        client_authorities: arguments.tls_client_ca.clone(),
    }))
}

fn call_limits(arguments: &CallLimitArgs) -> CallLimits {
    let CallLimitArgs { max_calls, calls_per_second, reading_streams, writing_streams } =
        *arguments;
    let number = |limit: NonZeroU32| usize::try_from(limit.get()).unwrap_or(usize::MAX);
    let default = CallLimits::default();
    CallLimits {
        calls: number(max_calls),
        calls_per_second,
        // An operator who lets one key have more streams means it.
        reading_streams: default.reading_streams.max(number(reading_streams)),
        reading_streams_per_key: number(reading_streams),
        writing_streams: default.writing_streams.max(number(writing_streams)),
        writing_streams_per_key: number(writing_streams),
    }
}
