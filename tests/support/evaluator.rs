//! The reference evaluator: what filters, searches and sorts mean, on one interaction in memory.
//!
//! Plain recursion, written to be obviously right and with no regard for speed. It takes nothing
//! from the code that it is held against but the parsed filter, sort and search.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use interactions::domain::field::JsonPath;
use interactions::domain::filter::{
    Case, Comparand, Condition, Filter, IdentifierTest, IntegerTest, JsonTest, Order, Scalar,
    ScoreTest, TextTest, TimeTest,
};
use interactions::domain::interaction::Interaction;
use interactions::domain::search::{Search, words_of};
use interactions::domain::sort::{Direction, Sort, SortField};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Whether `filter` is true of `interaction`.
pub fn matches(filter: &Filter, interaction: &Interaction) -> bool {
    match filter {
        Filter::All(members) => members.iter().all(|member| matches(member, interaction)),
        Filter::Any(members) => members.iter().any(|member| matches(member, interaction)),
        Filter::Not(member) => !matches(member, interaction),
        Filter::Condition(condition) => holds(condition, interaction),
    }
}

/// Whether `search` finds `interaction`; no search finds everything.
pub fn search_matches(search: Option<&Search>, interaction: &Interaction) -> bool {
    let Some(search) = search else { return true };
    let metadata = interaction.metadata.clone().map_or(Value::Null, Value::Object);
    search.matches(&words_of(&metadata))
}

/// How `a` stands to `b` in the order that `sort` asks for; equal only where both have one id.
pub fn compare(sort: &Sort, a: &Interaction, b: &Interaction) -> Ordering {
    let by_key = sort.keys().iter().map(|key| {
        let (a, b) = (sort_value(&key.field, a), sort_value(&key.field, b));
        compare_values(key.direction, &a, &b)
    });
    by_key.fold(Ordering::Equal, Ordering::then)
}

fn holds(condition: &Condition, interaction: &Interaction) -> bool {
    match condition {
        Condition::Identifier { field, test } => {
            interaction.identifier(*field).is_some_and(|text| identifier_passes(test, text))
        }
        Condition::Types(names) => names.iter().any(|name| interaction.types.contains(name)),
        Condition::Integer { field, test } => {
            interaction.integer(*field).is_some_and(|number| integer_passes(test, number))
        }
        Condition::Score(test) => {
            interaction.document_score.is_some_and(|number| score_passes(test, number))
        }
        Condition::Time { field, test } => time_passes(test, interaction.time(*field)),
        Condition::Json { path, test } => json_passes(test, &reached(path, interaction)),
    }
}

fn identifier_passes(test: &IdentifierTest, text: &str) -> bool {
    match test {
        IdentifierTest::Exists => true,
        IdentifierTest::In(values) => values.iter().any(|value| value == text),
        IdentifierTest::Ordered(order, bound) => is_ordered(*order, &text, &bound.as_str()),
        IdentifierTest::Text(test, case) => text_passes(test, *case, text),
    }
}

fn integer_passes(test: &IntegerTest, number: i32) -> bool {
    match test {
        IntegerTest::Exists => true,
        IntegerTest::In(values) => values.contains(&number),
        IntegerTest::Ordered(order, bound) => is_ordered(*order, &i64::from(number), bound),
    }
}

fn score_passes(test: &ScoreTest, number: f64) -> bool {
    match test {
        ScoreTest::Exists => true,
        ScoreTest::In(values) => values.contains(&number),
        ScoreTest::Ordered(order, bound) => is_ordered(*order, &number, bound),
    }
}

fn time_passes(test: &TimeTest, time: i64) -> bool {
    match test {
        TimeTest::In(values) => values.contains(&time),
        TimeTest::Ordered(order, bound) => is_ordered(*order, &time, bound),
    }
}

