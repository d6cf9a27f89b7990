//! What `doctor` looks at without a database.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::{Finding, span};
use crate::cli::serve::tls_files;
use crate::config::{ListenArgs, TlsArgs};
use crate::domain::time;
use crate::server::accept::Limits;
use crate::server::tls::{Tls, Validity};

/// Certificates that end sooner are to be renewed, in seconds: thirty days.
const RENEW_WITHIN: i64 = 30 * 86_400;
/// Files and sockets that a server has open beside the connections of its clients.
const OTHER_DESCRIPTORS: u64 = 100;

/// Whether keys and data could be read on their way.
pub(super) fn address(listen: &ListenArgs, tls: &TlsArgs) -> Finding {
    match listen.address(tls.tls_cert.is_some()) {
        Ok(address) if tls.tls_cert.is_some() => {
            Finding::good("address", format!("{address}, with TLS"))
        }
        Ok(address) if listen.insecure && !address.ip().to_canonical().is_loopback() => {
            let said =
                format!("{address}, without TLS: let nobody reach it but a proxy that adds it");
            Finding::warning("address", said)
        }
        Ok(address) => Finding::good("address", format!("{address}, for this machine only")),
        Err(error) => Finding::failure("address", error.to_string()),
    }
}

/// Whether all clients that a server takes could connect.
pub(super) fn descriptors() -> Finding {
    let wanted = Limits::default().connections as u64 + OTHER_DESCRIPTORS;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < wanted => Finding::warning(
            "descriptors",
            format!(
                "{limit} at most, {wanted} with all connections: raise it (`ulimit -n`, LimitNOFILE)"
            ),
        ),
        Some(limit) => Finding::good("descriptors", format!("{limit} at most")),
        None => Finding::good("descriptors", "no limit"),
    }
}

/// Whether the certificates can be used, and for how long.
pub(super) async fn certificates(tls: TlsArgs) -> Vec<Finding> {
    let files = match tls_files(&tls) {
        Ok(Some(files)) => files,
        Ok(None) => return Vec::new(),
        Err(incomplete) => return vec![Finding::failure("certificate", incomplete.to_string())],
    };
    let mut findings = Vec::new();
    if let Some(mode) = readable_by_others(&files.key) {
        let said =
            format!("{} can be read by others (mode {mode:o}): chmod 600", files.key.display());
        findings.push(Finding::warning("private key", said));
    }
    let validity = match Tls::load(files).await {
        Ok(tls) => tls.validity(),
        Err(error) => Err(error),
    };
    match validity {
        Ok(chain) => {
            let now = time::now().div_euclid(1_000_000);
            findings.extend(
                chain.into_iter().enumerate().map(|(place, one)| certificate(place, one, now)),
            );
        }
        Err(error) => {
            let advice = "give --tls-cert and --tls-key files in PEM format that belong together";
            findings.push(Finding::of_error("certificate", error, advice));
        }
    }
    findings
}

/// The certificate at this place of the chain, at `now`, in seconds since 1970.
fn certificate(place: usize, validity: Validity, now: i64) -> Finding {
    let Validity { from, until } = validity;
    let which =
        if place == 0 { String::new() } else { format!("number {} of the chain ", place + 1) };
    let renew = "renew it; it is read anew by itself";
    if now < from {
        let said = format!("{which}is good in {} only: is the clock right?", span(from - now));
        Finding::failure("certificate", said)
    } else if now > until {
        Finding::failure("certificate", format!("{which}ended {} ago: {renew}", span(now - until)))
    } else if until - now < RENEW_WITHIN {
        Finding::warning("certificate", format!("{which}ends in {}: {renew}", span(until - now)))
    } else {
        Finding::good("certificate", format!("{which}is good for {}", span(until - now)))
    }
}

/// The permissions of a file that others than its owner may read.
pub(super) fn readable_by_others(file: &Path) -> Option<u32> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Grade;

    #[test]
    fn certificates_are_renewed_in_time() {
        let day = 86_400;
        let grade = |from, until| certificate(0, Validity { from, until }, 100 * day).grade;
        assert_eq!(grade(0, 200 * day), Grade::Good);
        assert_eq!(grade(0, 129 * day), Grade::Warning);
        assert_eq!(grade(0, 99 * day), Grade::Failure);
        assert_eq!(grade(101 * day, 200 * day), Grade::Failure);
    }
}
