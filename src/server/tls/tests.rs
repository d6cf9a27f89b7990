use super::*;

/// Files that make a certificate of their own for `localhost`.
fn write_identity(files: &TlsFiles) -> CertificateDer<'static> {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&files.certificate, identity.cert.pem()).unwrap();
    std::fs::write(&files.key, identity.signing_key.serialize_pem()).unwrap();
    identity.cert.der().clone()
}

fn files(directory: &Path) -> TlsFiles {
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| directory.join(name));
    TlsFiles { certificate, key, client_authorities: None }
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let error = || async { in_words(Tls::load(files.clone()).await.unwrap_err()) };
    assert!(error().await.contains("cannot read"), "{}", error().await);
    write_identity(&files);
    let certificate = std::fs::read(&files.certificate).unwrap();
    std::fs::write(&files.certificate, "").unwrap();
    assert!(error().await.contains("cert.pem holds no certificate"), "{}", error().await);
    write_identity(&files);
    std::fs::write(&files.certificate, certificate).unwrap();
    assert!(error().await.contains("cannot be used"), "{}", error().await);
    write_identity(&files);
    let without = TlsFiles { client_authorities: Some(files.key.clone()), ..files.clone() };
    let error = in_words(Tls::load(without).await.unwrap_err());
    assert!(error.contains("key.pem holds no certificate"), "{error}");
}

#[tokio::test]
async fn a_debug_print_shows_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    write_identity(&files);
    let tls = Tls::load(files).await.unwrap();
    assert!(format!("{tls:?}").len() < 1_000, "{tls:?}");
}

#[tokio::test]
async fn new_files_are_taken_up_and_broken_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    write_identity(&files);
    let tls = Arc::new(Tls::load(files.clone()).await.unwrap());
    let reloading = Arc::clone(&tls);
    let interval = Duration::from_millis(10);
    let _task = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        reloading.reload(interval).await;
    }));
    let first = tls.config();
    std::fs::write(&files.key, "broken").unwrap();
    tokio::time::sleep(interval * 20).await;
    assert!(Arc::ptr_eq(&first, &tls.config()), "broken files are not taken up");
    write_identity(&files);
    let mut changes = tls.config.subscribe();
    if Arc::ptr_eq(&first, &tls.config()) {
        tokio::time::timeout(Duration::from_secs(30), changes.changed()).await.unwrap().unwrap();
    }
    assert!(!Arc::ptr_eq(&first, &tls.config()));
}
