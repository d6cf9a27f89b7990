//! What `doctor` looks at in the database.

use std::path::Path;

use super::machine::readable_by_others;
use super::{Finding, span};
use crate::cli::listing;
use crate::config::DatabaseArgs;
use crate::domain::access::ApiKey;
use crate::domain::time::{self, Micros};
use crate::repository::{Error, Examined, Fault, Repository, Settings};
use crate::server;

/// Keys that end sooner are named, in microseconds: fourteen days.
const ENDS_SOON: Micros = 14 * 86_400 * 1_000_000;
/// How far two clocks may be apart, in microseconds, before it is worth a word, and before lists and
/// expiries go wrong.
const APART: Micros = 1_000_000;
const FAR_APART: Micros = 60_000_000;
/// Free room on the disk below which it is worth a word, in bytes. A full disk stops writing.
const ROOM: u64 = 1 << 30;

pub(super) async fn findings(arguments: &DatabaseArgs) -> Vec<Finding> {
    let settings = match server::settings(arguments) {
        Ok(settings) => settings,
        Err(error) => {
            return vec![Finding::of_error("database", error, "see `interactions serve --help`")];
        }
    };
    let mut findings = Vec::new();
    if let Some(file) = settings.file() {
        findings.extend(room(file));
        if !file.exists() {
            let said = format!("{settings} is not there yet: the first start makes it");
            findings.push(Finding::good("database", said));
            return findings;
        }
        if let Some(mode) = readable_by_others(file) {
            let said =
                format!("{} can be read by others (mode {mode:o}): chmod 600", file.display());
            findings.push(Finding::warning("file", said));
        }
    }
    match Repository::connect(&settings).await {
        Ok(repository) => {
            let looked = look(&repository, &settings, &mut findings).await;
            if let Err(error) = looked {
                findings.push(Finding::of_error(
                    "database",
                    error,
                    "restore a backup if it stays so",
                ));
            }
            repository.close().await;
        }
        Err(error) => {
            let advice = "is it running, and does the URL name it?";
            findings.push(Finding::of_error("database", error, advice));
        }
    }
    findings
}

async fn look(
    repository: &Repository,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let states = repository.migration_states().await?;
    let pending = states.iter().filter(|state| !state.applied).count();
    if pending > 0 {
        let advice = "run `interactions migrate`";
        findings.push(Finding::good("database", settings.to_string()));
        findings.push(Finding::failure(
            "schema",
            format!("{pending} migrations are missing: {advice}"),
        ));
        return Ok(());
    }
    let examined = repository.examine().await?;
    let Examined { version, bytes, clock_ahead, last_recorded, faults } = &examined;
    let said = format!("{settings}, {version}, {}", indicatif::HumanBytes(*bytes));
    findings.push(Finding::good("database", said));
    findings.push(Finding::good("schema", format!("all {} migrations are applied", states.len())));
    findings.extend(faults.iter().map(fault));
    findings.push(clock(*clock_ahead, *last_recorded, time::now()));
    match server::verify::at_start(repository).await {
        Ok(()) => {}
        Err(error) => findings.push(Finding::of_error("damage", error, "restore a backup")),
    }
    let namespaces = repository.namespaces().await?.len();
    if namespaces == 0 {
        let said = "none: create one with `interactions namespace create NAME`";
        findings.push(Finding::warning("namespaces", said));
    } else {
        findings.push(Finding::good("namespaces", namespaces.to_string()));
    }
    findings.extend(keys(&repository.keys().await?, time::now()));
    Ok(())
}

fn fault(fault: &Fault) -> Finding {
    match fault {
        Fault::NotDurable(setting) => Finding::failure(
            "settings",
            format!("{setting} is off: what was recorded is lost with the power; set it to on"),
        ),
        Fault::Standby => {
            Finding::failure("settings", "this is a standby: name the primary in the URL")
        }
        Fault::FewConnections { free, wanted } => Finding::warning(
            "settings",
            format!(
                "{free} connections are free, and a server takes up to {wanted}: raise max_connections, \
                 or put a pooler in between"
            ),
        ),
        Fault::NoStatistics => Finding::warning(
            "settings",
            "nobody has looked at the data: run ANALYZE interactions, or lists with filters are slow",
        ),
        Fault::NoAutovacuum => Finding::warning(
            "settings",
            "autovacuum is off: lists slow down with time; set it to on",
        ),
        Fault::NoLog => Finding::warning(
            "settings",
            "there is no write-ahead log: is the file on a network? Readers and the writer wait for \
             each other",
        ),
    }
}

fn clock(ahead: Option<Micros>, last_recorded: Option<Micros>, now: Micros) -> Finding {
    let later = last_recorded.map_or(0, |recorded| recorded - now);
    if later > APART {
        let said = format!(
            "an interaction was recorded {} from now: this clock is wrong, or that of another server was",
            span(later / 1_000_000)
        );
        return Finding::warning("clock", said);
    }
    let Some(ahead) = ahead else {
        return Finding::good("clock", listing::time(now));
    };
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let said = format!("the database's is {} {side} this machine's", span(ahead.abs() / 1_000_000));
    if ahead.abs() > FAR_APART {
        Finding::failure("clock", format!("{said}: run NTP on both"))
    } else if ahead.abs() > APART {
        Finding::warning("clock", format!("{said}: run NTP on both"))
    } else {
        Finding::good("clock", format!("{}, and the database agrees", listing::time(now)))
    }
}

fn keys(keys: &[ApiKey], now: Micros) -> Vec<Finding> {
    let valid: Vec<_> = keys.iter().filter(|key| key.is_valid(now)).collect();
    if valid.is_empty() {
        let said = "none is valid: create one with `interactions key create --name NAME --scopes read,write`";
        return vec![Finding::warning("keys", said)];
    }
    let mut findings = vec![Finding::good("keys", format!("{} valid", valid.len()))];
    for key in valid {
        if let Some(left) = key.expires_at.map(|end| end - now).filter(|left| *left < ENDS_SOON) {
            let ApiKey { key_id, name, .. } = key;
            let ends = span(left / 1_000_000);
            let said =
                format!("{key_id} ({name}) ends in {ends}: `interactions key rotate {key_id}`");
            findings.push(Finding::warning("keys", said));
        }
    }
    findings
}

/// Room on the disk of `file`, which may not be there yet.
fn room(file: &Path) -> Option<Finding> {
    let there = file.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let size = std::fs::metadata(file).map_or(0, |file| file.len());
    let said = format!("{} are free", indicatif::HumanBytes(free));
    Some(if free < ROOM.max(size / 10) {
        Finding::warning(
            "disk",
            format!("{said}: nothing can be recorded on a full one; make room"),
        )
    } else {
        Finding::good("disk", said)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Grade;

    #[test]
    fn clocks_may_differ_a_little() {
        let grade = |ahead, recorded| clock(ahead, recorded, 1_000_000_000).grade;
        assert_eq!(grade(None, None), Grade::Good);
        assert_eq!(grade(Some(-APART), Some(1_000_000_000)), Grade::Good);
        assert_eq!(grade(Some(2 * APART), None), Grade::Warning);
        assert_eq!(grade(Some(-2 * FAR_APART), None), Grade::Failure);
        assert_eq!(grade(None, Some(1_100_000_000)), Grade::Warning);
    }
}
