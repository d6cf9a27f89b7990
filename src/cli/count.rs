//! `interactions count`: how many interactions match.

use std::process::ExitCode;

use clap::Args;

use super::client::{Connection, explain};
use super::filters::{Filters, request};
use super::listing::{self, Cell};
use super::output::Format;
use super::stdout::{Stdout, unless_closed};
use crate::grpc::proto::{CountInteractionsRequest, CountInteractionsResponse};

/// Counts interactions.
#[derive(Debug, Args)]
pub(super) struct Count {
    /// How to print the number [default: by itself]
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,

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
        let Self { output, filters, connection } = self;
        let mut client = connection.connect().await?;
        let request = request!(CountInteractionsRequest, filters);
        let answer = client.count_interactions(request).await;
        let CountInteractionsResponse { count } =
            answer.map_err(|status| explain(&status))?.into_inner();
        unless_closed(match output {
            None => Stdout::new().write_line(&count.to_string()),
            Some(format) => {
                let row = [Cell::new(count.to_string(), count)];
                listing::print_one(format, ["count"], row).map_err(Into::into)
            }
        })
    }
}
