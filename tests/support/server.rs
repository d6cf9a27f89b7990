//! The service on a real socket of this process, and clients of it.

use std::net::SocketAddr;
use std::time::Duration;

use interactions::grpc::limits::CallLimits;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_client::InteractionServiceClient;
use interactions::repository::{Repository, Settings};
use interactions::server::{self, Bound, Transport};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A client that names its key with every call; the key's default namespace is meant.
pub type Client = InteractionServiceClient<InterceptedService<Channel, Bearer>>;

/// Adds a key to calls.
#[derive(Clone)]
pub struct Bearer(String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value: MetadataValue<_> = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A server in this process.
pub struct SocketServer {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl SocketServer {
    /// Serves the database at `url` on a free port.
    pub async fn start(url: &str) -> Self {
        Self::start_within(url, CallLimits::default()).await
    }

    /// The same within `limits`.
    pub async fn start_within(url: &str, limits: CallLimits) -> Self {
        Self::start_bound(url, |bound| bound.call_limits = limits).await
    }

    /// The same, with connections treated otherwise.
    pub async fn start_with(url: &str, transport: Transport) -> Self {
        Self::start_bound(url, |bound| bound.transport = transport).await
    }

    async fn start_bound(url: &str, change: impl FnOnce(&mut Bound)) -> Self {
        let repository = Repository::connect(&Settings::from_url(url).unwrap()).await.unwrap();
        let mut bound = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        change(&mut bound);
        let address = bound.local_addr;
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(server::run(bound, repository, shutdown.clone()));
        Self { address, shutdown, running }
    }

    /// A client of this server.
    pub async fn client(&self, key: &str) -> Client {
        client(self.address, key.to_owned()).await
    }

    /// Stops it and waits until it is gone.
    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.running)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

/// A client of whatever listens at `address`.
pub async fn client(address: SocketAddr, key: String) -> Client {
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    client_on(channel.connect().await.unwrap(), key)
}

/// A client that calls on `channel`.
pub fn client_on(channel: Channel, key: String) -> Client {
    InteractionServiceClient::with_interceptor(channel, Bearer(key))
}

/// Sends `requests` on one stream and returns all answers, or those before the error and the error.
pub async fn write_all(
    client: &mut Client,
    requests: Vec<proto::WriteInteractionsRequest>,
) -> (Vec<proto::WriteInteractionsResponse>, Option<Status>) {
    let mut answers = Vec::new();
    let stream = client.write_interactions(tokio_stream::iter(requests)).await;
    let mut stream = match stream {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (answers, Some(status)),
    };
    loop {
        match stream.message().await {
            Ok(Some(answer)) => answers.push(answer),
            Ok(None) => return (answers, None),
            Err(status) => return (answers, Some(status)),
        }
    }
}
