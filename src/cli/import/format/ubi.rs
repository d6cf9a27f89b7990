//! Events of OpenSearch User Behavior Insights (<https://www.ubisearch.dev>), as they stand in files:
//! alone, as search hits, or in bulk requests.

mod event;

use serde_json::{Map, Value};

use super::{Parsed, parse};

/// The id of a document, beside its content or in it.
const DOCUMENT_ID: &str = "_id";
/// The content of a search hit.
const SOURCE: &str = "_source";
/// The actions of a bulk request that a document follows.
const ACTIONS: [&str; 2] = ["index", "create"];

/// Reads lines.
#[derive(Debug, Default)]
pub(super) struct Ubi {
    /// The id that the line before gave to this one's document.
    announced: Option<Value>,
}

impl Ubi {
    /// What a line says; none where it only announces the next one.
    pub(super) fn parse(&mut self, line: &[u8]) -> Option<Parsed> {
        let announced = self.announced.take();
        let line = match parse(line) {
            Ok(line) => line,
            Err(violations) => return Some(Err(violations)),
        };
        match action(&line) {
            Some(action) => {
                self.announced = action.get(DOCUMENT_ID).cloned();
                None
            }
            None => Some(event::interaction(document(line, announced))),
        }
    }

    /// Notes the id that a line gives to the next one's document.
    pub(super) fn pass_over(&mut self, line: &[u8]) {
        let line = parse(line).unwrap_or_default();
        self.announced = action(&line).and_then(|action| action.get(DOCUMENT_ID).cloned());
    }
}

/// What a line says where it is the action of a bulk request.
fn action(line: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let mut fields = line.iter();
    match (fields.next(), fields.next()) {
        (Some((name, Value::Object(action))), None) if ACTIONS.contains(&name.as_str()) => {
            Some(action)
        }
        _ => None,
    }
}

/// The document of a line, with the id that it was stored under, unless it holds one itself.
fn document(mut line: Map<String, Value>, announced: Option<Value>) -> Map<String, Value> {
    let (mut document, id) = match line.remove(SOURCE) {
        Some(Value::Object(source)) => (source, line.remove(DOCUMENT_ID)),
        Some(other) => {
            line.insert(SOURCE.to_owned(), other);
            (line, None)
        }
        None => (line, None),
    };
    if let Some(id) = id.or(announced) {
        document.entry(DOCUMENT_ID).or_insert(id);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of each line's interaction; none where the line only announces another.
    fn ids(lines: &[&str]) -> Vec<Option<String>> {
        let mut ubi = Ubi::default();
        let parsed = lines.iter().map(|line| ubi.parse(line.as_bytes()));
        parsed.map(|parsed| parsed.map(|parsed| parsed.unwrap().interaction_id)).collect()
    }

    #[test]
    fn documents_are_found_in_hits_and_bulk_requests() {
        let event = r#"{"action_name":"click"}"#;
        let some = |id: &str| Some(id.to_owned());
        for (lines, expected) in [
            (vec![event], vec![some("")]),
            (vec![r#"{"_id":"a","action_name":"click"}"#], vec![some("a")]),
            (
                vec![r#"{"_index":"ubi","_score":1,"_id":"a","_source":{"action_name":"click"}}"#],
                vec![some("a")],
            ),
            (vec![r#"{"_source":{"_id":"b","action_name":"x"},"_id":"a"}"#], vec![some("b")]),
            (vec![r#"{"index":{"_id":"a"}}"#, event, event], vec![None, some("a"), some("")]),
            (vec![r#"{"create":{}}"#, event], vec![None, some("")]),
            (vec![r#"{"create":{"_id":7}}"#, event], vec![None, some("7")]),
            (
                vec![r#"{"index":{"_id":"a"}}"#, r#"{"create":{"_id":"b"}}"#, event],
                vec![None, None, some("b")],
            ),
        ] {
            assert_eq!(ids(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_event_that_looks_like_an_action_is_an_event() {
        for line in [
            r#"{"index":{"_id":"a"},"action_name":"click"}"#,
            r#"{"index":"a"}"#,
            r#"{"delete":{"_id":"a"}}"#,
            "{}",
        ] {
            assert!(Ubi::default().parse(line.as_bytes()).is_some(), "{line}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_ends_what_was_announced() {
        let mut ubi = Ubi::default();
        assert!(ubi.parse(br#"{"index":{"_id":"a"}}"#).is_none());
        assert!(ubi.parse(b"nonsense").unwrap().is_err());
        let parsed = ubi.parse(br#"{"action_name":"click"}"#).unwrap().unwrap();
        assert_eq!(parsed.interaction_id, "");
    }

    #[test]
    fn what_a_hit_holds_beside_its_document_is_not_part_of_it() {
        let line = br#"{"_index":"ubi","_score":1.5,"_source":{"action_name":"click"}}"#;
        assert_eq!(Ubi::default().parse(line).unwrap().unwrap().metadata, None);
    }
}
