//! Interactions as JSON, by the rules of ProtoJSON
//! (<https://protobuf.dev/programming-guides/json/>), with the names of the proto fields.

mod object;
mod whole_numbers;

use std::io;
use std::sync::LazyLock;

use anyhow::Context as _;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions,
};
use prost_types::Struct;
use serde::ser::{Serialize, SerializeMap as _};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use serde_json::{Map, Value};

use crate::domain::interaction::MAX_JSON_DEPTH;
use crate::domain::violation::Violations;
use crate::grpc::proto::{self, Interaction};
use whole_numbers::WholeNumbers;

/// The JSON fields of an interaction; all others go by its descriptor.
const METADATA: &str = "metadata";
const QUERY_SNAPSHOT: &str = "query_snapshot";

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// On one line.
    Line,
    /// Indented, over several lines.
    Pretty,
}

/// Reads and writes the JSON form of interactions.
#[derive(Debug, Clone)]
pub(super) struct JsonForm {
    interaction: MessageDescriptor,
}

impl JsonForm {
    /// Loads the descriptor of an interaction.
    ///
    /// # Errors
    /// When the program was built without it.
    pub(super) fn new() -> anyhow::Result<Self> {
        // Reading all descriptors takes milliseconds.
        static INTERACTION: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
            let pool = DescriptorPool::decode(proto::DESCRIPTORS).ok()?;
            pool.get_message_by_name("interactions.v1.Interaction")
        });
        let interaction = INTERACTION.clone().context("no descriptor of an interaction")?;
        Ok(Self { interaction })
    }

    /// Reads one interaction. Numbers inside JSON fields become doubles.
    ///
    /// # Errors
    /// What is wrong, field by field; the field is empty where the text is no JSON object at all.
    pub(super) fn parse_interaction(&self, json: &[u8]) -> Result<Interaction, Violations> {
        match serde_json::from_slice(json) {
            Ok(fields) => self.interaction(fields),
            Err(error) => {
                let mut violations = Violations::default();
                violations.add("", reason_and_place(&error));
                Err(violations)
            }
        }
    }

    /// Reads one interaction from its fields, as [`Self::parse_interaction`] does.
    ///
    /// # Errors
    /// What is wrong, field by field.
    pub(super) fn interaction(
        &self,
        mut fields: Map<String, Value>,
    ) -> Result<Interaction, Violations> {
        let mut violations = Violations::default();
        let metadata = take_object(&mut fields, METADATA, &mut violations);
        let query_snapshot = take_object(&mut fields, QUERY_SNAPSHOT, &mut violations);
        let rest = self.by_descriptor(&fields, &mut violations);
        violations.into_result(Interaction { metadata, query_snapshot, ..rest })
    }

    fn by_descriptor(
        &self,
        fields: &Map<String, Value>,
        violations: &mut Violations,
    ) -> Interaction {
        let error = match self.read(fields) {
            Ok(interaction) => return interaction,
            Err(error) => error,
        };
        // The error names no field, so each is read on its own.
        let before = violations.len();
        for (name, value) in fields {
            let alone = Map::from_iter([(name.clone(), value.clone())]);
            if let Err(error) = self.read(&alone) {
                let field = self.interaction.get_field_by_name(name);
                violations.add(name, wrong(field.as_ref(), &error));
            }
        }
        if violations.len() == before {
            violations.add("", error.to_string());
        }
        Interaction::default()
    }

    fn read(&self, fields: &Map<String, Value>) -> anyhow::Result<Interaction> {
        let message = DynamicMessage::deserialize(self.interaction.clone(), fields)?;
        Ok(message.transcode_to()?)
    }

    /// Writes an encoded interaction. Whole numbers are written without a fraction.
    ///
    /// # Errors
    /// When `out` fails, or `encoded` is no interaction.
    pub(super) fn write_interaction(
        &self,
        encoded: &[u8],
        layout: Layout,
        out: impl io::Write,
    ) -> io::Result<()> {
        let interaction = self.printed(encoded).map_err(io::Error::other)?;
        match layout {
            Layout::Line => write(&interaction, CompactFormatter, out),
            Layout::Pretty => write(&interaction, PrettyFormatter::new(), out),
        }
    }

    /// The fields of an encoded interaction that are set, each as JSON.
    ///
    /// # Errors
    /// When `encoded` is no interaction.
    pub(super) fn values(&self, encoded: &[u8]) -> io::Result<Map<String, Value>> {
        let printed = self.printed(encoded).map_err(io::Error::other)?;
        let Value::Object(fields) = serde_json::to_value(&printed)? else {
            return Err(io::Error::other("an interaction is a JSON object"));
        };
        Ok(fields)
    }

    /// The fields of an interaction, in the order of the proto.
    pub(super) fn fields(&self) -> impl ExactSizeIterator<Item = FieldDescriptor> {
        self.interaction.fields()
    }

    fn printed(&self, encoded: &[u8]) -> anyhow::Result<Printed> {
        let mut rest = Interaction::decode(encoded)?;
        let metadata = rest.metadata.take();
        let query_snapshot = rest.query_snapshot.take();
        let mut message = DynamicMessage::new(self.interaction.clone());
        message.transcode_from(&rest)?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        let rest = message.serialize_with_options(serde_json::value::Serializer, &options)?;
        Ok(Printed { kind: self.interaction.clone(), metadata, query_snapshot, rest })
    }
}

