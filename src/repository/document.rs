//! What is stored of an interaction so that filters can look into it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::domain::access::NamespaceId;
use crate::domain::field::{Identifier, JsonRoot};
use crate::domain::filter::Scalar;
use crate::domain::interaction::Interaction;
use crate::domain::text::folded_case;

/// Key under which callers' own types stand in the folded document.
pub(super) const TYPES_KEY: &str = "interaction_type";

/// The JSON of an interaction in lower case, with callers' own types and every identifier that lower
/// case changes.
#[derive(Serialize)]
pub(super) struct Document<'i>(BTreeMap<&'static str, Member<'i>>);

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'i> {
    Json(#[serde(serialize_with = "folded_object")] &'i Map<String, Value>),
    Text(String),
    Types(Vec<&'i str>),
}

impl<'i> Document<'i> {
    pub(super) fn of(interaction: &'i Interaction) -> Self {
        let mut members = BTreeMap::new();
        for root in JsonRoot::ALL {
            if let Some(json) = interaction.json(root) {
                members.insert(root.name(), Member::Json(json));
            }
        }
        for field in Identifier::ALL {
            if let Some(Cow::Owned(lower)) = interaction.identifier(field).map(folded_case) {
                members.insert(field.name(), Member::Text(lower));
            }
        }
        let types: Vec<_> = interaction.types.custom().collect();
        if !types.is_empty() {
            members.insert(TYPES_KEY, Member::Types(types));
        }
        Self(members)
    }

    /// What filters that are not case-sensitive compare.
    pub(super) fn folded(&self) -> String {
        text_of(self)
    }

    /// The JSON as it came; `None` where the folded document says the same.
    pub(super) fn exact(&self) -> Option<String> {
        let json = self.0.iter().filter_map(|(name, member)| match member {
            Member::Json(json) => Some((*name, *json)),
            Member::Text(_) | Member::Types(_) => None,
        });
        let json: BTreeMap<_, _> = json.collect();
        let folds = json.values().any(|json| json.values().any(folding_changes));
        folds.then(|| text_of(&json))
    }

    /// One fact for every scalar, which says what stands at which keys. Lists do not count as levels,
    /// so a fact tells which rows can match an equality, and the equality itself which of them do.
    pub(super) fn facts(&self, namespace: NamespaceId) -> String {
        let mut facts = Facts { namespace, keys: Vec::new(), found: Vec::new() };
        for (name, member) in &self.0 {
            facts.keys.push(name);
            match member {
                Member::Json(json) => facts.object(json),
                Member::Text(text) => facts.add(Leaf::Text(text)),
                Member::Types(types) => types.iter().for_each(|name| facts.add(Leaf::Text(name))),
            }
            facts.keys.pop();
        }
        facts.found.sort_unstable();
        facts.found.dedup();
        facts.found.into_iter().map(token).collect::<Vec<_>>().join(" ")
    }
}

/// `json` as text. Its keys are texts and its numbers finite, so there is nothing that could fail; if
/// there were, no database would take an empty text for JSON.
fn text_of(json: &impl Serialize) -> String {
    serde_json::to_string(json).unwrap_or_default()
}

fn folded_object<S: Serializer>(
    object: &Map<String, Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(object.iter().map(|(key, value)| (key, Folded(value))))
}

/// A value that is written in lower case, keys aside.
struct Folded<'v>(&'v Value);

impl Serialize for Folded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => {
                value.serialize(serializer)
            }
            Value::String(text) => serializer.serialize_str(&folded_case(text)),
            Value::Array(list) => serializer.collect_seq(list.iter().map(Folded)),
            Value::Object(object) => folded_object(object, serializer),
        }
    }
}

fn folding_changes(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => matches!(folded_case(text), Cow::Owned(_)),
        Value::Array(list) => list.iter().any(folding_changes),
        Value::Object(object) => object.values().any(folding_changes),
    }
}

/// A number as JSON text. Both sides of a comparison are written so, whence equal numbers are equal
/// text to every database.
pub(super) fn number(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// The facts of one document as they are found.
struct Facts<'d> {
    namespace: NamespaceId,
    keys: Vec<&'d str>,
    found: Vec<u64>,
}

impl<'d> Facts<'d> {
    fn add(&mut self, leaf: Leaf<'_>) {
        self.found.push(hash(self.namespace, &self.keys, leaf));
    }

