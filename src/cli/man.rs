//! `interactions man`: the manual pages.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use clap_mangen::Man;

use super::Cli;
use super::stdout::{Stdout, unless_closed};

/// Prints the manual page of the program, or writes those of all commands into a directory.
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// Where to write them, such as ~/.local/share/man/man1; it is made where it is missing
    directory: Option<PathBuf>,
}

impl Manual {
    /// Runs the command.
    ///
    /// # Errors
    /// When standard output or the directory cannot be written.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { directory } = self;
        let command = Cli::command_line();
        let Some(directory) = directory else {
            let mut page = Vec::new();
            // It has no page of its own: as in the directory.
            Man::new(command.disable_help_subcommand(true)).render(&mut page)?;
            let mut out = Stdout::new();
            let written = out.write_all(&page).and_then(|()| out.flush());
            return unless_closed(written.map_err(Into::into));
        };
        let cannot_write = || format!("cannot write to {}", directory.display());
        fs::create_dir_all(&directory).with_context(cannot_write)?;
        clap_mangen::generate_to(command, &directory).with_context(cannot_write)?;
        Ok(ExitCode::SUCCESS)
    }
}
