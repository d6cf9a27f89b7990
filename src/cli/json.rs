//! Interactions as JSON, by the rules of ProtoJSON
//! (<https://protobuf.dev/programming-guides/json/>), with the names of the proto fields.

mod whole_numbers;

use std::io;

use anyhow::Context as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use serde_json::{Deserializer, Serializer, Value};

use crate::domain::violation::Violations;
use crate::grpc::proto;

use whole_numbers::WholeNumbers;

/// How JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// On one line.
    Line,
    /// Indented, over several lines.
    Pretty,
}

/// Reads and writes the JSON form of messages.
#[derive(Debug, Clone)]
pub(super) struct JsonForm {
    interaction: MessageDescriptor,
    object: MessageDescriptor,
}

impl JsonForm {
    /// Loads the descriptors of the messages.
    ///
    /// # Errors
    /// When the program was built without them.
    pub(super) fn new() -> anyhow::Result<Self> {
        let pool = DescriptorPool::decode(proto::DESCRIPTORS).context("descriptors are broken")?;
        let message = |name: &str| {
            pool.get_message_by_name(name).with_context(|| format!("no descriptor of {name}"))
        };
        Ok(Self {
            interaction: message("interactions.v1.Interaction")?,
            object: message("google.protobuf.Struct")?,
        })
    }

    /// Reads one interaction. Numbers inside JSON fields become doubles.
    ///
    /// # Errors
    /// What is wrong, field by field; the field is empty where the text is no JSON object at all.
    pub(super) fn parse_interaction(&self, json: &[u8]) -> Result<proto::Interaction, Violations> {
        self.transcode(&self.interaction, json).map_err(|error| self.explain(json, &error))
    }

    /// Reads a JSON object, such as a filter.
    ///
    /// # Errors
    /// When it is not one, with the reason.
    pub(super) fn parse_object(&self, json: &str) -> Result<prost_types::Struct, String> {
        self.transcode(&self.object, json.as_bytes()).map_err(|error| whole(&error))
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
        let message =
            DynamicMessage::decode(self.interaction.clone(), encoded).map_err(invalid_data)?;
        match layout {
            Layout::Line => write(&message, CompactFormatter, out),
            Layout::Pretty => write(&message, PrettyFormatter::new(), out),
        }
    }

    fn transcode<M>(&self, kind: &MessageDescriptor, json: &[u8]) -> serde_json::Result<M>
    where
        M: prost::Message + Default,
    {
        let mut deserializer = Deserializer::from_slice(json);
        let message = DynamicMessage::deserialize(kind.clone(), &mut deserializer)?;
        deserializer.end()?;
        message.transcode_to().map_err(serde::de::Error::custom)
    }

    /// Finds out which fields are wrong by reading each on its own: the error names none.
    fn explain(&self, json: &[u8], error: &serde_json::Error) -> Violations {
        let mut violations = Violations::default();
        if let Ok(Value::Object(fields)) = serde_json::from_slice(json) {
            for (name, value) in fields {
                let alone = Value::Object([(name.clone(), value)].into_iter().collect());
                if let Err(error) = DynamicMessage::deserialize(self.interaction.clone(), alone) {
                    violations.add(name, reason(&error));
                }
            }
        }
        if violations.is_empty() {
            violations.add("", whole(error));
        }
        violations
    }
}

/// What is wrong with a text that is read as a whole, and where.
fn whole(error: &serde_json::Error) -> String {
    format!("{} (column {})", reason(error), error.column())
}

/// The error without its place, which counts lines within the text.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

fn write(
    message: &DynamicMessage,
    formatter: impl Formatter,
    out: impl io::Write,
) -> io::Result<()> {
    let options = SerializeOptions::new().use_proto_field_name(true);
    let mut serializer = Serializer::with_formatter(out, WholeNumbers(formatter));
    message.serialize_with_options(&mut serializer, &options)?;
    Ok(())
}

