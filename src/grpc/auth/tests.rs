use tonic::metadata::MetadataMap;

use super::*;
use crate::domain::access::KEY_ENTROPY_BYTES;
use crate::repository::{DEFAULT_ORGANISATION, NewKey, Settings};

/// A database with two namespaces, in a directory that goes when this is dropped.
struct World {
    auth: Auth,
    repository: Repository,
    first: NamespaceId,
    second: NamespaceId,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::sqlite_file(&directory.path().join("below/auth.sqlite3"));
        let repository = Repository::connect(&settings).await.unwrap();
        repository.migrate_up().await.unwrap();
        let first = repository.create_namespace("first").await.unwrap().id;
        let second = repository.create_namespace("second").await.unwrap().id;
        let auth = Auth::new(repository.clone());
        Self { auth, repository, first, second, _directory: directory }
    }

    /// A key that reads, is confined to `first`, and has no default namespace.
    fn confined(&self) -> NewKey {
        NewKey {
            name: "test".to_owned(),
            scopes: vec![Scope::Read],
            namespaces: vec![self.first],
            default_namespace: None,
            expires_at: None,
        }
    }

    async fn key(&self, new: NewKey) -> String {
        let (_, secret) = self.repository.create_key(new).await.unwrap();
        secret.expose().to_owned()
    }

    async fn read(&self, headers: &[(&'static str, &str)]) -> Result<Caller, ApiError> {
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            metadata.append(*name, value.parse().unwrap());
        }
        self.auth.authorize(&metadata, Scope::Read).await
    }
}

fn bearer_header(key: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {key}"))
}

#[tokio::test]
async fn a_namespace_is_reached_by_name_by_id_and_by_default() {
    let world = World::new().await;
    let new = NewKey { default_namespace: Some(world.first), ..world.confined() };
    let (name, value) = bearer_header(&world.key(new).await);
    let key = (name, value.as_str());
    let id = world.first.to_string();
    for headers in [vec![key], vec![key, ("x-namespace", "first")], vec![key, ("x-namespace", &id)]]
    {
        assert_eq!(world.read(&headers).await.unwrap().namespace, world.first);
    }
    let lower_case = value.replace("Bearer", "bearer");
    assert!(world.read(&[("authorization", &lower_case)]).await.is_ok());
}

#[tokio::test]
async fn closed_and_missing_namespaces_get_one_answer() {
    let world = World::new().await;
    let (name, value) = bearer_header(&world.key(world.confined()).await);
    let (second, nowhere) = (world.second.to_string(), NamespaceId(7).to_string());
    for namespace in ["second", &second, "nowhere", &nowhere] {
        let denied = world.read(&[(name, &value), ("x-namespace", namespace)]).await;
        assert!(matches!(denied, Err(ApiError::NamespaceDenied)), "{namespace}: {denied:?}");
    }
    let everywhere = NewKey { namespaces: Vec::new(), ..world.confined() };
    let (name, value) = bearer_header(&world.key(everywhere).await);
    assert!(world.read(&[(name, &value), ("x-namespace", "second")]).await.is_ok());
}

#[tokio::test]
async fn a_call_names_exactly_one_namespace() {
    let world = World::new().await;
    let (name, value) = bearer_header(&world.key(world.confined()).await);
    let key = (name, value.as_str());
    let twice = [key, ("x-namespace", "first"), ("x-namespace", "first")];
    for headers in [&[key][..], &twice, &[key, ("x-namespace", "")], &[key, ("x-namespace", "A b")]]
    {
        let Err(ApiError::Invalid { reason, violations }) = world.read(headers).await else {
            panic!("{headers:?} is taken");
        };
        assert_eq!(reason, InvalidReason::Namespace);
        assert_eq!(violations.iter().next().unwrap().field, "x-namespace");
    }
}

#[tokio::test]
async fn keys_that_open_nothing_get_one_answer() {
    let world = World::new().await;
    let good = world.key(world.confined()).await;
    let expired = NewKey { expires_at: Some(time::now() - 1), ..world.confined() };
    let expired = world.key(expired).await;
    let (revoked, secret) = world.repository.create_key(world.confined()).await.unwrap();
    let revoke = world.repository.revoke_key(DEFAULT_ORGANISATION, &revoked.key_id);
    assert!(revoke.await.unwrap().is_some());
    let unknown = KeySecret::from_entropy(&[9; KEY_ENTROPY_BYTES]).expose().to_owned();
    let (cut, last) = good.split_at(good.len() - 1);
    let other = if last == "x" { 'y' } else { 'x' };
    for authorization in [
        format!("Bearer {expired}"),
        format!("Bearer {}", secret.expose()),
        format!("Bearer {unknown}"),
        format!("Bearer {cut}{other}"),
        format!("Basic {good}"),
        good.clone(),
        String::new(),
    ] {
        let headers = [("authorization", authorization.as_str()), ("x-namespace", "first")];
        let refused = world.read(&headers).await;
        assert!(matches!(refused, Err(ApiError::Unauthenticated)), "{authorization}: {refused:?}");
    }
    let (name, value) = bearer_header(&good);
    for headers in [vec![("x-namespace", "first")], vec![(name, value.as_str()); 2]] {
        assert!(matches!(world.read(&headers).await, Err(ApiError::Unauthenticated)));
    }
}

