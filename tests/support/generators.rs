//! Random interactions and requests, made to hit the places where databases differ.
//!
//! Everything is drawn from small pools, so that requests and interactions meet: a good share of
//! all conditions is true of some interactions and false of others. What is drawn is always valid
//! for the service; numbers inside JSON are doubles, as they arrive in a `google.protobuf.Struct`.

use std::collections::HashSet;

use interactions::domain::field::Identifier;
use interactions::domain::filter::Operator;
use interactions::domain::interaction::Interaction;
use interactions::domain::interaction_type::WELL_KNOWN;
use interactions::domain::sort::Sort;
use interactions::domain::text::is_word_character;
use interactions::domain::time::{self, Micros};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::documents;
use super::pools::{
    COMMON_IDENTIFIERS, COMMON_KEYS, COMMON_NUMBERS, COMMON_TEXTS, COMMON_TIMES, CUSTOM_TYPES,
    PATTERNS, SEARCHES, TRAP_IDENTIFIERS, TRAP_KEYS, TRAP_NUMBERS, TRAP_TEXTS, TRAP_TIMES,
    WRITTEN_TIMES,
};

/// 0 to `most` interactions, each with an id of its own.
pub fn interactions(most: usize) -> impl Strategy<Value = Vec<Interaction>> {
    vec(interaction(), 0..=most).prop_map(|mut interactions| {
        let mut seen = HashSet::new();
        interactions.retain(|interaction| seen.insert(interaction.interaction_id.clone()));
        interactions
    })
}

/// One interaction.
pub fn interaction() -> BoxedStrategy<Interaction> {
    let identifiers = vec(option::weighted(0.7, identifier()), 6);
    let numbers = (whole_number(), whole_number(), option::of(number()));
    let times = (stored_time(), stored_time());
    let json = (option::weighted(0.9, document()), option::of(document()), search_request());
    let parts = (interaction_id(), identifiers, type_names(), numbers, times, json);
    parts
        .prop_map(|(interaction_id, identifiers, types, numbers, times, json)| {
            let mut identifiers = identifiers.into_iter();
            let mut next = || identifiers.next().flatten();
            Interaction {
                interaction_id,
                feature_id: next(),
                user_id: next(),
                session_id: next(),
                execution_id: next(),
                retriever_id: next(),
                feature_uri: next(),
                types: documents::type_set(&types),
                position: numbers.0,
                result_set_size: numbers.1,
                document_score: numbers.2,
                timestamp: times.0,
                created_at: times.1,
                metadata: json.0,
                query_snapshot: json.1,
                search_request: json.2,
            }
        })
        .boxed()
}

/// A valid filter in its JSON form, groups nested at most `depth` deep; `{}` at times.
pub fn filter(depth: u32) -> BoxedStrategy<Map<String, Value>> {
    let filter = written_condition().prop_recursive(depth, 24, 4, node);
    prop_oneof![1 => Just(Map::new()), 49 => filter].boxed()
}

/// A filter of one condition, in any of its forms.
pub fn written_condition() -> BoxedStrategy<Map<String, Value>> {
    (condition(), 0..4_u8).prop_map(|(condition, form)| condition.written(form)).boxed()
}

/// A field, and values that its `eq` takes.
pub fn field_and_values() -> BoxedStrategy<(String, Vec<Value>)> {
    let identifier = identifier_value().prop_map(Value::from);
    prop_oneof![
        8 => (json_path(), values(needle())),
        2 => (named(&identifier_names()), values(identifier)),
        1 => (named(&["interaction_type"]), values(type_value())),
        1 => (named(NUMBERS), values(number_value())),
        1 => (named(TIMES), values(time_value())),
    ]
    .boxed()
}

