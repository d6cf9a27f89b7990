//! Interactions as messages.

use std::sync::LazyLock;

use interactions::domain::interaction::Interaction;
use interactions::domain::time::Micros;
use interactions::grpc::proto;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::Timestamp;
use serde_json::{Map, Value};

use super::typed::proto_struct;

/// The message that records `interaction`.
pub fn message(interaction: &Interaction) -> proto::Interaction {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let types = interaction.types.names().iter().map(|name| name.as_str().to_owned());
    proto::Interaction {
        interaction_id: interaction.interaction_id.clone(),
        feature_id: text(&interaction.feature_id),
        interaction_type: types.collect(),
        position: interaction.position,
        metadata: interaction.metadata.as_ref().map(proto_struct),
        user_id: text(&interaction.user_id),
        session_id: text(&interaction.session_id),
        execution_id: text(&interaction.execution_id),
        retriever_id: text(&interaction.retriever_id),
        feature_uri: text(&interaction.feature_uri),
        query_snapshot: interaction.query_snapshot.as_ref().map(proto_struct),
        search_request: interaction.search_request.clone().map(search_request),
        document_score: interaction.document_score,
        result_set_size: interaction.result_set_size,
        timestamp: Some(timestamp(interaction.timestamp)),
        created_at: None,
    }
}

/// The message of a search request in its JSON form.
fn search_request(json: Map<String, Value>) -> proto::SearchRequest {
    // Reading the descriptors takes longer than everything else about an interaction.
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).unwrap());
    let descriptor = POOL.get_message_by_name("interactions.v1.SearchRequest").unwrap();
    let message = DynamicMessage::deserialize(descriptor, Value::Object(json)).unwrap();
    message.transcode_to().unwrap()
}

/// The message for a time.
pub fn timestamp(micros: Micros) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).unwrap() * 1_000;
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}
