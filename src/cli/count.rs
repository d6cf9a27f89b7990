//! `interactions count`: how many interactions match.

use std::process::ExitCode;

use clap::Args;

use super::client::{Connection, explain};
use super::filters::Filters;
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
        let answer = client.count_interactions(request(filters)).await;
        let CountInteractionsResponse { count } =
            answer.map_err(|status| explain(&status))?.into_inner();
        unless_closed(Stdout::new().write_line(&count.to_string()))
    }
}

fn request(filters: Filters) -> CountInteractionsRequest {
    let Filters {
        filters,
        execution_id,
        retriever_id,
        session_id,
        user_id,
        feature_id,
        interaction_type,
        search,
    } = filters;
    CountInteractionsRequest {
        execution_id: execution_id.unwrap_or_default(),
        retriever_id: retriever_id.unwrap_or_default(),
        session_id: session_id.unwrap_or_default(),
        user_id: user_id.unwrap_or_default(),
        feature_id: feature_id.unwrap_or_default(),
        interaction_type: interaction_type.unwrap_or_default(),
        filters: filters.map(|filter| filter.0),
        filter: None,
        search: search.unwrap_or_default(),
    }
}
