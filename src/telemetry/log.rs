//! The log, which goes to standard error.

use std::env::{self, VarError};
use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// The variables that say what is logged, the first one that is set; `RUST_LOG` is what Rust
/// programs share.
pub const FILTER_VARIABLES: [&str; 2] = ["INTERACTIONS_LOG", "RUST_LOG"];

/// What libraries tell below a warning speaks of their own inside. So do notices of PostgreSQL: sqlx
/// rolls back what was committed already when a caller leaves in the middle of a COMMIT. Of h2 even
/// warnings are left out: one of them comes with every frame of a certain kind, and anybody may send
/// millions.
const QUIET: &str = "sqlx=warn,sqlx::postgres::notice=error,sea_orm_migration=warn,h2=error";

/// How lines are written. Both escape what others say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: an object on each line.
    Json,
}

impl Format {
    /// For people where a person is reading, or else for programs.
    #[must_use]
    pub fn by_terminal() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    /// This level and above, unless `INTERACTIONS_LOG` or `RUST_LOG` say otherwise in the syntax of
    /// `tracing_subscriber::EnvFilter`.
    pub level: LevelFilter,
    /// How lines are written.
    pub format: Format,
}

impl Log {
    /// The log as a part of what listens to `tracing`.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read as a filter.
    pub(super) fn layer<S>(self) -> anyhow::Result<Box<dyn Layer<S> + Send + Sync>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let filter = filter(self.level)?;
        let lines = fmt::layer().with_writer(io::stderr);
        Ok(match self.format {
            Format::Text => {
                let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let lines = lines.with_ansi(io::stderr().is_terminal() && !no_color);
                lines.with_filter(filter).boxed()
            }
            // Calls are not nested, so the list of spans would say the same again.
            Format::Json => {
                lines.json().flatten_event(true).with_span_list(false).with_filter(filter).boxed()
            }
        })
    }
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
