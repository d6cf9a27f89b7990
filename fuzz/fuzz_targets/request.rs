//! Bytes as requests of every kind: whatever they hold is refused in words that fit an answer, or
//! taken, and what is taken can be read again.

#![no_main]

use interactions::fuzzing;
use interactions::repository::Dialect;
use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use tonic::Code;
use tonic::metadata::MetadataMap;

/// 2026-01-01, so that an input means the same on every day.
const NOW: i64 = 1_767_225_600_000_000;
/// What gRPC's C core and Netty take of headers by default.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// An answer may hold a thousand statuses of single interactions, and 4 MiB.
const MAX_ITEM_BYTES: usize = 4 * 1024;
/// Most parameters of a statement in SQLite; PostgreSQL takes twice as many.
const MAX_PARAMETERS: usize = 32_766;

fuzz_target!(|bytes: &[u8]| {
    let fuzzing::Checked { accepted, queries, refusals, refused_items } =
        fuzzing::check_requests(bytes, NOW);
    for new in accepted {
        let stored = fuzzing::stored_interaction(&new.record);
        assert_eq!(stored.as_ref(), Some(&new.interaction), "a record reads back");
    }
    for query in queries {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let repository = fuzzing::unconnected(dialect);
            let ways = repository.ways(&query.selection, &query.sort);
            let statements =
                ways.iter().flat_map(|way| repository.page_statements(&query, way, &None, 101));
            for statement in statements {
                let values =
                    repository.render(&statement).values.map_or(0, |values| values.0.len());
                assert!(values <= MAX_PARAMETERS, "{values} parameters");
            }
        }
    }
    for status in refusals {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let headers = status.into_http::<()>().into_parts().0.headers;
        let headers = MetadataMap::from_headers(headers).into_headers();
        let bytes: usize =
            headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes <= MAX_HEADER_BYTES, "{bytes} bytes of headers: {headers:?}");
    }
    for status in refused_items {
        assert_eq!(status.code, Code::InvalidArgument as i32, "{status:?}");
        let bytes = status.encoded_len();
        assert!(bytes <= MAX_ITEM_BYTES, "{bytes} bytes: {status:?}");
    }
});
