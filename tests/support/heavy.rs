//! Queries that take long, and what they are asked of.

use std::time::Duration;

use interactions::grpc::proto;
use prost_types::Struct;
use serde_json::{Value, json};

use super::typed::proto_struct;

/// Interactions that make the heavy query heavy; with their texts, 16 MB.
pub const ROWS: i64 = 2_000;
/// The least that the heavy query takes, many times what is asserted of calls that are cut short.
pub const HEAVY: Duration = Duration::from_secs(4);

/// An interaction with a long text.
pub fn wide(number: i64) -> proto::Interaction {
    let metadata = json!({ "text": "a long tale of shoes, ".repeat(370) });
    proto::Interaction {
        interaction_id: format!("i{number:05}"),
        interaction_type: vec!["click".to_owned()],
        metadata: Some(proto_struct(metadata.as_object().unwrap())),
        ..Default::default()
    }
}

/// Hundreds of looks at every text.
pub fn heavy() -> Option<Struct> {
    let looks: Vec<Value> = (0..200)
        .map(|look| json!({ "metadata.text": { "contains": format!("{look}") } }))
        .collect();
    Some(proto_struct(json!({ "OR": looks }).as_object().unwrap()))
}
