//! Page tokens: opaque to callers, typed inside, good for one query only.
//!
//! A token is a version byte, the fingerprint of the query, and a position in its order; in
//! base64url. It needs no secret: namespace and rights come from the caller's key, so whoever
//! forges a position only starts a list of their own somewhere else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;

use super::error::{ApiError, InvalidReason};
use crate::domain::access::NamespaceId;
use crate::domain::query::{Fingerprint, Query};
use crate::domain::sort::{KeyValue, Position};
use crate::failpoint::left_out;

pub(super) mod admin;

const VERSION: u8 = 1;

/// Longest token that is looked at, in bytes. A position holds whole sort values, which a metadata
/// text can make as long as an interaction.
const MAX_TOKEN_BYTES: usize = 512 * 1024;

#[derive(Clone, PartialEq, prost::Message)]
struct Token {
    #[prost(bytes = "vec", tag = "1")]
    fingerprint: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    values: Vec<TokenValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TokenValue {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(sint64, tag = "1")]
    Integer(i64),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Boolean(bool),
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    /// It is not one of ours, or has been changed.
    #[error("this is not a page token; send one exactly as a page returned it")]
    Malformed,
    /// It continues another list.
    #[error(
        "this page token belongs to another request; namespace, filters, sort and search must stay \
         as they were"
    )]
    OtherRequest,
    /// It continues the list of another method.
    #[error("this page token belongs to another method; send it to the one that returned it")]
    OtherMethod,
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::invalid(InvalidReason::PageToken, "page_token", error.to_string())
    }
}

/// Where `query` goes on by `token`: at its beginning where there is none.
pub(super) fn start(token: &str, query: &Query) -> Result<Option<Position>, TokenError> {
    match token {
        "" => Ok(None),
        token => decode(token, query).map(Some),
    }
}

/// The token that continues `query` after `position`.
pub(super) fn encode(query: &Query, position: &Position) -> String {
    let Position(values) = position;
    let values = values.iter().map(|value| TokenValue { kind: kind(value) });
    let Fingerprint(fingerprint) = fingerprint(query);
    let token = Token { fingerprint: fingerprint.to_vec(), values: values.collect() };
    seal(VERSION, &token)
}

/// A version and a message as text.
fn seal(version: u8, token: &impl prost::Message) -> String {
    let mut bytes = vec![version];
    bytes.extend(token.encode_to_vec());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a token, of which the first is its version.
fn unseal(text: &str, most: usize) -> Result<Vec<u8>, TokenError> {
    if text.len() > most {
        return Err(TokenError::Malformed);
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)
}

/// Where `text` continues `query`.
pub(super) fn decode(text: &str, query: &Query) -> Result<Position, TokenError> {
    let bytes = unseal(text, MAX_TOKEN_BYTES)?;
    let Some((&VERSION, message)) = bytes.split_first() else { return Err(TokenError::Malformed) };
    let Token { fingerprint, values } =
        Token::decode(message).map_err(|_| TokenError::Malformed)?;
    let Fingerprint(expected) = self::fingerprint(query);
    if fingerprint != expected {
        let ours = fingerprint.len() == expected.len();
        return Err(if ours { TokenError::OtherRequest } else { TokenError::Malformed });
    }
    let position = Position(values.into_iter().map(|value| key_value(value.kind)).collect());
    if query.sort.admits(&position) { Ok(position) } else { Err(TokenError::Malformed) }
}

fn fingerprint(query: &Query) -> Fingerprint {
    if left_out("namespace-of-tokens") {
        let mut anywhere = query.clone();
        anywhere.selection.namespace = NamespaceId(0);
        return anywhere.fingerprint();
    }
    query.fingerprint()
}

fn kind(value: &KeyValue) -> Option<Kind> {
    match value {
        KeyValue::Missing => None,
        KeyValue::Integer(number) => Some(Kind::Integer(*number)),
        KeyValue::Number(number) => Some(Kind::Number(*number)),
        KeyValue::Text(text) => Some(Kind::Text(text.clone())),
        KeyValue::Boolean(boolean) => Some(Kind::Boolean(*boolean)),
    }
}

fn key_value(kind: Option<Kind>) -> KeyValue {
    match kind {
        None => KeyValue::Missing,
        Some(Kind::Integer(number)) => KeyValue::Integer(number),
        Some(Kind::Number(number)) => KeyValue::Number(number),
        Some(Kind::Text(text)) => KeyValue::Text(text),
        Some(Kind::Boolean(boolean)) => KeyValue::Boolean(boolean),
    }
}
