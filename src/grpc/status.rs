//! Errors as they go out: the only place where one becomes a gRPC status.

use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::error::{AdminError, ApiError, InvalidReason};
use super::metering::count_error;
use crate::domain::violation::{Violation, Violations, echo};
use crate::repository;

/// The domain of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "interactions";

/// Largest message of a status in bytes, as it is escaped in the header.
const MAX_MESSAGE_BYTES: usize = 1024;
/// Bytes of violations in one status. A status travels in headers, of which gRPC's C core and Netty
/// take no more than 8 KiB by default. The details hold the violations and the message, and grow by
/// a third in base64; the message has a header of its own besides.
const MAX_VIOLATION_BYTES: usize = 3_500;
/// The same in the status of one interaction of a batch, of which a message may hold a thousand and
/// still has to stay below the 4 MiB that clients take by default.
const MAX_ITEM_VIOLATION_BYTES: usize = 2_000;
/// Longest field or description of one violation, in bytes.
const MAX_TEXT_BYTES: usize = 768;

/// How long to wait before a call that found the service busy or away is tried again.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// The same where nothing will change unless somebody acts.
const RETRY_LATE: Duration = Duration::from_secs(30);

/// What a caller learns of an error.
struct Answer {
    code: Code,
    /// The stable name for programs.
    reason: &'static str,
    /// The sentence for people.
    message: String,
    violations: Option<Violations>,
    retry_after: Option<Duration>,
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        log_cause(&error);
        let answer = answer(error);
        count_error(answer.reason);
        answer.into_status(MAX_VIOLATION_BYTES)
    }
}

/// The error of one interaction of a batch, to stand in a message.
#[must_use]
pub fn of_item(error: ApiError) -> tonic_types::Status {
    log_cause(&error);
    let status = answer(error).into_status(MAX_ITEM_VIOLATION_BYTES);
    let (code, message) = (status.code() as i32, status.message().to_owned());
    // Our own statuses carry themselves, encoded, as their details.
    let fallback = || tonic_types::Status { code, message, details: Vec::new() };
    tonic_types::Status::decode(status.details()).unwrap_or_else(|_| fallback())
}

fn answer(error: ApiError) -> Answer {
    match error {
        ApiError::Invalid { reason, violations } => {
            let reason = match reason {
                InvalidReason::Request => "INVALID_REQUEST",
                InvalidReason::PageToken => "INVALID_PAGE_TOKEN",
                InvalidReason::Namespace => "NAMESPACE_REQUIRED",
                InvalidReason::Message => "MALFORMED_MESSAGE",
            };
            let message = summary("invalid argument", &violations);
            Answer::new(Code::InvalidArgument, reason, message).with(violations)
        }
        ApiError::Unauthenticated => Answer::new(
            Code::Unauthenticated,
            "INVALID_API_KEY",
            "no valid API key: send `authorization: Bearer sk_…` once, with a key that is neither \
             expired nor revoked",
        ),
        ApiError::ScopeMissing(scope) => Answer::new(
            Code::PermissionDenied,
            "SCOPE_MISSING",
            format!("the API key lacks the scope `{}`", scope.name()),
        ),
        ApiError::NamespaceDenied => Answer::new(
            Code::PermissionDenied,
            "NAMESPACE_DENIED",
            "the namespace does not exist or is not open to this API key",
        ),
        ApiError::NotFound { interaction_id } => Answer::new(
            Code::NotFound,
            "INTERACTION_NOT_FOUND",
            format!("no interaction has the id {}", echo(&interaction_id)),
        ),
        ApiError::AlreadyExists(violations) => {
            let message = summary("already exists with other content", &violations);
            Answer::new(Code::AlreadyExists, "INTERACTION_EXISTS", message).with(violations)
        }
        ApiError::Admin(error) => of_admin(&error),
        // Waiting does not make a message smaller; the delay is there because callers are promised
        // one with this code.
        ApiError::MessageTooLarge { description } => {
            Answer::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", description)
                .retry_after(RETRY_LATE)
        }
        ApiError::MethodUnknown => {
            Answer::new(Code::Unimplemented, "METHOD_UNKNOWN", "the server has no such method")
        }
        ApiError::CompressionUnknown => Answer::new(
            Code::Unimplemented,
            "COMPRESSION_UNKNOWN",
            "the server does not read this compression; send messages uncompressed",
        ),
        ApiError::Overloaded => {
            Answer::new(Code::ResourceExhausted, "OVERLOADED", "too many calls are under way")
                .retry_after(RETRY_SOON)
        }
        ApiError::TooManyCalls { retry_after } => {
            let message =
                "this API key makes too many calls a second; record in batches or streams";
            Answer::new(Code::ResourceExhausted, "TOO_MANY_CALLS", message).retry_after(retry_after)
        }
        ApiError::TooManyStreams => {
            let message = "this API key has too many streams under way; end one first";
            Answer::new(Code::ResourceExhausted, "TOO_MANY_STREAMS", message)
                .retry_after(RETRY_SOON)
        }
        ApiError::TooManyRefusals { retry_after } => {
            let message = "too many calls without a valid API key come from this address";
            Answer::new(Code::ResourceExhausted, "TOO_MANY_REFUSALS", message)
                .retry_after(retry_after)
        }
        ApiError::Stopping => {
            Answer::new(Code::Unavailable, "STOPPING", "the server is about to stop")
                .retry_after(RETRY_SOON)
        }
        ApiError::ReaderStalled => {
            let message = "the stream was not read for too long; go on where it ended";
            Answer::new(Code::ResourceExhausted, "READER_STALLED", message).retry_after(RETRY_SOON)
        }
        ApiError::DeadlineExceeded => {
            Answer::new(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "the time is up")
        }
        ApiError::Repository(error) => of_repository(&error),
        ApiError::Internal { cause: _ } => internal(),
    }
}

