//! Who calls, and where they may work: the metadata of a call, against keys and namespaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use tonic::metadata::MetadataMap;

use super::error::{ApiError, InvalidReason};
use super::metering::METERS;
use crate::domain::access::{ApiKey, KeySecret, Namespace, NamespaceId, NamespaceRef, Scope};
use crate::domain::time::{self, Micros};
use crate::failpoint::left_out;
use crate::repository::{Error, Repository};

mod admin;
mod uses;

pub use admin::Admin;

use uses::KeyUses;

/// The header that names the namespace, and the field of errors about it.
const NAMESPACE_HEADER: &str = "x-namespace";
const AUTHORIZATION_HEADER: &str = "authorization";

/// Entries kept of keys, and as many of namespaces.
const CACHE_ENTRIES: u64 = 10_000;
/// How long a key that was found is taken as it was. A revoked key opens nothing after it.
const KEY_PRESENT: Duration = Duration::from_secs(10);
/// The same for a namespace: a shorter retention hides what it covers, and one that is deleted closes.
const NAMESPACE_PRESENT: Duration = Duration::from_secs(1);
/// How long a key that is not valid is not asked for again. Nobody can present a key before it is
/// made, and none becomes valid anew, so nobody has to wait for this.
const KEY_ABSENT: Duration = Duration::from_secs(60);
/// How long a key counts as one that was good lately, from its last use.
const KEY_RECOGNISED: Duration = Duration::from_secs(60 * 60);
/// The same for a namespace, which somebody may ask for and then make.
const NAMESPACE_ABSENT: Duration = Duration::from_secs(1);

const KEY_LIFETIMES: Lifetimes = Lifetimes { present: KEY_PRESENT, absent: KEY_ABSENT };
const NAMESPACE_LIFETIMES: Lifetimes =
    Lifetimes { present: NAMESPACE_PRESENT, absent: NAMESPACE_ABSENT };

/// Who makes a call, and where it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The public id of the key.
    pub key_id: String,
    /// The namespace, which the key reaches.
    pub namespace: NamespaceId,
    /// What happened in it before this is hidden from reads.
    pub visible_since: Option<Micros>,
}

impl Caller {
    /// Who has this key, in a namespace of this retention.
    pub(super) fn of(key_id: String, namespace: NamespaceId, retention: Option<Micros>) -> Self {
        let visible_since = retention.map(|retention| time::now() - retention);
        Self { key_id, namespace, visible_since }
    }
}

/// Decides what calls may do. Remembers keys for ten seconds and namespaces for one; however many
/// calls wait for the same one, the database is asked once.
#[derive(Debug)]
pub struct Auth {
    repository: Repository,
    /// By hash, so that the secrets themselves are not kept. A key that is not valid is none, so that
    /// no answer tells, by its words or by its time, whether there ever was such a key.
    keys: Cache<[u8; 32], Option<Arc<ApiKey>>>,
    /// The hashes of keys that were valid lately.
    recognised: Cache<[u8; 32], ()>,
    /// By organisation.
    namespaces: Cache<(i64, NamespaceRef), Option<Found>>,
    /// How often something remembered was said to have changed.
    changes: AtomicU64,
    uses: KeyUses,
}

/// What is remembered of a namespace.
#[derive(Debug, Clone, Copy)]
struct Found {
    id: NamespaceId,
    retention: Option<Micros>,
}

impl Auth {
    /// Decides by what `repository` holds.
    #[must_use]
    pub fn new(repository: Repository) -> Self {
        let keys = Cache::builder().max_capacity(CACHE_ENTRIES);
        let namespaces = Cache::builder().max_capacity(CACHE_ENTRIES);
        let recognised = Cache::builder().max_capacity(CACHE_ENTRIES);
        Self {
            repository,
            keys: keys.expire_after(KEY_LIFETIMES).build(),
            recognised: recognised.time_to_idle(KEY_RECOGNISED).build(),
            namespaces: namespaces.expire_after(NAMESPACE_LIFETIMES).build(),
            changes: AtomicU64::new(0),
            uses: KeyUses::default(),
        }
    }

