use super::*;
use crate::domain::access::Scope;
use crate::repository::{NewKey, Settings};

async fn empty() -> (Repository, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings::sqlite_file(&directory.path().join("namespaces.sqlite3"));
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
async fn what_is_removed_is_noted_once_and_its_grants_stay() {
    let (repository, _directory) = empty().await;
    let namespace = repository.create_namespace("demo").await.unwrap().id;
    let new = NewKey {
        name: "confined".to_owned(),
        scopes: vec![Scope::Read],
        namespaces: vec![namespace],
        default_namespace: Some(namespace),
        expires_at: None,
    };
    let (key, _) = repository.create_key(new).await.unwrap();
    let other = repository.remove_namespace(2, namespace, true).await;
    assert!(matches!(other, Err(RemoveNamespaceError::Missing)), "{other:?}");
    repository.remove_namespace(DEFAULT_ORGANISATION, namespace, false).await.unwrap();
    let again = repository.remove_namespace(DEFAULT_ORGANISATION, namespace, true).await;
    assert!(matches!(again, Err(RemoveNamespaceError::Missing)), "{again:?}");
    let removed = removed_namespace::Entity::find().all(&repository.aside).await.unwrap();
    let ids: Vec<_> = removed.iter().map(|row| row.namespace_id).collect();
    assert_eq!(ids, [namespace.0]);
    // Without them it would be confined to nothing.
    assert_eq!(repository.keys().await.unwrap(), [key]);
}
