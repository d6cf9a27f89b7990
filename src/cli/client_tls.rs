//! Whom the client commands trust, and how they show who they are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::config::together;

/// The certificates of a client.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ClientTls {
    /// Trust the services that these authorities vouch for, in PEM format, instead of those that the
    /// system trusts; HOST:PORT then means https://HOST:PORT
    #[arg(long, value_name = "FILE", env = "INTERACTIONS_CA")]
    ca: Option<PathBuf>,

    /// A certificate to show to a service that asks for one, in PEM format
    #[arg(long, value_name = "FILE", env = "INTERACTIONS_CLIENT_CERT")]
    client_cert: Option<PathBuf>,

    /// Its private key, in PEM format
    #[arg(long, value_name = "FILE", env = "INTERACTIONS_CLIENT_KEY")]
    client_key: Option<PathBuf>,
}

impl ClientTls {
    /// The service at `addr`: HOST:PORT, or a URL.
    ///
    /// # Errors
    ///
    /// When `addr` is neither, certificates are given for a connection without TLS, or they are of
    /// no use.
    pub(super) fn endpoint(&self, addr: &str) -> anyhow::Result<Endpoint> {
        let Self { ca, client_cert, client_key } = self;
        let certificate = ("--client-cert", client_cert.as_deref());
        let identity = together(certificate, ("--client-key", client_key.as_deref()))?;
        let url = self.url(addr);
        let accepted = "an address is HOST:PORT, or a URL that starts with http:// or https://";
        let secure = url.starts_with("https://");
        anyhow::ensure!(secure || url.starts_with("http://"), "{accepted}, not {url:?}");
        let endpoint =
            Endpoint::from_shared(url.clone()).with_context(|| format!("{accepted}, not {url:?}"));
        let endpoint = endpoint?;
        if secure {
            return endpoint
                .tls_config(config(ca.as_deref(), identity)?)
                .context("cannot set up TLS");
        }
        anyhow::ensure!(!self.is_given(), "certificates are for https://, not for {url}");
        Ok(endpoint)
    }

    fn url(&self, addr: &str) -> String {
        match (addr.contains("://"), self.is_given()) {
            (true, true | false) => addr.to_owned(),
            (false, true) => format!("https://{addr}"),
            (false, false) => format!("http://{addr}"),
        }
    }

    fn is_given(&self) -> bool {
        let Self { ca, client_cert, client_key } = self;
        ca.is_some() || client_cert.is_some() || client_key.is_some()
    }
}

fn config(ca: Option<&Path>, identity: Option<(&Path, &Path)>) -> anyhow::Result<ClientTlsConfig> {
    let config = match ca {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_enabled_roots(),
    };
    Ok(match identity {
        Some((certificate, key)) => {
            config.identity(Identity::from_pem(read(certificate)?, read(key)?))
        }
        None => config,
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        tls: ClientTls,
    }

    fn tls(arguments: &[&str]) -> ClientTls {
        let program = std::iter::once("test");
        Command::parse_from(program.chain(arguments.iter().copied())).tls
    }

    #[test]
    fn an_address_is_a_host_and_port_or_a_url() {
        for addr in ["localhost:1", "[::1]:50051", "http://localhost:1", "https://example.com"] {
            assert!(tls(&[]).endpoint(addr).is_ok(), "{addr}");
        }
        for addr in ["", "ftp://example.com", "a b:1"] {
            assert!(tls(&[]).endpoint(addr).is_err(), "{addr}");
        }
    }

    #[test]
    fn certificates_are_never_left_unused() {
        let error = tls(&["--ca", "nowhere.pem"]).endpoint("http://localhost:1").unwrap_err();
        assert!(error.to_string().contains("https://"), "{error}");
        let error = tls(&["--ca", "nowhere.pem"]).endpoint("localhost:1").unwrap_err();
        assert!(error.to_string().contains("nowhere.pem"), "{error}");
        let error = tls(&["--client-cert", "a.pem"]).endpoint("https://localhost:1").unwrap_err();
        assert!(error.to_string().contains("--client-key"), "{error}");
    }
}
