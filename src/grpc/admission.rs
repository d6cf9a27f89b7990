//! Who comes in. Before a byte of a request is decoded, its key is looked at, and whether the server
//! and the key have room for one more call.
//!
//! What the call may do is decided later, by `auth`, and anew with every page of a stream.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use self::rates::Rates;
use self::refusals::Refusals;
use super::auth::{self, Auth};
use super::deadline;
use super::error::ApiError;
use super::limits::CallLimits;
use crate::domain::access::ApiKey;
use crate::peer::peer;
use crate::places::{Full, Place, Places};

mod rates;
mod refusals;

/// How long it may take until an answer begins. Calls have limits of their own once their message is
/// there; this is for those who never send it.
const BEGIN_LIMIT: Duration = Duration::from_secs(65);

/// Begins the type of every request.
const GRPC: &str = "application/grpc";

/// Admits calls to the services behind it.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    auth: Arc<Auth>,
    calls: Places<String>,
    rates: Rates<String>,
    refusals: Refusals,
}

impl Admission {
    /// Admits calls with a valid key, within `limits`.
    #[must_use]
    pub fn new(auth: Arc<Auth>, limits: &CallLimits) -> Self {
        let per_second = limits.calls_per_second;
        let at_once = per_second.saturating_add(per_second.get());
        Self(Arc::new(Shared {
            auth,
            // Half of them for one key, so that others find one.
            calls: Places::new(limits.calls, limits.calls.div_ceil(2)),
            rates: Rates::new(per_second, at_once),
            refusals: Refusals::default(),
        }))
    }
}

impl Shared {
    /// Leave for one call, to be kept while it is in work.
    async fn admit(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
    ) -> Result<Place<String>, ApiError> {
        let metadata = MetadataMap::from_headers(headers.clone());
        let deadline = deadline::of_call(&metadata)?;
        let key = deadline::within(deadline, self.valid_key(&metadata, address)).await?;
        let counted = self.rates.count(&key.key_id);
        counted.map_err(|retry_after| ApiError::TooManyCalls { retry_after })?;
        // Nobody queues here: who waits does so in the caller, and knows it.
        self.calls.take(key.key_id.clone()).map_err(|_: Full| ApiError::Overloaded)
    }

    async fn valid_key(
        &self,
        metadata: &MetadataMap,
        address: Option<IpAddr>,
    ) -> Result<Arc<ApiKey>, ApiError> {
        let Some(secret) = auth::presented_key(metadata) else {
            return Err(self.refused(address));
        };
        if !self.auth.remembers(&secret) {
            // Whoever guesses keys has each looked up, and so is slowed down here. A key that was
            // good lately is not a guess.
            self.may_look_up(address)?;
        }
        match self.auth.valid_key(&secret).await {
            Err(ApiError::Unauthenticated) => Err(self.refused(address)),
            found => found,
        }
    }

    fn may_look_up(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        match address.and_then(|address| self.refusals.pause(peer(address))) {
            Some(retry_after) => Err(ApiError::TooManyRefusals { retry_after }),
            None => Ok(()),
        }
    }

    /// The answer to a call without a valid key.
    fn refused(&self, address: Option<IpAddr>) -> ApiError {
        match address.and_then(|address| self.refusals.count(peer(address)).err()) {
            Some(retry_after) => ApiError::TooManyRefusals { retry_after },
            None => ApiError::Unauthenticated,
        }
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted { admission: self.clone(), inner }
    }
}

/// A service that gets the calls that were admitted.
#[derive(Debug, Clone)]
pub struct Admitted<S> {
    admission: Admission,
    inner: S,
}

impl<S: NamedService> NamedService for Admitted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Admitted<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Every call has a clone of its own: see `call`.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (admission, mut inner) = (self.admission.clone(), self.inner.clone());
        Box::pin(async move {
            if let Some(refusal) = refusal_of_http(&request) {
                return Ok(refusal);
            }
            let connection = request.extensions().get::<TcpConnectInfo>();
            let address =
                connection.and_then(TcpConnectInfo::remote_addr).map(|address| address.ip());
            match admission.0.admit(request.headers(), address).await {
                Ok(_in_work) => {
                    std::future::poll_fn(|context| inner.poll_ready(context)).await?;
                    let begun = tokio::time::timeout(BEGIN_LIMIT, inner.call(request)).await;
                    begun.unwrap_or_else(|_| {
                        Ok(Status::from(ApiError::DeadlineExceeded).into_http())
                    })
                }
                Err(error) => Ok(Status::from(error).into_http()),
            }
        })
    }
}

/// The answer to what is no call of gRPC, which HTTP gives and tonic does not: its protocol has POST
/// and a type of its own
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>).
fn refusal_of_http(request: &Request<Body>) -> Option<Response<Body>> {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let status = if request.method() != Method::POST {
        StatusCode::METHOD_NOT_ALLOWED
    } else if !content_type.is_some_and(is_grpc) {
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    } else {
        return None;
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    Some(response)
}

/// Whether a content type is that of gRPC, whatever its messages are. That of gRPC-Web is another.
fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(GRPC.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests;
