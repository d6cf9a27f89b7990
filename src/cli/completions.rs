//! `interactions completions`: what makes a shell complete the program's command lines.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::stdout::{Stdout, unless_closed};
use super::{Cli, PROGRAM};

/// Prints the script that makes a shell complete commands, flags and their values.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { shell } = self;
        // First to memory: the generator panics where it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command_line(), PROGRAM, &mut script);
        let mut out = Stdout::new();
        unless_closed(out.write_all(&script).and_then(|()| out.flush()).map_err(Into::into))
    }
}
