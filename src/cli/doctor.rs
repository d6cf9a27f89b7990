//! `interactions doctor`: whether a server could serve here, and go on to.

mod database;
mod machine;

use std::process::ExitCode;

use clap::Args;

use super::listing;
use crate::config::{DatabaseArgs, ListenArgs, TlsArgs};

/// Looks at the database, its schema and settings, the keys, the certificates, the clock and this machine,
/// and says what to do.
///
/// Takes the flags and the variables of `serve`, changes nothing, and exits with status 1 where a server
/// would not start or would break a promise. A service can run beside it.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    tls: TlsArgs,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Warning,
    Failure,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    grade: Grade,
    subject: &'static str,
    said: String,
}

impl Finding {
    fn good(subject: &'static str, said: impl Into<String>) -> Self {
        Self { grade: Grade::Good, subject, said: said.into() }
    }

    fn warning(subject: &'static str, said: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, subject, said: said.into() }
    }

    fn failure(subject: &'static str, said: impl Into<String>) -> Self {
        Self { grade: Grade::Failure, subject, said: said.into() }
    }

    /// An error and its causes, and what to do.
    fn of_error(subject: &'static str, error: impl Into<anyhow::Error>, advice: &str) -> Self {
        Self::failure(subject, format!("{:#}: {advice}", error.into()))
    }

    fn line(&self) -> String {
        let Self { grade, subject, said } = self;
        let grade = match grade {
            Grade::Good => "ok",
            Grade::Warning => "warning",
            Grade::Failure => "FAILED",
        };
        format!("{grade:7}  {subject:12}  {said}")
    }
}

impl Doctor {
    /// Runs the command.
    ///
    /// # Errors
    /// When standard output cannot be written. What is found is no error.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self { database, listen, tls } = self;
        let mut findings = vec![machine::address(&listen, &tls), machine::descriptors()];
        findings.extend(machine::certificates(tls).await);
        findings.extend(database::findings(&database).await);
        for finding in &findings {
            listing::print_line(&finding.line())?;
        }
        let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
        let (failures, warnings) = (count(Grade::Failure), count(Grade::Warning));
        listing::print_line(&format!("{failures} failed, {warnings} warnings"))?;
        Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A span of time, in the largest unit of which there is at least one.
fn span(seconds: i64) -> String {
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")];
    let fitting = units.into_iter().find(|(length, _)| seconds >= *length);
    let (length, unit) = fitting.unwrap_or((1, "seconds"));
    format!("{} {unit}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        for (seconds, text) in
            [(0, "0 seconds"), (59, "59 seconds"), (3_599, "59 minutes"), (172_800, "2 days")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
