//! Every error that a caller can meet: its code, its reason, and the fields that it names.

use std::time::Duration;

use futures::StreamExt as _;
use interactions::domain::access::Scope;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use interactions::repository::NewKey;
use serde_json::json;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::{click, reason, services, violated};
use crate::support::service::TestService;
use crate::support::typed::proto_struct;

fn list() -> proto::ListInteractionsRequest {
    proto::ListInteractionsRequest::default()
}

fn filters(json: serde_json::Value) -> proto::ListInteractionsRequest {
    let filters = Some(proto_struct(json.as_object().unwrap()));
    proto::ListInteractionsRequest { filters, ..list() }
}

async fn refused(service: &TestService, request: proto::ListInteractionsRequest) -> Status {
    let status = service.pages(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_is_listed_with_its_path() {
    for (database, service) in services().await {
        let json = json!({
            "AND": [{"position": 1}, {"position": {"lte": "5"}}, {}, {"nowhere": {"almost": 1}}, {"elsewhere": {"gt": 1, "lt": 2}}],
            "NOT": [],
            "metadata..x": 1,
            "OR": [{"field": "nope", "value": 1}, {"field": "timestamp", "operator": "gt", "value": "soon"}],
        });
        let request = proto::ListInteractionsRequest {
            page_size: -1,
            limit: -1,
            skip: 10_001,
            search: "-blue".to_owned(),
            interaction_type: "Two Words!".to_owned(),
            sort: vec![proto::Sort { field: "metadata".to_owned(), direction: 7 }],
            select: vec!["position".to_owned(), "nope".to_owned()],
            filter: Some(proto::Filter { kind: None }),
            ..filters(json)
        };
        let status = refused(&service, request).await;
        let mut fields = violated(&status);
        fields.sort();
        let mut expected = vec![
            "filter.kind",
            "filters.AND[1].position.lte",
            "filters.AND[2]",
            "filters.AND[3].nowhere",
            "filters.AND[3].nowhere.almost",
            "filters.AND[4].elsewhere",
            "filters.NOT",
            "filters.OR[0].field",
            "filters.OR[1].value",
            "filters.metadata..x",
            "interaction_type",
            "limit",
            "page_size",
            "search",
            "select[1]",
            "skip",
            "sort[0].direction",
            "sort[0].field",
        ];
        expected.sort_unstable();
        assert_eq!(fields, expected);
        assert!(status.message().len() <= 1_024);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_dropped_from_a_typed_filter() {
    use proto::filter::Kind;
    use proto::group::Operator;
    let (database, service) = services().await.remove(0);
    let group = |operator: Operator, filters| {
        let group = proto::Group { operator: operator.into(), filters, case_sensitive: None };
        proto::Filter { kind: Some(Kind::Group(group)) }
    };
    let condition = proto::Condition { field: "position".to_owned(), operator: 0, value: None };
    let condition = proto::Filter { kind: Some(Kind::Condition(condition)) };
    for (filter, field) in [
        (proto::Filter { kind: None }, "filter.kind"),
        (condition.clone(), "filter.condition.operator"),
        (group(Operator::AnyOf, vec![]), "filter.group.filters"),
        (group(Operator::Unspecified, vec![condition.clone()]), "filter.group.operator"),
        (
            group(Operator::AllOf, vec![proto::Filter { kind: None }]),
            "filter.group.filters[0].kind",
        ),
    ] {
        let request = proto::ListInteractionsRequest { filter: Some(filter), ..list() };
        let fields = violated(&refused(&service, request).await);
        assert!(fields.iter().any(|violated| violated == field), "{field}: {fields:?}");
    }
    let mut deep = condition;
    for _ in 0..16 {
        deep = group(Operator::NoneOf, vec![deep]);
    }
    let request = proto::ListInteractionsRequest { filter: Some(deep), ..list() };
    refused(&service, request).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_continues_its_own_request_only() {
    for (database, service) in services().await {
        service.record((0..20).map(click).collect()).await;
        let other = TestService::new(&database.repository, "other").await;
        other.record((0..20).map(click).collect()).await;
        let request = proto::ListInteractionsRequest {
            page_size: 5,
            ..filters(json!({"position": {"lte": 8}}))
        };
        let token = service.first_page(request.clone()).await.unwrap().next_page_token;
        let with = |request, token: &str| proto::ListInteractionsRequest {
            page_token: token.to_owned(),
            ..request
        };
        // The same filter in its typed form is the same request.
        let filter = crate::support::typed::typed_filter(&json!({"position": {"lte": 8}}));
        let typed = proto::ListInteractionsRequest {
            filter: Some(filter),
            filters: None,
            ..request.clone()
        };
        service.first_page(with(typed, &token)).await.unwrap();
        let sort = vec![proto::Sort { field: "position".to_owned(), direction: 1 }];
        let changed = [
            filters(json!({"position": {"lte": 7}})),
            proto::ListInteractionsRequest { sort, ..request.clone() },
            proto::ListInteractionsRequest { search: "word".to_owned(), ..request.clone() },
            proto::ListInteractionsRequest { user_id: "u".to_owned(), ..request.clone() },
        ];
        for request in changed {
            let status = refused(&service, with(request, &token)).await;
            assert_eq!(violated(&status), ["page_token"]);
            assert_eq!(reason(&status), "INVALID_PAGE_TOKEN");
        }
        refused(&other, with(request.clone(), &token)).await;
        // Whatever is done to a token, it is refused, or it lists the same request from elsewhere.
        for place in 0..token.len() {
            let mut broken = token.clone().into_bytes();
            broken[place] = if broken[place] == b'A' { b'B' } else { b'A' };
            let broken = String::from_utf8(broken).unwrap();
            match service.first_page(with(request.clone(), &broken)).await {
                Ok(page) => assert!(page.interactions.len() <= 5),
                Err(status) => assert_eq!(violated(&status), ["page_token"]),
            }
        }
        for broken in
            ["x", "é", "AAAA", &token[1..], &token[..token.len() - 4], &"A".repeat(10_000)]
        {
            let status = refused(&service, with(request.clone(), broken)).await;
            assert_eq!(violated(&status), ["page_token"], "{broken}");
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_what_they_may_and_nothing_else() {
    for (database, service) in services().await {
        let other = TestService::new(&database.repository, "other").await;
        let key = |scopes: Vec<Scope>, expires_at| NewKey {
            name: "k".to_owned(),
            scopes,
            namespaces: vec![],
            default_namespace: None,
            expires_at,
        };
        let repository = &database.repository;
        let (_, expired) = repository.create_key(key(vec![Scope::Read], Some(1))).await.unwrap();
        let (stored, revoked) = repository.create_key(key(vec![Scope::Read], None)).await.unwrap();
        assert!(repository.revoke_key(1, &stored.key_id).await.unwrap().is_some());
        let (_, writer) = repository.create_key(key(vec![Scope::Write], None)).await.unwrap();
        let (_, reader) = repository.create_key(key(vec![Scope::Read], None)).await.unwrap();

        let call = |authorization: Option<String>, namespace: Option<String>| {
            let mut request = Request::new(list());
            if let Some(value) = authorization {
                request.metadata_mut().insert("authorization", value.parse().unwrap());
            }
            if let Some(value) = namespace {
                request.metadata_mut().insert("x-namespace", value.parse().unwrap());
            }
            let service = service.service.clone();
            async move { service.list_interactions(request).await.map(drop) }
        };
        let bearer = |secret: &str| Some(format!("Bearer {secret}"));
        let api = || Some("api".to_owned());

        let mut answers = Vec::new();
        let unknown = service.secret.replace("sk_live_", "sk_live_x");
        for authorization in [
            None,
            Some("Basic abc".to_owned()),
            bearer("sk_"),
            bearer(&unknown),
            bearer(expired.expose()),
            bearer(revoked.expose()),
        ] {
            let status = call(authorization, api()).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated);
            answers.push((status.message().to_owned(), status.details().to_vec()));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");

        let status = call(bearer(writer.expose()), api()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        reason(&status);
        let mut denied = Vec::new();
        let foreign = other.namespace.to_string();
        for namespace in ["other", "nowhere", &foreign, "ns_0000000000000001"] {
            let status =
                call(bearer(&service.secret), Some(namespace.to_owned())).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied, "{namespace}");
            denied.push((status.message().to_owned(), status.details().to_vec()));
        }
        assert!(denied.iter().all(|answer| *answer == denied[0]), "{denied:?}");

        let status = call(bearer(reader.expose()), None).await.unwrap_err();
        assert_eq!(
            (status.code(), violated(&status)),
            (Code::InvalidArgument, vec!["x-namespace".to_owned()])
        );
        call(bearer(&service.secret), None).await.unwrap();
        call(bearer(&service.secret), api()).await.unwrap();
        call(bearer(reader.expose()), Some(service.namespace.to_string())).await.unwrap();
        call(Some(format!("bearer {}", reader.expose())), Some("other".to_owned())).await.unwrap();
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_unavailable() {
    for (database, service) in services().await {
        service.record((0..20).map(click).collect()).await;
        let request = proto::ListInteractionsRequest { page_size: 2, ..list() };
        let stream = service.service.list_interactions(service.request(request)).await.unwrap();
        let mut stream = stream.into_inner();
        stream.next().await.unwrap().unwrap();
        database.repository.close().await;
        let last = loop {
            match stream.next().await.expect("an error, not an end") {
                Ok(page) => assert!(!page.next_page_token.is_empty()),
                Err(status) => break status,
            }
        };
        assert!(stream.next().await.is_none());
        let unary = proto::CountInteractionsRequest::default();
        let unary = service.service.count_interactions(service.request(unary)).await.unwrap_err();
        for status in [last, unary] {
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            reason(&status);
            assert!(status.get_error_details().retry_info().is_some());
        }
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_its_streams_unavailable() {
    for (database, service) in services().await {
        service.record((0..20).map(click).collect()).await;
        let request = proto::ListInteractionsRequest { page_size: 1, ..list() };
        let stream =
            service.service.list_interactions(service.request(request.clone())).await.unwrap();
        let mut stream = stream.into_inner();
        let mut seen = vec![stream.next().await.unwrap().unwrap()];
        service.shutdown.cancel();
        let status = loop {
            match stream.next().await.expect("an error, not an end") {
                Ok(page) => seen.push(page),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.get_error_details().retry_info().is_some());
        // What came leads on, here or elsewhere.
        assert!(seen.len() < 20 && !seen.last().unwrap().next_page_token.is_empty());
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_up_ends_calls_and_streams() {
    for (database, service) in services().await {
        service.record((0..1_000).map(click).collect()).await;
        let timed = |timeout: &str, mut request: Request<proto::ListInteractionsRequest>| {
            request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
            request
        };
        let request = proto::ListInteractionsRequest { page_size: 1, ..list() };
        let at_once = timed("1n", service.request(request.clone()));
        let status = service.service.list_interactions(at_once).await.map(drop).unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        reason(&status);
        let later = timed("300m", service.request(request.clone()));
        let stream = service.service.list_interactions(later).await.unwrap();
        let mut stream = stream.into_inner();
        let status = loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            match stream.next().await.expect("an error, not an end") {
                Ok(page) => assert!(!page.next_page_token.is_empty()),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::DeadlineExceeded);
        let malformed = timed("soon", service.request(request));
        let status = service.service.list_interactions(malformed).await.map(drop).unwrap_err();
        assert_eq!(
            (status.code(), violated(&status)),
            (Code::InvalidArgument, vec!["grpc-timeout".to_owned()])
        );
        database.remove().await;
    }
}