#[tokio::test]
async fn a_scope_must_be_granted() {
    let world = World::new().await;
    let (name, value) = bearer_header(&world.key(world.confined()).await);
    let mut metadata = MetadataMap::new();
    metadata.insert(name, value.parse().unwrap());
    metadata.insert("x-namespace", "first".parse().unwrap());
    for scope in [Scope::Write, Scope::Admin] {
        let denied = world.auth.authorize(&metadata, scope).await;
        assert!(matches!(denied, Err(ApiError::ScopeMissing(missing)) if missing == scope));
    }
}

#[tokio::test]
async fn what_was_found_is_remembered() {
    let world = World::new().await;
    let key = world.key(world.confined()).await;
    let (name, value) = bearer_header(&key);
    let headers = [(name, value.as_str()), ("x-namespace", "first")];
    assert!(world.read(&headers).await.is_ok());
    // What was found is used for a while, even with no database behind it.
    world.repository.close().await;
    assert!(world.read(&headers).await.is_ok());
    let other = [(name, value.as_str()), ("x-namespace", "second")];
    assert!(matches!(world.read(&other).await, Err(ApiError::Repository(_))));
}

#[tokio::test]
async fn what_has_changed_is_forgotten() {
    let world = World::new().await;
    let (key, secret) = world.repository.create_key(world.confined()).await.unwrap();
    let (name, value) = bearer_header(secret.expose());
    let headers = [(name, value.as_str()), ("x-namespace", "first")];
    assert_eq!(world.read(&headers).await.unwrap().visible_since, None);
    let set = world.repository.set_retention(DEFAULT_ORGANISATION, world.first, Some(1_000_000));
    let changed = set.await.unwrap().unwrap();
    assert_eq!(world.read(&headers).await.unwrap().visible_since, None);
    world.auth.forget_namespace(&changed).await;
    assert!(world.read(&headers).await.unwrap().visible_since.is_some());

    let revoke = world.repository.revoke_key(DEFAULT_ORGANISATION, &key.key_id);
    let revoked = revoke.await.unwrap().unwrap();
    assert!(world.read(&headers).await.is_ok());
    world.auth.forget_key(&revoked.hash).await;
    assert!(matches!(world.read(&headers).await, Err(ApiError::Unauthenticated)));
}

#[tokio::test]
async fn what_changes_while_it_is_looked_for_is_looked_for_again() {
    let world = World::new().await;
    let looks = AtomicU64::new(0);
    let found = world.auth.unchanged(|| async {
        let look = looks.fetch_add(1, Ordering::SeqCst);
        if look == 0 {
            world.auth.forget_key(&[0; 32]).await;
        }
        Ok(look)
    });
    assert_eq!(found.await.unwrap(), 1);
}

#[tokio::test]
async fn a_key_that_is_presented_is_noted_until_that_is_taken() {
    let world = World::new().await;
    let (key, secret) = world.repository.create_key(world.confined()).await.unwrap();
    let (name, value) = bearer_header(secret.expose());
    let before = time::now();
    assert!(world.read(&[(name, &value), ("x-namespace", "first")]).await.is_ok());
    assert!(world.read(&[(name, &value), ("x-namespace", "second")]).await.is_err());
    let uses = world.auth.take_uses();
    let [(key_id, at)] = uses.as_slice() else { panic!("{uses:?}") };
    assert_eq!(*key_id, key.key_id);
    assert!((before..=time::now()).contains(at));
    assert_eq!(world.auth.take_uses(), []);
    world.auth.keep_uses(uses.clone());
    assert_eq!(world.auth.take_uses(), uses);
    let revoke = world.repository.revoke_key(DEFAULT_ORGANISATION, &key.key_id);
    world.auth.forget_key(&revoke.await.unwrap().unwrap().hash).await;
    assert!(world.read(&[(name, &value), ("x-namespace", "first")]).await.is_err());
    assert_eq!(world.auth.take_uses(), []);
}
