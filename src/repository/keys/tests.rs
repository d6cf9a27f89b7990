use super::*;
use crate::repository::Settings;

async fn empty() -> (Repository, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings::sqlite_file(&directory.path().join("keys.sqlite3"));
    let repository = Repository::connect(&settings).await.unwrap();
    repository.migrate_up().await.unwrap();
    (repository, directory)
}

#[tokio::test]
async fn a_key_comes_back_as_it_was_made() {
    let (repository, _directory) = empty().await;
    let namespace = repository.create_namespace("demo").await.unwrap().id;
    let new = NewKey {
        name: "first".to_owned(),
        scopes: vec![Scope::Read, Scope::Admin],
        namespaces: vec![namespace],
        default_namespace: Some(namespace),
        expires_at: Some(i64::MAX),
    };
    let (key, secret) = repository.create_key(new.clone()).await.unwrap();
    assert_eq!(repository.valid_key(&secret.hash(), 0).await.unwrap(), Some(key.clone()));
    let open = NewKey { namespaces: Vec::new(), default_namespace: None, expires_at: None, ..new };
    let (other, _) = repository.create_key(open).await.unwrap();
    let mut keys = repository.keys().await.unwrap();
    keys.sort_by_key(|listed| listed.key_id != key.key_id);
    assert_eq!(keys, [key, other]);
    assert_eq!(repository.valid_key(&[0; 32], 0).await.unwrap(), None);
}

#[tokio::test]
async fn a_last_use_moves_forward_only() {
    let (repository, _directory) = empty().await;
    let new = NewKey {
        name: "used".to_owned(),
        scopes: vec![Scope::Read],
        namespaces: Vec::new(),
        default_namespace: None,
        expires_at: None,
    };
    let mut ids = Vec::new();
    for _ in 0..USES + 1 {
        ids.push(repository.create_key(new.clone()).await.unwrap().0.key_id);
    }
    let all = |at| ids.iter().map(|id| (id.clone(), at)).collect::<Vec<_>>();
    for (written, found) in [(5, 5), (4, 5), (6, 6)] {
        repository.touch_keys(&all(written)).await.unwrap();
        let keys = repository.keys().await.unwrap();
        assert_eq!(keys.len(), ids.len());
        assert!(keys.iter().all(|key| key.last_used_at == Some(found)), "{keys:?}");
    }
    repository.touch_keys(&[("nobody".to_owned(), 7)]).await.unwrap();
    repository.touch_keys(&[]).await.unwrap();
}

/// More than are written in one transaction.
const USES: usize = 100;
