use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tonic_types::StatusExt as _;

use super::*;
use crate::grpc::proto;

fn counted(request: &proto::BatchCreateInteractionsRequest) -> Counted {
    Shapes::count("BatchCreateInteractionsRequest", &request.encode_to_vec())
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

/// `{"a": "x", "b": ["x", "x"]}`: two entries with a value each, a list, and its two values.
fn metadata() -> Struct {
    let list = ListValue { values: vec![text("x"); 2] };
    let list = Value { kind: Some(Kind::ListValue(list)) };
    Struct { fields: [("a".to_owned(), text("x")), ("b".to_owned(), list)].into() }
}

#[test]
fn counts_messages_at_any_depth_and_elements_of_lists() {
    let interaction = proto::Interaction {
        interaction_type: vec!["click".to_owned(), "view".to_owned()],
        metadata: Some(metadata()),
        user_id: "interactions".to_owned(),
        ..Default::default()
    };
    let request = |count| proto::BatchCreateInteractionsRequest {
        interactions: vec![interaction.clone(); count],
        validate_only: true,
    };
    // The interaction, two types, the object, and the seven below it.
    assert_eq!(counted(&request(1)), Counted { parts: 11, interactions: 1 });
    assert_eq!(counted(&request(7)), Counted { parts: 77, interactions: 7 });
    assert_eq!(counted(&request(0)), Counted::default());
}

#[test]
fn what_stands_before_the_fault_is_counted_and_what_is_unknown_is_passed_over() {
    let count = |bytes: &[u8]| Shapes::count("WriteInteractionsRequest", bytes).interactions;
    let two = [0x12, 0, 0x12, 0];
    assert_eq!(count(&two), 2);
    // An unknown group, an unknown number and an unknown text.
    let unknown = [&[0x7b, 0x08, 1, 0x7c, 0x70, 1, 0x7a, 2, 0x12, 0][..], &two].concat();
    assert_eq!(count(&unknown), 2);
    for fault in
        [&[0x12][..], &[0x12, 50, 0], &[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f], &[0x7c], &[0xff]]
    {
        assert_eq!(count(&[&two, fault, &two].concat()), 2, "{fault:?}");
    }
}

#[test]
fn nesting_ends_where_the_decoder_ends_it() {
    let mut filter = Vec::new();
    for _ in 0..10_000 {
        // Filter.group, and of that its member.
        filter = [&[0x12], varint(filter.len()).as_slice(), &filter].concat();
        filter = [&[0x12], varint(filter.len()).as_slice(), &filter].concat();
    }
    let request = [&[0x42], varint(filter.len()).as_slice(), &filter].concat();
    assert!(Shapes::count("ListInteractionsRequest", &request).parts <= 101);
    assert!(proto::ListInteractionsRequest::decode(request.as_slice()).is_err());
}

fn varint(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number as u64, &mut bytes);
    bytes
}

#[test]
fn more_than_a_batch_is_refused_in_the_words_of_a_batch() {
    let refused = |name: &str, count: usize| {
        let bytes = match name {
            "BatchCreateInteractionsRequest" => [0x0a, 0].repeat(count),
            _ => [0x12, 0].repeat(count),
        };
        check(name, &bytes).err().map(|error| Status::from(error).message().to_owned())
    };
    for (name, least) in [("BatchCreateInteractionsRequest", 1), ("WriteInteractionsRequest", 0)] {
        assert_eq!(refused(name, 1_000), None);
        for count in [1_001, 2_000_000] {
            let message = format!(
                "invalid argument: interactions: takes {least} to 1000 interactions; got {count}"
            );
            assert_eq!(refused(name, count), Some(message));
        }
    }
}

#[test]
fn a_request_holds_so_many_values_and_an_answer_as_many_as_it_likes() {
    let sort = [0x4a, 0];
    assert!(check("ListInteractionsRequest", &sort.repeat(MAX_PARTS)).is_ok());
    let error = check("ListInteractionsRequest", &sort.repeat(MAX_PARTS + 1)).unwrap_err();
    let status = Status::from(error);
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations.len(), 1);
    assert!(status.message().contains("16385"), "{}", status.message());
    assert!(check("ListInteractionsResponse", &[0x0a, 0].repeat(MAX_PARTS_TO_RECORD + 1)).is_ok());
}
