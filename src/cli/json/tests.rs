use serde_json::json;

use super::*;
use crate::cli::demo_data;

fn printed(interaction: &Interaction, layout: Layout) -> String {
    let mut out = Vec::new();
    let form = JsonForm::new().unwrap();
    form.write_interaction(&interaction.encode_to_vec(), layout, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn parsed(json: &str) -> Interaction {
    JsonForm::new().unwrap().parse_interaction(json.as_bytes()).unwrap()
}

fn faults(json: &str) -> Vec<(String, String)> {
    let violations = JsonForm::new().unwrap().parse_interaction(json.as_bytes()).unwrap_err();
    violations.into_iter().map(|fault| (fault.field, fault.description)).collect()
}

#[test]
fn every_field_comes_back_under_its_name() {
    let json = json!({
        "interaction_id": "i", "feature_id": "f", "interaction_type": ["click", "view"],
        "position": 0, "metadata": {"a.b": [null, true, "x", {"n": 1.5}], "empty": {}},
        "user_id": "u", "session_id": "s", "execution_id": "e", "retriever_id": "r",
        "feature_uri": "uri", "query_snapshot": {"text": "q"},
        "search_request": {
            "queries": [{
                "vector_index": "text", "value": "v", "type": "text", "filters": {"AND": []},
                "settings": {"limit": 5, "min_score": 0.5, "modality": "text"},
            }],
            "collections": ["c"], "filters": {},
            "group_by": {
                "field": "g", "max_features": 2, "sort": {"field": "x", "direction": "DESC"},
            },
            "sort": {"field": "y", "direction": "ASC"}, "select": ["z"],
            "reranking_options": {
                "weights": {"clicks": 0.25, "feedback": 0.75}, "enable_reranking": false,
            },
            "session_id": "s2", "return_url": true,
        },
        "document_score": 0.1, "result_set_size": 7,
        "timestamp": "2025-01-22T14:57:24.000001Z", "created_at": "2025-01-22T14:57:24.249Z",
    });
    let printed = printed(&parsed(&json.to_string()), Layout::Line);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), json);
    let places = ["interaction_id", "metadata", "user_id", "query_snapshot", "created_at"];
    assert!(places.map(|name| printed.find(&format!("\"{name}\":"))).is_sorted(), "{printed}");
}

#[test]
fn null_is_the_same_as_nothing() {
    let json = r#"{"user_id":null,"metadata":null,"timestamp":null,"position":null}"#;
    assert_eq!(parsed(json), Interaction::default());
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
    let json = json!({
        "position": "x", "interactionId": "camel", "timestamp": "yesterday", "metadata": [],
        "search_request": {"limit": 1}, "user_id": "fine",
    });
    let mut faults = faults(&json.to_string());
    faults.sort();
    let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
    let expected = ["interactionId", "metadata", "position", "search_request", "timestamp"];
    assert_eq!(fields, expected, "{faults:?}");
    let whats = faults.iter().map(|(_, what)| what.split(';').next().unwrap());
    assert_eq!(
        whats.collect::<Vec<_>>(),
        [
            "there is no such field",
            "takes a JSON object",
            "takes a whole number",
            "takes a JSON object",
            "takes a time such as 2025-01-31T12:00:00Z",
        ]
    );
}

#[test]
fn what_is_no_object_is_refused_as_a_whole() {
    for json in ["", "[]", "7", "{", r#"{"position":1}}"#, r#"{"position":1e}"#, "nonsense"] {
        let faults = faults(json);
        assert_eq!(faults.len(), 1, "{json}: {faults:?}");
        let (field, what) = &faults[0];
        assert!(field.is_empty() && !what.is_empty(), "{json}: {faults:?}");
        assert!(!what.contains("line 1"), "{json}: {faults:?}");
    }
}

#[test]
fn json_too_deep_is_an_error_and_no_crash() {
    let nested = |field: &str, depth| {
        format!(r#"{{"{field}":{{"a":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    for depth in [MAX_JSON_DEPTH, 60, 100_000] {
        assert_eq!(faults(&nested("metadata", depth)).len(), 1, "{depth}");
    }
    parsed(&nested("metadata", MAX_JSON_DEPTH - 1));
    let search_request = format!(r#"{{"search_request":{}}}"#, nested("filters", 60));
    assert_eq!(faults(&search_request)[0].0, "search_request");
}
