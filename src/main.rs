//! The program: reads the command line, runs the command, and turns what comes of it into an exit
//! code: 0 for success, 1 for failure, 2 for a command line that makes no sense.

use std::process::ExitCode;

use interactions::cli::Cli;
use interactions::telemetry;

fn main() -> ExitCode {
    let error = match Cli::read(std::env::args_os()).and_then(run) {
        Ok(code) => return code,
        Err(error) => error,
    };
    match error.downcast::<clap::Error>() {
        Ok(usage) => usage.exit(),
        Err(error) => {
            eprintln!("error: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // Failures on demand, from the environment. Only tests are built with any.
    let _failures = fail::has_failpoints().then(fail::FailScenario::setup);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let telemetry = telemetry::start(cli.log(), cli.is_server())?;
        let ended = cli.run().await;
        telemetry.stop().await;
        ended
    })
}

/// An error and its causes, without the text that some errors repeat of their cause.
fn explain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