    /// Who calls and in which namespace, if the key in `metadata` is valid, has `scope` and reaches
    /// the namespace that `metadata` names, or its own default where it names none.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unauthenticated`] for a key that is not valid, [`ApiError::ScopeMissing`] and
    /// [`ApiError::NamespaceDenied`] for what a valid one may not do, [`ApiError::Invalid`] where no
    /// namespace is named, and [`ApiError::Repository`] when the database fails.
    pub async fn authorize(
        &self,
        metadata: &MetadataMap,
        scope: Scope,
    ) -> Result<Caller, ApiError> {
        let key = self.authenticate(metadata, scope).await?;
        let named = named_namespace(metadata)?;
        let default = key.default_namespace.map(NamespaceRef::Id);
        let wanted = named.or(default).ok_or_else(|| namespace_error("name a namespace here"))?;
        let found = self.namespace(key.organisation_id, wanted).await?;
        match found.filter(|found| left_out("reach-of-keys") || key.reaches(found.id)) {
            Some(Found { id, retention }) => Ok(Caller::of(key.key_id.clone(), id, retention)),
            None => Err(ApiError::NamespaceDenied),
        }
    }

    /// Who calls, if the key in `metadata` is valid and has the scope `admin`.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unauthenticated`] for a key that is not valid, [`ApiError::ScopeMissing`] for one
    /// that manages nothing, and [`ApiError::Repository`] when the database fails.
    pub async fn authorize_admin(&self, metadata: &MetadataMap) -> Result<Admin, ApiError> {
        let key = self.authenticate(metadata, Scope::Admin).await?;
        Ok(Admin {
            key_id: key.key_id.clone(),
            organisation_id: key.organisation_id,
            namespaces: key.namespaces.clone(),
        })
    }