    fn object(&mut self, object: &'d Map<String, Value>) {
        for (key, value) in object {
            self.keys.push(key);
            self.value(value);
            self.keys.pop();
        }
    }

    fn value(&mut self, value: &'d Value) {
        match value {
            Value::Null => {}
            Value::Bool(boolean) => self.add(Leaf::Boolean(*boolean)),
            Value::Number(number) => {
                if let Some(number) = number.as_f64() {
                    self.add(Leaf::Number(number));
                }
            }
            Value::String(text) => self.add(Leaf::Text(&folded_case(text))),
            Value::Array(list) => list.iter().for_each(|value| self.value(value)),
            Value::Object(object) => self.object(object),
        }
    }
}

/// A scalar, in lower case.
#[derive(Clone, Copy)]
enum Leaf<'v> {
    Boolean(bool),
    Number(f64),
    Text(&'v str),
}

/// The fact that `value` stands at `keys`, as a token of 16 hexadecimal digits.
pub(super) fn fact(namespace: NamespaceId, keys: &[&str], value: &Scalar) -> String {
    let leaf = match value {
        Scalar::Boolean(boolean) => Leaf::Boolean(*boolean),
        Scalar::Number(number) => Leaf::Number(*number),
        Scalar::Text(text) => Leaf::Text(text),
    };
    token(hash(namespace, keys, leaf))
}

fn token(fact: u64) -> String {
    format!("{fact:016x}")
}

/// The first eight bytes of a SHA-256 of the parts of a fact, each behind its length.
fn hash(namespace: NamespaceId, keys: &[&str], leaf: Leaf<'_>) -> u64 {
    let mut hasher = Sha256::new();
    let mut part = |kind: &[u8], bytes: &[u8]| {
        hasher.update(((kind.len() + bytes.len()) as u64).to_be_bytes());
        hasher.update(kind);
        hasher.update(bytes);
    };
    part(&[], &namespace.0.to_be_bytes());
    for key in keys {
        part(&[], key.as_bytes());
    }
    match leaf {
        Leaf::Boolean(boolean) => part(&[0], &[u8::from(boolean)]),
        Leaf::Number(number) => part(&[1], &number.to_bits().to_be_bytes()),
        Leaf::Text(text) => part(&[2], text.as_bytes()),
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::interaction_type::{TypeName, TypeSet};

    fn interaction(user_id: &str, types: &[&str], metadata: Value) -> Interaction {
        let Value::Object(metadata) = metadata else { panic!("metadata is an object") };
        Interaction {
            interaction_id: "i-1".to_owned(),
            feature_id: None,
            user_id: Some(user_id.to_owned()),
            session_id: None,
            execution_id: None,
            retriever_id: None,
            feature_uri: None,
            types: TypeSet::new(types.iter().map(|name| TypeName::parse(name).unwrap()).collect()),
            position: None,
            result_set_size: None,
            document_score: None,
            timestamp: 0,
            created_at: 0,
            metadata: Some(metadata),
            query_snapshot: None,
            search_request: None,
        }
    }

    #[test]
    fn the_exact_document_is_kept_where_lower_case_changes_it() {
        let mixed =
            interaction("U-1", &["click", "tap"], json!({"Key": ["Über", {"n": 1.5}, null]}));
        let document = Document::of(&mixed);
        let folded = r#"{"interaction_type":["tap"],"metadata":{"Key":["über",{"n":1.5},null]},"user_id":"u-1"}"#;
        assert_eq!(document.folded(), folded);
        assert_eq!(document.exact().unwrap(), r#"{"metadata":{"Key":["Über",{"n":1.5},null]}}"#);
        let lower = interaction("U-1", &["click"], json!({"Key": "größe"}));
        assert_eq!(Document::of(&lower).exact(), None);
    }

    // Files hold these; whoever makes others finds nothing in them any more.
    #[test]
    fn facts_stay_what_they_are() {
        let metadata =
            json!({"city": "Berlin", "tags": ["ÜBER", 5, 5.0], "ok": true, "none": null});
        let interaction = interaction("U-1", &["click"], metadata);
        let facts = Document::of(&interaction).facts(NamespaceId(7));
        let known = "274c92d159bfd28b 477ddbbae5975eb1 a083349aabdff209 dd738b9ecb006297 \
                     f72f24e32bf57d15";
        assert_eq!(facts, known);
        let city = Scalar::Text("berlin".to_owned());
        assert_eq!(fact(NamespaceId(7), &["metadata", "city"], &city), "477ddbbae5975eb1");
    }
}