fn values(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Vec<Value>> {
    vec(nullable(value), 0..5).boxed()
}

fn named(names: &[&'static str]) -> BoxedStrategy<String> {
    select(names.to_vec()).prop_map(str::to_owned).boxed()
}

/// One to three sort keys as JSON, no field twice: `[{"field": …, "direction": …}]`. At times none.
pub fn sort_keys() -> BoxedStrategy<Value> {
    vec((sort_field(), any::<Option<bool>>()), 0..=3)
        .prop_map(|keys| {
            let mut seen = HashSet::new();
            let once = keys.into_iter().filter(|(field, _)| seen.insert(unquoted(field)));
            let written = once.map(|(field, ascending)| match ascending {
                None => json!({"field": field}),
                Some(true) => json!({"field": field, "direction": "asc"}),
                Some(false) => json!({"field": field, "direction": "desc"}),
            });
            Value::Array(written.collect())
        })
        .boxed()
}

/// A sort order.
pub fn sort() -> impl Strategy<Value = Sort> {
    sort_keys().prop_map(|keys| documents::sort(&keys))
}

/// A valid search as people write it, at times an empty one.
pub fn search() -> BoxedStrategy<String> {
    let term = prop_oneof![
        4 => select(vec!["red", "shoe", "blue", "a", "5", "É", "東京", "k", "wi-fi", "zzz"]),
        1 => select(vec!["re*", "\"red shoe\"", "\"a b\"", "\"red sho\"*", "sh*"]),
    ];
    let side = (vec(term.clone(), 1..3), option::of(term)).prop_map(|(required, excluded)| {
        let excluded = excluded.map(|term| format!(" -{term}")).unwrap_or_default();
        required.join(" ") + &excluded
    });
    prop_oneof![
        select(SEARCHES).prop_map(str::to_owned),
        vec(side, 1..3).prop_map(|sides| sides.join(" OR ")),
    ]
    .boxed()
}

/// Any JSON that looks like a filter from afar: for readers that must refuse it and not fail.
pub fn filter_like() -> BoxedStrategy<Value> {
    let key = prop_oneof![
        3 => select(vec!["AND", "OR", "NOT", "NOR", "case_sensitive", "field", "key", "operator"]),
        3 => select(vec!["value", "position", "metadata.a", "timestamp", "user_id", "metadata"]),
        2 => operator(),
        1 => select(TRAP_KEYS),
        1 => select(vec!["", "metadata.", "metadata.\"", "nope", "interaction_type", "a\0"]),
    ];
    let leaf = prop_oneof![
        scalar(),
        Just(Value::Null),
        select(PATTERNS).prop_map(Value::from),
        operator().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("\0")),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        let object = vec((key.clone(), inner.clone()), 0..5).prop_map(|members| {
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
        });
        prop_oneof![1 => vec(inner, 0..5).prop_map(Value::Array), 2 => object.prop_map(Value::Object)]
    })
    .boxed()
}

// Interactions.

fn interaction_id() -> BoxedStrategy<String> {
    prop_oneof![
        3 => "[aA][-_.:]?[0-9]{1,2}",
        2 => "[A-Za-z0-9._:-]{1,8}",
        1 => Just("Z".repeat(128)),
    ]
    .boxed()
}

fn identifier() -> BoxedStrategy<String> {
    let pool = prop_oneof![3 => select(COMMON_IDENTIFIERS), 1 => select(TRAP_IDENTIFIERS)];
    prop_oneof![40 => pool.prop_map(str::to_owned), 1 => Just("é".repeat(128))].boxed()
}

fn type_names() -> impl Strategy<Value = Vec<String>> {
    let pool: Vec<&str> = WELL_KNOWN.iter().chain(CUSTOM_TYPES).copied().collect();
    let few = subsequence(vec!["click", "view", "purchase", "custom_tap", "tap"], 1..=3);
    let names = prop_oneof![4 => few, 1 => subsequence(pool, 1..=16)];
    let owned = names.prop_map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
    owned.prop_shuffle()
}

fn whole_number() -> impl Strategy<Value = Option<i32>> {
    option::weighted(0.7, prop_oneof![4 => 0..6, 1 => Just(i32::MAX), 1 => 0..=i32::MAX])
}

fn stored_time() -> impl Strategy<Value = Micros> {
    let pool = prop_oneof![3 => select(COMMON_TIMES), 1 => select(TRAP_TIMES)];
    let pool = pool.prop_map(|text| time::parse(text).expect("a time"));
    prop_oneof![9 => pool, 1 => 0..1_750_000_000_000_000_i64]
}

/// An object in a JSON field. Some are as deep as can be.
fn document() -> BoxedStrategy<Map<String, Value>> {
    let members = vec((key(), json_value()), 0..9);
    let object = members.prop_map(|members| members.into_iter().collect());
    let deepest = (key(), scalar(), prop_oneof![Just(15_usize), 1..16_usize]).prop_map(
        |(key, scalar, depth)| {
            let nested = (0..depth).fold(scalar, |inner, _| Value::Object(one(&key, inner)));
            one(&key, nested)
        },
    );
    prop_oneof![30 => object, 1 => deepest].boxed()
}

/// A key of a stored object, which may be empty.
fn key() -> BoxedStrategy<String> {
    prop_oneof![
        16 => select(COMMON_KEYS).prop_map(str::to_owned),
        6 => select(TRAP_KEYS).prop_map(str::to_owned),
        1 => Just(String::new()),
    ]
    .boxed()
}

