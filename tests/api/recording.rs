//! Create, batch create and get.

use interactions::grpc::proto;
use interactions::grpc::proto::interaction_service_server::InteractionService as _;
use prost_types::Timestamp;
use tonic::Code;

use super::{click, reason, services, violated};
use crate::support::service::TestService;

async fn create(
    service: &TestService,
    interaction: proto::Interaction,
) -> Result<proto::Interaction, tonic::Status> {
    let request =
        proto::CreateInteractionRequest { interaction: Some(interaction), validate_only: false };
    let answer = service.service.create_interaction(service.request(request)).await?;
    Ok(answer.into_inner())
}

async fn batch(
    service: &TestService,
    interactions: Vec<proto::Interaction>,
    validate_only: bool,
) -> Result<Vec<(String, bool)>, tonic::Status> {
    let request = proto::BatchCreateInteractionsRequest { interactions, validate_only };
    let answer = service.service.batch_create_interactions(service.request(request)).await?;
    let results = answer.into_inner().results.into_iter();
    Ok(results.map(|result| (result.interaction_id, result.deduplicated)).collect())
}

async fn get(service: &TestService, id: &str) -> Result<proto::Interaction, tonic::Status> {
    let request = proto::GetInteractionRequest { interaction_id: id.to_owned() };
    Ok(service.service.get_interaction(service.request(request)).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_filled_in() {
    for (database, service) in services().await {
        let given = proto::Interaction {
            interaction_type: vec!["Click".to_owned(), "custom_TAP".to_owned()],
            created_at: Some(Timestamp { seconds: 5, nanos: 0 }),
            ..Default::default()
        };
        let recorded = create(&service, given).await.unwrap();
        assert_eq!(recorded.interaction_type, ["click", "custom_tap"]);
        assert_eq!(uuid::Uuid::parse_str(&recorded.interaction_id).unwrap().get_version_num(), 7);
        let created_at = recorded.created_at.unwrap();
        assert_eq!(recorded.timestamp, Some(created_at));
        assert!(created_at.seconds > 1_700_000_000 && created_at.nanos % 1_000 == 0);
        assert_eq!(get(&service, &recorded.interaction_id).await.unwrap(), recorded);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_changes_nothing() {
    for (database, service) in services().await {
        let first = create(&service, click(1)).await.unwrap();
        assert_eq!(create(&service, click(1)).await.unwrap(), first);
        let untimed = proto::Interaction { timestamp: None, ..click(1) };
        assert_eq!(create(&service, untimed.clone()).await.unwrap(), first);
        let results = batch(&service, vec![click(1), click(2), untimed, click(2)], false).await;
        let deduplicated: Vec<_> = results.unwrap().into_iter().map(|(_, again)| again).collect();
        assert_eq!(deduplicated, [true, false, true, true]);
        assert_eq!(get(&service, "i00001").await.unwrap(), first);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_taken_by_other_content_is_refused_and_nothing_is_recorded() {
    for (database, service) in services().await {
        let first = create(&service, click(1)).await.unwrap();
        let moved = proto::Interaction { position: Some(9), ..click(1) };
        let later = proto::Interaction { timestamp: click(2).timestamp, ..click(1) };
        for other in [moved.clone(), later] {
            let status = create(&service, other).await.unwrap_err();
            assert_eq!(status.code(), Code::AlreadyExists);
            assert_eq!(violated(&status), ["interaction.interaction_id"]);
        }
        let twice =
            vec![click(3), moved, click(4), proto::Interaction { position: None, ..click(3) }];
        for validate_only in [true, false] {
            let status = batch(&service, twice.clone(), validate_only).await.unwrap_err();
            assert_eq!(status.code(), Code::AlreadyExists);
            let fields = ["interactions[1].interaction_id", "interactions[3].interaction_id"];
            assert_eq!(violated(&status), fields);
        }
        assert_eq!(get(&service, "i00001").await.unwrap(), first);
        let count = service.count(proto::CountInteractionsRequest::default()).await;
        assert_eq!(count, 1, "{}", database.name);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_validated_is_not_recorded() {
    for (database, service) in services().await {
        let results = batch(&service, vec![click(1), click(2)], true).await.unwrap();
        assert_eq!(results, [("i00001".to_owned(), false), ("i00002".to_owned(), false)]);
        assert_eq!(service.count(proto::CountInteractionsRequest::default()).await, 0);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_of_every_interaction_is_listed() {
    for (database, service) in services().await {
        let object = |json: serde_json::Value| {
            crate::support::typed::proto_struct(json.as_object().unwrap())
        };
        let mut deep = serde_json::json!(1);
        for _ in 0..16 {
            deep = serde_json::json!({ "a": deep });
        }
        let wrong = proto::Interaction {
            interaction_id: "not an id".to_owned(),
            feature_id: "f".repeat(257),
            interaction_type: vec!["click".to_owned(), "Two Words!".to_owned(), "CLICK".to_owned()],
            position: Some(-1),
            metadata: Some(object(serde_json::json!({"a": {"b": ["x\0"]}, "deep": deep}))),
            user_id: "u\0".to_owned(),
            document_score: Some(f64::NAN),
            result_set_size: Some(-5),
            timestamp: Some(Timestamp { seconds: 9_999_999_999, nanos: 0 }),
            search_request: Some(search_request()),
            ..Default::default()
        };
        let untyped = proto::Interaction { interaction_type: Vec::new(), ..click(2) };
        let status = batch(&service, vec![click(1), wrong, untyped], false).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "INVALID_REQUEST")
        );
        let mut fields = violated(&status);
        fields.sort();
        let mut expected = [
            "interaction_id",
            "feature_id",
            "interaction_type[1]",
            "interaction_type[2]",
            "position",
            "metadata.a.b[0]",
            &format!("metadata.deep{}", ".a".repeat(15)),
            "user_id",
            "document_score",
            "result_set_size",
            "timestamp",
            "search_request.queries[0].vector_index",
            "search_request.filters.AND[0].field",
            "search_request.reranking_options.weights",
        ]
        .map(|field| format!("interactions[1].{field}"))
        .to_vec();
        expected.push("interactions[2].interaction_type".to_owned());
        expected.sort();
        assert_eq!(fields, expected);
        assert_eq!(service.count(proto::CountInteractionsRequest::default()).await, 0);
        database.remove().await;
    }
}

/// A search request with three things wrong.
fn search_request() -> proto::SearchRequest {
    let filters = serde_json::json!({"AND": [{"field": 5, "value": 1}]});
    let query = proto::search_request::Query {
        vector_index: "smell".to_owned(),
        r#type: "text".to_owned(),
        ..Default::default()
    };
    let weights = [("feedback".to_owned(), 0.5), ("popularity".to_owned(), 0.6)];
    let reranking = proto::search_request::RerankingOptions {
        weights: weights.into_iter().collect(),
        ..Default::default()
    };
    proto::SearchRequest {
        queries: vec![query],
        filters: Some(crate::support::typed::proto_struct(filters.as_object().unwrap())),
        reranking_options: Some(reranking),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_interaction_is_kept_and_a_larger_one_refused() {
    for (database, service) in services().await {
        let of_size = |bytes: usize| {
            let text = serde_json::json!({ "text": "w ".repeat(bytes / 2) });
            let metadata = crate::support::typed::proto_struct(text.as_object().unwrap());
            proto::Interaction { metadata: Some(metadata), ..click(1) }
        };
        let status = create(&service, of_size(256 * 1024)).await.unwrap_err();
        assert_eq!(
            (status.code(), violated(&status)),
            (Code::InvalidArgument, vec!["interaction".to_owned()])
        );
        let largest = create(&service, of_size(256 * 1024 - 200)).await.unwrap();
        assert_eq!(get(&service, "i00001").await.unwrap(), largest);
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_id_is_not_found() {
    for (database, service) in services().await {
        let status = get(&service, "nothing").await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        reason(&status);
        let status = get(&service, "").await.unwrap_err();
        assert_eq!(
            (status.code(), violated(&status)),
            (Code::InvalidArgument, vec!["interaction_id".to_owned()])
        );
        database.remove().await;
    }
}
