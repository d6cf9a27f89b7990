//! Delete, purge, and what is left afterwards: nothing, in any index.

use futures::StreamExt as _;
use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use tonic::{Code, Status};

use super::{click, reason, services, violated};
use crate::support::database::TestDatabase;
use crate::support::service::TestService;
use crate::support::typed::proto_struct;

async fn delete(service: &TestService, id: &str, allow_missing: bool) -> Result<(), Status> {
    let request = proto::DeleteInteractionRequest { interaction_id: id.to_owned(), allow_missing };
    service.service.delete_interaction(service.request(request)).await.map(drop)
}

/// All messages of a purge, or its error.
async fn purge(
    service: &TestService,
    request: proto::PurgeInteractionsRequest,
) -> Result<Vec<proto::PurgeInteractionsResponse>, Status> {
    let stream = service.service.purge_interactions(service.request(request)).await?;
    let messages: Vec<_> = stream.into_inner().collect().await;
    messages.into_iter().collect()
}

/// A click with words and values that every index knows it by.
fn described(number: u32) -> proto::Interaction {
    let colour = if number.is_multiple_of(2) { "red" } else { "Blue" };
    let metadata = serde_json::json!({ "colour": colour, "number": number });
    proto::Interaction {
        user_id: format!("u{}", number % 3),
        metadata: Some(proto_struct(metadata.as_object().unwrap())),
        ..click(number)
    }
}

fn filters(json: serde_json::Value) -> Option<prost_types::Struct> {
    Some(proto_struct(json.as_object().unwrap()))
}

/// How many are found by each kind of index.
async fn found(service: &TestService) -> [i64; 5] {
    let count = |request| service.count(request);
    let none = proto::CountInteractionsRequest::default;
    [
        count(none()).await,
        count(proto::CountInteractionsRequest { search: "red".to_owned(), ..none() }).await,
        count(proto::CountInteractionsRequest {
            filters: filters(serde_json::json!({ "metadata.colour": "red" })),
            ..none()
        })
        .await,
        count(proto::CountInteractionsRequest { user_id: "u0".to_owned(), ..none() }).await,
        count(proto::CountInteractionsRequest { interaction_type: "click".to_owned(), ..none() })
            .await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_from_every_index_and_its_id_is_free() {
    for (database, service) in services().await {
        service.record((0..12).map(described).collect()).await;
        assert_eq!(found(&service).await, [12, 6, 6, 4, 12]);
        delete(&service, "i00000", false).await.unwrap();
        assert_eq!(found(&service).await, [11, 5, 5, 3, 11], "{}", database.name);
        let status = delete(&service, "i00000", false).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::NotFound, "INTERACTION_NOT_FOUND")
        );
        delete(&service, "i00000", true).await.unwrap();
        let status = delete(&service, "no id!", true).await.unwrap_err();
        assert_eq!(violated(&status), ["interaction_id"]);
        // The id is free for other content, and what takes its place is indexed anew.
        let other = proto::Interaction { interaction_id: "i00000".to_owned(), ..described(7) };
        service.record(vec![other]).await;
        assert_eq!(found(&service).await, [12, 5, 5, 3, 12], "{}", database.name);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_says_what_it_would_do_and_then_does_it() {
    for (database, service) in services().await {
        service.record((0..1_300).map(described).collect()).await;
        let everything = found(&service).await;
        let of_user =
            proto::PurgeInteractionsRequest { user_id: "u1".to_owned(), ..Default::default() };
        let dry = purge(&service, of_user.clone()).await.unwrap();
        assert_eq!(dry.len(), 1);
        assert_eq!((dry[0].purge_count, dry[0].total_count), (433, 433));
        let newest: Vec<_> =
            (0..1_300).rev().filter(|n| n % 3 == 1).take(100).map(|n| format!("i{n:05}")).collect();
        assert_eq!(dry[0].purge_sample, newest);
        assert_eq!(found(&service).await, everything, "{}", database.name);

        let red = proto::PurgeInteractionsRequest {
            filters: filters(serde_json::json!({"metadata.colour": "RED"})),
            search: "red".to_owned(),
            force: true,
            ..Default::default()
        };
        let messages = purge(&service, red).await.unwrap();
        let counts: Vec<_> = messages.iter().map(|message| message.purge_count).collect();
        assert_eq!(counts, [0, 500, 650]);
        assert!(messages.iter().all(|message| message.total_count == 650));
        assert!(messages.iter().all(|message| message.purge_sample.is_empty()));
        assert_eq!(found(&service).await, [650, 0, 0, 217, 650], "{}", database.name);

        let all = proto::PurgeInteractionsRequest { all: true, force: true, ..Default::default() };
        let messages = purge(&service, all.clone()).await.unwrap();
        assert_eq!(messages.last().unwrap().purge_count, 650);
        assert_eq!(found(&service).await, [0; 5], "{}", database.name);
        assert_empty_indexes(&database).await;
        let messages = purge(&service, all).await.unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].purge_count, messages[0].total_count), (0, 0));
        database.remove().await;
    }
}

