//! Certificates that were made a moment ago.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// An authority that nobody knows.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes its certificate to `path`.
    pub(super) fn write(&self, path: PathBuf) -> String {
        fs::write(&path, &self.pem).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a certificate for this machine and its key, to `name`.pem and `name`.key.
    pub(super) fn sign(&self, directory: &Path, name: &str) -> [String; 2] {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer);
        [("pem", certificate.unwrap().pem()), ("key", key.serialize_pem())].map(|(end, text)| {
            let path = directory.join(format!("{name}.{end}"));
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        })
    }
}
