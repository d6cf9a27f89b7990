//! The time by which a caller wants its answer.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use super::error::{ApiError, InvalidReason};

const HEADER: &str = "grpc-timeout";

/// The transport has a timer of its own for unary calls, which answers CANCELLED. Ours goes off
/// this much before it.
const AHEAD: Duration = Duration::from_millis(5);

/// Time that a call with one answer has when its caller does not say.
const USUAL: Duration = Duration::from_secs(10);
/// Time that it has at most.
const MOST: Duration = Duration::from_secs(30);

/// When the time of a call with one answer is up.
///
/// # Errors
/// When `grpc-timeout` is malformed.
pub(super) fn of_call(metadata: &MetadataMap) -> Result<Option<Instant>, ApiError> {
    Ok(after(timeout(metadata)?.unwrap_or(USUAL).min(MOST)))
}

/// When the time of a stream is up; `None` where its caller does not say: what has to end such a
/// stream is that it stands still, not that it takes long.
///
/// # Errors
/// When `grpc-timeout` is malformed.
pub(super) fn of_stream(metadata: &MetadataMap) -> Result<Option<Instant>, ApiError> {
    Ok(timeout(metadata)?.and_then(after))
}

/// What the caller says, which is a number of at most 8 digits and one of the units H, M, S, m, u, n
/// (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).
fn timeout(metadata: &MetadataMap) -> Result<Option<Duration>, ApiError> {
    let Some(header) = metadata.get(HEADER) else { return Ok(None) };
    let timeout = header.to_str().ok().and_then(parse).ok_or_else(|| {
        let accepted = "takes up to 8 digits and one of the units H, M, S, m, u, n";
        ApiError::invalid(InvalidReason::Request, HEADER, accepted)
    })?;
    Ok(Some(timeout))
}

fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout.saturating_sub(AHEAD))
}

/// Waits until `deadline`; for ever where there is none.
pub(super) async fn passed(deadline: Option<Instant>) {
    match deadline {
        // A sleep lasts until the next tick of the timer, even into the past.
        Some(deadline) if deadline <= Instant::now() => {}
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The answer of `work`, unless its time is up before.
///
/// # Errors
/// Those of `work`, and [`ApiError::DeadlineExceeded`].
pub(super) async fn within<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    tokio::select! {
        biased;
        () = passed(deadline) => Err(ApiError::DeadlineExceeded),
        answer = work => answer,
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_a_limit_of_their_own_and_streams_have_not() {
        let given = |timeout: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(HEADER, timeout.parse().unwrap());
            metadata
        };
        let seconds = |deadline: Result<Option<Instant>, ApiError>| {
            deadline.unwrap().map(|deadline| (deadline - Instant::now()).as_secs_f64().ceil())
        };
        assert_eq!(seconds(of_call(&MetadataMap::new())), Some(10.0));
        assert_eq!(seconds(of_call(&given("20S"))), Some(20.0));
        assert_eq!(seconds(of_call(&given("1H"))), Some(30.0));
        assert_eq!(seconds(of_stream(&MetadataMap::new())), None);
        assert_eq!(seconds(of_stream(&given("1H"))), Some(3_600.0));
        assert!(of_call(&given("soon")).is_err() && of_stream(&given("soon")).is_err());
    }

    #[test]
    fn reads_every_unit_and_nothing_else() {
        assert_eq!(parse("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(parse("100m"), Some(Duration::from_millis(100)));
        assert_eq!(parse("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "S", "5", "-1S", "1.5S", "123456789S", "5s", "5é"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