/// In SQLite the tables beside the interactions must not remember either.
async fn assert_empty_indexes(database: &TestDatabase) {
    use sqlx::Connection as _;
    if database.name != "sqlite" {
        return;
    }
    let mut connection = sqlx::SqliteConnection::connect(&database.url).await.unwrap();
    for table in ["interactions", "interaction_words_docsize", "interaction_facts_docsize"] {
        let statement = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let left: i64 = sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_never_takes_everything_by_mistake() {
    for (database, service) in services().await {
        service.record((0..3).map(click).collect()).await;
        let nothing = proto::PurgeInteractionsRequest { force: true, ..Default::default() };
        let empty_filter = proto::PurgeInteractionsRequest {
            filters: filters(serde_json::json!({})),
            search: "  ".to_owned(),
            ..nothing.clone()
        };
        let both = proto::PurgeInteractionsRequest {
            all: true,
            user_id: "u".to_owned(),
            ..nothing.clone()
        };
        for request in [nothing.clone(), empty_filter, both] {
            let status = purge(&service, request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert_eq!(violated(&status), ["all"]);
        }
        let wrong = proto::PurgeInteractionsRequest {
            filters: filters(serde_json::json!({"nope": 1})),
            ..nothing
        };
        assert_eq!(violated(&purge(&service, wrong).await.unwrap_err()), ["filters.nope"]);
        assert_eq!(service.count(proto::CountInteractionsRequest::default()).await, 3);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_covers_what_was_recorded_before_it_began_and_stops_when_it_is_left() {
    for (database, service) in services().await {
        service.record((0..1_600).map(click).collect()).await;
        let all = proto::PurgeInteractionsRequest { all: true, force: true, ..Default::default() };
        let request = service.request(all.clone());
        let mut stream = service.service.purge_interactions(request).await.unwrap().into_inner();
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!((first.purge_count, first.total_count), (0, 1_600));
        // Some are newer than all that is purged, some older: both stay.
        service.record((1_600..1_610).map(click).collect()).await;
        let second = stream.next().await.unwrap().unwrap();
        assert_eq!(second.purge_count, 500);
        drop(stream);
        // One batch more may have been under way.
        let left = service.count(proto::CountInteractionsRequest::default()).await;
        assert!(left == 1_110 || left == 610, "{}: {left}", database.name);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let later = service.count(proto::CountInteractionsRequest::default()).await;
        assert!(later == left || later == 610, "{}: {later}", database.name);

        let request = service.request(all);
        let mut stream = service.service.purge_interactions(request).await.unwrap().into_inner();
        stream.next().await.unwrap().unwrap();
        service.record((1_610..1_620).map(click).collect()).await;
        let rest: Vec<_> = stream.collect().await;
        assert!(rest.iter().all(Result::is_ok));
        let ids = service.ids(proto::ListInteractionsRequest::default()).await;
        let expected: Vec<_> = (1_610..1_620).rev().map(|n| format!("i{n:05}")).collect();
        assert_eq!(ids, expected, "{}", database.name);
        database.remove().await;
    }
}
