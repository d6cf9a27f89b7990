//! API keys: a small table that is read through caches, and is the same in both databases.

use std::collections::BTreeMap;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{ExprTrait as _, Query as Sql, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::{api_key, api_key_namespace};
use super::metering::Operation;
use super::metering::shape::Shape;
use super::random::random;
use super::{DEFAULT_ORGANISATION, Error, Repository};
use crate::domain::access::{ApiKey, KEY_ENTROPY_BYTES, KeySecret, NamespaceId, Scope};
use crate::domain::time::{Micros, now};

mod change;
mod row;

pub use change::{ChangedKey, RotateKeyError, RotatedKey};

use row::{to_key, to_row};

/// What a new API key is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// What it may do; not empty.
    pub scopes: Vec<Scope>,
    /// The namespaces that it is confined to; empty for all of the organisation.
    pub namespaces: Vec<NamespaceId>,
    /// The namespace of calls that name none; one that the key reaches.
    pub default_namespace: Option<NamespaceId>,
    /// When it ceases to be valid.
    pub expires_at: Option<Micros>,
}

/// Where a key stands in the order of keys: when it was made, and its id.
pub type KeyPlace = (Micros, String);

impl Repository {
    /// Creates an API key in the default organisation. The secret is returned here and never again.
    ///
    /// # Errors
    ///
    /// When the database or the system's source of randomness fails.
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, KeySecret), Error> {
        self.create_key_in(DEFAULT_ORGANISATION, new).await
    }

    /// Creates an API key in `organisation`. The secret is returned here and never again.
    ///
    /// # Errors
    ///
    /// When the database or the system's source of randomness fails.
    pub async fn create_key_in(
        &self,
        organisation: i64,
        new: NewKey,
    ) -> Result<(ApiKey, KeySecret), Error> {
        let (transaction, _turn) = self.begin_write(None).await?;
        let created = insert(&transaction, organisation, new, now()).await?;
        transaction.commit().await?;
        Ok(created)
    }

    /// All API keys, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails, or a row holds what no key can have.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        let select = api_key::Entity::find()
            .order_by_asc(api_key::Column::CreatedAtUs)
            .order_by_asc(api_key::Column::KeyId);
        let rows = select.all(&self.aside).await?;
        let grants = api_key_namespace::Entity::find()
            .order_by_asc(api_key_namespace::Column::NamespaceId)
            .all(&self.aside)
            .await?;
        with_grants(rows, grants)
    }

    /// The next keys of an organisation, the oldest first, at most `limit`: those that follow
    /// `after`, and of these only those that reach nothing beyond some namespaces, where `within`
    /// says which.
    ///
    /// # Errors
    ///
    /// When the database fails, or a row holds what no key can have.
    pub async fn keys_after(
        &self,
        organisation: i64,
        within: Option<&[NamespaceId]>,
        after: Option<KeyPlace>,
        limit: u64,
    ) -> Result<Vec<ApiKey>, Error> {
        let mut select =
            api_key::Entity::find().filter(api_key::Column::OrganisationId.eq(organisation));
        if let Some(within) = within {
            let (inside, outside) = grants_in_and_out(within);
            select = select
                .filter(api_key::Column::KeyId.in_subquery(inside))
                .filter(api_key::Column::KeyId.not_in_subquery(outside));
        }
        let mut page = select.cursor_by((api_key::Column::CreatedAtUs, api_key::Column::KeyId));
        if let Some(place) = after {
            page.after(place);
        }
        let rows = page.first(limit).all(&self.aside).await?;
        let ids = rows.iter().map(|row| row.key_id.as_str());
        let grants = api_key_namespace::Entity::find()
            .filter(api_key_namespace::Column::KeyId.is_in(ids))
            .order_by_asc(api_key_namespace::Column::NamespaceId)
            .all(&self.aside)
            .await?;
        with_grants(rows, grants)
    }

    /// An organisation's key, by its public id.
    ///
    /// # Errors
    ///
    /// When the database fails, or the row holds what no key can have.
    pub async fn key_by_id(
        &self,
        organisation: i64,
        key_id: &str,
    ) -> Result<Option<ApiKey>, Error> {
        let select = api_key::Entity::find_by_id(key_id)
            .filter(api_key::Column::OrganisationId.eq(organisation));
        let Some(row) = select.one(&self.aside).await? else { return Ok(None) };
        let namespaces = grants(&self.aside, key_id).await?;
        to_key(row, namespaces).map(Some)
    }

    /// The key whose secret has this hash, if it is valid at `now`. One that is revoked or expired
    /// takes as long to find out as one that there never was.
    ///
    /// # Errors
    ///
    /// When the database fails, or the row holds what no key can have.
    pub async fn valid_key(&self, hash: &[u8; 32], now: Micros) -> Result<Option<ApiKey>, Error> {
        let _timed = self.timed(Operation::FindKey, Shape::One);
        let expires_at = api_key::Column::ExpiresAtUs;
        let select = api_key::Entity::find()
            .filter(api_key::Column::SecretHash.eq(hash.as_slice()))
            .filter(api_key::Column::RevokedAtUs.is_null())
            .filter(expires_at.is_null().or(expires_at.gt(now)));
        let Some(row) = select.one(&self.aside).await? else { return Ok(None) };
        let namespaces = grants(&self.aside, &row.key_id).await?;
        to_key(row, namespaces).map(Some)
    }
}

