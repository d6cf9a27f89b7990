//! The ApiKeyService.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::answer::{answer, to_the_end};
use super::auth::{Admin, Auth};
use super::decode::admin::{KeyDraft, Listing, Rotation};
use super::decode::{admin, timestamp};
use super::error::{AdminError, ApiError, InvalidReason};
use super::page_token;
use super::proto;
use super::proto::api_key;
use super::proto::api_key_service_server::ApiKeyService;
use crate::domain::access::{ApiKey, Namespace, NamespaceId, NamespaceRef, Scope};
use crate::domain::time;
use crate::repository::{self, ChangedKey, NewKey, Repository, RotateKeyError, RotatedKey};

/// Manages the API keys of an organisation.
#[derive(Debug, Clone)]
pub struct ApiKeyServiceImpl {
    repository: Repository,
    auth: Arc<Auth>,
}

impl ApiKeyServiceImpl {
    /// A service over `repository` that tells `auth` what changes.
    #[must_use]
    pub fn new(repository: Repository, auth: Arc<Auth>) -> Self {
        Self { repository, auth }
    }

    async fn create(
        &self,
        admin: &Admin,
        request: proto::CreateApiKeyRequest,
    ) -> Result<proto::CreateApiKeyResponse, ApiError> {
        let draft = admin::key_draft(request, time::now())?;
        let new = self.resolve(admin, draft).await?;
        if !admin.covers(&new.namespaces) {
            let what = "keys that are not confined to some of the same";
            return Err(AdminError::KeyConfined { what }.into());
        }
        let (key, secret) = self.repository.create_key_in(admin.organisation_id, new).await?;
        let secret = secret.expose().to_owned();
        Ok(proto::CreateApiKeyResponse { api_key: Some(message(key)), secret })
    }

    /// Looks up the namespaces that a key is to reach.
    async fn resolve(&self, admin: &Admin, draft: KeyDraft) -> Result<NewKey, ApiError> {
        let KeyDraft { name, scopes, namespaces: named, default_namespace, expires_at } = draft;
        let all: Vec<_> = named.iter().chain(&default_namespace).cloned().collect();
        let found = if all.is_empty() {
            Vec::new()
        } else {
            self.repository.namespaces_named(admin.organisation_id, &all).await?
        };
        let id = |wanted: &NamespaceRef| managed(admin, &found, wanted);
        let namespaces = named.iter().map(id).collect::<Result<BTreeSet<_>, _>>()?;
        let default_namespace = default_namespace.as_ref().map(id).transpose()?;
        if let Some(default) = default_namespace
            && !namespaces.is_empty()
            && !namespaces.contains(&default)
        {
            let wrong = "is not among the namespaces that the key is confined to";
            return Err(ApiError::invalid(InvalidReason::Request, "default_namespace", wrong));
        }
        let namespaces = namespaces.into_iter().collect();
        Ok(NewKey { name, scopes, namespaces, default_namespace, expires_at })
    }

    async fn get(
        &self,
        admin: &Admin,
        request: proto::GetApiKeyRequest,
    ) -> Result<proto::ApiKey, ApiError> {
        let proto::GetApiKeyRequest { key_id } = request;
        let key_id = admin::key_id(key_id)?;
        Ok(message(self.managed(admin, &key_id).await?))
    }

    async fn list(
        &self,
        admin: &Admin,
        request: proto::ListApiKeysRequest,
    ) -> Result<proto::ListApiKeysResponse, ApiError> {
        let proto::ListApiKeysRequest { page_size, page_token } = request;
        let Listing { page_size, page_token } = admin::listing(page_size, page_token)?;
        let after = page_token::admin::key(&page_token)?;
        let mut found = self
            .repository
            .keys_after(
                admin.organisation_id,
                admin.confinement(),
                after,
                // One more, to tell whether anything follows.
                u64::from(page_size) + 1,
            )
            .await?;
        let next_page_token = page_token::admin::cut(&mut found, page_size, |last| {
            page_token::admin::after_key((last.created_at, last.key_id.clone()))
        });
        let api_keys = found.into_iter().map(message).collect();
        Ok(proto::ListApiKeysResponse { api_keys, next_page_token })
    }

