//! `interactions count`: how many interactions match.

use std::process::ExitCode;

use clap::Args;

use super::client::{Connection, explain};
use super::filters::{Filters, request};
use super::stdout::{Stdout, unless_closed};
use crate::grpc::proto::{CountInteractionsRequest, CountInteractionsResponse};

/// Counts interactions.
#[derive(Debug, Args)]
pub(super) struct Count {
    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    connection: Connection,
}

impl Count {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service cannot be reached or refuses the call.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { filters, connection } = self;
        let mut client = connection.connect().await?;
        let request = request!(CountInteractionsRequest, filters);
        let answer = client.count_interactions(request).await;
        let CountInteractionsResponse { count } =
            answer.map_err(|status| explain(&status))?.into_inner();
        unless_closed(Stdout::new().write_line(&count.to_string()))
    }
}
