//! An interaction as callers send it, and as it is stored.

use bytes::Bytes;
use prost::Message as _;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::search_request::search_request;
use super::{json, timestamp};
use crate::domain::interaction::{
    Interaction, MAX_IDENTIFIER_BYTES, MAX_INTERACTION_BYTES, is_interaction_id,
};
use crate::domain::interaction_type::{ACCEPTED, TypeName, TypeSet};
use crate::domain::search::{
    MAX_DISTINCT_WORD_BYTES, distinct_word_bytes, most_word_bytes, words_of,
};
use crate::domain::time::Micros;
use crate::domain::violation::{Violations, echo};
use crate::grpc::proto;
use crate::repository::NewInteraction;

/// Checks an interaction to be recorded at `now`, and completes it: an id where it has none, its
/// timestamp, types in lower case. Adds whatever is wrong to `violations`; the answer is of use
/// only when nothing was added.
pub(in crate::grpc) fn new_interaction(
    mut message: proto::Interaction,
    now: Micros,
    path: &str,
    violations: &mut Violations,
) -> NewInteraction {
    if message.interaction_id.is_empty() {
        message.interaction_id = uuid::Uuid::now_v7().to_string();
    }
    let timestamp_given = message.timestamp.is_some();
    message.created_at = None;
    let mut interaction = interaction(&message, now, path, violations);
    interaction.created_at = now;
    message.interaction_type =
        interaction.types.names().iter().map(|name| name.as_str().to_owned()).collect();
    message.timestamp = None;
    let mut record = message.encode_to_vec();
    let content_hash = content_hash(&record);
    // Protobuf has the fields of a message in any order, and these come last anyway.
    let times = proto::Interaction {
        timestamp: Some(timestamp::message(interaction.timestamp)),
        created_at: Some(timestamp::message(now)),
        ..proto::Interaction::default()
    };
    record.extend(times.encode_to_vec());
    let record = Bytes::from(record);
    if record.len() > MAX_INTERACTION_BYTES {
        let found = record.len();
        let limit = format!("has at most {MAX_INTERACTION_BYTES} bytes encoded; this has {found}");
        violations.add(path, limit);
    }
    NewInteraction { interaction, timestamp_given, content_hash, record }
}

/// Reads a stored interaction; `None` when it is not one.
pub(in crate::grpc) fn stored(record: &[u8]) -> Option<Interaction> {
    let message = proto::Interaction::decode(record).ok()?;
    let mut violations = Violations::default();
    let created_at = message.created_at.as_ref().map(timestamp::micros)?;
    // Its timestamp was checked against the clock of the day on which it was recorded.
    let mut interaction = interaction(&message, created_at, "record", &mut violations);
    interaction.created_at = created_at;
    violations.is_empty().then_some(interaction)
}

/// The hash of a stored interaction as it was worked out when it was recorded; `None` when it is not
/// one.
pub(in crate::grpc) fn stored_content_hash(record: &[u8]) -> Option<[u8; 16]> {
    let mut message = proto::Interaction::decode(record).ok()?;
    message.timestamp = None;
    message.created_at = None;
    Some(content_hash(&message.encode_to_vec()))
}

