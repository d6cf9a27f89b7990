//! Messages that are far larger in memory than on their way.

use interactions::grpc::proto;
use interactions::grpc::proto::filter::Kind;
use prost::Message as _;
use prost_types::value::Kind as Json;
use prost_types::{ListValue, Struct, Value};
use tonic::Code;

use super::Target;
use super::calls::{ask, connect, usual};
use crate::support::frames::message;

/// How much memory such a message may cost, in KiB.
const MOST_MEMORY: u64 = 64 << 10;
/// Bytes of a message.
const BYTES: usize = 2 << 20;

/// A field that is there again and again, each time empty: two bytes each.
fn empty(field: u8) -> Vec<u8> {
    [field << 3 | 2, 0].repeat(BYTES / 2)
}

/// `inner` as a field of another message.
fn wrapped(field: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
    bytes.extend_from_slice(inner);
    bytes
}

fn json(kind: Json) -> Value {
    Value { kind: Some(kind) }
}

fn object(value: Value) -> Struct {
    Struct { fields: [("a".to_owned(), value)].into() }
}

/// An object in an object, and so on.
fn deep(levels: usize) -> Struct {
    let bottom = Struct::default();
    (0..levels).fold(bottom, |inner, _| object(json(Json::StructValue(inner))))
}

/// The first interaction of a batch, with `metadata`.
fn with_metadata(metadata: Struct) -> Vec<u8> {
    let interaction = proto::Interaction {
        interaction_id: "a".to_owned(),
        interaction_type: vec!["click".to_owned()],
        metadata: Some(metadata),
        ..Default::default()
    };
    let interactions = vec![interaction];
    proto::BatchCreateInteractionsRequest { interactions, validate_only: true }.encode_to_vec()
}

fn cases() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let nulls = ListValue { values: vec![Value { kind: None }; BYTES / 2] };
    let nulls = object(json(Json::ListValue(nulls)));
    let filters = |filters| proto::ListInteractionsRequest { filters, ..Default::default() };
    let filters = |json: &Struct| filters(Some(json.clone())).encode_to_vec();
    let none = vec![proto::Filter { kind: None }; BYTES / 2];
    let group = proto::Group { operator: 1, filters: none, case_sensitive: None };
    let filter = Some(proto::Filter { kind: Some(Kind::Group(group)) });
    let group = proto::ListInteractionsRequest { filter, ..Default::default() }.encode_to_vec();
    let (list, batch, write) = ("ListInteractions", "BatchCreateInteractions", "WriteInteractions");
    vec![
        ("a million interactions", batch, empty(1)),
        ("a million interactions, streamed", write, empty(2)),
        ("a million types of one", batch, wrapped(1, &empty(3))),
        ("a million values in metadata", batch, with_metadata(nulls.clone())),
        ("a million values in a filter", list, filters(&nulls)),
        ("a million filters", list, group),
        ("a deep document", batch, with_metadata(deep(30))),
        ("a document too deep to read", batch, with_metadata(deep(200))),
        ("a filter too deep to read", list, filters(&deep(200))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_grows_in_memory_is_refused_before_it_does() {
    let target = Target::start().await;
    let requests = connect(&target).await;
    let mut wrong = Vec::new();
    for (name, method, bytes) in cases() {
        let call = ask(&requests, usual(method, &target.bearer()), message(&bytes));
        let (answer, cost) = target.under(call).await;
        cost.print(name, &format!("{:?}", answer.status));
        let refused = matches!(
            &answer.status,
            Some((Code::InvalidArgument | Code::ResourceExhausted, reason)) if !reason.is_empty()
        );
        if !refused || cost.memory > MOST_MEMORY {
            wrong.push(format!("{name}: {} KiB, {answer:?}", cost.memory));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    target.stop();
}