fn of_admin(error: &AdminError) -> Answer {
    match error {
        AdminError::NamespaceNotFound { named } => Answer::new(
            Code::NotFound,
            "NAMESPACE_NOT_FOUND",
            format!("no namespace that this API key manages is called {}", echo(named)),
        ),
        AdminError::NamespaceExists { name } => Answer::new(
            Code::AlreadyExists,
            "NAMESPACE_EXISTS",
            format!("there is a namespace called {} already", echo(name)),
        ),
        AdminError::NamespaceNotEmpty => Answer::new(
            Code::FailedPrecondition,
            "NAMESPACE_NOT_EMPTY",
            "the namespace holds interactions; set `force` to delete them with it",
        ),
        AdminError::KeyNotFound { key_id } => Answer::new(
            Code::NotFound,
            "API_KEY_NOT_FOUND",
            format!("no API key that this one manages has the id {}", echo(key_id)),
        ),
        AdminError::KeyNotValid => Answer::new(
            Code::FailedPrecondition,
            "API_KEY_NOT_VALID",
            "the API key is revoked or has expired; create another",
        ),
        AdminError::KeyConfined { what } => Answer::new(
            Code::PermissionDenied,
            "KEY_CONFINED",
            format!("this API key is confined to namespaces, and cannot make {what}"),
        ),
    }
}

fn of_repository(error: &repository::Error) -> Answer {
    match error {
        repository::Error::Unavailable(_) | repository::Error::Contended(_) => {
            let message = "the database is away or busy; try again";
            Answer::new(Code::Unavailable, "DATABASE_UNAVAILABLE", message).retry_after(RETRY_SOON)
        }
        repository::Error::Full(_) => {
            let message = "the database has no room left";
            Answer::new(Code::ResourceExhausted, "DATABASE_FULL", message).retry_after(RETRY_LATE)
        }
        repository::Error::TimedOut(_) => {
            let message = "the database took too long; narrow the filters";
            Answer::new(Code::DeadlineExceeded, "DATABASE_TIMEOUT", message)
        }
        repository::Error::Corrupt(_) => {
            Answer::new(Code::DataLoss, "DATA_CORRUPTED", "what is stored is damaged")
        }
        repository::Error::Failed(_) => internal(),
    }
}

fn internal() -> Answer {
    Answer::new(Code::Internal, "INTERNAL", "a fault of the service; it has been logged")
}

/// Logs what a caller does not get to see. Errors that are the caller's own have no such cause.
fn log_cause(error: &ApiError) {
    match error {
        ApiError::Repository(error) => match error.as_ref() {
            repository::Error::Unavailable(cause)
            | repository::Error::Contended(cause)
            | repository::Error::Full(cause)
            | repository::Error::TimedOut(cause) => {
                tracing::warn!(error = %error, cause = %cause, "database call failed");
            }
            repository::Error::Corrupt(what) => {
                tracing::error!(error = %error, cause = %what, "stored data is damaged");
            }
            repository::Error::Failed(_) => {
                let cause = error.cause();
                tracing::error!(error = %error, cause, "database call failed");
            }
        },
        ApiError::Internal { cause } => tracing::error!(cause, "internal error"),
        ApiError::Invalid { .. }
        | ApiError::Unauthenticated
        | ApiError::ScopeMissing(_)
        | ApiError::NamespaceDenied
        | ApiError::NotFound { .. }
        | ApiError::AlreadyExists(_)
        | ApiError::Admin(_)
        | ApiError::MessageTooLarge { .. }
        | ApiError::MethodUnknown
        | ApiError::CompressionUnknown
        | ApiError::Overloaded
        | ApiError::TooManyCalls { .. }
        | ApiError::TooManyStreams
        | ApiError::TooManyRefusals { .. }
        | ApiError::Stopping
        | ApiError::ReaderStalled
        | ApiError::DeadlineExceeded => {}
    }
}

