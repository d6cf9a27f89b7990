//! `interactions health`: asks a running service how it is.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::client_tls::ClientTls;
use super::listing;

/// How long the service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks a running service how it is; exits with 0 if it serves, else with 1.
#[derive(Debug, Args)]
pub struct Health {
    /// The service: HOST:PORT, or a URL that starts with http:// or https://
    #[arg(long, env = "INTERACTIONS_ADDR", default_value = "127.0.0.1:50051")]
    addr: String,

    #[command(flatten)]
    tls: ClientTls,
}

impl Health {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the service does not answer within three seconds, or cannot be trusted.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { addr, tls } = self;
        let endpoint = tls.endpoint(&addr)?.connect_timeout(TIMEOUT).timeout(TIMEOUT);
        let url = endpoint.uri().clone();
        let channel = endpoint.connect().await;
        let channel = channel.with_context(|| format!("nothing answers at {url}"))?;
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(channel).check(request).await;
        let status = answer.with_context(|| format!("no health from {url}"))?.into_inner().status();
        listing::print_line(status.as_str_name())?;
        let serving = status == ServingStatus::Serving;
        Ok(if serving { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
