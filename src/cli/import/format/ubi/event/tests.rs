use serde_json::json;

use super::*;
use crate::cli::json::JsonForm;

fn object(json: Value) -> Map<String, Value> {
    let Value::Object(object) = json else { panic!("{json} is an object") };
    object
}

/// What becomes of an event, against an interaction in its own JSON form.
fn check(event: Value, expected: Value) {
    let expected = JsonForm::new().unwrap().interaction(object(expected)).unwrap();
    assert_eq!(interaction(object(event.clone())), Ok(expected), "{event}");
}

fn fields_at_fault(event: Value) -> Vec<String> {
    let violations = interaction(object(event)).unwrap_err();
    violations.into_iter().map(|violation| violation.field).collect()
}

#[test]
fn a_whole_event_finds_its_fields() {
    check(
        json!({
            "application": "shop", "action_name": "item_click", "query_id": "q-1",
            "session_id": "s-1", "client_id": "c-1", "user_id": "u-1", "event_id": "e-1",
            "timestamp": "2025-01-22T14:57:24.249Z", "message_type": "INFO", "message": "clicked",
            "user_query": "red shoe",
            "event_attributes": {
                "object": {
                    "object_id": "sku-7", "object_id_field": "product_id", "internal_id": "17",
                    "object_detail": {"price": 19.9, "tags": [null, "a"]},
                },
                "position": {"ordinal": 3, "x": 10, "xy": {}},
                "session_id": "inner", "browser": {},
            },
        }),
        json!({
            "interaction_id": "e-1", "interaction_type": ["item_click"], "execution_id": "q-1",
            "session_id": "s-1", "user_id": "u-1", "feature_id": "sku-7", "position": 3,
            "timestamp": "2025-01-22T14:57:24.249Z",
            "metadata": {
                "application": "shop", "client_id": "c-1", "message_type": "INFO",
                "message": "clicked", "user_query": "red shoe",
                "event_attributes": {
                    "object": {
                        "object_id_field": "product_id", "internal_id": "17",
                        "object_detail": {"price": 19.9, "tags": [null, "a"]},
                    },
                    "position": {"x": 10, "xy": {}},
                    "session_id": "inner", "browser": {},
                },
            },
        }),
    );
}

#[test]
fn what_taking_leaves_empty_is_dropped() {
    let attributes = json!({"object": {"object_id": 1}, "position": {"ordinal": 0}});
    check(
        json!({"action_name": "click", "event_attributes": attributes}),
        json!({"interaction_type": ["click"], "feature_id": "1", "position": 0}),
    );
    // But not what was empty.
    check(
        json!({"action_name": "click", "event_attributes": {"object": {}}}),
        json!({"interaction_type": ["click"], "metadata": {"event_attributes": {"object": {}}}}),
    );
    check(
        json!({"action_name": "click", "event_attributes": "none"}),
        json!({"interaction_type": ["click"], "metadata": {"event_attributes": "none"}}),
    );
}

#[test]
fn actions_become_types() {
    for (action, name) in [
        ("click", "click"),
        ("Add to Cart", "add_to_cart"),
        ("product-hover", "product_hover"),
        ("on2.View", "on2_view"),
        ("b\u{e9}same", "b_same"),
    ] {
        check(json!({"action_name": action}), json!({"interaction_type": [name]}));
    }
    for action in [json!(""), json!("1st"), json!("-"), json!("\u{e9}"), json!("a".repeat(65))] {
        assert_eq!(fields_at_fault(json!({"action_name": action})), ["action_name"], "{action}");
    }
    for event in [json!({"action_name": 7}), json!({"action_name": null}), json!({})] {
        assert_eq!(fields_at_fault(event.clone()), ["action_name"], "{event}");
    }
}

#[test]
fn a_query_is_refused_as_what_it_is() {
    let query = json!({"query_id": "q", "user_query": "shoe", "timestamp": "2025-01-01"});
    let violations = interaction(object(query)).unwrap_err().into_iter();
    let words: Vec<_> = violations.map(|fault| fault.description).collect();
    assert!(words.len() == 1 && words[0].contains("a UBI query, not an event"), "{words:?}");
    check(
        json!({"query_id": "q", "user_query": "shoe", "action_name": "search"}),
        json!({
            "execution_id": "q", "interaction_type": ["search"], "metadata": {"user_query": "shoe"},
        }),
    );
}

#[test]
fn people_and_sessions_have_second_places() {
    let with = |mut event: Map<String, Value>, mut expected: Map<String, Value>| {
        event.insert("action_name".to_owned(), json!("click"));
        expected.insert("interaction_type".to_owned(), json!(["click"]));
        check(Value::Object(event), Value::Object(expected));
    };
    for (event, expected) in [
        (json!({"client_id": "c"}), json!({"user_id": "c"})),
        (json!({"client_id": 12, "user_id": null}), json!({"user_id": "12"})),
        (json!({"client_id": "c", "user_id": ""}), json!({"user_id": "c"})),
        (
            json!({"client_id": "c", "user_id": "u"}),
            json!({"user_id": "u", "metadata": {"client_id": "c"}}),
        ),
        (json!({"event_attributes": {"session_id": "s"}}), json!({"session_id": "s"})),
        (
            json!({"session_id": "", "event_attributes": {"session_id": 8, "a": 1}}),
            json!({"session_id": "8", "metadata": {"event_attributes": {"a": 1}}}),
        ),
    ] {
        with(object(event), object(expected));
    }
}

