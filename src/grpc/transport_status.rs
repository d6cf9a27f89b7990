//! The statuses that tonic makes by itself, turned into ours.
//!
//! tonic answers some calls before our code sees them: it reports bytes that are not a message as
//! INTERNAL, and one that is too large as OUT_OF_RANGE. Both are the caller's to mend.

use tonic::codegen::http::{HeaderMap, Response};
use tonic::{Code, Status};

use super::codec;
use super::error::{ApiError, InvalidReason};

/// Begins every error of prost's decoder.
const DECODE_ERROR: &str = "failed to decode Protobuf message: ";
/// Begins tonic's errors about the frame around a message (`codec/decode.rs`).
const FRAME_ERRORS: [&str; 3] =
    ["protocol error: ", "Unexpected EOF decoding stream", "Missing request message"];
/// In tonic's error about a message over the limit (`codec/decode.rs`).
const TOO_LARGE: &str = "message length too large";
/// In tonic's error about a compression that it does not know (`codec/compression.rs`).
const COMPRESSED: &str = "Content is compressed with";
/// What prost says of a message is about its fields, and short.
const MAX_CAUSE_CHARS: usize = 256;

/// Gives an answer that consists of a status of tonic's own the code and the details of ours.
#[must_use]
pub fn decode_errors<Body>(mut response: Response<Body>) -> Response<Body> {
    if let Some(error) = error_in(response.headers()) {
        replace_status(response.headers_mut(), error.into());
    }
    response
}

/// What the status in the headers of an answer means, if it is of tonic's own. Only an answer without
/// a body has its status there, and ours have details.
fn error_in(headers: &HeaderMap) -> Option<ApiError> {
    if !headers.contains_key(Status::GRPC_STATUS)
        || headers.contains_key(Status::GRPC_STATUS_DETAILS)
    {
        return None;
    }
    transport_error(&Status::from_header_map(headers)?)
}

/// What a status of tonic's own means; `None` where it is nothing that the caller could mend.
pub(super) fn transport_error(status: &Status) -> Option<ApiError> {
    if let Some(refusal) = codec::refusal(status) {
        return Some(refusal);
    }
    let (code, message) = (status.code(), status.message());
    if code == Code::Internal {
        malformed(message)
    } else if code == Code::OutOfRange && message.contains(TOO_LARGE) {
        Some(ApiError::MessageTooLarge { description: too_large(message) })
    } else if code == Code::Unimplemented && message.is_empty() {
        Some(ApiError::MethodUnknown)
    } else if code == Code::Unimplemented && message.contains(COMPRESSED) {
        Some(ApiError::CompressionUnknown)
    } else {
        None
    }
}

fn malformed(message: &str) -> Option<ApiError> {
    let cause = message.strip_prefix(DECODE_ERROR).or_else(|| {
        FRAME_ERRORS.iter().any(|start| message.starts_with(start)).then_some(message)
    })?;
    let cause: String = cause.chars().take(MAX_CAUSE_CHARS).collect();
    let description = format!("the bytes are not a message of this method: {cause}");
    Some(ApiError::invalid(InvalidReason::Message, "", description))
}

/// tonic ends its sentence with both sizes: "found 5 bytes, the limit is: 4 bytes".
fn too_large(message: &str) -> String {
    let sizes = message.split_once(": ").map_or("", |(_, sizes)| sizes);
    format!("the message is too large: {sizes}")
}

fn replace_status(headers: &mut HeaderMap, status: Status) {
    for name in [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS] {
        headers.remove(name);
    }
    // The header names and values of a status of ours are valid; were one not, the answer would
    // stay without a status, which clients read as UNKNOWN.
    if let Err(error) = status.add_header(headers) {
        tracing::error!(error = %error, "status not sent");
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;

    fn mapped(status: Status) -> Status {
        let response = decode_errors(status.into_http::<()>());
        Status::from_header_map(response.headers()).unwrap()
    }

    fn reason(status: &Status) -> String {
        status.get_error_details().error_info().unwrap().reason.clone()
    }

    #[test]
    fn bytes_that_are_no_message_are_the_callers_fault() {
        use prost::Message as _;
        let broken = crate::grpc::proto::GetInteractionRequest::decode(&b"\x0a\x02\xff\xff"[..]);
        let status = mapped(Status::internal(broken.unwrap_err().to_string()));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(reason(&status), "MALFORMED_MESSAGE");
        let details = status.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert!(violation.description.contains("interaction_id"), "{violation:?}");
    }

    #[test]
    fn a_message_over_the_limit_is_too_large() {
        let status = mapped(Status::out_of_range(
            "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes",
        ));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason(&status), "MESSAGE_TOO_LARGE");
        assert_eq!(
            status.message(),
            "the message is too large: found 5 bytes, the limit is: 4 bytes"
        );
    }

    #[test]
    fn other_statuses_stay() {
        let unknown = mapped(Status::unimplemented(""));
        assert_eq!(
            (unknown.code(), reason(&unknown).as_str()),
            (Code::Unimplemented, "METHOD_UNKNOWN")
        );
        let ours = Status::from(ApiError::Internal { cause: "failed".to_owned() });
        assert_eq!(reason(&mapped(ours)), "INTERNAL");
        assert_eq!(mapped(Status::internal("other")).code(), Code::Internal);
    }
}
