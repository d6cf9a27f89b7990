//! A page token gives nothing that its holder cannot ask for anyway, whatever is made of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use interactions::grpc::proto;
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::admin::AdminApi;
use crate::support::database::databases;
use crate::support::service::{TestService, interactions};
use crate::support::typed::proto_struct;

/// Version, tag, length and bytes of the fingerprint at the start of a token.
const FINGERPRINT_END: usize = 1 + 2 + 16;

fn priced(owner: &str, number: u32) -> proto::Interaction {
    let price = match number % 4 {
        0 => json!(number),
        1 => json!(format!("é {number}")),
        2 => json!(number % 8 == 2),
        _ => json!(null),
    };
    let metadata = json!({ "owner": owner, "price": price });
    proto::Interaction {
        interaction_id: format!("i{number:03}"),
        interaction_type: vec!["click".to_owned()],
        user_id: if number.is_multiple_of(3) { String::new() } else { format!("u{}", number % 5) },
        document_score: (!number.is_multiple_of(5)).then(|| f64::from(number) / 3.0),
        metadata: Some(proto_struct(metadata.as_object().unwrap())),
        timestamp: Some(Timestamp { seconds: 1_735_689_600 + i64::from(number / 2), nanos: 0 }),
        ..Default::default()
    }
}

fn sorted_by(fields: &[&str]) -> proto::ListInteractionsRequest {
    let sort = fields.iter().enumerate().map(|(place, field)| proto::Sort {
        field: (*field).to_owned(),
        direction: 1 + i32::from(place == 0),
    });
    proto::ListInteractionsRequest { sort: sort.collect(), page_size: 7, ..Default::default() }
}

fn with(request: &proto::ListInteractionsRequest, token: &str) -> proto::ListInteractionsRequest {
    proto::ListInteractionsRequest { page_token: token.to_owned(), ..request.clone() }
}

#[track_caller]
fn assert_bad_token(status: &Status, what: &str) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    assert_eq!(
        (status.code(), reason.as_deref()),
        (Code::InvalidArgument, Some("INVALID_PAGE_TOKEN")),
        "{what}: {status:?}"
    );
}

/// Lists with what was made of a token; whether it was refused. What comes instead is the caller's.
async fn is_refused(
    service: &TestService,
    request: &proto::ListInteractionsRequest,
    token: &str,
    what: &str,
) -> bool {
    match service.first_page(with(request, token)).await {
        Err(status) => {
            assert_bad_token(&status, what);
            true
        }
        Ok(page) => {
            let rows = interactions(&page);
            assert!(rows.len() <= 7, "{what}");
            let owned = json!({ "owner": "mine" });
            let owned = proto_struct(owned.as_object().unwrap());
            for row in rows {
                let owner = row.metadata.unwrap().fields.remove("owner");
                assert_eq!(owner.as_ref(), owned.fields.get("owner"), "{what}: a foreign row");
            }
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_changed_is_refused_or_lists_the_same() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "mine").await;
        let other = TestService::new(&database.repository, "other").await;
        service.record((0..60).map(|number| priced("mine", number)).collect()).await;
        other.record((0..60).map(|number| priced("other", number)).collect()).await;
        let sorts: [&[&str]; 4] =
            [&[], &["user_id", "document_score"], &["metadata.price"], &["interaction_id"]];
        for fields in sorts {
            let request = sorted_by(fields);
            let token = service.first_page(request.clone()).await.unwrap().next_page_token;
            let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let mut refused = 0;
            for bit in 0..8 * bytes.len() {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let what = format!("{}, {fields:?}, bit {bit}", database.name);
                let flipped = URL_SAFE_NO_PAD.encode(flipped);
                let is_refused = is_refused(&service, &request, &flipped, &what).await;
                assert!(is_refused || bit / 8 >= FINGERPRINT_END, "{what}");
                refused += usize::from(is_refused);
            }
            assert!(refused < 8 * bytes.len(), "no position was changed to another");
            for length in 1..token.len() {
                let what = format!("{}, {fields:?}, cut to {length}", database.name);
                assert!(is_refused(&service, &request, &token[..length], &what).await, "{what}");
            }
            let longer = [&token[..4], &"A".repeat(10 << 10)].concat();
            let longest = [&token[..4], &"A".repeat(600 << 10)].concat();
            let doubled = [&*token, &*token].concat();
            for large in [longer, longest, doubled, format!("{token}=="), format!("{token}\0")] {
                let what = format!("{}, {fields:?}, {} bytes", database.name, large.len());
                assert!(is_refused(&service, &request, &large, &what).await, "{what}");
            }
            let status = other.first_page(with(&request, &token)).await.unwrap_err();
            assert_bad_token(&status, "another namespace");
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_its_own_method() {
    for database in databases().await {
        let service = TestService::new(&database.repository, "mine").await;
        TestService::new(&database.repository, "other").await;
        service.record((0..10).map(|number| priced("mine", number)).collect()).await;
        let request = sorted_by(&[]);
        let of_rows = service.first_page(request.clone()).await.unwrap().next_page_token;
        let api = AdminApi::new(&database.repository);
        let admin = api.admin(&[]).await;
        let namespaces = |page_token: &str| {
            let page_token = page_token.to_owned();
            admin.list_namespaces(proto::ListNamespacesRequest { page_size: 1, page_token })
        };
        let keys = |page_token: &str| {
            let page_token = page_token.to_owned();
            admin.list_api_keys(proto::ListApiKeysRequest { page_size: 1, page_token })
        };
        let of_namespaces = namespaces("").await.unwrap().next_page_token;
        let of_keys = keys("").await.unwrap().next_page_token;
        for foreign in [&of_namespaces, &of_keys] {
            assert!(!foreign.is_empty());
            let status = service.first_page(with(&request, foreign)).await.unwrap_err();
            assert_bad_token(&status, database.name);
        }
        for foreign in [&of_rows, &of_keys] {
            assert_bad_token(&namespaces(foreign).await.unwrap_err(), database.name);
        }
        for foreign in [&of_rows, &of_namespaces] {
            assert_bad_token(&keys(foreign).await.unwrap_err(), database.name);
        }
        database.remove().await;
    }
}
