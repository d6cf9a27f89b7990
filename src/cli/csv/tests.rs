use std::io::{self, Cursor, Read, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message as _;
use prost_types::{ListValue, Struct, Timestamp, Value, value::Kind};

use super::*;
use crate::cli::demo_data;
use crate::cli::json::JsonForm;
use crate::cli::lines::MAX_LINE_BYTES;
use crate::grpc::proto::search_request::query::Settings;
use crate::grpc::proto::search_request::{Query, RerankingOptions};
use crate::grpc::proto::{Interaction, SearchRequest};

/// A record: its line, and the interaction or what is wrong, as `field: what`.
type Record = (u64, Result<Interaction, Vec<(String, String)>>);

fn form() -> JsonForm {
    JsonForm::new().unwrap()
}

fn written(interactions: &[Interaction]) -> Vec<u8> {
    let writer = Writer::new(form());
    let mut out = Vec::new();
    writer.header(&mut out).unwrap();
    let page: Vec<_> =
        interactions.iter().map(|message| Bytes::from(message.encode_to_vec())).collect();
    writer.page(&page, &mut out).unwrap();
    out
}

fn read(input: impl Read + Send + 'static) -> anyhow::Result<Vec<Record>> {
    let mut reader = Reader::new(input, form())?;
    let mut records = Vec::new();
    while let Some((line, outcome)) = reader.next()? {
        let faults = |faults: crate::domain::violation::Violations| {
            faults.into_iter().map(|fault| (fault.field, fault.description)).collect()
        };
        records.push((line, outcome.map_err(faults)));
    }
    Ok(records)
}

fn text(csv: &str) -> anyhow::Result<Vec<Record>> {
    read(Cursor::new(csv.to_owned()))
}

fn ids(records: Vec<Record>) -> Vec<(u64, String)> {
    records.into_iter().map(|(line, record)| (line, record.unwrap().interaction_id)).collect()
}

fn id(line: u64, id: &str) -> (u64, String) {
    (line, id.to_owned())
}

/// Text that has to be quoted, and text that looks like something else.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("\"\"".to_owned()),
        Just(",".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("=SUM(A1)".to_owned()),
        Just("|".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("null".to_owned()),
        Just("7".to_owned()),
        Just(" ".to_owned()),
        Just("\\".to_owned()),
        Just("😀".to_owned()),
        "[^\0]{0,4}",
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("JSON has finite numbers only", |number| number.is_finite()),
        (-9..9_i32).prop_map(f64::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Kind::NullValue(0)),
        any::<bool>().prop_map(Kind::BoolValue),
        number().prop_map(Kind::NumberValue),
        nasty().prop_map(Kind::StringValue),
    ];
    let leaf = leaf.prop_map(|kind| Value { kind: Some(kind) });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list =
            vec(inner.clone(), 0..3).prop_map(|values| Kind::ListValue(ListValue { values }));
        let object =
            btree_map(nasty(), inner, 0..3).prop_map(|fields| Kind::StructValue(Struct { fields }));
        prop_oneof![list, object].prop_map(|kind| Value { kind: Some(kind) })
    })
}

fn object() -> impl Strategy<Value = Option<Struct>> {
    option::of(btree_map(nasty(), value(), 0..4).prop_map(|fields| Struct { fields }))
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    let time = (0..2_000_000_000_i64, 0..1_000_000_i32)
        .prop_map(|(seconds, micros)| Timestamp { seconds, nanos: micros * 1_000 });
    option::of(time)
}

fn search_request() -> impl Strategy<Value = SearchRequest> {
    let query = (nasty(), object(), option::of(any::<i32>()), option::of(number()));
    let query = query.prop_map(|(value, filters, limit, min_score)| Query {
        vector_index: "text".to_owned(),
        value,
        r#type: "text".to_owned(),
        filters,
        settings: Some(Settings { limit, min_score, modality: String::new() }),
    });
    let weights = btree_map(nasty(), number(), 0..3);
    let parts = (vec(query, 0..3), vec(nasty(), 0..3), weights, option::of(any::<bool>()));
    parts.prop_map(|(queries, collections, weights, return_url)| SearchRequest {
        queries,
        collections,
        filters: None,
        group_by: None,
        sort: None,
        select: Vec::new(),
        reranking_options: Some(RerankingOptions { weights, enable_reranking: return_url }),
        session_id: String::new(),
        return_url,
    })
}

