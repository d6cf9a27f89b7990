//! JSON objects as `google.protobuf.Struct`. By way of descriptors this would take many times as
//! long, and it is most of what an interaction holds.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::{Map, Value};

/// Converts an object, itself at level 1; none where it is deeper than `levels`.
pub(super) fn to_struct(object: Map<String, Value>, levels: usize) -> Option<Struct> {
    let levels = levels.checked_sub(1)?;
    let fields = object.into_iter().map(|(key, value)| Some((key, to_value(value, levels)?)));
    Some(Struct { fields: fields.collect::<Option<_>>()? })
}

fn to_value(value: Value, levels: usize) -> Option<ProtoValue> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(boolean) => Kind::BoolValue(boolean),
        Value::Number(number) => Kind::NumberValue(number.as_f64()?),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(list) => {
            let levels = levels.checked_sub(1)?;
            let values = list.into_iter().map(|value| to_value(value, levels));
            Kind::ListValue(ListValue { values: values.collect::<Option<_>>()? })
        }
        Value::Object(object) => Kind::StructValue(to_struct(object, levels)?),
    };
    Some(ProtoValue { kind: Some(kind) })
}

/// An object to be printed.
pub(super) struct Printed<'a>(pub(super) &'a Struct);

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Struct { fields } = self.0;
        serializer.collect_map(fields.iter().map(|(key, value)| (key, PrintedValue(value))))
    }
}

struct PrintedValue<'a>(&'a ProtoValue);

impl Serialize for PrintedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ProtoValue { kind } = self.0;
        match kind {
            None | Some(Kind::NullValue(_)) => serializer.serialize_unit(),
            Some(Kind::BoolValue(boolean)) => serializer.serialize_bool(*boolean),
            Some(Kind::NumberValue(number)) if number.is_finite() => {
                serializer.serialize_f64(*number)
            }
            Some(Kind::NumberValue(number)) => {
                Err(S::Error::custom(format!("{number} cannot be written as JSON")))
            }
            Some(Kind::StringValue(text)) => serializer.serialize_str(text),
            Some(Kind::ListValue(ListValue { values })) => {
                serializer.collect_seq(values.iter().map(PrintedValue))
            }
            Some(Kind::StructValue(object)) => Printed(object).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn converted(value: Value, levels: usize) -> Option<Struct> {
        let Value::Object(object) = value else { panic!("{value} is an object") };
        to_struct(object, levels)
    }

    #[test]
    fn levels_are_those_of_objects_and_lists() {
        for (json, levels) in [
            (json!({}), 1),
            (json!({"a": 1}), 1),
            (json!({"a": []}), 2),
            (json!({"a": [{"b": 1}], "c": {}}), 3),
        ] {
            assert!(converted(json.clone(), levels).is_some(), "{json}");
            assert!(converted(json.clone(), levels - 1).is_none(), "{json}");
        }
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let json = json!({"a.b": [null, true, "x", -1.5, {}], "": {"c": [[]]}});
        let object = converted(json.clone(), 9).unwrap();
        assert_eq!(serde_json::to_value(Printed(&object)).unwrap(), json);
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        let value = ProtoValue { kind: Some(Kind::NumberValue(f64::NAN)) };
        let object = Struct { fields: [("a".to_owned(), value)].into() };
        assert!(serde_json::to_string(&Printed(&object)).is_err());
    }
}
