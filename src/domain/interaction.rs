//! What the service remembers: one interaction, as it can be filtered, sorted and searched.

use serde_json::{Map, Value};

use super::field::{Identifier, Integer, JsonPath, JsonRoot, Time};
use super::interaction_type::TypeSet;
use super::time::Micros;

/// Longest `interaction_id`, in bytes.
pub const MAX_INTERACTION_ID_BYTES: usize = 128;
/// Longest other identifier, in bytes.
pub const MAX_IDENTIFIER_BYTES: usize = 256;
/// Largest encoded interaction, in bytes.
pub const MAX_INTERACTION_BYTES: usize = 256 * 1024;
/// Deepest JSON in a JSON field, whose own object is level 1.
pub const MAX_JSON_DEPTH: usize = 16;
/// Most interactions in one batch.
pub const MAX_BATCH: usize = 1_000;
/// How far ahead of the server's clock a timestamp may lie, in microseconds: 24 hours.
pub const MAX_AHEAD_MICROS: Micros = 24 * 60 * 60 * 1_000_000;

/// One interaction: the fields that the service understands. An absent identifier is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    /// Unique in its namespace.
    pub interaction_id: String,
    /// What it happened to.
    pub feature_id: Option<String>,
    /// Who did it.
    pub user_id: Option<String>,
    /// In which session.
    pub session_id: Option<String>,
    /// In which execution of a retriever.
    pub execution_id: Option<String>,
    /// Of which retriever.
    pub retriever_id: Option<String>,
    /// Which feature of the index was searched.
    pub feature_uri: Option<String>,
    /// What kinds of interaction it was; never empty.
    pub types: TypeSet,
    /// Place in the result list, from 0.
    pub position: Option<i32>,
    /// Length of the result list.
    pub result_set_size: Option<i32>,
    /// Score of the document; finite.
    pub document_score: Option<f64>,
    /// When it happened.
    pub timestamp: Micros,
    /// When it was recorded.
    pub created_at: Micros,
    /// Whatever the caller knows of it.
    pub metadata: Option<Map<String, Value>>,
    /// The query as it was.
    pub query_snapshot: Option<Map<String, Value>>,
    /// The search that led to it, in its JSON form.
    pub search_request: Option<Map<String, Value>>,
}

impl Interaction {
    /// An identifier; `None` where it is absent.
    #[must_use]
    pub fn identifier(&self, field: Identifier) -> Option<&str> {
        match field {
            Identifier::InteractionId => Some(&self.interaction_id),
            Identifier::FeatureId => self.feature_id.as_deref(),
            Identifier::UserId => self.user_id.as_deref(),
            Identifier::SessionId => self.session_id.as_deref(),
            Identifier::ExecutionId => self.execution_id.as_deref(),
            Identifier::RetrieverId => self.retriever_id.as_deref(),
            Identifier::FeatureUri => self.feature_uri.as_deref(),
        }
    }

    /// A whole number; `None` where it is absent.
    #[must_use]
    pub fn integer(&self, field: Integer) -> Option<i32> {
        match field {
            Integer::Position => self.position,
            Integer::ResultSetSize => self.result_set_size,
        }
    }

    /// A time.
    #[must_use]
    pub fn time(&self, field: Time) -> Micros {
        match field {
            Time::Timestamp => self.timestamp,
            Time::CreatedAt => self.created_at,
        }
    }

    /// The object of a JSON field; `None` where it is absent.
    #[must_use]
    pub fn json(&self, root: JsonRoot) -> Option<&Map<String, Value>> {
        match root {
            JsonRoot::Metadata => self.metadata.as_ref(),
            JsonRoot::QuerySnapshot => self.query_snapshot.as_ref(),
            JsonRoot::SearchRequest => self.search_request.as_ref(),
        }
    }

    /// The one value at `path`, walking objects by key and lists by index only, as sorting does.
    #[must_use]
    pub fn value_at(&self, path: &JsonPath) -> Option<&Value> {
        let (first, rest) = path.segments.split_first()?;
        let mut value = self.json(path.root)?.get(first.key())?;
        for segment in rest {
            value = match value {
                Value::Object(object) => object.get(segment.key())?,
                Value::Array(list) => list.get(usize::try_from(segment.index()?).ok()?)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
        }
        Some(value)
    }
}

/// Whether `id` can be an `interaction_id`: 1 to 128 of `A-Z a-z 0-9 . _ : -`.
#[must_use]
pub fn is_interaction_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=MAX_INTERACTION_ID_BYTES).contains(&id.len()) && id.bytes().all(allowed)
}