fn interaction() -> impl Strategy<Value = Interaction> {
    let texts = prop::array::uniform6(nasty());
    let types = vec("[a-z][a-z0-9_]{0,6}", 0..4);
    let numbers = (option::of(any::<i32>()), option::of(any::<i32>()), option::of(number()));
    let json = (object(), object(), option::of(search_request()));
    let parts = ("[A-Za-z0-9._:-]{0,8}", texts, types, numbers, json, (time(), time()));
    parts.prop_map(|(interaction_id, texts, interaction_type, numbers, json, times)| {
        let [feature_id, user_id, session_id, execution_id, retriever_id, feature_uri] = texts;
        let (position, result_set_size, document_score) = numbers;
        let (metadata, query_snapshot, search_request) = json;
        let (timestamp, created_at) = times;
        Interaction {
            interaction_id,
            feature_id,
            interaction_type,
            position,
            metadata,
            user_id,
            session_id,
            execution_id,
            retriever_id,
            feature_uri,
            query_snapshot,
            search_request,
            document_score,
            result_set_size,
            timestamp,
            created_at,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_written_is_read(interactions in vec(interaction(), 0..4)) {
        let csv = written(&interactions);
        let records = read(Cursor::new(csv.clone())).unwrap();
        let found: Vec<_> = records.iter().map(|(_, record)| record.clone().unwrap()).collect();
        prop_assert_eq!(&found, &interactions);
        // Each line that is told holds the beginning of its record.
        let text = String::from_utf8(csv).unwrap().replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<_> = text.split('\n').collect();
        for (line, interaction) in records.iter().map(|(line, _)| line).zip(&interactions) {
            let line = lines[usize::try_from(*line).unwrap() - 1];
            let beginning = format!("{},", interaction.interaction_id);
            prop_assert!(line.starts_with(&beginning));
        }
    }

    #[test]
    fn no_input_is_too_strange(csv in "(user_id|metadata|position|\n|\r|,|\"|\\{\\}|\0|x|é){0,20}") {
        for header in ["", "user_id,metadata\n"] {
            // To come back at all is enough.
            let _ = text(&format!("{header}{csv}"));
        }
    }
}

#[test]
fn the_header_has_the_fields_in_the_order_of_the_proto() {
    let header = "interaction_id,feature_id,interaction_type,position,metadata,user_id,session_id,\
                  execution_id,retriever_id,feature_uri,query_snapshot,search_request,\
                  document_score,result_set_size,timestamp,created_at\n";
    assert_eq!(String::from_utf8(written(&[])).unwrap(), header);
}

#[test]
fn cells_look_as_they_are_described() {
    let json = r#"{"interaction_id":"i","interaction_type":["click","view"],"position":0,
        "metadata":{"price":20.0,"tags":["a"]},"document_score":0.5,
        "timestamp":"2025-01-22T14:57:24.249Z"}"#;
    let csv = String::from_utf8(written(&[form().parse_interaction(json.as_bytes()).unwrap()]));
    assert_eq!(
        csv.unwrap().lines().nth(1).unwrap(),
        "i,,click|view,0,\"{\"\"price\"\":20,\"\"tags\"\":[\"\"a\"\"]}\",,,,,,,,0.5,,\
         2025-01-22T14:57:24.249Z,"
    );
}

#[test]
fn the_demo_data_is_the_same_after_writing() {
    let interactions: Vec<_> = demo_data::interactions().unwrap().map(Result::unwrap).collect();
    let records = read(Cursor::new(written(&interactions))).unwrap();
    let found: Vec<_> = records.into_iter().map(|(_, record)| record.unwrap()).collect();
    assert!(found == interactions);
}

#[test]
fn columns_may_be_few_and_in_any_order() {
    let csv = "document_id,interaction_type,interaction_id\nf,click|view,i\n,,\n";
    let records = text(csv).unwrap();
    let expected = Interaction {
        interaction_id: "i".to_owned(),
        feature_id: "f".to_owned(),
        interaction_type: vec!["click".to_owned(), "view".to_owned()],
        ..Interaction::default()
    };
    assert_eq!(records, [(2, Ok(expected)), (3, Ok(Interaction::default()))]);
}

#[test]
fn every_end_of_line_and_a_mark_at_the_beginning_are_understood() {
    for end in ["\n", "\r\n", "\r"] {
        for mark in ["", "\u{feff}"] {
            for header in ["interaction_id,user_id", "\"interaction_id\",\"user_id\""] {
                let lines = [header, "a,u", "", "b,\"1", "2\"", "", "", "c,", ""];
                let csv = format!("{mark}{}", lines.join(end));
                let expected = [id(2, "a"), id(4, "b"), id(8, "c")];
                assert_eq!(ids(text(&csv).unwrap()), expected, "{csv:?}");
                assert_eq!(ids(text(csv.trim_end()).unwrap()), expected, "{csv:?}");
            }
        }
    }
}

#[test]
fn gzip_is_read_too() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all("\u{feff}interaction_id\na\nb\n".as_bytes()).unwrap();
    let compressed = encoder.finish().unwrap();
    assert_eq!(ids(read(Cursor::new(compressed.clone())).unwrap()), [id(2, "a"), id(3, "b")]);
    let cut = compressed[..compressed.len() - 4].to_vec();
    assert!(read(Cursor::new(cut)).is_err());
}

#[test]
fn a_header_is_required_and_understood_whole() {
    for (csv, what) in [
        ("", "begins with a header"),
        ("\n\n", "begins with a header"),
        ("user_id,color\n", "no column \"color\""),
        ("user_id;position\n", "no column \"user_id;position\""),
        ("user_id,\n", "no column \"\""),
        ("user_id,user_id\n", "user_id twice"),
        ("document_id,feature_id\n", "feature_id twice"),
        ("user_id,\"position\n", "not closed"),
    ] {
        let error = text(csv).unwrap_err().to_string();
        assert!(error.contains(what), "{csv:?}: {error}");
    }
    assert!(read(Cursor::new(b"user_id,\xff\n")).is_err());
    assert_eq!(text("user_id").unwrap(), []);
}

#[test]
fn what_is_wrong_is_said_of_its_record_and_column() {
    let csv = "interaction_id,position,metadata,timestamp,search_request\n\
               a,x,[],yesterday,{\n\
               b,1\n\
               c,1,{},,{},more\n\
               \"d\n\",1.5,\"{\"\"a\"\":}\",,\"{\"\"nope\"\":1}\"\n\
               e,1,{},,\n";
    let records = text(csv).unwrap();
    let found: Vec<_> = records.iter().map(|(line, record)| (*line, record.is_ok())).collect();
    assert_eq!(found, [(2, false), (3, false), (4, false), (5, false), (7, true)]);
    let faults = |place: usize| {
        let mut faults = records[place].1.clone().unwrap_err();
        faults.sort();
        faults
    };
    let fields = |place| faults(place).into_iter().map(|(field, _)| field).collect::<Vec<_>>();
    assert_eq!(fields(0), ["metadata", "position", "search_request", "timestamp"]);
    assert_eq!(faults(1), [(String::new(), "has 2 cells where the header has 5".to_owned())]);
    assert_eq!(faults(2), [(String::new(), "has 6 cells where the header has 5".to_owned())]);
    assert_eq!(fields(3), ["metadata", "position", "search_request"]);
    let whats: Vec<_> =
        faults(3).into_iter().map(|(_, what)| what.split(';').next().unwrap().to_owned()).collect();
    assert_eq!(whats, ["takes JSON", "takes a whole number", "takes a JSON object"]);
    let invalid = b"interaction_id,user_id\na,\xff\nb,u\n".to_vec();
    let records = read(Cursor::new(invalid)).unwrap();
    assert_eq!(records[0].1, Err(vec![("user_id".to_owned(), "is not UTF-8".to_owned())]));
    assert!(records[1].1.is_ok());
}

#[test]
fn a_file_that_was_cut_off_is_not_taken_for_whole() {
    let records = text("interaction_id,user_id\na,\"u\"\nb,\"two\nlines").unwrap();
    assert_eq!(records[0].1.as_ref().unwrap().user_id, "u");
    let expected = vec![(String::new(), "a quote is not closed".to_owned())];
    assert_eq!((records.len(), &records[1]), (2, &(3, Err(expected))));
}

#[test]
fn a_quote_too_many_does_not_fill_the_memory() {
    let long = "x".repeat(MAX_LINE_BYTES);
    let csv = format!("user_id\nu\n\"{long}\nmore\n");
    let mut reader = Reader::new(Cursor::new(csv), form()).unwrap();
    assert!(reader.next().unwrap().is_some());
    // It fails again for the same reason, and never goes on in the middle.
    for _ in 0..2 {
        let error = reader.next().unwrap_err();
        assert!(error.to_string().contains("is a quote not closed?"), "{error}");
    }
    let fits = format!("user_id\n{}\nu\n", &long[1..]);
    assert_eq!(text(&fits).unwrap().len(), 2);
}

#[test]
fn input_that_fails_fails_again() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let input = Cursor::new("user_id\nu\nhalf").chain(Broken);
    let mut reader = Reader::new(input, form()).unwrap();
    assert!(reader.next().unwrap().is_some());
    for _ in 0..2 {
        assert_eq!(reader.next().unwrap_err().to_string(), "broken");
    }
}
