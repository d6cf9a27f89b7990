//! JSON as a filter: what is wrong is said with its place, and what is right means the same each
//! time.

#![no_main]

use interactions::domain::access::NamespaceId;
use interactions::domain::filter::Filter;
use interactions::domain::filter_json;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::sort::Sort;
use interactions::domain::violation::Violations;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return };
    let mut violations = Violations::default();
    let filter = filter_json::parse(&json, "filters", &mut violations);
    for violation in violations.iter() {
        assert!(violation.field.starts_with("filters"), "{violation:?}");
        assert!(!violation.description.is_empty(), "{violation:?}");
    }
    let mut again = Violations::default();
    let same = filter_json::parse(&json, "filters", &mut again);
    assert_eq!(violations.len(), again.len());
    if violations.is_empty() {
        // Its fingerprint ties page tokens to it.
        assert_eq!(query(filter.clone()).fingerprint(), query(same).fingerprint());
        let negated = query(filter.clone().negated());
        assert_ne!(query(filter).fingerprint(), negated.fingerprint());
    }
});

fn query(filter: Filter) -> Query {
    let namespace = NamespaceId(42);
    let selection = Selection { namespace, window: Window::default(), filter, search: None };
    Query { selection, sort: Sort::default() }
}
