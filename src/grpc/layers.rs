//! What the layers around every call do. `server` says in which order they stand, and why.

use std::any::Any;
use std::error::Error as StdError;

use bytes::Bytes;
use hyper::body::Body as HttpBody;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

use super::error::ApiError;

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
