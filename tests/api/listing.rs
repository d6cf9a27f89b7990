//! Pages: their size, their tokens, and what they hold while others write.

use std::collections::BTreeSet;

use interactions::grpc::proto;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::json;

use super::{click, services};
use crate::support::service::interactions;
use crate::support::typed::proto_struct;

fn list(page_size: i32) -> proto::ListInteractionsRequest {
    proto::ListInteractionsRequest { page_size, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_match_is_one_empty_page() {
    for (database, service) in services().await {
        let request = proto::ListInteractionsRequest { include_total: true, ..list(10) };
        let pages = service.pages(request).await.unwrap();
        assert_eq!(pages.len(), 1);
        assert!(pages[0].interactions.is_empty() && pages[0].next_page_token.is_empty());
        assert_eq!(pages[0].total_size, Some(0));
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limit_skip_and_total() {
    for (database, service) in services().await {
        service.record((0..25).map(click).collect()).await;
        let request = proto::ListInteractionsRequest { include_total: true, limit: 12, ..list(5) };
        let pages = service.pages(request.clone()).await.unwrap();
        let sizes: Vec<_> = pages.iter().map(|page| page.interactions.len()).collect();
        assert_eq!(sizes, [5, 5, 2]);
        let totals: Vec<_> = pages.iter().map(|page| page.total_size).collect();
        assert_eq!(totals, [Some(25), None, None]);
        // More is left, so the limit did not end the list.
        let rest = proto::ListInteractionsRequest {
            page_token: pages[2].next_page_token.clone(),
            limit: 0,
            ..request
        };
        assert_eq!(service.ids(rest.clone()).await.len(), 13);
        assert_eq!(service.pages(rest.clone()).await.unwrap()[0].total_size, None);
        let further = proto::ListInteractionsRequest { skip: 3, ..rest };
        assert_eq!(service.ids(further).await.len(), 10);
        let exact = proto::ListInteractionsRequest { limit: 25, ..list(5) };
        let pages = service.pages(exact).await.unwrap();
        assert!(pages.len() == 5 && pages[4].next_page_token.is_empty());
        let newest = proto::ListInteractionsRequest { skip: 24, ..list(5) };
        assert_eq!(service.ids(newest).await, ["i00000"]);
        for skip in [25, 10_000] {
            let beyond = proto::ListInteractionsRequest { skip, ..list(5) };
            let pages = service.pages(beyond).await.unwrap();
            assert!(pages.len() == 1 && pages[0].interactions.is_empty(), "{}", database.name);
            assert!(pages[0].next_page_token.is_empty());
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_size_has_a_default_and_a_most() {
    for (database, service) in services().await {
        service.record((0..1_205).map(click).collect()).await;
        for (page_size, expected) in [(0, 100), (5_000, 1_000), (1_001, 1_000), (7, 7)] {
            let page = service.first_page(list(page_size)).await.unwrap();
            assert_eq!(page.interactions.len(), expected, "{}", database.name);
        }
        // The size may change on the way.
        let mut request = list(1);
        let mut seen = BTreeSet::new();
        while seen.len() < 1_205 {
            let page = service.first_page(request.clone()).await.unwrap();
            for found in interactions(&page) {
                assert!(seen.insert(found.interaction_id));
            }
            let page_size = request.page_size * 2 + 1;
            request = proto::ListInteractionsRequest {
                page_token: page.next_page_token,
                ..list(page_size)
            };
        }
        assert!(request.page_token.is_empty());
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_never_over_a_mebibyte() {
    for (database, service) in services().await {
        let sizes = [250_000, 10, 120_000, 3_000, 90_000, 1_000, 200_000, 50];
        let large = |number: u32| {
            let size = sizes[number as usize % sizes.len()];
            let metadata = json!({ "text": "w ".repeat(size / 2) });
            let metadata = proto_struct(metadata.as_object().unwrap());
            proto::Interaction { metadata: Some(metadata), ..click(number) }
        };
        for start in (0..60).step_by(12) {
            service.record((start..start + 12).map(large).collect()).await;
        }
        for size in [1, 3, 100, 1_000] {
            let pages = service.pages(list(size)).await.unwrap();
            let weights: Vec<_> = pages.iter().map(prost::Message::encoded_len).collect();
            assert!(weights.iter().all(|weight| *weight <= 1 << 20), "{weights:?}");
            let ids: Vec<_> =
                pages.iter().flat_map(interactions).map(|i| i.interaction_id).collect();
            let expected: Vec<_> = (0..60).rev().map(|number| format!("i{number:05}")).collect();
            assert_eq!(ids, expected, "{}, {size} a page", database.name);
        }
        // A token that carries a long sort value counts as well.
        let sort = proto::Sort { field: "metadata.text".to_owned(), direction: 1 };
        let request = proto::ListInteractionsRequest { sort: vec![sort], ..list(1_000) };
        let pages = service.pages(request.clone()).await.unwrap();
        assert!(pages.iter().all(|page| page.encoded_len() <= 1 << 20));
        assert_eq!(service.ids(request.clone()).await, service.ids_by_token(request).await);
        database.remove().await;
    }
}

/// The page that is sent has the very bytes of the message that clients know.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_a_list_response() {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let response = pool.get_message_by_name("interactions.v1.ListInteractionsResponse").unwrap();
    for (database, service) in services().await {
        service.record((0..7).map(click).collect()).await;
        let request = proto::ListInteractionsRequest { include_total: true, ..list(5) };
        for page in service.pages(request).await.unwrap() {
            let sent = page.encode_to_vec();
            let message = DynamicMessage::decode(response.clone(), sent.as_slice()).unwrap();
            assert_eq!(message.unknown_fields().count(), 0);
            assert_eq!(message.encode_to_vec(), sent);
            let listed = message.get_field_by_name("interactions").unwrap().into_owned();
            let listed = listed.as_list().unwrap().to_vec();
            let listed: Vec<proto::Interaction> = listed
                .iter()
                .map(|interaction| interaction.as_message().unwrap().transcode_to().unwrap())
                .collect();
            assert_eq!(listed, interactions(&page));
            let total = message.get_field_by_name("total_size").unwrap().as_i64();
            assert_eq!(total, Some(page.total_size.unwrap_or_default()));
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn selected_fields_come_alone() {
    for (database, service) in services().await {
        let metadata = json!({"geo": {"country": "de", "city": "Köln"}, "device": "tv"});
        let metadata = proto_struct(metadata.as_object().unwrap());
        service.record(vec![proto::Interaction { metadata: Some(metadata), ..click(1) }]).await;
        let select = ["position", "metadata.geo.country"].map(str::to_owned).to_vec();
        let request = proto::ListInteractionsRequest { select, ..list(5) };
        let page = service.first_page(request).await.unwrap();
        let metadata = json!({"geo": {"country": "de"}});
        let expected = proto::Interaction {
            interaction_id: "i00001".to_owned(),
            position: Some(1),
            metadata: Some(proto_struct(metadata.as_object().unwrap())),
            ..Default::default()
        };
        assert_eq!(interactions(&page), [expected]);
        database.remove().await;
    }
}

/// While others record and delete, everything that is there throughout comes exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn paging_goes_on_undisturbed_while_others_write() {
    let sorts = [
        vec![],
        vec![("position", 1)],
        vec![("position", 2), ("timestamp", 1)],
        vec![("metadata.price", 2)],
        vec![("interaction_id", 1)],
    ];
    for (database, service) in services().await {
        let with_price = |number: u32| {
            let metadata = match number % 5 {
                0 => json!({}),
                1 => json!({ "price": format!("{}", number % 13) }),
                _ => json!({ "price": number % 17 }),
            };
            let metadata = proto_struct(metadata.as_object().unwrap());
            // Even numbers stay, odd ones come and go.
            let position = (!number.is_multiple_of(7)).then_some((number % 6) as i32);
            proto::Interaction { metadata: Some(metadata), position, ..click(number) }
        };
        service.record((0..400).filter(|number| number % 4 != 3).map(with_price).collect()).await;
        let staying: BTreeSet<_> =
            (0..400).step_by(2).map(|number| format!("i{number:05}")).collect();
        let connection = Database::connect(&database.url).await.unwrap();
        for (round, sort) in sorts.iter().enumerate() {
            let sort: Vec<_> = sort
                .iter()
                .map(|(field, direction)| proto::Sort {
                    field: (*field).to_owned(),
                    direction: *direction,
                })
                .collect();
            let mut request = proto::ListInteractionsRequest { sort, ..list(9) };
            let mut seen = Vec::new();
            for step in 0.. {
                let page = service.first_page(request.clone()).await.unwrap();
                seen.extend(interactions(&page).into_iter().map(|found| found.interaction_id));
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
                let coming = 1_000 + 100 * (round as u32) + step;
                let around = [coming * 2 + 1, (step * 37) % 400 / 4 * 4 + 3];
                service.record(around.into_iter().map(with_price).collect()).await;
                let going = format!("i{:05}", (step * 91) % 400 / 2 * 2 + 1);
                let delete = format!("DELETE FROM interactions WHERE interaction_id = '{going}'");
                connection.execute_unprepared(&delete).await.unwrap();
            }
            let distinct: BTreeSet<_> = seen.iter().cloned().collect();
            assert_eq!(distinct.len(), seen.len(), "{}: something came twice", database.name);
            let missing: Vec<_> = staying.difference(&distinct).collect();
            assert!(missing.is_empty(), "{}, {:?}: {missing:?}", database.name, request.sort);
        }
        connection.close().await.unwrap();
        database.remove().await;
    }
}

/// Numbers that a database reads a bit off are neither passed over nor listed twice.
#[tokio::test(flavor = "multi_thread")]
async fn paging_by_numbers_of_any_size_is_complete() {
    for (database, service) in services().await {
        let number = |number: u32| {
            let mixed = (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            f64::from_bits((mixed ^ (mixed >> 29)) & !(1 << 62))
        };
        let with_number = |count: u32| {
            let metadata = json!({ "number": number(count) });
            let metadata = proto_struct(metadata.as_object().unwrap());
            let document_score = Some(number(count));
            proto::Interaction { metadata: Some(metadata), document_score, ..click(count) }
        };
        service.record((0..300).map(with_number).collect()).await;
        let mut expected: Vec<u32> = (0..300).collect();
        expected.sort_by(|a, b| number(*a).total_cmp(&number(*b)));
        let expected: Vec<_> = expected.iter().map(|number| format!("i{number:05}")).collect();
        for field in ["metadata.number", "document_score"] {
            for size in [1, 7, 1_000] {
                let sort = vec![proto::Sort { field: field.to_owned(), direction: 1 }];
                let request = proto::ListInteractionsRequest { sort, ..list(size) };
                assert_eq!(service.ids(request).await, expected, "{}, {field}", database.name);
            }
        }
        for count in 0..300 {
            for filter in [
                json!({"metadata.number": number(count)}),
                json!({"document_score": [number(count), 1]}),
            ] {
                let filters = Some(proto_struct(filter.as_object().unwrap()));
                let request = proto::ListInteractionsRequest { filters, ..list(0) };
                let found = service.ids(request).await;
                assert_eq!(found, [format!("i{count:05}")], "{}: {filter}", database.name);
            }
        }
        database.remove().await;
    }
}

/// A request at every limit at once is answered, and one beyond a limit is told which.
#[tokio::test(flavor = "multi_thread")]
async fn requests_at_their_limits_are_answered() {
    let path = |segments: usize| format!("metadata{}", ".a.0".repeat(segments / 2));
    let thousand: Vec<_> = (0..1_000).map(|number| json!(format!("v{number}"))).collect();
    let numbers: Vec<_> = (0..1_000).map(|number| json!(f64::from(number) + 0.5)).collect();
    let mut deep = json!({"position": 1});
    for _ in 0..15 {
        deep = json!({ "NOT": [deep] });
    }
    let many: Vec<_> =
        (0..256).map(|number| json!({(path(4)): {"contains": number.to_string()}})).collect();
    let lists: Vec<_> = ["metadata.a", "user_id", "document_score", "metadata.b"]
        .iter()
        .map(|field| json!({*field: if *field == "document_score" { numbers.clone() } else { thousand.clone() }}))
        .collect();
    for (database, service) in services().await {
        let mut nested = json!("v7");
        for level in 0..15 {
            nested = if level % 2 == 0 { json!([nested]) } else { json!({ "a": nested }) };
        }
        let metadata =
            proto_struct(json!({ "a": nested, "b": [["v7"], "v8"] }).as_object().unwrap());
        let held = proto::Interaction { metadata: Some(metadata), ..click(1) };
        service.record(vec![held]).await;
        for (filter, matches) in [
            (deep.clone(), false),
            (json!({ "OR": many }), false),
            (json!({ "OR": lists }), true),
            (json!({ "AND": lists }), false),
            (json!({(path(16)): "v7"}), true),
            (json!({(path(16)): ["V7", 5]}), true),
            (json!({(format!("metadata{}", ".a".repeat(8))): {"exists": true}}), true),
            (json!({(format!("metadata{}", ".a".repeat(16))): {"words": "v7"}}), false),
        ] {
            let request = proto::ListInteractionsRequest {
                filters: Some(proto_struct(filter.as_object().unwrap())),
                ..list(0)
            };
            let found = service.ids(request).await;
            assert_eq!(!found.is_empty(), matches, "{}: {filter:.200}", database.name);
        }
        let words: Vec<_> = (0..16).map(|number| format!("w{number}*")).collect();
        let keys = (0..8).map(|number| proto::Sort {
            field: format!("{}.k{number}", path(14)),
            direction: number % 3,
        });
        let request = proto::ListInteractionsRequest {
            search: words.join(" OR "),
            sort: keys.collect(),
            ..list(0)
        };
        assert!(service.ids(request).await.is_empty());
        database.remove().await;
    }
}