#[test]
fn ids_written_as_numbers_keep_their_digits() {
    for (number, text) in [
        (json!(0), "0"),
        (json!(-3), "-3"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(7.0), "7"),
        (json!(-0.0), "0"),
    ] {
        check(
            json!({"action_name": "a", "event_attributes": {"object": {"object_id": number}}}),
            json!({"interaction_type": ["a"], "feature_id": text}),
        );
    }
    for wrong in [json!(7.5), json!(1e300), json!(true), json!([1]), json!({"a": 1})] {
        let event = json!({
            "action_name": "a", "query_id": wrong, "user_id": wrong, "session_id": wrong,
            "event_attributes": {"object": {"object_id": wrong}},
        });
        let faults = fields_at_fault(event);
        let expected = ["query_id", "session_id", "user_id", "event_attributes.object.object_id"];
        assert_eq!(faults, expected, "{wrong}");
    }
}

#[test]
fn a_position_that_cannot_be_ours_stays() {
    let largest = i64::from(i32::MAX);
    for (ordinal, position) in [(json!(largest), largest), (json!(2.0), 2)] {
        check(
            json!({"action_name": "a", "event_attributes": {"position": {"ordinal": ordinal}}}),
            json!({"interaction_type": ["a"], "position": position}),
        );
    }
    let beyond = largest + 1;
    for ordinal in [json!(-1), json!(1.5), json!("3"), json!(beyond), json!(null), json!({"i": 1})]
    {
        let attributes = json!({"position": {"ordinal": ordinal}});
        check(
            json!({"action_name": "a", "event_attributes": attributes}),
            json!({"interaction_type": ["a"], "metadata": {"event_attributes": attributes}}),
        );
    }
    let attributes = json!({"position": 3});
    check(
        json!({"action_name": "a", "event_attributes": attributes}),
        json!({"interaction_type": ["a"], "metadata": {"event_attributes": attributes}}),
    );
}

#[test]
fn an_id_that_cannot_be_ours_stays() {
    for (event, expected) in [
        (json!({"_id": "a"}), json!({"interaction_id": "a"})),
        (json!({"event_id": 5}), json!({"interaction_id": "5"})),
        (
            json!({"event_id": "a", "_id": "b"}),
            json!({"interaction_id": "a", "metadata": {"_id": "b"}}),
        ),
        (
            json!({"event_id": "not one", "_id": "b"}),
            json!({"interaction_id": "b", "metadata": {"event_id": "not one"}}),
        ),
        (json!({"_id": ""}), json!({"metadata": {"_id": ""}})),
        (json!({"_id": {"$oid": "1"}}), json!({"metadata": {"_id": {"$oid": "1"}}})),
    ] {
        let (mut event, mut expected) = (object(event), object(expected));
        event.insert("action_name".to_owned(), json!("a"));
        expected.insert("interaction_type".to_owned(), json!(["a"]));
        check(Value::Object(event), Value::Object(expected));
    }
}

#[test]
fn times_are_text_or_milliseconds() {
    for (given, expected) in [
        (json!("2025-01-22T14:57:24.249Z"), "2025-01-22T14:57:24.249Z"),
        (json!("2025-01-22 15:57:24+01:00"), "2025-01-22T14:57:24Z"),
        (json!("2025-01-22"), "2025-01-22T00:00:00Z"),
        (json!(1_737_557_844_249_i64), "2025-01-22T14:57:24.249Z"),
        (json!(1_737_557_844_249.5), "2025-01-22T14:57:24.249500Z"),
        (json!(-1), "1969-12-31T23:59:59.999Z"),
    ] {
        check(
            json!({"action_name": "a", "timestamp": given}),
            json!({"interaction_type": ["a"], "timestamp": expected}),
        );
    }
    check(json!({"action_name": "a", "timestamp": null}), json!({"interaction_type": ["a"]}));
    for wrong in [json!("yesterday"), json!(true), json!(1e300), json!(i64::MAX), json!([])] {
        let event = json!({"action_name": "a", "timestamp": wrong});
        assert_eq!(fields_at_fault(event), ["timestamp"], "{wrong}");
    }
}

#[test]
fn every_fault_is_named() {
    let mut nested = json!({});
    for _ in 0..20 {
        nested = json!({"a": nested});
    }
    let event = json!({"timestamp": "never", "user_id": [], "deep": nested});
    assert_eq!(fields_at_fault(event), ["action_name", "user_id", "timestamp", "metadata"]);
}
