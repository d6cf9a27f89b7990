//! `interactions get`: one interaction.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use prost::Message as _;

use super::client::{Connection, explain};
use super::json::{JsonForm, Layout};
use super::stdout::{Stdout, unless_closed};
use crate::grpc::proto::{GetInteractionRequest, Interaction};

/// Prints one interaction.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// Its interaction_id
    #[arg(value_name = "ID")]
    interaction_id: String,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: Format,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// JSON over several lines
    Json,
    /// JSON on one line
    Jsonl,
}

impl Get {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service cannot be reached or refuses the call, or there is no such interaction.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { interaction_id, output, connection } = self;
        let form = JsonForm::new()?;
        let mut client = connection.connect().await?;
        let answer = client.get_interaction(GetInteractionRequest { interaction_id }).await;
        let interaction: Interaction = answer.map_err(|status| explain(&status))?.into_inner();
        let layout = match output {
            Format::Json => Layout::Pretty,
            Format::Jsonl => Layout::Line,
        };
        let mut text = Vec::new();
        form.write_interaction(&interaction.encode_to_vec(), layout, &mut text)?;
        unless_closed(Stdout::new().write_line(&String::from_utf8_lossy(&text)))
    }
}
