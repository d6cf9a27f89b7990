//! What is to be known of every call: its span, with the caller's trace and the request's id, and how
//! many there are, how they end and how long they take. The outermost layer, so that it sees what the
//! others turn away.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hyper::body::{Body as HttpBody, Buf as _, Frame, SizeHint};
use opentelemetry::TraceId;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt as _;
use tonic::codegen::http::{HeaderMap, HeaderName, Request, Response};
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use self::methods::{Method, Methods};
use self::request_id::RequestId;

mod methods;
mod request_id;

/// Longest path that a span repeats; those of our methods are shorter.
const MAX_PATH_BYTES: usize = 128;

/// Watches every call to the services behind it.
#[derive(Debug, Clone)]
pub struct Observe(Arc<Methods>);

impl Observe {
    /// Counts by the methods that the service has.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Methods::known()))
    }
}

impl Default for Observe {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { methods: Arc::clone(&self.0), inner }
    }
}

/// A service whose calls are watched.
#[derive(Debug, Clone)]
pub struct Observed<S> {
    methods: Arc<Methods>,
    inner: S,
}

impl<S, Sent, Body> Service<Request<Sent>> for Observed<S>
where
    S: Service<Request<Sent>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
    Body: HttpBody + Unpin,
{
    type Response = Response<Watched<Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Sent>) -> Self::Future {
        let method = self.methods.find(request.uri().path());
        let id = RequestId::of(request.headers());
        let span = span(&request, &method, &id);
        let mut call = Call::begin(method, span.clone());
        let answer = span.in_scope(|| self.inner.call(request));
        Box::pin(
            async move {
                let mut response = answer.await?;
                id.put_into(response.headers_mut());
                // One without a body has ended; its status is among the headers.
                let code = code_in(response.headers());
                if code.is_some() || response.body().is_end_stream() {
                    call.end(code.unwrap_or(Code::Unknown));
                }
                Ok(response.map(|body| Watched { body, call }))
            }
            .instrument(span),
        )
    }
}

/// The span of a call, with the names that OpenTelemetry gives to what it holds. It is there whenever
/// errors are logged: it is what tells them from each other.
fn span<Body>(request: &Request<Body>, method: &Method, id: &RequestId) -> Span {
    let span = tracing::error_span!(
        "rpc",
        rpc.method = method.full_name(),
        rpc.method_original = Empty,
        request_id = id.as_str(),
        trace_id = Empty,
    );
    if !method.is_known() {
        let path = request.uri().path().trim_start_matches('/');
        span.record("rpc.method_original", path.get(..MAX_PATH_BYTES).unwrap_or(path));
    }
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request.headers()))
    });
    let mut trace = parent.span().span_context().trace_id();
    // An error where no traces are exported; then the log names that of the caller.
    if span.set_parent(parent).is_ok() {
        describe(&span, request.extensions().get());
        trace = span.context().span().span_context().trace_id();
    }
    if trace != TraceId::INVALID {
        span.record("trace_id", tracing::field::display(trace));
    }
    span
}

/// What a trace tells of a call and the log does not.
fn describe(span: &Span, connection: Option<&TcpConnectInfo>) {
    span.set_attribute("rpc.system.name", "grpc");
    let addresses =
        connection.map(|connection| (connection.local_addr(), connection.remote_addr()));
    let (local, remote) = addresses.unwrap_or_default();
    if let Some(local) = local {
        span.set_attribute("server.address", local.ip().to_string());
        span.set_attribute("server.port", i64::from(local.port()));
    }
    if let Some(remote) = remote {
        span.set_attribute("network.peer.address", remote.ip().to_string());
        span.set_attribute("network.peer.port", i64::from(remote.port()));
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// A call until its end is known, or until this is dropped because its client has left.
#[derive(Debug)]
struct Call {
    method: Arc<Method>,
    began: Instant,
    span: Span,
    ended: bool,
}

impl Call {
    fn begin(method: Arc<Method>, span: Span) -> Self {
        method.started.increment(1);
        method.in_progress.increment(1);
        Self { method, began: Instant::now(), span, ended: false }
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (took, name) = (self.began.elapsed(), methods::code_name(code));
        self.method.handled(code).increment(1);
        self.method.took.record(took);
        self.method.in_progress.decrement(1);
        // Not a field of the span: the log would write all of them anew, for nobody to read.
        self.span.set_attribute("rpc.response.status_code", name);
        if is_fault(code) {
            self.span.set_attribute("error.type", name);
            self.span.set_status(opentelemetry::trace::Status::error(""));
        }
        let duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.span.in_scope(|| {
            tracing::debug!(rpc.response.status_code = name, duration_us, "call ended");
        });
    }
}

/// Nobody is told of it any more, so this is what its client would call it.
impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// Whether a call failed by a fault of the server's, as OpenTelemetry counts it
/// (<https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>).
fn is_fault(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}

/// The answer to a call, which ends with it.
#[derive(Debug)]
pub struct Watched<Body> {
    body: Body,
    call: Call,
}

impl<Body: HttpBody + Unpin> HttpBody for Watched<Body> {
    type Data = Body::Data;
    type Error = Body::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Self { body, call } = &mut *self;
        let frame = {
            let _in_call = call.span.enter();
            ready!(Pin::new(body).poll_frame(context))
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    call.method.sent_bytes.increment(data.remaining() as u64);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    call.end(code_in(trailers).unwrap_or(Code::Unknown));
                }
            }
            Some(Err(_)) | None => call.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
