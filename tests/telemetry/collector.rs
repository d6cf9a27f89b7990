//! A collector of traces.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio_util::task::AbortOnDropHandle;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

/// Keeps whatever it is sent.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    received: Received,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>>);

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0.lock().unwrap().push((metadata, request));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Received::default());
        let service = TraceServiceServer::new(received.clone());
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, received, _serving: AbortOnDropHandle::new(serving) }
    }

    /// What was sent so far, once it holds a span for which `found` is true.
    pub(super) async fn wait_for(&self, found: impl Fn(&Span) -> bool) -> Vec<Span> {
        let started = Instant::now();
        loop {
            let spans = self.spans();
            if spans.iter().any(&found) {
                return spans;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "not among {spans:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let received = self.received.0.lock().unwrap();
        let resources = received.iter().flat_map(|(_, request)| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// What the first message says of who sent it, and its metadata.
    pub(super) fn sender(&self) -> (BTreeMap<String, String>, MetadataMap) {
        let received = self.received.0.lock().unwrap();
        let (metadata, request) = received.first().unwrap();
        let resource = request.resource_spans[0].resource.as_ref().unwrap();
        (attributes(&resource.attributes), metadata.clone())
    }

    /// Everything, as text.
    pub(super) fn text(&self) -> String {
        format!("{:?}", self.received.0.lock().unwrap())
    }
}

/// Attributes by name, each name once.
pub(super) fn attributes(given: &[KeyValue]) -> BTreeMap<String, String> {
    let found: BTreeMap<_, _> = given
        .iter()
        .map(|attribute| {
            let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
            let text = match value {
                Some(Value::StringValue(text)) => text.clone(),
                Some(Value::IntValue(number)) => number.to_string(),
                other => format!("{other:?}"),
            };
            (attribute.key.clone(), text)
        })
        .collect();
    assert_eq!(found.len(), given.len(), "{given:?}");
    found
}
