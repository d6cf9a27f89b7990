//! `select`: which fields of an interaction go out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::proto;
use crate::domain::field::{Field, JsonPath, JsonRoot, Segment};
use crate::domain::violation::Violations;

/// Most fields that can be selected.
pub(super) const MAX_SELECTED: usize = 100;

/// The fields to keep. `interaction_id` always stays.
#[derive(Debug, Clone)]
pub(super) struct Projection {
    /// Names of typed fields.
    typed: Vec<&'static str>,
    /// Places below JSON fields, by the name of the field.
    json: BTreeMap<&'static str, Paths>,
}

/// The places to keep below some JSON, as a tree of segments.
#[derive(Debug, Clone, Default)]
enum Paths {
    /// All of it.
    #[default]
    Everything,
    /// These members, or elements.
    Only(BTreeMap<Segment, Paths>),
}

impl Projection {
    /// Reads `select`; `None` where it is empty, which means all fields.
    #[must_use]
    pub(super) fn parse(
        select: &[String],
        path: &str,
        violations: &mut Violations,
    ) -> Option<Self> {
        if select.is_empty() {
            return None;
        }
        if select.len() > MAX_SELECTED {
            let found = select.len();
            violations.add(path, format!("takes at most {MAX_SELECTED} fields; got {found}"));
            return None;
        }
        let mut projection = Self { typed: Vec::new(), json: BTreeMap::new() };
        for (place, name) in select.iter().enumerate() {
            match Field::parse(name) {
                Ok(field) => projection.add(field),
                Err(error) => violations.add(format!("{path}[{place}]"), error.to_string()),
            }
        }
        Some(projection)
    }

    fn add(&mut self, field: Field) {
        let name = match field {
            Field::Identifier(field) => field.name(),
            Field::Types => "interaction_type",
            Field::Integer(field) => field.name(),
            Field::Score => "document_score",
            Field::Time(field) => field.name(),
            Field::Json(JsonPath { root, segments }) => {
                match self.json.get_mut(root.name()) {
                    Some(paths) => paths.add(&segments),
                    None => drop(self.json.insert(root.name(), Paths::along(&segments))),
                }
                return;
            }
        };
        self.typed.push(name);
    }

    /// The encoded interaction with the selected fields only; `None` when `record` is none.
    #[must_use]
    pub(super) fn apply(&self, record: &[u8]) -> Option<Vec<u8>> {
        let message = proto::Interaction::decode(record).ok()?;
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
            search_request,
            document_score,
            result_set_size,
            timestamp,
            created_at,
        } = message;
        let selected = proto::Interaction {
            interaction_id,
            feature_id: self.keep("feature_id", feature_id),
            interaction_type: self.keep("interaction_type", interaction_type),
            position: self.keep("position", position),
            metadata: self.json(JsonRoot::Metadata, metadata),
            user_id: self.keep("user_id", user_id),
            session_id: self.keep("session_id", session_id),
            execution_id: self.keep("execution_id", execution_id),
            retriever_id: self.keep("retriever_id", retriever_id),
            feature_uri: self.keep("feature_uri", feature_uri),
            query_snapshot: self.json(JsonRoot::QuerySnapshot, query_snapshot),
            search_request: search_request.and_then(|search| self.search_request(search)),
            document_score: self.keep("document_score", document_score),
            result_set_size: self.keep("result_set_size", result_set_size),
            timestamp: self.keep("timestamp", timestamp),
            created_at: self.keep("created_at", created_at),
        };
        Some(selected.encode_to_vec())
    }

    fn keep<T: Default>(&self, name: &str, value: T) -> T {
        if self.typed.contains(&name) { value } else { T::default() }
    }

    fn json(&self, root: JsonRoot, json: Option<Struct>) -> Option<Struct> {
        self.json.get(root.name())?.object(json?)
    }

    /// A search request is a message: it is pruned in its JSON form.
    fn search_request(&self, search: proto::SearchRequest) -> Option<proto::SearchRequest> {
        let paths = self.json.get(JsonRoot::SearchRequest.name())?;
        if matches!(paths, Paths::Everything) {
            return Some(search);
        }
        let Descriptors { search_request, object } = Descriptors::load()?;
        let form: Struct = through_json(&search, search_request.clone(), object.clone())?;
        through_json(&paths.object(form)?, object, search_request)
    }
}

impl Paths {
    fn along(segments: &[Segment]) -> Self {
        match segments.split_first() {
            None => Self::Everything,
            Some((first, rest)) => Self::Only(BTreeMap::from([(first.clone(), Self::along(rest))])),
        }
    }

    fn add(&mut self, segments: &[Segment]) {
        let Self::Only(members) = self else { return };
        match segments.split_first() {
            None => *self = Self::Everything,
            Some((first, rest)) => match members.get_mut(first) {
                Some(paths) => paths.add(rest),
                None => drop(members.insert(first.clone(), Self::along(rest))),
            },
        }
    }

    fn object(&self, json: Struct) -> Option<Struct> {
        let Self::Only(members) = self else { return Some(json) };
        let mut fields = json.fields;
        let kept = members.iter().filter_map(|(segment, paths)| {
            let (key, value) = fields.remove_entry(segment.key())?;
            Some((key, paths.value(value)?))
        });
        let kept: BTreeMap<_, _> = kept.collect();
        (!kept.is_empty()).then_some(Struct { fields: kept })
    }

