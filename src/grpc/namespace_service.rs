//! The NamespaceService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::answer::answer;
use super::auth::{Admin, Auth};
use super::decode::admin::{Listing, NewNamespace, NewRetention};
use super::decode::{admin, duration, timestamp};
use super::error::{AdminError, ApiError};
use super::page_token;
use super::proto;
use super::proto::namespace_service_server::NamespaceService;
use crate::domain::access::{Namespace, NamespaceRef};
use crate::repository::{NewNamespaceError, RemoveNamespaceError, Repository};

/// Manages the namespaces of an organisation.
#[derive(Debug, Clone)]
pub struct NamespaceServiceImpl {
    repository: Repository,
    auth: Arc<Auth>,
}

impl NamespaceServiceImpl {
    /// A service over `repository` that tells `auth` what changes.
    #[must_use]
    pub fn new(repository: Repository, auth: Arc<Auth>) -> Self {
        Self { repository, auth }
    }

    async fn create(
        &self,
        admin: &Admin,
        request: proto::CreateNamespaceRequest,
    ) -> Result<proto::Namespace, ApiError> {
        if admin.confinement().is_some() {
            return Err(AdminError::KeyConfined { what: "namespaces" }.into());
        }
        let NewNamespace { name, retention } = admin::new_namespace(request)?;
        let organisation = admin.organisation_id;
        match self.repository.create_namespace_in(organisation, &name, retention).await {
            Ok(namespace) => {
                // Somebody may have asked for it in vain.
                self.auth.forget_namespace(&namespace).await;
                Ok(message(namespace))
            }
            Err(NewNamespaceError::Name | NewNamespaceError::Taken) => {
                Err(AdminError::NamespaceExists { name }.into())
            }
            Err(NewNamespaceError::Database(error)) => Err(error.into()),
        }
    }

    async fn get(
        &self,
        admin: &Admin,
        request: proto::GetNamespaceRequest,
    ) -> Result<proto::Namespace, ApiError> {
        let proto::GetNamespaceRequest { namespace_ref } = request;
        let named = admin::namespace_ref(&namespace_ref)?;
        Ok(message(self.managed(admin, &named).await?))
    }

    async fn list(
        &self,
        admin: &Admin,
        request: proto::ListNamespacesRequest,
    ) -> Result<proto::ListNamespacesResponse, ApiError> {
        let proto::ListNamespacesRequest { page_size, page_token } = request;
        let Listing { page_size, page_token } = admin::listing(page_size, page_token)?;
        let after = page_token::admin::namespace(&page_token)?;
        let mut found = self
            .repository
            .namespaces_after(
                admin.organisation_id,
                admin.confinement(),
                after.as_deref(),
                // One more, to tell whether anything follows.
                u64::from(page_size) + 1,
            )
            .await?;
        let next_page_token = page_token::admin::cut(&mut found, page_size, |last| {
            page_token::admin::after_namespace(&last.name)
        });
        let namespaces = found.into_iter().map(message).collect();
        Ok(proto::ListNamespacesResponse { namespaces, next_page_token })
    }

    async fn update(
        &self,
        admin: &Admin,
        request: proto::UpdateNamespaceRequest,
    ) -> Result<proto::Namespace, ApiError> {
        let NewRetention { namespace: named, retention } = admin::new_retention(request)?;
        let Namespace { id, organisation_id, name: _, created_at: _, retention: _ } =
            self.managed(admin, &named).await?;
        let changed = self.repository.set_retention(organisation_id, id, retention).await?;
        let namespace = changed.ok_or_else(|| not_found(&named))?;
        self.auth.forget_namespace(&namespace).await;
        Ok(message(namespace))
    }

    async fn delete(
        &self,
        admin: &Admin,
        request: proto::DeleteNamespaceRequest,
    ) -> Result<(), ApiError> {
        let proto::DeleteNamespaceRequest { namespace_ref, force } = request;
        let named = admin::namespace_ref(&namespace_ref)?;
        let namespace = self.managed(admin, &named).await?;
        let organisation = namespace.organisation_id;
        match self.repository.remove_namespace(organisation, namespace.id, force).await {
            Ok(()) => {
                self.auth.forget_namespace(&namespace).await;
                Ok(())
            }
            Err(RemoveNamespaceError::Missing) => Err(not_found(&named)),
            Err(RemoveNamespaceError::NotEmpty) => Err(AdminError::NamespaceNotEmpty.into()),
            Err(RemoveNamespaceError::Database(error)) => Err(error.into()),
        }
    }

    /// The namespace of this id or name, if `admin` manages it.
    async fn managed(&self, admin: &Admin, named: &NamespaceRef) -> Result<Namespace, ApiError> {
        let organisation = admin.organisation_id;
        let found = match named {
            NamespaceRef::Id(id) => self.repository.namespace_by_id(organisation, *id).await?,
            NamespaceRef::Name(name) => {
                self.repository.namespace_by_name(organisation, name).await?
            }
        };
        let managed = found.filter(|namespace| admin.manages(namespace.id));
        managed.ok_or_else(|| not_found(named))
    }
}

#[tonic::async_trait]
impl NamespaceService for NamespaceServiceImpl {
    async fn create_namespace(
        &self,
        request: Request<proto::CreateNamespaceRequest>,
    ) -> Result<Response<proto::Namespace>, Status> {
        answer!(self, request, create)
    }

    async fn get_namespace(
        &self,
        request: Request<proto::GetNamespaceRequest>,
    ) -> Result<Response<proto::Namespace>, Status> {
        answer!(self, request, get)
    }

    async fn list_namespaces(
        &self,
        request: Request<proto::ListNamespacesRequest>,
    ) -> Result<Response<proto::ListNamespacesResponse>, Status> {
        answer!(self, request, list)
    }

    async fn update_namespace(
        &self,
        request: Request<proto::UpdateNamespaceRequest>,
    ) -> Result<Response<proto::Namespace>, Status> {
        answer!(self, request, update)
    }

    async fn delete_namespace(
        &self,
        request: Request<proto::DeleteNamespaceRequest>,
    ) -> Result<Response<()>, Status> {
        answer!(self, request, delete)
    }
}

fn not_found(named: &NamespaceRef) -> ApiError {
    AdminError::NamespaceNotFound { named: named.to_string() }.into()
}

fn message(namespace: Namespace) -> proto::Namespace {
    let Namespace { id, organisation_id: _, name, created_at, retention } = namespace;
    proto::Namespace {
        namespace_id: id.to_string(),
        name,
        retention: retention.map(duration::message),
        created_at: Some(timestamp::message(created_at)),
    }
}
