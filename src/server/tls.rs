//! The certificates of the service, and of those who may call it. They are read anew when their
//! files change, so that they can be renewed without a restart.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How often the files are looked at.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Files in PEM format.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate of the service, and those that lead from it to one that clients trust.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that sign certificates of clients; without them clients need none.
    pub client_authorities: Option<PathBuf>,
}

/// For how long a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From when on, in seconds since 1970.
    pub from: i64,
    /// Until when, in seconds since 1970.
    pub until: i64,
}

/// Why files make no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {expected} in PEM format", .path.display())]
    Malformed {
        /// Which one.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The certificate and the key are of no use together.
    #[error("the certificate and the key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// No client could be verified by the authorities.
    #[error("the authorities for certificates of clients cannot be used")]
    Authorities(#[source] VerifierBuilderError),
}

/// A file as it was read.
#[derive(PartialEq, Eq)]
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: File,
    key: File,
    client_authorities: Option<File>,
}

/// The certificates in use.
pub struct Tls {
    files: TlsFiles,
    /// What the files held at first.
    loaded: Contents,
    config: watch::Sender<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No key.
        let Self { files, loaded: _, config: _ } = self;
        formatter.debug_struct("Tls").field("files", files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads `files`.
    ///
    /// # Errors
    ///
    /// When one cannot be read, or they do not hold what they should.
    pub async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = read(&files).await?;
        let (config, _) = watch::channel(Arc::new(server_config(&loaded)?));
        Ok(Self { files, loaded, config })
    }

    /// When the certificates of the chain are good, the service's own first.
    ///
    /// # Errors
    ///
    /// When one is not an X.509 certificate.
    pub fn validity(&self) -> Result<Vec<Validity>, TlsError> {
        let file = &self.loaded.certificate;
        let mut validities = Vec::new();
        for certificate in certificates(file)? {
            let (_, certificate) = X509Certificate::from_der(&certificate)
                .map_err(|_| malformed(file, "certificate", pem::Error::NoItemsFound))?;
            let validity = certificate.validity();
            let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
            validities.push(Validity { from, until });
        }
        Ok(validities)
    }

    /// For the next connection.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.borrow().clone()
    }

    /// Looks at the files again and again. While they are of no use, what was of use stays.
    pub(super) async fn reload(&self, interval: Duration) {
        let mut before = None;
        loop {
            tokio::time::sleep(interval).await;
            let now = read(&self.files).await.map_err(in_words);
            let unchanged = match &before {
                None => now.as_ref().is_ok_and(|now| *now == self.loaded),
                Some(before) => *before == now,
            };
            if unchanged {
                continue;
            }
            let config = now.as_ref().map_err(Clone::clone);
            match config.and_then(|contents| server_config(contents).map_err(in_words)) {
                Ok(config) => {
                    self.config.send_replace(Arc::new(config));
                    tracing::info!("certificates read anew");
                }
                Err(error) => {
                    tracing::error!(error, "new certificates are of no use; the old stay")
                }
            }
            before = Some(now);
        }
    }
}

/// An error and its cause.
fn in_words(error: TlsError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

async fn read(files: &TlsFiles) -> Result<Contents, TlsError> {
    let TlsFiles { certificate, key, client_authorities } = files;
    let client_authorities = match client_authorities {
        Some(path) => Some(read_file(path).await?),
        None => None,
    };
    let (certificate, key) = (read_file(certificate).await?, read_file(key).await?);
    Ok(Contents { certificate, key, client_authorities })
}

async fn read_file(path: &Path) -> Result<File, TlsError> {
    let path = path.to_owned();
    match tokio::fs::read(&path).await {
        Ok(bytes) => Ok(File { path, bytes }),
        Err(source) => Err(TlsError::Unreadable { path, source }),
    }
}

fn server_config(contents: &Contents) -> Result<ServerConfig, TlsError> {
    let Contents { certificate, key, client_authorities } = contents;
    // Named, because a dependency may bring another one as well.
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(file)? {
                roots.add(authority).map_err(TlsError::Unusable)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(TlsError::Authorities)?)
        }
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&key.bytes)
        .map_err(|error| malformed(key, "private key", error))?;
    // Also checks that the two belong together.
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// All certificates in a file; at least one.
fn certificates(file: &File) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file.bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(malformed(file, "certificate", pem::Error::NoItemsFound)),
        Err(error) => Err(malformed(file, "certificate", error)),
    }
}

fn malformed(file: &File, expected: &'static str, source: pem::Error) -> TlsError {
    TlsError::Malformed { path: file.path.clone(), expected, source }
}

#[cfg(test)]
mod tests;