fn json_value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![8 => scalar(), 2 => Just(Value::Null), 1 => Just(json!([])), 1 => Just(json!({}))];
    leaf.prop_recursive(4, 12, 4, |inner| {
        let list = vec(inner.clone(), 0..4).prop_map(Value::Array);
        let object = vec((key(), inner), 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![list, object]
    })
    .boxed()
}

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        6 => text().prop_map(Value::from),
        3 => number().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ]
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        12 => select(COMMON_TEXTS).prop_map(str::to_owned),
        6 => select(TRAP_TEXTS).prop_map(str::to_owned),
        1 => vec(select(TRAP_TEXTS), 2..4).prop_map(|parts| parts.concat()),
        1 => "\\PC{0,6}",
    ]
    .boxed()
}

fn number() -> BoxedStrategy<f64> {
    prop_oneof![
        8 => select(COMMON_NUMBERS),
        6 => select(TRAP_NUMBERS),
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()),
    ]
    .boxed()
}

/// What `search_request` can hold: the JSON form of its message.
fn search_request() -> BoxedStrategy<Option<Map<String, Value>>> {
    let query = (select(vec!["text", "image"]), option::of(text()), option::of(0..20_i32));
    let query = query.prop_map(|(index, value, limit)| {
        let mut query = one("vector_index", json!(index));
        let value = value.filter(|value| !value.is_empty()).map(Value::from);
        let settings = limit.map(|limit| json!({"limit": f64::from(limit)}));
        query.insert("type".to_owned(), json!("text"));
        query.extend(value.map(|value| ("value".to_owned(), value)));
        query.extend(settings.map(|settings| ("settings".to_owned(), settings)));
        Value::Object(query)
    });
    let filters = scalar().prop_map(|value| {
        json!({"AND": [{"field": "lang", "operator": "eq", "value": value}], "case_sensitive": true})
    });
    let parts = (
        vec(query, 0..3),
        vec(select(COMMON_IDENTIFIERS), 0..3),
        option::of(filters),
        any::<Option<bool>>(),
    );
    let request = parts.prop_map(|(queries, collections, filters, return_url)| {
        let queries = (!queries.is_empty()).then_some(Value::Array(queries));
        let collections = (!collections.is_empty()).then_some(json!(collections));
        let members = [
            ("queries", queries),
            ("collections", collections),
            ("filters", filters),
            ("return_url", return_url.map(Value::from)),
        ];
        let given = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        given.collect()
    });
    option::weighted(0.3, request).boxed()
}

fn one(key: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), value)])
}

// Filters.

/// A condition before it takes one of its forms.
#[derive(Debug, Clone)]
struct WrittenCondition {
    field: String,
    operator: &'static str,
    value: Option<Value>,
}

impl WrittenCondition {
    /// The condition in one of its forms: shorthand where there is one, operators, explicit.
    fn written(self, form: u8) -> Map<String, Value> {
        let Self { field, operator, value } = self;
        match (form, operator, value) {
            (0, "eq" | "in", Some(value)) => one(&field, value),
            (0 | 1, _, Some(value)) => one(&field, Value::Object(one(operator, value))),
            (2, "eq", Some(value)) => explicit("key", field, None, Some(value)),
            (_, _, value) => explicit("field", field, Some(operator), value),
        }
    }
}

fn explicit(
    name: &str,
    field: String,
    operator: Option<&str>,
    value: Option<Value>,
) -> Map<String, Value> {
    let mut condition = one(name, Value::from(field));
    condition.extend(operator.map(|operator| ("operator".to_owned(), Value::from(operator))));
    condition.extend(value.map(|value| ("value".to_owned(), value)));
    condition
}

/// A node over `member`s: one or two of its groups, shorthand at times, and the case at times.
fn node(member: BoxedStrategy<Map<String, Value>>) -> BoxedStrategy<Map<String, Value>> {
    let members = vec(member.prop_map(Value::Object), 1..=3);
    // A list of one is at times written without its brackets.
    let members = (members, any::<bool>()).prop_map(|(mut members, bare)| {
        if bare && members.len() == 1 { members.remove(0) } else { Value::Array(members) }
    });
    let group = (select(vec!["AND", "OR", "OR", "NOT", "NOR"]), members);
    let groups = prop_oneof![4 => vec(group.clone(), 1), 1 => vec(group, 2)];
    let shorthand = option::weighted(0.1, condition());
    let case = option::weighted(0.4, any::<bool>());
    (groups, shorthand, case)
        .prop_map(|(groups, shorthand, case)| {
            let mut node: Map<_, _> =
                groups.into_iter().map(|(key, members)| (key.to_owned(), members)).collect();
            node.extend(
                shorthand
                    .filter(|condition| condition.value.is_some())
                    .map(|condition| condition.written(1))
                    .into_iter()
                    .flatten(),
            );
            node.extend(case.map(|case| ("case_sensitive".to_owned(), Value::from(case))));
            node
        })
        .boxed()
}