/// Writes JSON on one line, whole numbers without a fraction.
///
/// # Errors
/// When `out` fails.
pub(super) fn write_value(value: &Value, out: impl io::Write) -> io::Result<()> {
    write(value, CompactFormatter, out)
}

/// A JSON object as `serde_json` has it.
///
/// # Errors
/// When it holds a number that JSON cannot say.
pub(super) fn object_value(object: &Struct) -> io::Result<Value> {
    Ok(serde_json::to_value(object::Printed(object))?)
}

/// Reads a JSON object, such as a filter.
///
/// # Errors
/// When it is not one, with the reason.
pub(super) fn parse_object(json: &str) -> Result<Struct, String> {
    let object = serde_json::from_str(json).map_err(|error| reason_and_place(&error))?;
    object::to_struct(object, usize::MAX).ok_or_else(|| "holds a number beyond doubles".to_owned())
}

/// Takes a JSON field out of `fields`, and checks that it can be kept.
pub(super) fn take_object(
    fields: &mut Map<String, Value>,
    name: &str,
    violations: &mut Violations,
) -> Option<Struct> {
    match fields.remove(name)? {
        Value::Null => None,
        Value::Object(object) => {
            let object = object::to_struct(object, MAX_JSON_DEPTH);
            if object.is_none() {
                violations.add(name, format!("JSON is at most {MAX_JSON_DEPTH} levels deep"));
            }
            object
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            violations.add(name, "takes a JSON object");
            None
        }
    }
}

/// An interaction in parts, each to be printed in its own way.
struct Printed {
    kind: MessageDescriptor,
    metadata: Option<Struct>,
    query_snapshot: Option<Struct>,
    /// All other fields, as JSON.
    rest: Value,
}

impl Serialize for Printed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { kind, metadata, query_snapshot, rest } = self;
        let mut map = serializer.serialize_map(None)?;
        for field in kind.fields() {
            let object = match field.name() {
                METADATA => metadata.as_ref(),
                QUERY_SNAPSHOT => query_snapshot.as_ref(),
                _ => None,
            };
            if let Some(object) = object {
                map.serialize_entry(field.name(), &object::Printed(object))?;
            } else if let Some(value) = rest.get(field.name()) {
                map.serialize_entry(field.name(), value)?;
            }
        }
        map.end()
    }
}

fn write(json: &impl Serialize, formatter: impl Formatter, out: impl io::Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, WholeNumbers(formatter));
    Ok(json.serialize(&mut serializer)?)
}

/// What a field takes, and what was wrong with what it was given.
fn wrong(field: Option<&FieldDescriptor>, error: &anyhow::Error) -> String {
    let Some(field) = field else { return "there is no such field".to_owned() };
    let list = if field.is_list() { "a list: each " } else { "" };
    format!("takes {list}{}; {error}", accepted(&field.kind()))
}

fn accepted(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Float => "a number",
        Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64 => "a whole number",
        Kind::Bool => "true or false",
        Kind::String => "a string",
        Kind::Bytes => "a string in base64",
        Kind::Enum(_) => "the name of a choice",
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            "a time such as 2025-01-31T12:00:00Z"
        }
        Kind::Message(_) => "a JSON object",
    }
}

/// What is wrong with a text, and where.
pub(super) fn reason_and_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // It counts lines within the text, where there is but one.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = text.strip_suffix(&place).unwrap_or(&text);
    match error.column() {
        0 => reason.to_owned(),
        column => format!("{reason} (column {column})"),
    }
}

#[cfg(test)]
mod tests;
