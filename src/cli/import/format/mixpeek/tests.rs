use serde_json::json;

use super::*;

/// 2025-01-22T14:57:24Z
const NOW: Micros = 1_737_557_844_000_000;

fn converted(json: Value) -> Parsed {
    let Value::Object(fields) = json else { panic!("{json} is an object") };
    interaction(&JsonForm::new().unwrap(), fields, NOW)
}

fn check(given: Value, expected: Value) {
    let form = JsonForm::new().unwrap();
    let expected = form.parse_interaction(expected.to_string().as_bytes()).unwrap();
    assert_eq!(converted(given.clone()), Ok(expected), "{given}");
}

fn fields_at_fault(given: Value) -> Vec<String> {
    let violations = converted(given).unwrap_err();
    violations.into_iter().map(|violation| violation.field).collect()
}

/// Where each element of a line stands, and the feature or the first fault of each.
fn elements(line: &str) -> Vec<(String, Result<String, String>)> {
    let elements = Mixpeek::new().unwrap().parse(line.as_bytes()).into_iter();
    let said = |parsed: Parsed| match parsed {
        Ok(interaction) => Ok(interaction.feature_id),
        Err(faults) => Err(faults.into_iter().next().unwrap().field),
    };
    elements.map(|Element { path, parsed }| (path, said(parsed))).collect()
}

#[test]
fn both_editions_are_read() {
    check(
        json!({
            "feature_id": "f", "interaction_type": ["click", "long_view"], "position": 0,
            "metadata": {"created_at": "kept", "deduplicated": true}, "user_id": "u",
            "session_id": "s", "execution_id": "e", "retriever_id": "r",
            "query_snapshot": {"text": "q"}, "document_score": 0.5, "result_set_size": 9,
            "feature_uri": "uri", "occurred_at": "2025-01-01T10:00:00Z",
            "interaction_id": "9d2c", "timestamp": "2025-01-02T00:00:00Z",
            "deduplicated": false, "created_at": "whenever",
        }),
        json!({
            "feature_id": "f", "interaction_type": ["click", "long_view"], "position": 0,
            "metadata": {"created_at": "kept", "deduplicated": true}, "user_id": "u",
            "session_id": "s", "execution_id": "e", "retriever_id": "r",
            "query_snapshot": {"text": "q"}, "document_score": 0.5, "result_set_size": 9,
            "feature_uri": "uri", "interaction_id": "9d2c", "timestamp": "2025-01-01T10:00:00Z",
        }),
    );
    let search = |direction: &str| {
        json!({
            "queries": [{"vector_index": "text", "value": "v", "type": "text", "filters": {}}],
            "collections": ["c"], "filters": {"AND": [{"key": "a", "operator": "eq", "value": 1}]},
            "sort": {"field": "a", "direction": direction},
            "group_by": {"field": "g", "sort": {"field": "b", "direction": direction}},
            "reranking_options": {"weights": {"feedback": 1.0}}, "return_url": true,
        })
    };
    check(
        json!({"feature_id": "f", "interaction_type": "view", "search_request": search("desc")}),
        json!({"feature_id": "f", "interaction_type": ["view"], "search_request": search("DESC")}),
    );
}

#[test]
fn a_feature_has_two_names() {
    for given in [
        json!({"document_id": "d"}),
        json!({"document_id": "d", "feature_id": null}),
        json!({"document_id": "d", "feature_id": "d"}),
        json!({"document_id": null, "feature_id": "d"}),
    ] {
        check(given, json!({"feature_id": "d"}));
    }
    for given in [json!({"document_id": "d", "feature_id": "f"}), json!({"document_id": 7})] {
        assert_eq!(fields_at_fault(given.clone()), ["document_id"], "{given}");
    }
    assert_eq!(fields_at_fault(json!({"feature_id": 7})), ["feature_id"]);
}

#[test]
fn what_happened_comes_before_what_was_stamped() {
    let stamp = "2025-01-02T00:00:00Z";
    for (occurred_at, expected) in [
        (json!("2025-01-22T14:57:24"), json!("2025-01-22T14:57:24Z")),
        (json!("2025-01-22T15:57:24.5+01:00"), json!(null)),
        (json!("2099-01-01T00:00:00Z"), json!(null)),
        (json!(null), json!(stamp)),
    ] {
        let given = json!({"occurred_at": occurred_at, "timestamp": stamp});
        check(given, json!({"timestamp": expected}));
    }
    check(
        json!({"timestamp": "2025-01-02T00:00:00.25"}),
        json!({"timestamp": "2025-01-02T00:00:00.25Z"}),
    );
    for wrong in [json!("yesterday"), json!(1_737_557_844), json!([])] {
        let given = json!({"occurred_at": wrong, "timestamp": wrong});
        assert_eq!(fields_at_fault(given), ["occurred_at", "timestamp"], "{wrong}");
    }
}

#[test]
fn what_is_unknown_is_refused_by_name() {
    let given = json!({"_id": "a", "score": 1, "position": "x", "occurred_at": 1});
    let mut faults = fields_at_fault(given);
    faults.sort();
    assert_eq!(faults, ["_id", "occurred_at", "position", "score"]);
    for wrong in [json!({"interaction_type": 1}), json!({"interaction_type": [1]})] {
        assert_eq!(fields_at_fault(wrong), ["interaction_type"]);
    }
}

#[test]
fn a_line_may_hold_many() {
    let found = |entries: &[(&str, Result<&str, &str>)]| -> Vec<_> {
        let owned = |(path, said): &(&str, Result<&str, &str>)| {
            ((*path).to_owned(), said.map(str::to_owned).map_err(str::to_owned))
        };
        entries.iter().map(owned).collect()
    };
    let page = r#"{"results":[{"feature_id":"a"},{"document_id":"b"}],"pagination":{"total":2}}"#;
    assert_eq!(elements(page), found(&[("results[0]", Ok("a")), ("results[1]", Ok("b"))]));
    let page = r#"{"items":[{"feature_id":"a"}],"results":null}"#;
    assert_eq!(elements(page), found(&[("items[0]", Ok("a"))]));
    let twice = r#"{"items":[{"feature_id":"a"}],"results":[{"feature_id":"a"}]}"#;
    assert_eq!(elements(twice), found(&[("results[0]", Ok("a"))]));
    let contradiction = r#"{"items":[{"feature_id":"a"}],"results":[]}"#;
    assert_eq!(elements(contradiction), found(&[("", Err("items"))]));
    let list = r#"[{"feature_id":"a"},7,{"nope":1}]"#;
    assert_eq!(elements(list), found(&[("[0]", Ok("a")), ("[1]", Err("")), ("[2]", Err("nope"))]));
    for nothing in ["[]", r#"{"results":[]}"#] {
        assert_eq!(elements(nothing), []);
    }
    for wrong in ["7", "null", "nonsense", ""] {
        assert_eq!(elements(wrong), found(&[("", Err(""))]), "{wrong}");
    }
    assert_eq!(elements("{}"), found(&[("", Ok(""))]));
}