fn condition() -> BoxedStrategy<WrittenCondition> {
    prop_oneof![
        10 => json_condition(),
        3 => identifier_condition(),
        1 => type_condition(),
        2 => number_condition(),
        2 => time_condition(),
    ]
    .boxed()
}

fn json_condition() -> BoxedStrategy<WrittenCondition> {
    let bound = prop_oneof![text().prop_map(Value::from), number().prop_map(Value::from)];
    let test = prop_oneof![
        4 => equality(nullable(needle())),
        2 => order(bound),
        2 => presence(),
        6 => text_test(text()),
    ];
    on(json_path(), test)
}

fn identifier_condition() -> BoxedStrategy<WrittenCondition> {
    let value = identifier_value().prop_map(Value::from).boxed();
    let test = prop_oneof![
        3 => equality(nullable(value.clone())),
        1 => order(value),
        1 => presence(),
        4 => text_test(identifier_value()),
    ];
    on(select(identifier_names()), test)
}

fn type_condition() -> BoxedStrategy<WrittenCondition> {
    let contains = type_value().prop_map(|name| ("contains", Some(name)));
    let test = prop_oneof![4 => equality(nullable(type_value())), 1 => presence(), 1 => contains];
    on(Just("interaction_type"), test)
}

fn number_condition() -> BoxedStrategy<WrittenCondition> {
    on(select(NUMBERS), ordered_test(number_value()))
}

fn time_condition() -> BoxedStrategy<WrittenCondition> {
    on(select(TIMES), ordered_test(time_value()))
}

const NUMBERS: &[&str] = &["position", "result_set_size", "document_score"];
const TIMES: &[&str] = &["timestamp", "timestamp", "created_at"];

fn identifier_names() -> Vec<&'static str> {
    Identifier::ALL.map(Identifier::name).into_iter().chain(["document_id"]).collect()
}

fn identifier_value() -> BoxedStrategy<String> {
    prop_oneof![3 => identifier(), 1 => interaction_id(), 1 => Just(String::new())].boxed()
}

fn type_value() -> BoxedStrategy<Value> {
    let pool: Vec<&str> = WELL_KNOWN.iter().chain(CUSTOM_TYPES).copied().collect();
    let name = prop_oneof![
        4 => select(vec!["click", "view", "Purchase", "custom_tap", "TAP"]),
        1 => select(pool),
        1 => Just("carried_by_none"),
    ];
    name.prop_map(Value::from).boxed()
}

fn number_value() -> BoxedStrategy<Value> {
    let value = prop_oneof![3 => (0..6_i32).prop_map(f64::from), 2 => number()];
    value.prop_map(Value::from).boxed()
}

fn time_value() -> BoxedStrategy<Value> {
    let value = prop_oneof![select(COMMON_TIMES), select(TRAP_TIMES), select(WRITTEN_TIMES)];
    value.prop_map(Value::from).boxed()
}

fn operator() -> impl Strategy<Value = &'static str> + Clone {
    select(Operator::ALL.map(Operator::name).to_vec())
}

