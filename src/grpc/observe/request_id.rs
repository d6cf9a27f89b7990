//! What a call is called, so that its caller and the log can speak of it.

use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Where callers say it, and are told.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest that is taken from a caller.
const MAX_BYTES: usize = 128;

/// The caller's own name for a call, where it can stand in a log as it is, or else a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).filter(|given| is_fine(given.as_bytes()));
        given.map_or_else(Self::new, |given| Self(given.clone()))
    }

    fn new() -> Self {
        let id = HeaderValue::from_str(&Uuid::now_v7().to_string());
        Self(id.unwrap_or_else(|_| HeaderValue::from_static("-")))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Tells it to the caller.
    pub(super) fn put_into(self, headers: &mut HeaderMap) {
        headers.insert(HEADER, self.0);
    }
}

fn is_fine(given: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:-".contains(byte);
    (1..=MAX_BYTES).contains(&given.len()) && given.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_replaced_by_one() {
        let of = |given: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(given).unwrap());
            RequestId::of(&headers).as_str().to_owned()
        };
        assert_eq!(of(b"Order-17.a_b:c"), "Order-17.a_b:c");
        assert_eq!(of(&[b'a'; 128]).len(), 128);
        for wrong in [&b""[..], b"a b", b"\xff", b"a\"b", b"{}", &[b'a'; 129]] {
            assert!(of(wrong).parse::<Uuid>().is_ok(), "{wrong:?}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
