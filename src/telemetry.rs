//! The log, which goes to standard error.

use std::env::{self, VarError};
use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variables that say what is logged, the first one that is set; `RUST_LOG` is what Rust
/// programs share.
const FILTER_VARIABLES: [&str; 2] = ["INTERACTIONS_LOG", "RUST_LOG"];

/// What libraries tell below a warning speaks of their own inside. So do notices of PostgreSQL: sqlx
/// rolls back what was committed already when a caller leaves in the middle of a COMMIT. Of h2 even
/// warnings are left out: one of them comes with every frame of a certain kind, and anybody may send
/// millions.
const QUIET: &str = "sqlx=warn,sqlx::postgres::notice=error,sea_orm_migration=warn,h2=error";

/// Starts the log: `level` and above, unless `INTERACTIONS_LOG` or `RUST_LOG` say otherwise in the
/// syntax of `tracing_subscriber::EnvFilter`. To be called once in a process.
///
/// # Errors
///
/// When a variable cannot be read as a filter.
pub fn start(level: LevelFilter) -> anyhow::Result<()> {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter(level)?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && !no_color)
        .init();
    Ok(())
}

fn filter(level: LevelFilter) -> anyhow::Result<EnvFilter> {
    let builder = EnvFilter::builder().with_default_directive(level.into());
    for variable in FILTER_VARIABLES {
        match env::var(variable) {
            Ok(directives) => {
                let filter = builder.parse(directives);
                return filter.with_context(|| format!("{variable} is not a filter of the log"));
            }
            Err(VarError::NotPresent) => {}
            Err(error @ VarError::NotUnicode(_)) => {
                return Err(error).context(format!("{variable} cannot be read"));
            }
        }
    }
    // A default directive counts only where there is no other.
    Ok(builder.parse_lossy(format!("{level},{QUIET}")))
}
