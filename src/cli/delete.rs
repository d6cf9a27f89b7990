//! `interactions delete`: removes single interactions.

use std::process::ExitCode;

use clap::Args;

use super::client::{Connection, explain};
use super::stderr::note;
use crate::grpc::proto::DeleteInteractionRequest;

/// Deletes interactions by their ids, for good.
///
/// One that cannot be deleted is reported, and the rest goes on; the exit status is then 1.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Their interaction_ids
    #[arg(value_name = "ID", required = true)]
    interaction_ids: Vec<String>,

    /// Pass over ids that are not there, so that the command can be repeated
    #[arg(long)]
    allow_missing: bool,

    #[command(flatten)]
    connection: Connection,
}

impl Delete {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service cannot be reached.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { interaction_ids, allow_missing, connection } = self;
        let mut client = connection.connect().await?;
        let mut outcome = ExitCode::SUCCESS;
        for interaction_id in interaction_ids {
            let request =
                DeleteInteractionRequest { interaction_id: interaction_id.clone(), allow_missing };
            if let Err(status) = client.delete_interaction(request).await {
                note(&format!("{}: {}", interaction_id.escape_debug(), explain(&status)));
                outcome = ExitCode::FAILURE;
            }
        }
        Ok(outcome)
    }
}