impl Answer {
    fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), violations: None, retry_after: None }
    }

    fn with(self, violations: Violations) -> Self {
        Self { violations: Some(violations), ..self }
    }

    fn retry_after(self, delay: Duration) -> Self {
        Self { retry_after: Some(delay), ..self }
    }

    fn into_status(self, violation_bytes: usize) -> Status {
        let Self { code, reason, message, violations, retry_after } = self;
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, ERROR_DOMAIN, []);
        for Violation { field, description } in
            violations.into_iter().flat_map(|violations| bounded(violations, violation_bytes))
        {
            details.add_bad_request_violation(field, description);
        }
        if let Some(delay) = retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(code, cut(&message, MAX_MESSAGE_BYTES, escaped_len), details)
    }
}

/// The first violation, and how many more there are.
fn summary(what: &str, violations: &Violations) -> String {
    let Some(Violation { field, description }) = violations.iter().next() else {
        return what.to_owned();
    };
    let place = if field.is_empty() { String::new() } else { format!("{field}: ") };
    let first = format!("{what}: {place}{description}");
    match violations.len() - 1 {
        0 => first,
        more => format!("{} (and {more} more)", cut(&first, MAX_MESSAGE_BYTES - 64, escaped_len)),
    }
}

/// As many violations as fit, and with the last of them how many did not.
fn bounded(violations: Violations, bytes: usize) -> Vec<Violation> {
    let all = violations.len();
    let mut room = bytes;
    let mut kept: Vec<Violation> = Vec::new();
    for Violation { field, description } in violations {
        let violation = Violation {
            field: cut(&field, MAX_TEXT_BYTES, char::len_utf8),
            description: cut(&description, MAX_TEXT_BYTES, char::len_utf8),
        };
        // Tags and lengths take up to eight bytes.
        let Some(left) = room.checked_sub(violation.field.len() + violation.description.len() + 8)
        else {
            break;
        };
        room = left;
        kept.push(violation);
    }
    let left_out = all - kept.len();
    if left_out > 0
        && let Some(last) = kept.last_mut()
    {
        last.description.push_str(&format!(" (and {left_out} more violations, not listed)"));
    }
    kept
}

/// As much of `text` as `limit` allows for, each character weighed by `width`.
fn cut(text: &str, limit: usize, width: fn(char) -> usize) -> String {
    let whole: usize = text.chars().map(width).sum();
    if whole <= limit {
        return text.to_owned();
    }
    let mut end = 0;
    let mut taken = width('…');
    for character in text.chars() {
        taken += width(character);
        if taken > limit {
            break;
        }
        end += character.len_utf8();
    }
    format!("{}…", &text[..end])
}

/// Bytes that a character takes in the header of the message, where all but the plainest ones are
/// escaped to three bytes each (gRPC over HTTP/2, "Percent-Encoded"; tonic escapes more than asked).
fn escaped_len(character: char) -> usize {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | ',' | ':' | ';' | '-' | '_' | '/' | '[' | ']' => {
            1
        }
        _ => 3 * character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderMap;
    use tonic_types::StatusExt as _;

    use super::*;

    fn violations(count: usize, description: &str) -> Violations {
        let mut violations = Violations::default();
        for item in 0..count {
            violations.add(format!("interactions[{item}].position"), description);
        }
        violations
    }

    #[test]
    fn violations_are_listed_and_the_message_names_the_first() {
        let status = Status::from(ApiError::from(violations(3, "must not be negative")));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.message(),
            "invalid argument: interactions[0].position: must not be negative (and 2 more)"
        );
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.domain.as_str(), info.reason.as_str()),
            ("interactions", "INVALID_REQUEST")
        );
        let listed = &details.bad_request().unwrap().field_violations;
        assert_eq!(listed.len(), 3);
        assert_eq!(listed[2].field, "interactions[2].position");
        assert!(details.retry_info().is_none());
    }

    #[test]
    fn a_status_fits_the_headers_that_clients_take() {
        for (count, description) in [
            (1_000, "must not be negative".to_owned()),
            (1_000, "é\n\"".repeat(500)),
            (1, "日".repeat(5_000)),
        ] {
            let status = Status::from(ApiError::AlreadyExists(violations(count, &description)));
            let mut headers = HeaderMap::new();
            status.add_header(&mut headers).unwrap();
            let size: usize =
                headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
            assert!(size < 7_900, "{size}");
            let listed = status.get_error_details().bad_request().unwrap().field_violations.clone();
            let last = &listed.last().unwrap().description;
            let left_out = format!("(and {} more violations, not listed)", count - listed.len());
            assert_eq!(last.ends_with(&left_out), count > listed.len(), "{last}");
        }
    }

    #[test]
    fn busy_and_away_say_when_to_come_back() {
        let away = repository::Error::away("secret");
        for error in [
            ApiError::Overloaded,
            ApiError::Stopping,
            ApiError::ReaderStalled,
            ApiError::from(away),
        ] {
            let status = Status::from(error);
            let retry = status.get_error_details().retry_info().unwrap().retry_delay;
            assert_eq!(retry, Some(RETRY_SOON));
            assert!(!format!("{status:?}").contains("secret"));
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("ééé", 6, char::len_utf8), "ééé");
        assert_eq!(cut("éééé", 7, char::len_utf8), "éé…");
        assert_eq!(cut("abcdefghijkl", 11, escaped_len), "ab…");
    }
}
