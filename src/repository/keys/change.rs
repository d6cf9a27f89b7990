//! What happens to a key that there is: it is replaced, revoked, used.

use std::collections::BTreeMap;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};

use super::row::to_key;
use super::{NewKey, grants, insert};
use crate::domain::access::rules::LAST_EXPIRY;
use crate::domain::access::{ApiKey, KeySecret};
use crate::domain::time::{Micros, now};
use crate::repository::entity::api_key;
use crate::repository::{Error, Repository};

/// A key that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedKey {
    /// The key as it is now.
    pub key: ApiKey,
    /// The hash of its secret, by which caches know it.
    pub hash: [u8; 32],
}

/// A key that took the place of another.
#[derive(Debug)]
pub struct RotatedKey {
    /// The new key.
    pub key: ApiKey,
    /// Its secret, which is returned here and never again.
    pub secret: KeySecret,
    /// The old key.
    pub previous: ChangedKey,
}

/// Why a key was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum RotateKeyError {
    /// The organisation has no such key.
    #[error("there is no such key")]
    Missing,
    /// It is revoked or has expired.
    #[error("the key is not valid any more")]
    NotValid,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Keys whose last use is written in one transaction: few enough for other writers not to wait.
const USES_AT_ONCE: usize = 100;

impl Repository {
    /// Makes a key that takes the place of another: with the same name, scopes and namespaces. The
    /// old one expires after `overlap`, if not before. Where `expires_at` is not given, the new key
    /// lasts as long as the old one was made to.
    ///
    /// # Errors
    ///
    /// When there is no such key or it is not valid, or the database fails.
    pub async fn rotate_key(
        &self,
        organisation: i64,
        key_id: &str,
        overlap: Micros,
        expires_at: Option<Micros>,
    ) -> Result<RotatedKey, RotateKeyError> {
        let (transaction, _turn) = self.begin_write(None).await?;
        let rotated = replace(&transaction, organisation, key_id, overlap, expires_at).await;
        match &rotated {
            Ok(_) => transaction.commit().await.map_err(Error::from)?,
            Err(_) => transaction.rollback().await.map_err(Error::from)?,
        }
        rotated
    }

    /// Revokes a key for good, and returns it if there is one; one that is revoked already stays as
    /// it is.
    ///
    /// # Errors
    ///
    /// When the database fails, or the row holds what no key can have.
    pub async fn revoke_key(
        &self,
        organisation: i64,
        key_id: &str,
    ) -> Result<Option<ChangedKey>, Error> {
        let (transaction, _turn) = self.begin_write(None).await?;
        let mut found = locked(&transaction, organisation, key_id).await?;
        if let Some(ChangedKey { key, hash: _ }) = &mut found
            && key.revoked_at.is_none()
        {
            let now = now();
            key.revoked_at = Some(now);
            set(&transaction, key_id, api_key::Column::RevokedAtUs, now).await?;
        }
        transaction.commit().await?;
        Ok(found)
    }

    /// Notes when keys were last used; what is noted never moves back. Ids that no key has are
    /// passed over.
    ///
    /// # Errors
    ///
    /// When the database fails; some may have been noted then, and can be again.
    pub async fn touch_keys(&self, uses: &[(String, Micros)]) -> Result<(), Error> {
        // In the order of their ids, so that two servers never wait for each other.
        let uses: BTreeMap<_, _> = uses.iter().map(|(key_id, at)| (key_id, *at)).collect();
        let uses: Vec<_> = uses.into_iter().collect();
        for some in uses.chunks(USES_AT_ONCE) {
            let (transaction, _turn) = self.begin_write(None).await?;
            for (key_id, at) in some {
                let earlier = Condition::any()
                    .add(api_key::Column::LastUsedAtUs.is_null())
                    .add(api_key::Column::LastUsedAtUs.lt(*at));
                api_key::Entity::update_many()
                    .col_expr(api_key::Column::LastUsedAtUs, Expr::value(*at))
                    .filter(api_key::Column::KeyId.eq(key_id.as_str()))
                    .filter(earlier)
                    .exec(&transaction)
                    .await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}

async fn replace(
    transaction: &impl ConnectionTrait,
    organisation: i64,
    key_id: &str,
    overlap: Micros,
    expires_at: Option<Micros>,
) -> Result<RotatedKey, RotateKeyError> {
    let found = locked(transaction, organisation, key_id).await?;
    let ChangedKey { key: mut old, hash } = found.ok_or(RotateKeyError::Missing)?;
    let now = now();
    if !old.is_valid(now) {
        return Err(RotateKeyError::NotValid);
    }
    let lasting_as_long =
        |expiry: Micros| now.saturating_add(expiry - old.created_at).min(LAST_EXPIRY);
    let new = NewKey {
        name: old.name.clone(),
        scopes: old.scopes.clone(),
        namespaces: old.namespaces.clone(),
        default_namespace: old.default_namespace,
        expires_at: expires_at.or(old.expires_at.map(lasting_as_long)),
    };
    let (key, secret) = insert(transaction, organisation, new, now).await?;
    let end = old.expires_at.map_or(now + overlap, |expiry| expiry.min(now + overlap));
    old.expires_at = Some(end);
    set(transaction, key_id, api_key::Column::ExpiresAtUs, end).await?;
    Ok(RotatedKey { key, secret, previous: ChangedKey { key: old, hash } })
}

/// A key that nobody else changes before the transaction ends. (In SQLite nobody could.)
async fn locked(
    transaction: &impl ConnectionTrait,
    organisation: i64,
    key_id: &str,
) -> Result<Option<ChangedKey>, Error> {
    let select = api_key::Entity::find_by_id(key_id)
        .filter(api_key::Column::OrganisationId.eq(organisation))
        .lock_exclusive();
    let Some(row) = select.one(transaction).await? else { return Ok(None) };
    let Ok(hash) = row.secret_hash.as_slice().try_into() else {
        return Err(Error::Corrupt(format!("the hash of key {key_id} is not one")));
    };
    let namespaces = grants(transaction, key_id).await?;
    Ok(Some(ChangedKey { key: to_key(row, namespaces)?, hash }))
}

/// Sets one of a key's times.
async fn set(
    transaction: &impl ConnectionTrait,
    key_id: &str,
    column: api_key::Column,
    to: Micros,
) -> Result<(), Error> {
    api_key::Entity::update_many()
        .col_expr(column, Expr::value(to))
        .filter(api_key::Column::KeyId.eq(key_id))
        .exec(transaction)
        .await?;
    Ok(())
}
