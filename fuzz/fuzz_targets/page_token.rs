//! Page tokens: what is one of ours goes on in one place, and is written anew for that place. The
//! input is a token, or what one holds, or the values of a position in one.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interactions::domain::access::{NamespaceId, is_key_id, is_namespace_name};
use interactions::domain::filter::Filter;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::sort::{Direction, Position, Sort, WrittenKey};
use interactions::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let query = query();
    // No input guesses a fingerprint. Fields that follow it are read on.
    let fingerprint = fuzzing::position_token(&query, &Position(Vec::new()));
    let fingerprint = URL_SAFE_NO_PAD.decode(fingerprint).unwrap();
    let tokens = [
        String::from_utf8_lossy(bytes).into_owned(),
        URL_SAFE_NO_PAD.encode(bytes),
        URL_SAFE_NO_PAD.encode([&fingerprint, bytes].concat()),
    ];
    for token in tokens {
        if let Some(position) = fuzzing::position(&token, &query) {
            assert!(query.sort.admits(&position), "{position:?}");
            let anew = fuzzing::position_token(&query, &position);
            assert_eq!(fuzzing::position(&anew, &query), Some(position));
        }
        if let Some(name) = fuzzing::namespace_name(&token) {
            assert!(is_namespace_name(&name), "{name:?}");
            assert_eq!(fuzzing::namespace_name(&fuzzing::namespace_token(&name)), Some(name));
        }
        if let Some(place) = fuzzing::key_place(&token) {
            assert!(is_key_id(&place.1), "{place:?}");
            assert_eq!(fuzzing::key_place(&fuzzing::key_token(place.clone())), Some(place));
        }
    }
});

/// One that is sorted by something of every kind.
fn query() -> Query {
    let keys = ["metadata.price", "position", "document_score", "user_id", "created_at"];
    let key = |field: &str| WrittenKey { field: field.to_owned(), direction: Direction::Ascending };
    let sort = Sort::build(keys.map(key).into(), "sort").unwrap();
    let (namespace, window) = (NamespaceId(42), Window::default());
    let selection = Selection { namespace, window, filter: Filter::EVERYTHING, search: None };
    Query { selection, sort }
}
