//! Namespaces and API keys.
//!
//! The tables are small, are read through caches, and are the same in both databases.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, SqlErr};

use super::entity::{api_key, api_key_namespace, namespace};
use super::{Error, Repository};
use crate::domain::access::{
    ApiKey, KEY_ENTROPY_BYTES, KeySecret, NAMESPACE_NAME_ACCEPTED, Namespace, NamespaceId, Scope,
    is_namespace_name,
};
use crate::domain::time::{Micros, now};

/// The organisation that everything belongs to until there is another; migrations make it.
pub const DEFAULT_ORGANISATION: i64 = 1;

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

/// Why a namespace was not created.
#[derive(Debug, thiserror::Error)]
pub enum NewNamespaceError {
    /// The name is not one that a namespace can have.
    #[error("a namespace's name is {NAMESPACE_NAME_ACCEPTED}")]
    Name,
    /// The organisation has a namespace of this name.
    #[error("there is a namespace of this name already")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl Repository {
    /// Creates a namespace in the default organisation.
    ///
    /// # Errors
    ///
    /// When the name is malformed or taken, or the database fails.
    pub async fn create_namespace(&self, name: &str) -> Result<Namespace, NewNamespaceError> {
        if !is_namespace_name(name) {
            return Err(NewNamespaceError::Name);
        }
        let created = Namespace {
            id: random_namespace_id()?,
            organisation_id: DEFAULT_ORGANISATION,
            name: name.to_owned(),
            created_at: now(),
            retention: None,
        };
        let row = namespace::ActiveModel {
            namespace_id: Set(created.id.0),
            organisation_id: Set(created.organisation_id),
            name: Set(created.name.clone()),
            created_at_us: Set(created.created_at),
            retention_us: Set(created.retention),
        };
        let insert = namespace::Entity::insert(row).exec_without_returning(&self.writer).await;
        match insert {
            Ok(_) => Ok(created),
            Err(error) => match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => Err(NewNamespaceError::Taken),
                _ => Err(Error::from(error).into()),
            },
        }
    }

    /// All namespaces, by name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        let select = namespace::Entity::find().order_by_asc(namespace::Column::Name);
        Ok(select.all(&self.reader).await?.into_iter().map(to_namespace).collect())
    }

    /// An organisation's namespace of this name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespace_by_name(
        &self,
        organisation: i64,
        name: &str,
    ) -> Result<Option<Namespace>, Error> {
        let select = namespace::Entity::find()
            .filter(namespace::Column::OrganisationId.eq(organisation))
            .filter(namespace::Column::Name.eq(name));
        Ok(select.one(&self.reader).await?.map(to_namespace))
    }

    /// A namespace by its id, if the organisation owns it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespace_by_id(
        &self,
        organisation: i64,
        id: NamespaceId,
    ) -> Result<Option<Namespace>, Error> {
        let select = namespace::Entity::find_by_id(id.0)
            .filter(namespace::Column::OrganisationId.eq(organisation));
        Ok(select.one(&self.reader).await?.map(to_namespace))
    }

    /// Creates an API key in the default organisation. The secret is returned here and never again.
    ///
    /// # Errors
    ///
    /// When the database or the system's source of randomness fails.
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, KeySecret), Error> {
        let NewKey { name, scopes, namespaces, default_namespace, expires_at } = new;
        let secret = KeySecret::from_entropy(&random::<KEY_ENTROPY_BYTES>()?);
        let key = ApiKey {
            key_id: secret.key_id().to_owned(),
            name,
            organisation_id: DEFAULT_ORGANISATION,
            scopes,
            namespaces,
            default_namespace,
            created_at: now(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let (transaction, _turn) = self.begin_write().await?;
        let row = to_row(&key, secret.hash());
        api_key::Entity::insert(row).exec_without_returning(&transaction).await?;
        for namespace in &key.namespaces {
            let row = api_key_namespace::ActiveModel {
                key_id: Set(key.key_id.clone()),
                namespace_id: Set(namespace.0),
            };
            api_key_namespace::Entity::insert(row).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok((key, secret))
    }

    /// All API keys, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails, or a row holds what no key can have.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        let grants = api_key_namespace::Entity::find()
            .order_by_asc(api_key_namespace::Column::NamespaceId)
            .all(&self.reader)
            .await?;
        let select = api_key::Entity::find()
            .order_by_asc(api_key::Column::CreatedAtUs)
            .order_by_asc(api_key::Column::KeyId);
        let rows = select.all(&self.reader).await?;
        rows.into_iter()
            .map(|row| {
                let grants = grants.iter().filter(|grant| grant.key_id == row.key_id);
                let namespaces = grants.map(|grant| NamespaceId(grant.namespace_id)).collect();
                to_key(row, namespaces)
            })
            .collect()
    }

    /// Revokes a key for good; whether there was a key of this id that was not revoked yet.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_key(&self, key_id: &str) -> Result<bool, Error> {
        let update = api_key::Entity::update_many()
            .col_expr(api_key::Column::RevokedAtUs, Expr::value(now()))
            .filter(api_key::Column::KeyId.eq(key_id))
            .filter(api_key::Column::RevokedAtUs.is_null());
        Ok(update.exec(&self.writer).await?.rows_affected > 0)
    }

    /// The key whose secret has this hash, be it valid or not.
    ///
    /// # Errors
    ///
    /// When the database fails, or the row holds what no key can have.
    pub async fn key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Error> {
        let select =
            api_key::Entity::find().filter(api_key::Column::SecretHash.eq(hash.as_slice()));
        let Some(row) = select.one(&self.reader).await? else { return Ok(None) };
        let grants = api_key_namespace::Entity::find()
            .filter(api_key_namespace::Column::KeyId.eq(row.key_id.as_str()))
            .order_by_asc(api_key_namespace::Column::NamespaceId)
            .all(&self.reader)
            .await?;
        let namespaces = grants.iter().map(|grant| NamespaceId(grant.namespace_id)).collect();
        to_key(row, namespaces).map(Some)
    }
}

