//! The service without a socket: what a client would get, as messages.

use std::sync::Arc;

use futures::StreamExt as _;
use interactions::domain::access::{NamespaceId, Scope};
use interactions::grpc::auth::Auth;
use interactions::grpc::interaction_service::InteractionServiceImpl;
use interactions::grpc::page::Page;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use interactions::repository::{NewKey, Repository};
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

/// A service, and a namespace that its caller may do everything in.
#[derive(Clone)]
pub struct TestService {
    pub service: InteractionServiceImpl,
    pub namespace: NamespaceId,
    pub namespace_name: String,
    pub secret: String,
    pub shutdown: CancellationToken,
}

impl TestService {
    /// A service over `repository` with a namespace called `name` and a key to it.
    pub async fn new(repository: &Repository, name: &str) -> Self {
        // What the service logs shows beside the failure that it explains.
        let _ = tracing_subscriber::fmt()
            .with_test_writer()
            .with_max_level(tracing::Level::WARN)
            .try_init();
        let namespace = repository.create_namespace(name).await.unwrap();
        let key = NewKey {
            name: name.to_owned(),
            scopes: vec![Scope::Read, Scope::Write],
            namespaces: vec![namespace.id],
            default_namespace: Some(namespace.id),
            expires_at: None,
        };
        let (_, secret) = repository.create_key(key).await.unwrap();
        let auth = Arc::new(Auth::new(repository.clone()));
        let shutdown = CancellationToken::new();
        Self {
            service: InteractionServiceImpl::new(repository.clone(), auth, shutdown.clone()),
            namespace: namespace.id,
            namespace_name: name.to_owned(),
            secret: secret.expose().to_owned(),
            shutdown,
        }
    }

    /// The same over the same data, opened anew as `repository`.
    pub fn reopened(&self, repository: &Repository) -> Self {
        let auth = Arc::new(Auth::new(repository.clone()));
        let service = InteractionServiceImpl::new(repository.clone(), auth, self.shutdown.clone());
        Self { service, ..self.clone() }
    }

    /// `message` with the credentials of the caller.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.secret);
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    }

    /// Records `interactions` in batches as large as they may be.
    pub async fn record(&self, interactions: Vec<proto::Interaction>) {
        for batch in interactions.chunks(1_000) {
            let request = proto::BatchCreateInteractionsRequest {
                interactions: batch.to_vec(),
                validate_only: false,
            };
            let mut request = self.request(request);
            // A machine that is busy with other things takes its time.
            request.metadata_mut().insert("grpc-timeout", "30S".parse().unwrap());
            self.service.batch_create_interactions(request).await.unwrap();
        }
    }

    /// All pages of one call.
    pub async fn pages(
        &self,
        request: proto::ListInteractionsRequest,
    ) -> Result<Vec<Page>, Status> {
        let stream = self.service.list_interactions(self.request(request)).await?;
        let pages: Vec<_> = stream.into_inner().collect().await;
        pages.into_iter().collect()
    }

    /// The first page of a call that is then left.
    pub async fn first_page(
        &self,
        request: proto::ListInteractionsRequest,
    ) -> Result<Page, Status> {
        let stream = self.service.list_interactions(self.request(request)).await?;
        stream.into_inner().next().await.unwrap()
    }

    /// The ids that a call lists, in order.
    pub async fn ids(&self, request: proto::ListInteractionsRequest) -> Vec<String> {
        let pages = self.pages(request).await.unwrap();
        pages.iter().flat_map(interactions).map(|found| found.interaction_id).collect()
    }

    /// The ids that a chain of calls lists, one page each, every one continuing the one before.
    pub async fn ids_by_token(&self, mut request: proto::ListInteractionsRequest) -> Vec<String> {
        let mut ids = Vec::new();
        loop {
            let page = self.first_page(request.clone()).await.unwrap();
            ids.extend(interactions(&page).into_iter().map(|found| found.interaction_id));
            if page.next_page_token.is_empty() {
                return ids;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// How many a call counts.
    pub async fn count(&self, request: proto::CountInteractionsRequest) -> i64 {
        let answer = self.service.count_interactions(self.request(request)).await.unwrap();
        answer.into_inner().count
    }
}

/// The interactions of a page.
pub fn interactions(page: &Page) -> Vec<proto::Interaction> {
    let decode = |record: &bytes::Bytes| proto::Interaction::decode(record.as_ref()).unwrap();
    page.interactions.iter().map(decode).collect()
}
