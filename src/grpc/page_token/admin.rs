//! Page tokens of the lists of namespaces and keys: a version byte, which list it is, and the place
//! after which it goes on.

use super::{TokenError, seal, unseal};
use crate::domain::access::{is_key_id, is_namespace_name};
use crate::repository::KeyPlace;

/// Not those of the tokens of interactions: none is ever taken for another.
const NAMESPACES_VERSION: u8 = 0x11;
const KEYS_VERSION: u8 = 0x21;

/// Longest token that is looked at, in bytes. The longest name in base64 is well below it.
const MAX_TOKEN_BYTES: usize = 256;

#[derive(Clone, PartialEq, prost::Message)]
struct NamespaceToken {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyToken {
    #[prost(sint64, tag = "1")]
    created_at: i64,
    #[prost(string, tag = "2")]
    key_id: String,
}

/// The token that goes on after the namespace of this name.
pub(in crate::grpc) fn after_namespace(name: &str) -> String {
    seal(NAMESPACES_VERSION, &NamespaceToken { name: name.to_owned() })
}

/// The name after which a list of namespaces goes on; `None` where it begins.
pub(in crate::grpc) fn namespace(text: &str) -> Result<Option<String>, TokenError> {
    let Some(NamespaceToken { name }) = decode(NAMESPACES_VERSION, text)? else { return Ok(None) };
    if is_namespace_name(&name) { Ok(Some(name)) } else { Err(TokenError::Malformed) }
}

/// The token that goes on after the key in this place.
pub(in crate::grpc) fn after_key((created_at, key_id): KeyPlace) -> String {
    seal(KEYS_VERSION, &KeyToken { created_at, key_id })
}

/// The place after which a list of keys goes on; `None` where it begins.
pub(in crate::grpc) fn key(text: &str) -> Result<Option<KeyPlace>, TokenError> {
    let Some(KeyToken { created_at, key_id }) = decode(KEYS_VERSION, text)? else {
        return Ok(None);
    };
    if is_key_id(&key_id) { Ok(Some((created_at, key_id))) } else { Err(TokenError::Malformed) }
}

/// Cuts what was found to a page; the token is that of its last item where more was found, else
/// empty.
pub(in crate::grpc) fn cut<Item>(
    found: &mut Vec<Item>,
    page_size: u32,
    token: impl FnOnce(&Item) -> String,
) -> String {
    let page_size = usize::try_from(page_size).unwrap_or(usize::MAX);
    if found.len() <= page_size {
        return String::new();
    }
    found.truncate(page_size);
    found.last().map(token).unwrap_or_default()
}

fn decode<Token: prost::Message + Default>(
    version: u8,
    text: &str,
) -> Result<Option<Token>, TokenError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = unseal(text, MAX_TOKEN_BYTES)?;
    match bytes.split_first() {
        Some((&found, message)) if found == version => {
            Token::decode(message).map(Some).map_err(|_| TokenError::Malformed)
        }
        Some((&(NAMESPACES_VERSION | KEYS_VERSION | super::VERSION), _)) => {
            Err(TokenError::OtherMethod)
        }
        Some(_) | None => Err(TokenError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_on_where_it_was_made_and_in_its_own_list_only() {
        let (of_namespaces, of_keys) =
            (after_namespace("demo"), after_key((-5, "0123456789ab".to_owned())));
        assert_eq!(namespace(&of_namespaces), Ok(Some("demo".to_owned())));
        assert_eq!(key(&of_keys), Ok(Some((-5, "0123456789ab".to_owned()))));
        assert_eq!((namespace(""), key("")), (Ok(None), Ok(None)));
        assert_eq!(namespace(&of_keys), Err(TokenError::OtherMethod));
        assert_eq!(key(&of_namespaces), Err(TokenError::OtherMethod));
    }

    #[test]
    fn a_token_that_was_changed_names_what_can_be_or_is_refused() {
        let token = after_key((1_700_000_000_000_000, "0123456789ab".to_owned()));
        for place in 0..token.len() {
            for other in *b"A_9" {
                let mut changed = token.clone().into_bytes();
                changed[place] = other;
                match key(&String::from_utf8(changed).unwrap()) {
                    Ok(Some((_, key_id))) => assert!(is_key_id(&key_id)),
                    Ok(None) => panic!("the list begins anew"),
                    Err(TokenError::Malformed | TokenError::OtherMethod) => {}
                    Err(TokenError::OtherRequest) => panic!("there is no other request"),
                }
            }
        }
        let forged = seal(KEYS_VERSION, &KeyToken { created_at: 0, key_id: "a\0".to_owned() });
        for wrong in ["x", "é", &forged, &"A".repeat(MAX_TOKEN_BYTES + 1)] {
            assert_eq!(key(wrong), Err(TokenError::Malformed), "{wrong}");
        }
        // 0x11 alone is a message without a field, and a name is never empty.
        assert_eq!(namespace("EQ"), Err(TokenError::Malformed));
    }
}