fn invalid_data(error: prost::DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use serde_json::json;

    use super::*;
    use crate::cli::demo_data;

    fn printed(interaction: &proto::Interaction, layout: Layout) -> String {
        let mut out = Vec::new();
        let form = JsonForm::new().unwrap();
        form.write_interaction(&interaction.encode_to_vec(), layout, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn parsed(json: &str) -> proto::Interaction {
        JsonForm::new().unwrap().parse_interaction(json.as_bytes()).unwrap()
    }

    fn faults(json: &str) -> Vec<(String, String)> {
        let violations = JsonForm::new().unwrap().parse_interaction(json.as_bytes()).unwrap_err();
        violations.into_iter().map(|fault| (fault.field, fault.description)).collect()
    }

    #[test]
    fn every_field_comes_back_under_its_name() {
        let json = concat!(
            r#"{"interaction_id":"i","feature_id":"f","interaction_type":["click","view"],"#,
            r#""position":0,"metadata":{"a.b":[null,true,"x",{"n":1.5}],"empty":{}},"#,
            r#""user_id":"u","session_id":"s","execution_id":"e","retriever_id":"r","#,
            r#""feature_uri":"uri","query_snapshot":{"text":"q"},"search_request":{"queries":"#,
            r#"[{"vector_index":"text","value":"v","type":"text","filters":{"AND":[]},"#,
            r#""settings":{"limit":5,"min_score":0.5,"modality":"text"}}],"collections":["c"],"#,
            r#""filters":{},"group_by":{"field":"g","max_features":2,"#,
            r#""sort":{"field":"x","direction":"DESC"}},"sort":{"field":"y","direction":"ASC"},"#,
            r#""select":["z"],"reranking_options":{"weights":{"clicks":0.25,"feedback":0.75},"#,
            r#""enable_reranking":false},"session_id":"s2","return_url":true},"#,
            r#""document_score":0.1,"result_set_size":7,"#,
            r#""timestamp":"2025-01-22T14:57:24.000001Z","#,
            r#""created_at":"2025-01-22T14:57:24.249Z"}"#,
        );
        assert_eq!(printed(&parsed(json), Layout::Line), json);
    }

    #[test]
    fn the_demo_data_is_the_same_after_printing() {
        for interaction in demo_data::interactions().unwrap() {
            let interaction = interaction.unwrap();
            for layout in [Layout::Line, Layout::Pretty] {
                assert_eq!(parsed(&printed(&interaction, layout)), interaction);
            }
        }
    }

    #[test]
    fn numbers_keep_every_digit_and_whole_ones_gain_none() {
        for (written, printed_as) in [
            ("0", "0"),
            ("-7", "-7"),
            ("248.0", "248"),
            ("8000000000000001", "8000000000000001"),
            ("9007199254740992", "9007199254740992"),
            ("31.790767664425257", "31.790767664425257"),
            ("0.029411764705882353", "0.029411764705882353"),
            ("-1.000557072878672", "-1.000557072878672"),
            ("5e-324", "5e-324"),
            ("1e300", "1e+300"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("-0.0", "-0.0"),
        ] {
            let interaction = parsed(&json!({"metadata": {"n": 0}}).to_string().replace('0', written));
            let printed = printed(&interaction, Layout::Line);
            assert_eq!(printed, format!(r#"{{"metadata":{{"n":{printed_as}}}}}"#));
            assert_eq!(parsed(&printed), interaction);
            let fields = interaction.metadata.unwrap().fields;
            let Some(prost_types::value::Kind::NumberValue(number)) = fields["n"].kind else {
                panic!("{written} is a number");
            };
            assert_eq!(number.to_bits(), written.parse::<f64>().unwrap().to_bits(), "{written}");
        }
    }

    #[test]
    fn the_pretty_layout_is_indented() {
        let interaction = parsed(r#"{"interaction_type":["click"],"metadata":{"n":1}}"#);
        let expected = "{\n  \"interaction_type\": [\n    \"click\"\n  ],\n  \
                        \"metadata\": {\n    \"n\": 1\n  }\n}";
        assert_eq!(printed(&interaction, Layout::Pretty), expected);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let faults = faults(
            r#"{"position":"x","interactionId":"camel","timestamp":"yesterday","user_id":"fine"}"#,
        );
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields.len(), 3, "{faults:?}");
        for field in ["position", "interactionId", "timestamp"] {
            assert!(fields.contains(&field), "{faults:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_as_a_whole() {
        for json in ["", "[]", "7", "{", r#"{"position":1}}"#, r#"{"position":1e}"#, "nonsense"] {
            let faults = faults(json);
            assert_eq!(faults.len(), 1, "{json}: {faults:?}");
            let (field, what) = &faults[0];
            assert!(field.is_empty() && what.contains("column"), "{json}: {faults:?}");
            assert!(!what.contains("line 1"), "{json}: {faults:?}");
        }
    }

    #[test]
    fn json_too_deep_for_a_message_is_an_error_and_no_crash() {
        for depth in [60, 100_000] {
            let json = format!(r#"{{"metadata":{{"a":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
            assert_eq!(faults(&json).len(), 1);
        }
    }
}