fn json_passes(test: &JsonTest, reached: &[Value]) -> bool {
    let opened = opened(reached);
    let any = |passes: &dyn Fn(&Value) -> bool| opened.iter().any(|value| passes(value));
    match test {
        JsonTest::Exists => !reached.is_empty(),
        JsonTest::ExistsNotNull => any(&|value| !value.is_null()),
        JsonTest::In(scalars, case) => {
            any(&|value| scalars.iter().any(|scalar| equals(scalar, *case, value)))
        }
        JsonTest::Ordered(order, bound) => any(&|value| json_is_ordered(*order, value, bound)),
        JsonTest::Text(test, case) => {
            any(&|value| value.as_str().is_some_and(|text| text_passes(test, *case, text)))
        }
    }
}

/// The values that `path` reaches: none, one or many. Without segments, it reaches its root.
fn reached(path: &JsonPath, interaction: &Interaction) -> Vec<Value> {
    let Some(root) = interaction.json(path.root) else { return Vec::new() };
    let keys: Vec<&str> = path.segments.iter().map(|segment| segment.key()).collect();
    below(&Value::Object(root.clone()), &keys).into_iter().cloned().collect()
}

fn below<'v>(value: &'v Value, keys: &[&str]) -> Vec<&'v Value> {
    let Some((key, rest)) = keys.split_first() else { return vec![value] };
    let next: Vec<&Value> = match value {
        Value::Object(object) => object.get(*key).into_iter().collect(),
        Value::Array(list) if is_whole_number(key) => element(list, key).into_iter().collect(),
        Value::Array(list) => {
            list.iter().filter_map(Value::as_object).filter_map(|object| object.get(*key)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    next.into_iter().flat_map(|value| below(value, rest)).collect()
}

fn is_whole_number(key: &str) -> bool {
    key.chars().all(|character| character.is_ascii_digit())
}

fn element<'v>(list: &'v [Value], key: &str) -> Option<&'v Value> {
    list.get(key.parse::<usize>().ok()?)
}

/// The values, with lists among them opened one level.
fn opened(values: &[Value]) -> Vec<&Value> {
    values.iter().flat_map(elements_or_itself).collect()
}

fn elements_or_itself(value: &Value) -> Vec<&Value> {
    if let Value::Array(list) = value { list.iter().collect() } else { vec![value] }
}

fn equals(scalar: &Scalar, case: Case, value: &Value) -> bool {
    match scalar {
        Scalar::Boolean(wanted) => value.as_bool() == Some(*wanted),
        Scalar::Number(wanted) => value.as_f64() == Some(*wanted),
        Scalar::Text(wanted) => {
            value.as_str().is_some_and(|text| in_case(case, text) == in_case(case, wanted))
        }
    }
}

fn json_is_ordered(order: Order, value: &Value, bound: &Comparand) -> bool {
    match bound {
        Comparand::Number(bound) => {
            value.as_f64().is_some_and(|number| is_ordered(order, &number, bound))
        }
        Comparand::Text(bound) => {
            value.as_str().is_some_and(|text| is_ordered(order, &text, &bound.as_str()))
        }
    }
}

// Strings compare by UTF-8 byte here, which is the order of their code points.
fn is_ordered<T: PartialOrd>(order: Order, value: &T, bound: &T) -> bool {
    match order {
        Order::Less => value < bound,
        Order::LessOrEqual => value <= bound,
        Order::Greater => value > bound,
        Order::GreaterOrEqual => value >= bound,
    }
}

fn text_passes(test: &TextTest, case: Case, text: &str) -> bool {
    let seen = in_case(case, text);
    let in_case = |part: &str| in_case(case, part);
    match test {
        TextTest::Contains(part) => seen.contains(&in_case(part)),
        TextTest::StartsWith(part) => seen.starts_with(&in_case(part)),
        TextTest::EndsWith(part) => seen.ends_with(&in_case(part)),
        TextTest::Regex(pattern) => regex(pattern.as_str(), case).is_match(text),
        TextTest::Words(wanted) => {
            let words = words(&seen);
            wanted.iter().all(|word| words.contains(&in_case(word)))
        }
        TextTest::Phrase(wanted) => {
            let wanted: Vec<String> = wanted.iter().map(|word| in_case(word)).collect();
            words(&seen).windows(wanted.len()).any(|row| row == wanted)
        }
    }
}