/// An operator and its value, if it is written with one.
type Test = (&'static str, Option<Value>);

fn on(
    field: impl Strategy<Value = impl Into<String>> + 'static,
    test: impl Strategy<Value = Test> + 'static,
) -> BoxedStrategy<WrittenCondition> {
    (field, test)
        .prop_map(|(field, (operator, value))| {
            let field = field.into();
            WrittenCondition { field, operator, value }
        })
        .boxed()
}

fn ordered_test(value: BoxedStrategy<Value>) -> impl Strategy<Value = Test> {
    prop_oneof![4 => equality(nullable(value.clone())), 4 => order(value), 1 => presence()]
}

fn equality(value: BoxedStrategy<Value>) -> BoxedStrategy<Test> {
    let list = vec(value.clone(), 0..5).prop_map(Value::Array);
    prop_oneof![
        (select(vec!["eq", "ne"]), value).prop_map(|(operator, value)| (operator, Some(value))),
        (select(vec!["in", "nin"]), list).prop_map(|(operator, list)| (operator, Some(list))),
    ]
    .boxed()
}

fn order(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Test> {
    (select(vec!["gt", "gte", "lt", "lte"]), value)
        .prop_map(|(operator, value)| (operator, Some(value)))
}

fn presence() -> impl Strategy<Value = Test> {
    let value = any::<Option<bool>>().prop_map(|flag| flag.map(Value::from));
    (select(vec!["exists", "is_null"]), value)
}

/// A text operator on a part of `text`, in this or that case.
fn text_test(text: BoxedStrategy<String>) -> BoxedStrategy<Test> {
    let text = prop_oneof![2 => text.clone(), 1 => recased(text.clone()), 2 => part(text)];
    let worded = text.clone().prop_filter("has a word", |text| text.contains(is_word_character));
    let common = select(vec!["red", "RED shoe", "shoe", "shoe red", "blue", "a", "É", "b_c", "5"]);
    let words = prop_oneof![common.prop_map(str::to_owned), worded];
    let quoted = text.clone().prop_map(|text| regex::escape(&text));
    let pattern = prop_oneof![3 => select(PATTERNS).prop_map(str::to_owned), 1 => quoted];
    prop_oneof![
        4 => (select(vec!["contains", "starts_with", "ends_with", "text"]), text),
        2 => (select(vec!["words", "phrase"]), words),
        2 => (Just("regex"), pattern),
    ]
    .prop_map(|(operator, text)| (operator, Some(Value::from(text))))
    .boxed()
}

/// A scalar to be found: as stored, or in another case.
fn needle() -> BoxedStrategy<Value> {
    let recased = recased(text()).prop_map(Value::from);
    prop_oneof![3 => scalar(), 1 => recased].boxed()
}

fn nullable(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let value = value.boxed();
    prop_oneof![9 => value, 1 => Just(Value::Null)].boxed()
}

fn recased(text: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let case = select(vec![str::to_uppercase as fn(&str) -> String, str::to_lowercase]);
    (text, case).prop_map(|(text, change)| change(&text)).boxed()
}

/// Some characters in a row of `text`.
fn part(text: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let part = |(text, start, length): (String, usize, usize)| -> String {
        text.chars().skip(start).take(length).collect()
    };
    (text, 0..4_usize, 1..5_usize).prop_map(part).boxed()
}

/// A path below a JSON field, or now and then the field itself.
fn json_path() -> BoxedStrategy<String> {
    prop_oneof![20 => path_below(), 1 => json_root().prop_map(str::to_owned)].boxed()
}

fn path_below() -> BoxedStrategy<String> {
    let length = prop_oneof![5 => Just(1_usize), 3 => Just(2), 1 => Just(3)];
    let keys = length.prop_flat_map(|length| vec((path_key(), any::<bool>()), length));
    let segments = keys.prop_map(|keys| {
        keys.iter().map(|(key, quoted)| segment(key, *quoted)).collect::<String>()
    });
    let generic = (json_root(), segments).prop_map(|(root, segments)| format!("{root}{segments}"));
    let deepest = path_key().prop_map(|key| format!("metadata{}", segment(key, true).repeat(16)));
    let request = select(vec![
        "search_request.queries.value",
        "search_request.queries.0.vector_index",
        "search_request.queries.settings.limit",
        "search_request.collections",
        "search_request.collections.1",
        "search_request.filters.AND.value",
        "search_request.filters.case_sensitive",
        "search_request.return_url",
    ]);
    prop_oneof![20 => generic, 1 => deepest, 2 => request.prop_map(str::to_owned)].boxed()
}

fn json_root() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => Just("metadata"), 2 => Just("query_snapshot"), 1 => Just("search_request")]
}

fn path_key() -> impl Strategy<Value = &'static str> {
    prop_oneof![7 => select(COMMON_KEYS), 1 => select(TRAP_KEYS)]
}

/// A segment with the dot before it, in quotes where it needs them or `quoted` asks for them.
fn segment(key: &str, quoted: bool) -> String {
    if quoted || key.contains('.') || key.starts_with('"') {
        format!(".\"{}\"", key.replace('"', "\"\""))
    } else {
        format!(".{key}")
    }
}

// Sorts.

fn sort_field() -> BoxedStrategy<String> {
    let others = ["position", "result_set_size", "document_score", "timestamp", "created_at"];
    let typed = select([identifier_names(), others.to_vec()].concat());
    prop_oneof![typed.prop_map(str::to_owned), path_below()].boxed()
}

/// One spelling for all names of one field.
fn unquoted(field: &str) -> String {
    match field {
        "document_id" => "feature_id".to_owned(),
        other => other.replace('"', ""),
    }
}
