use std::time::Instant;

use tokio::task::JoinHandle;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt as _;

use super::*;
use crate::domain::access::Scope;
use crate::grpc::proto::GetInteractionRequest;
use crate::grpc::proto::interaction_service_client::InteractionServiceClient;
use crate::repository::NewKey;

/// A server on a free port, with a database that goes when this is dropped.
struct Running {
    channel: Channel,
    key: String,
    shutdown: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
    _directory: tempfile::TempDir,
}

impl Running {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::sqlite_file(&directory.path().join("server.sqlite3"));
        let repository = Repository::connect(&settings).await.unwrap();
        repository.migrate_up().await.unwrap();
        let key = NewKey {
            name: "test".to_owned(),
            scopes: vec![Scope::Read],
            namespaces: Vec::new(),
            default_namespace: None,
            expires_at: None,
        };
        let (_, key) = repository.create_key(key).await.unwrap();
        let key = key.expose().to_owned();
        let bound = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", bound.local_addr);
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(run(bound, repository, shutdown.clone()));
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        Self { channel, key, shutdown, served, _directory: directory }
    }

    async fn health(&self, service: &str) -> Result<ServingStatus, Status> {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await?;
        let serving = answer.into_inner().status
            == tonic_health::pb::health_check_response::ServingStatus::Serving as i32;
        Ok(if serving { ServingStatus::Serving } else { ServingStatus::NotServing })
    }

    /// The error that a call with these bytes as its first field gets.
    async fn refusal(&self, method: &str, field: Vec<u8>) -> Status {
        self.refusal_of(SERVICE_NAME, method, field).await
    }

    async fn refusal_of(&self, service: &str, method: &str, field: Vec<u8>) -> Status {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let path: PathAndQuery = format!("/{service}/{method}").parse().unwrap();
        let codec: ProstCodec<RawRequest, RawRequest> = ProstCodec::default();
        let mut request = Request::new(RawRequest { field });
        let bearer = format!("Bearer {}", self.key).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        client.unary(request, path, codec).await.unwrap_err()
    }
}

/// A request whose first field holds what no string may.
#[derive(Clone, PartialEq, prost::Message)]
struct RawRequest {
    #[prost(bytes = "vec", tag = "1")]
    field: Vec<u8>,
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

#[tokio::test]
async fn health_and_reflection_need_no_key() {
    let running = Running::start().await;
    let ours = [
        SERVICE_NAME,
        namespace_service_server::SERVICE_NAME,
        api_key_service_server::SERVICE_NAME,
    ];
    for service in ours.into_iter().chain([""]) {
        assert_eq!(running.health(service).await.unwrap(), ServingStatus::Serving);
    }
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = ServerReflectionClient::new(running.channel.clone())
        .server_reflection_info(tokio_stream::once(question))
        .await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("not a list of services");
    };
    let names: Vec<_> = services.service.iter().map(|service| service.name.as_str()).collect();
    let others = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
    for name in ours.into_iter().chain(others) {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}

#[tokio::test]
async fn every_error_says_why_in_its_details() {
    let running = Running::start().await;
    let request = GetInteractionRequest { interaction_id: "a".to_owned() };
    let mut client = InteractionServiceClient::new(running.channel.clone());
    let no_key = client.get_interaction(request).await.unwrap_err();
    assert_eq!(
        (no_key.code(), reason(&no_key).as_str()),
        (Code::Unauthenticated, "INVALID_API_KEY")
    );
    let broken = running.refusal("GetInteraction", vec![0xff]).await;
    assert_eq!(
        (broken.code(), reason(&broken).as_str()),
        (Code::InvalidArgument, "MALFORMED_MESSAGE")
    );
    let large = running.refusal("GetInteraction", vec![b'a'; MAX_REQUEST_BYTES + 1]).await;
    assert_eq!(
        (large.code(), reason(&large).as_str()),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
    );
    for (service, method) in [
        (namespace_service_server::SERVICE_NAME, "CreateNamespace"),
        (api_key_service_server::SERVICE_NAME, "CreateApiKey"),
    ] {
        let large = running.refusal_of(service, method, vec![b'a'; 64 << 10]).await;
        assert_eq!(reason(&large), "MESSAGE_TOO_LARGE", "{method}");
        let fits = running.refusal_of(service, method, vec![b'a'; 60 << 10]).await;
        assert_eq!(reason(&fits), "SCOPE_MISSING", "{method}");
    }
    let unknown = running.refusal("Nothing", Vec::new()).await;
    assert_eq!(
        (unknown.code(), reason(&unknown).as_str()),
        (Code::Unimplemented, "METHOD_UNKNOWN")
    );
}

#[tokio::test]
async fn a_server_without_calls_stops_at_once() {
    let running = Running::start().await;
    running.health("").await.unwrap();
    let start = Instant::now();
    running.shutdown.cancel();
    running.served.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_cannot_drain_stops_all_the_same() {
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let ended = within(Duration::from_millis(10), std::future::pending(), shutdown);
    tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap();
}
