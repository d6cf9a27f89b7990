//! `interactions verify`: whether what is stored is what was written.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::listing;
use crate::config::DatabaseArgs;
use crate::server::verify::{Verified, verify};
use crate::server::{self, Migrate};

/// Reads everything that is stored and compares it with what was noted when it was recorded.
///
/// Names damaged interactions, and exits with status 1 where there are any. A service can run beside
/// it.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Verify {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or is so damaged that it cannot be read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { database } = self;
        let repository = server::open(&database, Migrate::Never).await?;
        let verified = verify(&repository).await.context("cannot read the database")?;
        repository.close().await;
        let Verified { interactions, damaged, named } = verified;
        for (namespace, interaction_id) in &named {
            listing::print_line(&format!("damaged  {namespace}  {interaction_id}"))?;
        }
        listing::print_line(&format!("{interactions} interactions read, {damaged} damaged"))?;
        Ok(if damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
