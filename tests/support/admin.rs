//! The services for administrators without a socket, and whoever calls them.

use std::sync::Arc;

use interactions::domain::access::{NamespaceId, Scope};
use interactions::grpc::api_key_service::ApiKeyServiceImpl;
use interactions::grpc::auth::Auth;
use interactions::grpc::interaction_service::InteractionServiceImpl;
use interactions::grpc::namespace_service::NamespaceServiceImpl;
use interactions::grpc::proto;
use interactions::grpc::proto::api_key_service_server::ApiKeyService as _;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use interactions::grpc::proto::namespace_service_server::NamespaceService as _;
use interactions::repository::{NewKey, Repository};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

/// The services of one server, with the caches that they share.
pub struct AdminApi {
    pub repository: Repository,
    pub auth: Arc<Auth>,
    namespaces: NamespaceServiceImpl,
    keys: ApiKeyServiceImpl,
    interactions: InteractionServiceImpl,
}

/// Someone with a key.
pub struct As<'api> {
    api: &'api AdminApi,
    pub secret: String,
}

impl AdminApi {
    pub fn new(repository: &Repository) -> Self {
        let auth = Arc::new(Auth::new(repository.clone()));
        Self {
            repository: repository.clone(),
            namespaces: NamespaceServiceImpl::new(repository.clone(), auth.clone()),
            keys: ApiKeyServiceImpl::new(repository.clone(), auth.clone()),
            interactions: InteractionServiceImpl::new(
                repository.clone(),
                auth.clone(),
                CancellationToken::new(),
            ),
            auth,
        }
    }

    /// Whoever has this key.
    pub fn with(&self, secret: &str) -> As<'_> {
        As { api: self, secret: secret.to_owned() }
    }

    /// An administrator whose key was made beside the service, as the first one is.
    pub async fn admin(&self, namespaces: &[NamespaceId]) -> As<'_> {
        let new = NewKey {
            name: "admin".to_owned(),
            scopes: vec![Scope::Admin],
            namespaces: namespaces.to_vec(),
            default_namespace: None,
            expires_at: None,
        };
        let (_, secret) = self.repository.create_key(new).await.unwrap();
        self.with(secret.expose())
    }
}

macro_rules! calls {
    ($($service:ident: $($method:ident($request:ident) -> $answer:ty),+;)+) => {
        $($(
            pub async fn $method(&self, request: proto::$request) -> Result<$answer, Status> {
                Ok(self.api.$service.$method(self.request(request, None)).await?.into_inner())
            }
        )+)+
    };
}

impl As<'_> {
    calls! {
        namespaces:
            create_namespace(CreateNamespaceRequest) -> proto::Namespace,
            get_namespace(GetNamespaceRequest) -> proto::Namespace,
            list_namespaces(ListNamespacesRequest) -> proto::ListNamespacesResponse,
            update_namespace(UpdateNamespaceRequest) -> proto::Namespace,
            delete_namespace(DeleteNamespaceRequest) -> ();
        keys:
            create_api_key(CreateApiKeyRequest) -> proto::CreateApiKeyResponse,
            get_api_key(GetApiKeyRequest) -> proto::ApiKey,
            list_api_keys(ListApiKeysRequest) -> proto::ListApiKeysResponse,
            rotate_api_key(RotateApiKeyRequest) -> proto::RotateApiKeyResponse,
            revoke_api_key(RevokeApiKeyRequest) -> proto::ApiKey;
    }

    fn request<T>(&self, message: T, namespace: Option<&str>) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.secret);
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        if let Some(namespace) = namespace {
            request.metadata_mut().insert("x-namespace", namespace.parse().unwrap());
        }
        request
    }

    pub async fn namespace(&self, name: &str) -> proto::Namespace {
        let request = proto::CreateNamespaceRequest { name: name.to_owned(), retention: None };
        self.create_namespace(request).await.unwrap()
    }

    pub async fn get(&self, namespace: &str) -> Result<proto::Namespace, Status> {
        let request = proto::GetNamespaceRequest { namespace_ref: namespace.to_owned() };
        self.get_namespace(request).await
    }

    pub async fn delete(&self, namespace: &str, force: bool) -> Result<(), Status> {
        let request = proto::DeleteNamespaceRequest { namespace_ref: namespace.to_owned(), force };
        self.delete_namespace(request).await
    }

    pub async fn get_key(&self, key_id: &str) -> Result<proto::ApiKey, Status> {
        self.get_api_key(proto::GetApiKeyRequest { key_id: key_id.to_owned() }).await
    }

    pub async fn revoke(&self, key_id: &str) -> Result<proto::ApiKey, Status> {
        self.revoke_api_key(proto::RevokeApiKeyRequest { key_id: key_id.to_owned() }).await
    }

    /// How many interactions there are.
    pub async fn count(&self, namespace: Option<&str>) -> Result<i64, Status> {
        let request = self.request(proto::CountInteractionsRequest::default(), namespace);
        Ok(self.api.interactions.count_interactions(request).await?.into_inner().count)
    }

    /// Records one interaction.
    pub async fn record(
        &self,
        namespace: Option<&str>,
        interaction: proto::Interaction,
    ) -> Result<(), Status> {
        let request = proto::CreateInteractionRequest {
            interaction: Some(interaction),
            validate_only: false,
        };
        let request = self.request(request, namespace);
        self.api.interactions.create_interaction(request).await.map(drop)
    }
}
