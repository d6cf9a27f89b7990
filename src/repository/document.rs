//! What is stored of an interaction so that filters can look into it.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::domain::access::NamespaceId;
use crate::domain::field::{Identifier, JsonRoot};
use crate::domain::filter::Scalar;
use crate::domain::interaction::Interaction;
use crate::domain::text::fold_case;

/// Key under which callers' own types stand in the folded document.
pub(super) const TYPES_KEY: &str = "interaction_type";

/// The JSON of an interaction in the two forms that filters compare.
pub(super) struct Documents {
    /// In lower case, with callers' own types and every identifier that lower case changes.
    pub(super) folded: Value,
    /// As it came; `None` where the folded document says the same.
    pub(super) exact: Option<Value>,
}

impl Documents {
    pub(super) fn of(interaction: &Interaction) -> Self {
        let mut exact = Map::new();
        let mut folded = Map::new();
        for root in JsonRoot::ALL {
            if let Some(json) = interaction.json(root) {
                let json = Value::Object(json.clone());
                folded.insert(root.name().to_owned(), fold(&json));
                exact.insert(root.name().to_owned(), json);
            }
        }
        let exact = (exact != folded).then_some(Value::Object(exact));
        for field in Identifier::ALL {
            let text = interaction.identifier(field);
            let lower = text.map(fold_case).filter(|lower| Some(lower.as_str()) != text);
            if let Some(lower) = lower {
                folded.insert(field.name().to_owned(), Value::String(lower));
            }
        }
        let types: Vec<_> = interaction.types.custom().map(Value::from).collect();
        if !types.is_empty() {
            folded.insert(TYPES_KEY.to_owned(), Value::Array(types));
        }
        Self { folded: Value::Object(folded), exact }
    }
}

fn fold(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => Value::String(fold_case(text)),
        Value::Array(list) => Value::Array(list.iter().map(fold).collect()),
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), fold(value))).collect())
        }
    }
}

/// A number as JSON text. Both sides of a comparison are written so, whence equal numbers are equal
/// text to every database.
pub(super) fn number(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// The facts of a folded document: one for every scalar in it, which says what stands at which
/// keys. Lists do not count as levels, so a fact tells which rows can match an equality, and the
/// equality itself which of them do.
pub(super) fn facts(namespace: NamespaceId, folded: &Value) -> Vec<String> {
    let mut facts = Vec::new();
    collect_facts(namespace, folded, &mut Vec::new(), &mut facts);
    facts.sort_unstable();
    facts.dedup();
    facts
}

fn collect_facts<'d>(
    namespace: NamespaceId,
    value: &'d Value,
    keys: &mut Vec<&'d str>,
    facts: &mut Vec<String>,
) {
    match value {
        Value::Null => {}
        Value::Bool(boolean) => facts.push(fact(namespace, keys, &Scalar::Boolean(*boolean))),
        Value::Number(number) => {
            let number = number.as_f64().map(Scalar::Number);
            facts.extend(number.map(|number| fact(namespace, keys, &number)));
        }
        Value::String(text) => facts.push(fact(namespace, keys, &Scalar::Text(text.clone()))),
        Value::Array(list) => {
            for value in list {
                collect_facts(namespace, value, keys, facts);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                keys.push(key);
                collect_facts(namespace, value, keys, facts);
                keys.pop();
            }
        }
    }
}

/// The fact that `value` stands at `keys`, as a token of 16 hexadecimal digits.
pub(super) fn fact(namespace: NamespaceId, keys: &[&str], value: &Scalar) -> String {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(&namespace.0.to_be_bytes());
    for key in keys {
        part(key.as_bytes());
    }
    match value {
        Scalar::Boolean(boolean) => part(&[0, u8::from(*boolean)]),
        Scalar::Number(number) => part(&[&[1], number.to_bits().to_be_bytes().as_slice()].concat()),
        Scalar::Text(text) => part(&[&[2], text.as_bytes()].concat()),
    }
    let digest = hasher.finalize();
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