fn in_case(case: Case, text: &str) -> String {
    match case {
        Case::Sensitive => text.to_owned(),
        Case::Insensitive => text.chars().flat_map(char::to_lowercase).collect(),
    }
}

fn regex(pattern: &str, case: Case) -> Regex {
    // Each pattern is asked of many texts, and takes far longer to compile than to match.
    static COMPILED: LazyLock<Mutex<HashMap<(String, bool), Regex>>> =
        LazyLock::new(Mutex::default);
    let insensitive = case == Case::Insensitive;
    let compile = || {
        RegexBuilder::new(pattern).case_insensitive(insensitive).build().expect("a checked pattern")
    };
    let mut compiled = COMPILED.lock().expect("nobody panics with it");
    compiled.entry((pattern.to_owned(), insensitive)).or_insert_with(compile).clone()
}

static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}]+").expect("a pattern"));

fn words(text: &str) -> Vec<String> {
    WORD.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

/// What an interaction has under a sort key.
enum SortValue {
    Number(f64),
    Integer(i64),
    Text(String),
    Boolean(bool),
    Missing,
}

fn sort_value(field: &SortField, interaction: &Interaction) -> SortValue {
    match field {
        SortField::Identifier(field) => interaction
            .identifier(*field)
            .map_or(SortValue::Missing, |text| SortValue::Text(text.to_owned())),
        SortField::Integer(field) => interaction
            .integer(*field)
            .map_or(SortValue::Missing, |number| SortValue::Integer(i64::from(number))),
        SortField::Score => {
            interaction.document_score.map_or(SortValue::Missing, SortValue::Number)
        }
        SortField::Time(field) => SortValue::Integer(interaction.time(*field)),
        SortField::Json(path) => json_sort_value(sorted_by(path, interaction)),
    }
}

/// The one value at `path`, which goes into objects by key and into lists by index only.
fn sorted_by<'i>(path: &JsonPath, interaction: &'i Interaction) -> Option<&'i Value> {
    let (first, rest) = path.segments.split_first()?;
    let start = interaction.json(path.root)?.get(first.key())?;
    rest.iter().try_fold(start, |value, segment| match value {
        Value::Object(object) => object.get(segment.key()),
        Value::Array(list) => element(list, segment.key()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

fn json_sort_value(value: Option<&Value>) -> SortValue {
    match value {
        Some(Value::Number(number)) => SortValue::Number(number.as_f64().expect("a double")),
        Some(Value::String(text)) => SortValue::Text(text.clone()),
        Some(Value::Bool(boolean)) => SortValue::Boolean(*boolean),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => SortValue::Missing,
    }
}

/// Missing values come last in both directions; only what is there turns with the direction.
fn compare_values(direction: Direction, a: &SortValue, b: &SortValue) -> Ordering {
    let is_missing = |value: &SortValue| matches!(value, SortValue::Missing);
    match (is_missing(a), is_missing(b), direction) {
        (false, false, Direction::Ascending) => ascending(a, b),
        (false, false, Direction::Descending) => ascending(b, a),
        (a, b, _) => a.cmp(&b),
    }
}

fn ascending(a: &SortValue, b: &SortValue) -> Ordering {
    match (a, b) {
        (SortValue::Number(a), SortValue::Number(b)) => a.partial_cmp(b).expect("finite numbers"),
        (SortValue::Integer(a), SortValue::Integer(b)) => a.cmp(b),
        (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
        (SortValue::Boolean(a), SortValue::Boolean(b)) => a.cmp(b),
        (a, b) => class(a).cmp(&class(b)),
    }
}

fn class(value: &SortValue) -> u8 {
    match value {
        SortValue::Number(_) | SortValue::Integer(_) => 0,
        SortValue::Text(_) => 1,
        SortValue::Boolean(_) => 2,
        SortValue::Missing => 3,
    }
}