/// Inserts a new key; its secret is known here and never again.
async fn insert(
    connection: &impl ConnectionTrait,
    organisation: i64,
    new: NewKey,
    now: Micros,
) -> Result<(ApiKey, KeySecret), Error> {
    let NewKey { name, scopes, namespaces, default_namespace, expires_at } = new;
    let secret = KeySecret::from_entropy(&random::<KEY_ENTROPY_BYTES>()?);
    let key = ApiKey {
        key_id: secret.key_id().to_owned(),
        name,
        organisation_id: organisation,
        scopes,
        namespaces,
        default_namespace,
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    let row = to_row(&key, secret.hash());
    api_key::Entity::insert(row).exec_without_returning(connection).await?;
    for namespace in &key.namespaces {
        let row = api_key_namespace::ActiveModel {
            key_id: Set(key.key_id.clone()),
            namespace_id: Set(namespace.0),
        };
        api_key_namespace::Entity::insert(row).exec_without_returning(connection).await?;
    }
    Ok((key, secret))
}

/// The namespaces that a key is confined to.
async fn grants(
    connection: &impl ConnectionTrait,
    key_id: &str,
) -> Result<Vec<NamespaceId>, Error> {
    let rows = api_key_namespace::Entity::find()
        .filter(api_key_namespace::Column::KeyId.eq(key_id))
        .order_by_asc(api_key_namespace::Column::NamespaceId)
        .all(connection)
        .await?;
    Ok(rows.iter().map(|grant| NamespaceId(grant.namespace_id)).collect())
}

/// Puts keys and their grants together.
fn with_grants(
    rows: Vec<api_key::Model>,
    grants: Vec<api_key_namespace::Model>,
) -> Result<Vec<ApiKey>, Error> {
    let mut namespaces: BTreeMap<String, Vec<NamespaceId>> = BTreeMap::new();
    for api_key_namespace::Model { key_id, namespace_id } in grants {
        namespaces.entry(key_id).or_default().push(NamespaceId(namespace_id));
    }
    let key = |row: api_key::Model| {
        let namespaces = namespaces.remove(&row.key_id).unwrap_or_default();
        to_key(row, namespaces)
    };
    rows.into_iter().map(key).collect()
}

/// The ids of keys that are granted one of `namespaces`, and of those that are granted another.
fn grants_in_and_out(namespaces: &[NamespaceId]) -> (SelectStatement, SelectStatement) {
    let ids = namespaces.iter().map(|namespace| namespace.0);
    let granted = |condition| {
        Sql::select()
            .column(api_key_namespace::Column::KeyId)
            .from(api_key_namespace::Entity)
            .and_where(condition)
            .to_owned()
    };
    let inside = granted(api_key_namespace::Column::NamespaceId.is_in(ids.clone()));
    let outside = granted(api_key_namespace::Column::NamespaceId.is_not_in(ids));
    (inside, outside)
}

#[cfg(test)]
mod tests;
