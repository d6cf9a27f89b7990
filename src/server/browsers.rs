//! Calls from pages in browsers, which cannot speak gRPC: gRPC-Web
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>), and CORS, by which a browser asks
//! whether a page may (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use std::time::Duration;

use tonic::Status;
use tonic::codegen::http::Method;
use tonic::codegen::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use tonic_web::GrpcWebLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Origin;

/// What a call is called, by whoever makes it or by the service.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What calls bring with them, beside what browsers may send anyway.
const REQUEST_HEADERS: [HeaderName; 9] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-namespace"),
    REQUEST_ID,
    HeaderName::from_static("x-user-agent"),
];
/// What a page is shown of an answer's headers. An error without a body is there, and nowhere else.
const ANSWER_HEADERS: [HeaderName; 4] =
    [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS, REQUEST_ID];
/// How long a browser need not ask again: no browser remembers for longer.
const REMEMBERED: Duration = Duration::from_secs(2 * 60 * 60);

/// What lets pages of `origins` call, and all others not.
pub(super) fn layers(origins: &[Origin]) -> (CorsLayer, GrpcWebLayer) {
    let allowed = if origins.contains(&Origin::Any) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(Origin::header).cloned())
    };
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::POST])
        .allow_headers(REQUEST_HEADERS)
        .expose_headers(ANSWER_HEADERS)
        .max_age(REMEMBERED);
    (cors, GrpcWebLayer::new())
}
