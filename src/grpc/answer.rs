//! What every call with one answer goes through.

use tracing::Instrument as _;

use super::error::ApiError;

/// Authorises a call, then answers it, both before its time is up. With a scope the call works in a
/// namespace; without one it manages namespaces and keys.
macro_rules! answer {
    ($service:expr, $request:expr, $scope:expr, $method:ident) => {
        answer!(@ $service, $request, authorize($request.metadata(), $scope), $method)
    };
    ($service:expr, $request:expr, $method:ident) => {
        answer!(@ $service, $request, authorize_admin($request.metadata()), $method)
    };
    (@ $service:expr, $request:expr, $authorize:ident($($argument:expr),+), $method:ident) => {{
        let deadline = $crate::grpc::deadline::of_call($request.metadata())?;
        let work = async {
            let caller = $service.auth.$authorize($($argument),+).await?;
            $service.$method(&caller, $request.into_inner()).await
        };
        Ok(Response::new($crate::grpc::deadline::within(deadline, work).await?))
    }};
}

pub(super) use answer;

/// The outcome of `work`, which goes on to its end whoever leaves meanwhile: what it changes has to be
/// known to everyone here.
pub(super) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ApiError> {
    let ended = tokio::spawn(work.in_current_span()).await;
    ended.map_err(|error| ApiError::Internal { cause: format!("a change ended early: {error}") })
}