    fn value(&self, value: Value) -> Option<Value> {
        let Self::Only(_) = self else { return Some(value) };
        let kind = match value.kind? {
            Kind::StructValue(object) => Kind::StructValue(self.object(object)?),
            Kind::ListValue(list) => Kind::ListValue(self.list(list)?),
            Kind::NullValue(_)
            | Kind::NumberValue(_)
            | Kind::StringValue(_)
            | Kind::BoolValue(_) => {
                return None;
            }
        };
        Some(Value { kind: Some(kind) })
    }

    /// Of a list, the elements that an index names, and of every object in it the members that a
    /// key names. What is kept stays in order.
    fn list(&self, list: ListValue) -> Option<ListValue> {
        let Self::Only(members) = self else { return Some(list) };
        let (indexes, keys): (BTreeMap<_, _>, BTreeMap<_, _>) =
            members.iter().partition(|(segment, _)| segment.is_index());
        let keys = Self::Only(keys.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect());
        let mut kept = Vec::new();
        for (place, value) in (0..).zip(list.values) {
            let indexed = indexes.iter().find(|(segment, _)| segment.index() == Some(place));
            kept.extend(match (indexed, &value.kind) {
                (Some((_, paths)), _) => paths.value(value),
                (None, Some(Kind::StructValue(_))) => keys.value(value),
                (None, _) => None,
            });
        }
        (!kept.is_empty()).then_some(ListValue { values: kept })
    }
}

/// What the JSON form of a search request is made with.
#[derive(Clone)]
struct Descriptors {
    search_request: MessageDescriptor,
    object: MessageDescriptor,
}

impl Descriptors {
    fn load() -> Option<Self> {
        static LOADED: LazyLock<Option<Descriptors>> = LazyLock::new(|| {
            let pool = DescriptorPool::decode(proto::DESCRIPTORS).ok()?;
            Some(Descriptors {
                search_request: pool.get_message_by_name("interactions.v1.SearchRequest")?,
                object: pool.get_message_by_name("google.protobuf.Struct")?,
            })
        });
        LOADED.clone()
    }
}

/// Turns one message into another that has the same JSON form.
fn through_json<F, T>(message: &F, from: MessageDescriptor, to: MessageDescriptor) -> Option<T>
where
    F: prost::Message,
    T: prost::Message + Default,
{
    let mut dynamic = DynamicMessage::new(from);
    dynamic.transcode_from(message).ok()?;
    let form = serde_json::to_value(&dynamic).ok()?;
    DynamicMessage::deserialize(to, form).ok()?.transcode_to().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: serde_json::Value) -> Struct {
        let object = Descriptors::load().unwrap().object;
        DynamicMessage::deserialize(object, json).unwrap().transcode_to().unwrap()
    }

    fn select(fields: &[&str], interaction: &proto::Interaction) -> proto::Interaction {
        let fields: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
        let mut violations = Violations::default();
        let projection = Projection::parse(&fields, "select", &mut violations).unwrap();
        assert!(violations.is_empty(), "{violations:?}");
        let selected = projection.apply(&interaction.encode_to_vec()).unwrap();
        proto::Interaction::decode(selected.as_slice()).unwrap()
    }

    #[test]
    fn keeps_what_is_selected_and_the_id() {
        let metadata = serde_json::json!({
            "geo": {"country": "de", "city": "Köln"},
            "items": [{"sku": "a", "price": 1}, 5, {"price": 2}, {"sku": "b"}],
            "device": "tv",
        });
        let interaction = proto::Interaction {
            interaction_id: "i".to_owned(),
            user_id: "u".to_owned(),
            position: Some(0),
            metadata: Some(object(metadata)),
            ..proto::Interaction::default()
        };
        let kept = select(&["position", "metadata.geo.city", "metadata.items.sku"], &interaction);
        let metadata = serde_json::json!({
            "geo": {"city": "Köln"},
            "items": [{"sku": "a"}, {"sku": "b"}],
        });
        let expected = proto::Interaction {
            interaction_id: "i".to_owned(),
            position: Some(0),
            metadata: Some(object(metadata)),
            ..proto::Interaction::default()
        };
        assert_eq!(kept, expected);
        let whole = select(&["metadata.geo.city", "metadata"], &interaction);
        assert_eq!(whole.metadata, interaction.metadata);
        let second = select(&["metadata.items.2.price"], &interaction);
        let expected = object(serde_json::json!({"items": [{"price": 2}]}));
        assert_eq!(second.metadata, Some(expected));
    }

    #[test]
    fn reaches_below_a_search_request() {
        let query = |value: &str| proto::search_request::Query {
            vector_index: "text".to_owned(),
            value: value.to_owned(),
            r#type: "text".to_owned(),
            ..proto::search_request::Query::default()
        };
        let search = proto::SearchRequest {
            queries: vec![query("red"), query("blue")],
            collections: vec!["c".to_owned()],
            ..proto::SearchRequest::default()
        };
        let interaction =
            proto::Interaction { search_request: Some(search), ..proto::Interaction::default() };
        let kept = select(&["search_request.queries.value"], &interaction).search_request.unwrap();
        let values: Vec<_> = kept.queries.iter().map(|query| query.value.as_str()).collect();
        assert_eq!(values, ["red", "blue"]);
        assert!(kept.collections.is_empty() && kept.queries[0].vector_index.is_empty());
    }
}
