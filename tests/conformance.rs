//! The conformance cases, on every database, in both forms of a filter, at many page sizes.

use crate::support::database::{TestDatabase, databases};
use crate::support::documents;
use crate::support::messages::message;
use crate::support::service::TestService;
use crate::support::typed::{proto_struct, typed_filter};
use interactions::grpc::proto;
use tonic_types::StatusExt as _;

/// Every database with the content of the cases in it.
async fn loaded() -> Vec<(TestDatabase, TestService)> {
    let mut loaded = Vec::new();
    for database in databases().await {
        let service = TestService::new(&database.repository, "conformance").await;
        service.record(documents::interactions().iter().map(message).collect()).await;
        loaded.push((database, service));
    }
    loaded
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn list(page_size: i32) -> proto::ListInteractionsRequest {
    proto::ListInteractionsRequest { page_size, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_match_in_both_forms() {
    for (database, service) in loaded().await {
        for (number, case) in documents::filter_cases().into_iter().enumerate() {
            let what = format!("{}, filter {}: {:?}", database.name, number + 1, case.filters);
            let json = proto::ListInteractionsRequest {
                filters: Some(proto_struct(&case.filters)),
                ..list(1_000)
            };
            assert_eq!(sorted(service.ids(json.clone()).await), case.matches, "{what}");
            let typed = proto::ListInteractionsRequest {
                filter: Some(typed_filter(&case.filters.clone().into())),
                ..list(1_000)
            };
            assert_eq!(sorted(service.ids(typed).await), case.matches, "{what}, typed");
            // A page size for each case: together they are all sizes up to the whole.
            let size = i32::try_from(number % 201).unwrap() + 1;
            let paged = proto::ListInteractionsRequest { page_size: size, ..json };
            let ids = service.ids_by_token(paged.clone()).await;
            assert_eq!(ids, service.ids(paged).await, "{what}, {size} a page");
            assert_eq!(sorted(ids), case.matches, "{what}, {size} a page");
            let count = proto::CountInteractionsRequest {
                filters: Some(proto_struct(&case.filters)),
                ..Default::default()
            };
            assert_eq!(service.count(count).await, case.matches.len() as i64, "{what}, counted");
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sorts_order_at_every_page_size() {
    for (database, service) in loaded().await {
        for (number, case) in documents::sort_cases().into_iter().enumerate() {
            let what = format!("{}, sort {}: {}", database.name, number + 1, case.keys);
            let sort = |size| proto::ListInteractionsRequest {
                sort: crate::support::typed::proto_sort(&case.keys),
                ..list(size)
            };
            for size in [1, 2, 3, 7, 50, 199, 200, 201, 1_000] {
                assert_eq!(service.ids(sort(size)).await, case.order, "{what}, {size} a page");
            }
            for size in [3, 53] {
                assert_eq!(service.ids_by_token(sort(size)).await, case.order, "{what}, resumed");
            }
            for skip in [1, 57, 199, 200] {
                let skipped = proto::ListInteractionsRequest { skip, ..sort(50) };
                let expected = &case.order[skip as usize..];
                assert_eq!(service.ids(skipped).await, expected, "{what}, {skip} skipped");
            }
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_size_gives_the_same_list() {
    for (database, service) in loaded().await {
        let whole = service.ids(list(1_000)).await;
        assert_eq!(whole.len(), 200);
        for size in 1..=201 {
            let pages = service.pages(list(size)).await.unwrap();
            let expected = whole.len().div_ceil(size as usize);
            assert_eq!(pages.len(), expected, "{}, {size} a page", database.name);
            assert_eq!(service.ids(list(size)).await, whole, "{}, {size} a page", database.name);
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find() {
    for (database, service) in loaded().await {
        for case in documents::search_cases() {
            for size in [1, 10, 1_000] {
                let search =
                    proto::ListInteractionsRequest { search: case.search.clone(), ..list(size) };
                let what = format!("{}: {:?}, {size} a page", database.name, case.search);
                assert_eq!(sorted(service.ids(search).await), case.matches, "{what}");
            }
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_are_refused_under_filters() {
    for (database, service) in loaded().await {
        for case in documents::rejects() {
            let request = proto::ListInteractionsRequest {
                filters: Some(proto_struct(&case.filters)),
                ..list(0)
            };
            let what = format!("{}, {}: {:?}", database.name, case.why, case.filters);
            let status = service.pages(request).await.expect_err(&what);
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{what}");
            let details = status.get_error_details();
            let violations = &details.bad_request().expect(&what).field_violations;
            let under_filters = |field: &str| field == "filters" || field.starts_with("filters.");
            assert!(
                violations.iter().all(|violation| under_filters(&violation.field)),
                "{what}: {violations:?}"
            );
        }
        database.remove().await;
    }
}
