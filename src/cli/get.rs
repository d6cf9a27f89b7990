//! `interactions get`: one interaction.

use std::process::ExitCode;

use clap::Args;
use prost::Message as _;

use super::client::{Connection, explain};
use super::json::{JsonForm, Layout};
use super::list::pages::Pages;
use super::output::Format;
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

impl Get {
    /// Runs the command.
    ///
    /// # Errors
    /// When the service cannot be reached or refuses the call, or there is no such interaction.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { interaction_id, output, connection } = self;
        let mut client = connection.connect().await?;
        let answer = client.get_interaction(GetInteractionRequest { interaction_id }).await;
        let interaction: Interaction = answer.map_err(|status| explain(&status))?.into_inner();
        unless_closed(print(&interaction, output))
    }
}

fn print(interaction: &Interaction, format: Format) -> anyhow::Result<()> {
    let encoded = interaction.encode_to_vec();
    match format {
        Format::Json => {
            let mut text = Vec::new();
            JsonForm::new()?.write_interaction(&encoded, Layout::Pretty, &mut text)?;
            Stdout::new().write_line(&String::from_utf8_lossy(&text))
        }
        Format::Table | Format::Jsonl | Format::Csv => {
            let mut page = Pages::new(Stdout::new(), format, Stdout::columns())?;
            page.write(&[encoded.into()])?;
            Ok(page.finish()?)
        }
    }
}
