//! A key as a row, apart from its grants, which are rows of a table of their own.

use sea_orm::ActiveValue::Set;

use crate::domain::access::{ApiKey, NamespaceId, Scope};
use crate::repository::Error;
use crate::repository::entity::api_key;

/// A key and the hash of its secret as they are stored.
pub(super) fn to_row(key: &ApiKey, secret_hash: [u8; 32]) -> api_key::ActiveModel {
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

/// A stored key, confined to `namespaces`.
pub(super) fn to_key(row: api_key::Model, namespaces: Vec<NamespaceId>) -> Result<ApiKey, Error> {
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
