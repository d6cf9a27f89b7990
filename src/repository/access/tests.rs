use super::*;
use crate::repository::Settings;

async fn empty() -> (Repository, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings::sqlite_file(&directory.path().join("access.sqlite3"));
    let repository = Repository::connect(&settings).await.unwrap();
    repository.migrate_up().await.unwrap();
    (repository, directory)
}

#[tokio::test]
async fn a_namespace_is_found_by_name_and_id_in_its_organisation_only() {
    let (repository, _directory) = empty().await;
    let created = repository.create_namespace("demo").await.unwrap();
    let by_name = repository.namespace_by_name(DEFAULT_ORGANISATION, "demo").await.unwrap();
    let by_id = repository.namespace_by_id(DEFAULT_ORGANISATION, created.id).await.unwrap();
    assert_eq!((by_name.as_ref(), by_id.as_ref()), (Some(&created), Some(&created)));
    assert_eq!(repository.namespace_by_name(2, "demo").await.unwrap(), None);
    assert_eq!(repository.namespace_by_id(2, created.id).await.unwrap(), None);
    assert_eq!(repository.namespaces().await.unwrap(), [created]);
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let (repository, _directory) = empty().await;
    repository.create_namespace("demo").await.unwrap();
    let again = repository.create_namespace("demo").await;
    assert!(matches!(again, Err(NewNamespaceError::Taken)), "{again:?}");
    let malformed = repository.create_namespace("De mo").await;
    assert!(matches!(malformed, Err(NewNamespaceError::Name)), "{malformed:?}");
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
    assert_eq!(repository.key_by_hash(&secret.hash()).await.unwrap(), Some(key.clone()));
    let open = NewKey { namespaces: Vec::new(), default_namespace: None, expires_at: None, ..new };
    let (other, _) = repository.create_key(open).await.unwrap();
    let mut keys = repository.keys().await.unwrap();
    keys.sort_by_key(|listed| listed.key_id != key.key_id);
    assert_eq!(keys, [key, other]);
    assert_eq!(repository.key_by_hash(&[0; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn migrations_go_up_and_down_again() {
    let (repository, _directory) = empty().await;
    let steps = repository.migration_states().await.unwrap().len();
    repository.migrate_down(u32::try_from(steps).unwrap()).await.unwrap();
    assert!(repository.migration_states().await.unwrap().iter().all(|state| !state.applied));
    repository.migrate_up().await.unwrap();
    assert!(repository.migration_states().await.unwrap().iter().all(|state| state.applied));
}

#[tokio::test]
async fn sqlite_is_set_up_to_lose_nothing_and_readers_cannot_write() {
    use sea_orm::{ConnectionTrait as _, Statement};
    let (repository, _directory) = empty().await;
    for (connection, query_only) in [(&repository.writer, 0), (&repository.reader, 1)] {
        for (pragma, expected) in [
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("busy_timeout", 5_000),
            ("wal_autocheckpoint", 32_768),
            ("trusted_schema", 0),
            ("query_only", query_only),
        ] {
            let sql = format!("PRAGMA {pragma}");
            let statement = Statement::from_string(sea_orm::DatabaseBackend::Sqlite, sql);
            let row = connection.query_one_raw(statement).await.unwrap().unwrap();
            assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), expected, "{pragma}");
        }
        let statement =
            Statement::from_string(sea_orm::DatabaseBackend::Sqlite, "PRAGMA journal_mode");
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "wal");
    }
}