/// Half a SHA-256 of what the caller sent, encoded without its times. Maps are encoded in the order
/// of their keys, so equal content has equal bytes.
fn content_hash(encoded: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(encoded).into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// What a message says, `created_at` aside.
fn interaction(
    message: &proto::Interaction,
    now: Micros,
    path: &str,
    violations: &mut Violations,
) -> Interaction {
    let proto::Interaction {
        interaction_id,
        feature_id,
        interaction_type,
        position,
        metadata,
        user_id,
        session_id,
        execution_id,
        retriever_id,
        feature_uri,
        query_snapshot,
        search_request: search,
        document_score,
        result_set_size,
        timestamp: happened,
        created_at: _,
    } = message;
    let mut reader = Reader { path, violations };
    if !is_interaction_id(interaction_id) {
        reader.refuse("interaction_id", "takes 1 to 128 of A-Z a-z 0-9 . _ : -");
    }
    let timestamp = happened.as_ref().map_or(now, |happened| {
        timestamp::happened(happened, now, &format!("{path}.timestamp"), reader.violations)
    });
    Interaction {
        interaction_id: interaction_id.clone(),
        feature_id: reader.identifier("feature_id", feature_id),
        user_id: reader.identifier("user_id", user_id),
        session_id: reader.identifier("session_id", session_id),
        execution_id: reader.identifier("execution_id", execution_id),
        retriever_id: reader.identifier("retriever_id", retriever_id),
        feature_uri: reader.identifier("feature_uri", feature_uri),
        types: reader.types(interaction_type),
        position: reader.count("position", *position),
        result_set_size: reader.count("result_set_size", *result_set_size),
        document_score: reader.number("document_score", *document_score),
        timestamp,
        created_at: now,
        metadata: reader.metadata(metadata.as_ref()),
        query_snapshot: reader.json("query_snapshot", query_snapshot.as_ref()),
        search_request: search.as_ref().map(|search| {
            search_request(search, &format!("{path}.search_request"), reader.violations)
        }),
    }
}

struct Reader<'p, 'v> {
    path: &'p str,
    violations: &'v mut Violations,
}

impl Reader<'_, '_> {
    fn refuse(&mut self, name: &str, description: impl Into<String>) {
        self.violations.add(format!("{}.{name}", self.path), description);
    }

    /// An empty identifier is an absent one.
    fn identifier(&mut self, name: &str, text: &str) -> Option<String> {
        if text.len() > MAX_IDENTIFIER_BYTES {
            let found = text.len();
            let limit = format!("has at most {MAX_IDENTIFIER_BYTES} bytes; this has {found}");
            self.refuse(name, limit);
        }
        if text.contains('\0') {
            self.refuse(name, "holds a NUL character, which is not accepted");
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn types(&mut self, given: &[String]) -> TypeSet {
        if !(1..=TypeSet::MAX).contains(&given.len()) {
            let (limit, found) = (TypeSet::MAX, given.len());
            self.refuse("interaction_type", format!("takes 1 to {limit} names; got {found}"));
        }
        let mut names = Vec::new();
        for (place, text) in given.iter().enumerate() {
            let name = format!("interaction_type[{place}]");
            match TypeName::parse(text) {
                None => {
                    let text = echo(text);
                    self.refuse(&name, format!("{text} is no type name; a type is {ACCEPTED}"));
                }
                Some(parsed) if names.contains(&parsed) => {
                    self.refuse(&name, "repeats an earlier type; each is named once");
                }
                Some(parsed) => names.push(parsed),
            }
        }
        TypeSet::new(names)
    }

    fn count(&mut self, name: &str, count: Option<i32>) -> Option<i32> {
        if count.is_some_and(|count| count < 0) {
            self.refuse(name, "is never negative; it counts from 0");
        }
        count
    }

    /// A finite number; negative zero is zero.
    fn number(&mut self, name: &str, number: Option<f64>) -> Option<f64> {
        if number.is_some_and(|number| !number.is_finite()) {
            self.refuse(name, "takes finite numbers");
        }
        number.map(|number| number + 0.0)
    }

    fn json(
        &mut self,
        name: &str,
        json: Option<&prost_types::Struct>,
    ) -> Option<Map<String, Value>> {
        let path = format!("{}.{name}", self.path);
        json.map(|json| json::object(json, &path, self.violations))
    }

    fn metadata(&mut self, json: Option<&prost_types::Struct>) -> Option<Map<String, Value>> {
        let metadata = self.json("metadata", json)?;
        if most_word_bytes(&metadata) <= MAX_DISTINCT_WORD_BYTES {
            return Some(metadata);
        }
        let metadata = Value::Object(metadata);
        let bytes = distinct_word_bytes(&words_of(&metadata));
        if bytes > MAX_DISTINCT_WORD_BYTES {
            let limit = format!(
                "its distinct words have at most {MAX_DISTINCT_WORD_BYTES} bytes once folded for \
                 search; these have {bytes}"
            );
            self.refuse("metadata", limit);
        }
        match metadata {
            Value::Object(metadata) => Some(metadata),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        }
    }
}
