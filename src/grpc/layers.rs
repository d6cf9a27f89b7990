//! What the layers around every call do. `server` says in which order they stand, and why.

use std::any::Any;
use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body as HttpBody;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;

use super::error::ApiError;

/// Longest path that a span repeats; those of our methods are shorter.
const MAX_PATH_BYTES: usize = 128;

/// The span of a call, with the names that OpenTelemetry gives to what it holds.
pub fn call_span<B>(request: &Request<B>) -> Span {
    let path = request.uri().path().trim_start_matches('/');
    let method = path.get(..MAX_PATH_BYTES).unwrap_or(path);
    tracing::info_span!("rpc", rpc.method = method, rpc.response.status_code = Empty)
}

/// Notes that the answer has begun; one without a body has ended as well.
pub fn on_response<B>(response: &Response<B>, latency: Duration, span: &Span) {
    record_code(response.headers(), span);
    tracing::debug!(latency_us = micros(latency), "call answered");
}

/// Notes the end of an answer with a body, `duration` after it began.
pub fn on_end(trailers: Option<&HeaderMap>, duration: Duration, span: &Span) {
    if let Some(trailers) = trailers {
        record_code(trailers, span);
    }
    tracing::debug!(duration_us = micros(duration), "answer sent");
}

/// An answer with its body behind one type, whatever the layers around it have made of it.
pub fn any_body<B>(response: Response<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    response.map(Body::new)
}

/// The answer to a call whose handler panicked. The panic's message goes to the log.
#[must_use]
pub fn answer_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let cause = format!("panic: {}", text.unwrap_or("of unknown kind"));
    Status::from(ApiError::Internal { cause }).into_http()
}

fn record_code(headers: &HeaderMap, span: &Span) {
    if let Some(code) = headers.get(Status::GRPC_STATUS) {
        span.record("rpc.response.status_code", Code::from_bytes(code.as_bytes()) as i32);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