fn to_namespace(row: namespace::Model) -> Namespace {
    let namespace::Model { namespace_id, organisation_id, name, created_at_us, retention_us } = row;
    Namespace {
        id: NamespaceId(namespace_id),
        organisation_id,
        name,
        created_at: created_at_us,
        retention: retention_us,
    }
}

fn to_row(key: &ApiKey, secret_hash: [u8; 32]) -> api_key::ActiveModel {
    let ApiKey {
        key_id,
        name,
        organisation_id,
        scopes,
        namespaces: _, // rows of a table of their own
        default_namespace,
        created_at,
        expires_at,
        revoked_at,
        last_used_at,
    } = key;
    api_key::ActiveModel {
        key_id: Set(key_id.clone()),
        organisation_id: Set(*organisation_id),
        name: Set(name.clone()),
        secret_hash: Set(secret_hash.to_vec()),
        scopes: Set(scopes.iter().fold(0, |bits, scope| bits | scope_bit(*scope))),
        default_namespace_id: Set(default_namespace.map(|namespace| namespace.0)),
        created_at_us: Set(*created_at),
        expires_at_us: Set(*expires_at),
        revoked_at_us: Set(*revoked_at),
        last_used_at_us: Set(*last_used_at),
    }
}

fn to_key(row: api_key::Model, namespaces: Vec<NamespaceId>) -> Result<ApiKey, Error> {
    let api_key::Model {
        key_id,
        organisation_id,
        name,
        secret_hash: _, // known to whoever asked by it
        scopes: bits,
        default_namespace_id,
        created_at_us,
        expires_at_us,
        revoked_at_us,
        last_used_at_us,
    } = row;
    let scopes: Vec<Scope> =
        Scope::ALL.into_iter().filter(|scope| bits & scope_bit(*scope) != 0).collect();
    let known = scopes.iter().fold(0, |known, scope| known | scope_bit(*scope));
    if bits != known {
        return Err(Error::Corrupt(format!("key {key_id} has scopes {bits:#b}")));
    }
    Ok(ApiKey {
        key_id,
        name,
        organisation_id,
        scopes,
        namespaces,
        default_namespace: default_namespace_id.map(NamespaceId),
        created_at: created_at_us,
        expires_at: expires_at_us,
        revoked_at: revoked_at_us,
        last_used_at: last_used_at_us,
    })
}

/// The bit of `api_keys.scopes` that stands for a scope.
fn scope_bit(scope: Scope) -> i64 {
    match scope {
        Scope::Read => 1,
        Scope::Write => 2,
        Scope::Admin => 4,
    }
}

/// Ids are random rather than counted, so that every node can make one and none can be guessed.
fn random_namespace_id() -> Result<NamespaceId, Error> {
    let number = u64::from_be_bytes(random()?) >> 1;
    Ok(NamespaceId(i64::try_from(number).unwrap_or(i64::MAX).max(1)))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Error::Failed(sea_orm::DbErr::Custom(format!("randomness: {error}")))),
    }
}

#[cfg(test)]
mod tests;