    async fn rotate(
        &self,
        admin: &Admin,
        request: proto::RotateApiKeyRequest,
    ) -> Result<proto::RotateApiKeyResponse, ApiError> {
        let Rotation { key_id, overlap, expires_at } = admin::rotation(request, time::now())?;
        // What a key reaches never changes, so this holds for what follows as well.
        self.managed(admin, &key_id).await?;
        let (repository, auth) = (self.repository.clone(), Arc::clone(&self.auth));
        let (organisation, id) = (admin.organisation_id, key_id.clone());
        let rotated = to_the_end(async move {
            let rotated = repository.rotate_key(organisation, &id, overlap, expires_at).await;
            if let Ok(rotated) = &rotated {
                auth.forget_key(&rotated.previous.hash).await;
            }
            rotated
        });
        match rotated.await? {
            Ok(RotatedKey { key, secret, previous: ChangedKey { key: previous, hash: _ } }) => {
                Ok(proto::RotateApiKeyResponse {
                    api_key: Some(message(key)),
                    secret: secret.expose().to_owned(),
                    previous: Some(message(previous)),
                })
            }
            Err(RotateKeyError::Missing) => Err(AdminError::KeyNotFound { key_id }.into()),
            Err(RotateKeyError::NotValid) => Err(AdminError::KeyNotValid.into()),
            Err(RotateKeyError::Database(error)) => Err(error.into()),
        }
    }

    async fn revoke(
        &self,
        admin: &Admin,
        request: proto::RevokeApiKeyRequest,
    ) -> Result<proto::ApiKey, ApiError> {
        let proto::RevokeApiKeyRequest { key_id } = request;
        let key_id = admin::key_id(key_id)?;
        self.managed(admin, &key_id).await?;
        let (repository, auth) = (self.repository.clone(), Arc::clone(&self.auth));
        let (organisation, id) = (admin.organisation_id, key_id.clone());
        let revoked = to_the_end(async move {
            let revoked = repository.revoke_key(organisation, &id).await?;
            if let Some(ChangedKey { key: _, hash }) = &revoked {
                auth.forget_key(hash).await;
            }
            Ok::<_, repository::Error>(revoked)
        });
        match revoked.await?? {
            Some(ChangedKey { key, hash: _ }) => Ok(message(key)),
            None => Err(AdminError::KeyNotFound { key_id }.into()),
        }
    }

    /// The key of this id, if `admin` manages it.
    async fn managed(&self, admin: &Admin, key_id: &str) -> Result<ApiKey, ApiError> {
        let found = self.repository.key_by_id(admin.organisation_id, key_id).await?;
        let managed = found.filter(|key| admin.manages_key(key));
        let not_found = || AdminError::KeyNotFound { key_id: key_id.to_owned() };
        Ok(managed.ok_or_else(not_found)?)
    }
}

#[tonic::async_trait]
impl ApiKeyService for ApiKeyServiceImpl {
    async fn create_api_key(
        &self,
        request: Request<proto::CreateApiKeyRequest>,
    ) -> Result<Response<proto::CreateApiKeyResponse>, Status> {
        answer!(self, request, create)
    }

    async fn get_api_key(
        &self,
        request: Request<proto::GetApiKeyRequest>,
    ) -> Result<Response<proto::ApiKey>, Status> {
        answer!(self, request, get)
    }

    async fn list_api_keys(
        &self,
        request: Request<proto::ListApiKeysRequest>,
    ) -> Result<Response<proto::ListApiKeysResponse>, Status> {
        answer!(self, request, list)
    }

    async fn rotate_api_key(
        &self,
        request: Request<proto::RotateApiKeyRequest>,
    ) -> Result<Response<proto::RotateApiKeyResponse>, Status> {
        answer!(self, request, rotate)
    }

    async fn revoke_api_key(
        &self,
        request: Request<proto::RevokeApiKeyRequest>,
    ) -> Result<Response<proto::ApiKey>, Status> {
        answer!(self, request, revoke)
    }
}

/// The one of `found` that is wanted, if `admin` manages it.
fn managed(
    admin: &Admin,
    found: &[Namespace],
    wanted: &NamespaceRef,
) -> Result<NamespaceId, AdminError> {
    let namespace = found.iter().find(|namespace| wanted.names(namespace));
    let managed = namespace.filter(|namespace| admin.manages(namespace.id));
    let not_found = || AdminError::NamespaceNotFound { named: wanted.to_string() };
    managed.map(|namespace| namespace.id).ok_or_else(not_found)
}

fn message(key: ApiKey) -> proto::ApiKey {
    let ApiKey {
        key_id,
        name,
        organisation_id: _,
        scopes,
        namespaces,
        default_namespace,
        created_at,
        expires_at,
        revoked_at,
        last_used_at,
    } = key;
    proto::ApiKey {
        key_id,
        name,
        scopes: scopes.into_iter().map(|scope| scope_message(scope).into()).collect(),
        namespace_ids: namespaces.iter().map(ToString::to_string).collect(),
        default_namespace_id: default_namespace.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(timestamp::message(created_at)),
        expires_at: expires_at.map(timestamp::message),
        revoked_at: revoked_at.map(timestamp::message),
        last_used_at: last_used_at.map(timestamp::message),
    }
}

fn scope_message(scope: Scope) -> api_key::Scope {
    match scope {
        Scope::Read => api_key::Scope::Read,
        Scope::Write => api_key::Scope::Write,
        Scope::Admin => api_key::Scope::Admin,
    }
}