    /// Forgets a key that has changed, so that the next call finds it as it is.
    pub async fn forget_key(&self, hash: &[u8; 32]) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.keys.invalidate(hash).await;
    }

    /// Forgets a namespace that is new, has changed, or is gone.
    pub async fn forget_namespace(&self, namespace: &Namespace) {
        let Namespace { id, organisation_id, name, created_at: _, retention: _ } = namespace;
        self.changes.fetch_add(1, Ordering::SeqCst);
        for named in [NamespaceRef::Id(*id), NamespaceRef::Name(name.clone())] {
            self.namespaces.invalidate(&(*organisation_id, named)).await;
        }
    }

    /// When each key was last presented since they were taken before.
    #[must_use]
    pub fn take_uses(&self) -> Vec<(String, Micros)> {
        self.uses.take()
    }

    /// Puts back what was taken and could not be written.
    pub fn keep_uses(&self, uses: Vec<(String, Micros)>) {
        for (key_id, at) in uses {
            self.uses.note(&key_id, at);
        }
    }

    async fn authenticate(
        &self,
        metadata: &MetadataMap,
        scope: Scope,
    ) -> Result<Arc<ApiKey>, ApiError> {
        let secret = presented_key(metadata).ok_or(ApiError::Unauthenticated)?;
        let key = self.valid_key(&secret).await?;
        if key.may(scope) { Ok(key) } else { Err(ApiError::ScopeMissing(scope)) }
    }

    /// Whether it can be told without the database if a key is valid, or the key was valid lately.
    pub(super) fn remembers(&self, secret: &KeySecret) -> bool {
        let hash = secret.hash();
        self.keys.contains_key(&hash) || self.recognised.contains_key(&hash)
    }

    /// The key, if it is valid.
    pub(super) async fn valid_key(&self, secret: &KeySecret) -> Result<Arc<ApiKey>, ApiError> {
        let hash = secret.hash();
        let remembered = self.keys.get(&hash).await;
        METERS.keys.count(remembered.is_some());
        let found = match remembered {
            Some(found) => found,
            // On the heap, so that calls whose key is remembered carry none of it.
            None => Box::pin(self.find_key(hash)).await?,
        };
        // An expiry may pass while the key is remembered.
        let now = time::now();
        let Some(key) = found.filter(|key| key.is_valid(now)) else {
            tracing::debug!(key_id = secret.key_id(), "api key refused");
            return Err(ApiError::Unauthenticated);
        };
        self.uses.note(&key.key_id, now);
        if self.recognised.get(&hash).await.is_none() {
            Box::pin(self.recognised.insert(hash, ())).await;
        }
        Ok(key)
    }

    async fn find_key(&self, hash: [u8; 32]) -> Result<Option<Arc<ApiKey>>, Arc<Error>> {
        let find = self.unchanged(|| async {
            let found = self.repository.valid_key(&hash, time::now()).await?;
            Ok(found.map(Arc::new))
        });
        self.keys.try_get_with(hash, find).await
    }

    async fn namespace(
        &self,
        organisation: i64,
        wanted: NamespaceRef,
    ) -> Result<Option<Found>, Arc<Error>> {
        let key = (organisation, wanted);
        let remembered = self.namespaces.get(&key).await;
        METERS.namespaces.count(remembered.is_some());
        match remembered {
            Some(found) => Ok(found),
            None => Box::pin(self.find_namespace(key)).await,
        }
    }

    async fn find_namespace(&self, key: (i64, NamespaceRef)) -> Result<Option<Found>, Arc<Error>> {
        let (organisation, wanted) = key.clone();
        let find = self.unchanged(|| async {
            let found = match &wanted {
                NamespaceRef::Id(id) => self.repository.namespace_by_id(organisation, *id).await?,
                NamespaceRef::Name(name) => {
                    self.repository.namespace_by_name(organisation, name).await?
                }
            };
            let remembered =
                |Namespace { id, organisation_id: _, name: _, created_at: _, retention }| Found {
                    id,
                    retention,
                };
            Ok(found.map(remembered))
        });
        self.namespaces.try_get_with(key, find).await
    }

    /// What `find` finds, again where something changed meanwhile: what is being looked for is not
    /// in a cache yet, and cannot be forgotten there.
    async fn unchanged<T, Search>(&self, find: impl Fn() -> Search) -> Result<T, Error>
    where
        Search: Future<Output = Result<T, Error>>,
    {
        loop {
            let before = self.changes.load(Ordering::SeqCst);
            let found = find().await?;
            if self.changes.load(Ordering::SeqCst) == before {
                return Ok(found);
            }
        }
    }
}

/// The key that comes with a call, if it is one by its form.
pub(super) fn presented_key(metadata: &MetadataMap) -> Option<KeySecret> {
    KeySecret::parse(bearer(metadata)?)
}

/// The credentials of the one `authorization` header, whose scheme is `Bearer` in any case
/// (RFC 9110, section 11.1).
fn bearer(metadata: &MetadataMap) -> Option<&str> {
    let mut headers = metadata.get_all(AUTHORIZATION_HEADER).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, credentials) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim_start_matches(' '))
}

/// The namespace in the metadata; `None` where there is no such header.
fn named_namespace(metadata: &MetadataMap) -> Result<Option<NamespaceRef>, ApiError> {
    let mut headers = metadata.get_all(NAMESPACE_HEADER).iter();
    let Some(header) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(namespace_error("name one namespace; there are several"));
    }
    let text = header.to_str().unwrap_or_default();
    text.parse().map(Some).map_err(namespace_error)
}

fn namespace_error(description: impl Into<String>) -> ApiError {
    ApiError::invalid(InvalidReason::Namespace, NAMESPACE_HEADER, description)
}

/// How long entries live: what was found longer, or shorter, than what was not.
#[derive(Debug)]
struct Lifetimes {
    present: Duration,
    absent: Duration,
}

impl<Key, Value> Expiry<Key, Option<Value>> for Lifetimes {
    fn expire_after_create(
        &self,
        _key: &Key,
        value: &Option<Value>,
        _created_at: Instant,
    ) -> Option<Duration> {
        Some(if value.is_some() { self.present } else { self.absent })
    }
}

#[cfg(test)]
mod tests;
