//! TLS, certificates of clients, and new certificates without a restart.

use std::time::{Duration, Instant};

use interactions::server::tls::{Tls, TlsFiles};
use interactions::server::{self, Bound};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::certificates::Authority;
use super::sqlite_in;
use crate::support::database::sqlite;
use crate::support::program::{Server, succeed};

#[test]
fn only_clients_with_a_certificate_are_served_where_one_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca = authority.write(directory.join("ca.pem"));
    let other_ca = stranger.write(directory.join("other-ca.pem"));
    let [cert, key] = authority.sign(directory, "server");
    let [client_cert, client_key] = authority.sign(directory, "client");
    let [other_cert, other_key] = stranger.sign(directory, "other");
    let shown = ["--ca", &ca, "--client-cert", &client_cert, "--client-key", &client_key];
    let serve = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca];
    let server = Server::start_with(&sqlite_in(directory), &serve, &shown);
    assert_eq!(succeed(server.client(&["count"]).args(shown)).trim(), "0");
    let none: &[&str] = &["--ca", &ca];
    let foreign = ["--ca", &ca, "--client-cert", &other_cert, "--client-key", &other_key];
    let distrusting =
        ["--ca", &other_ca, "--client-cert", &client_cert, "--client-key", &client_key];
    for flags in [none, &foreign, &distrusting, &[]] {
        let output = server.client(&["count"]).args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
    }
    assert_eq!(server.stop(), Some(0));
}

/// Whether the server at `url` can be asked for its health by whoever trusts `authority`.
async fn is_trusted(url: &str, authority: &Authority) -> bool {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.pem));
    let endpoint = Endpoint::from_shared(url.to_owned()).unwrap().tls_config(tls).unwrap();
    let Ok(channel) = endpoint.connect().await else { return false };
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(channel).check(request).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_are_used_without_a_restart_and_broken_ones_are_not() {
    let interval = Duration::from_millis(50);
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    let [certificate, key] = first.sign(directory.path(), "server").map(Into::into);
    let files = TlsFiles { certificate, key, client_authorities: None };
    let database = sqlite().await;
    let mut bound: Bound = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    bound.tls = Some(Tls::load(files.clone()).await.unwrap());
    bound.transport.reload_interval = interval;
    let url = format!("https://{}", bound.local_addr);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(server::run(bound, database.repository.clone(), shutdown.clone()));
    assert!(is_trusted(&url, &first).await);
    assert!(!is_trusted(&url, &second).await);
    second.sign(directory.path(), "server");
    let started = Instant::now();
    while !is_trusted(&url, &second).await {
        assert!(started.elapsed() < Duration::from_secs(30), "it is not taken up");
        tokio::time::sleep(interval).await;
    }
    assert!(!is_trusted(&url, &first).await);
    std::fs::write(&files.certificate, "broken").unwrap();
    tokio::time::sleep(interval * 10).await;
    assert!(is_trusted(&url, &second).await, "the old one stays");
    shutdown.cancel();
    running.await.unwrap().unwrap();
    database.remove().await;
}
