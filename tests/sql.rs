//! The SQL that the service sends, as checked-in text: `tests/sql/*.snap`. A change of it shows in a
//! review. After an intended one, `INSTA_UPDATE=always cargo test --test suite sql::` writes it anew.

use std::fmt::Write as _;

use interactions::domain::access::NamespaceId;
use interactions::domain::filter_json;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::search::Search;
use interactions::domain::sort::{Direction, KeyValue, Position, Sort, WrittenKey};
use interactions::domain::violation::Violations;
use interactions::repository::{Repository, Start, Way};
use sea_orm::{ConnectionTrait as _, Database, Statement};
use serde_json::{Value, json};

use crate::support::database::databases;

const NAMESPACE: NamespaceId = NamespaceId(42);

fn query(filter: &Value, search: &str, sort: &[(&str, Direction)]) -> Query {
    let mut violations = Violations::default();
    let filter = filter_json::parse(filter.as_object().unwrap(), "filters", &mut violations);
    assert!(violations.is_empty(), "{violations:?}");
    let keys = sort
        .iter()
        .map(|(field, direction)| WrittenKey { field: (*field).into(), direction: *direction });
    let search = Search::parse(search).unwrap();
    Query {
        selection: Selection { namespace: NAMESPACE, window: Window::default(), filter, search },
        sort: Sort::build(keys.collect(), "sort").unwrap(),
    }
}

/// The statements of a page, with the values bound, for each way to find its rows.
async fn written(repository: &Repository, query: &Query, start: &Start) -> String {
    let mut text = String::new();
    let way = repository.way(&query.selection, &query.sort, 101).await.unwrap();
    let ways = match &way {
        // Nothing is stored, and so everything is rare.
        Way::Among(_) => vec![("among a few\n", way), ("along the order\n", Way::Walk)],
        Way::Free | Way::Walk => vec![("", way)],
    };
    for (name, way) in ways {
        text.push_str(name);
        for statement in repository.page_statements(query, &way, start, 101) {
            let statement = repository.render(&statement);
            writeln!(text, "{}", statement.sql).unwrap();
            let values = statement.values.map(|values| values.0).unwrap_or_default();
            for value in values {
                writeln!(text, "  {}", shortened(&format!("{value:?}"))).unwrap();
            }
        }
    }
    text
}

/// A value as far as a person would read it: a class of characters takes pages.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(160) {
        None => value.to_owned(),
        Some((cut, _)) => format!("{}… ({} bytes)", &value[..cut], value.len()),
    }
}

/// Writes `cases` for each database into one snapshot.
async fn assert_snapshots(name: &str, cases: &[(String, Query, Start)]) {
    for database in databases().await {
        let mut text = String::new();
        for (what, query, start) in cases {
            let sql = written(&database.repository, query, start).await;
            writeln!(text, "-- {what}\n{sql}").unwrap();
        }
        insta::with_settings!({ snapshot_path => "sql", prepend_module_to_snapshot => false,
                                omit_expression => true }, {
            insta::assert_snapshot!(format!("{name}.{}", database.name), text);
        });
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters() {
    let filters = [
        json!({}),
        json!({"user_id": "u", "feature_id": ["f", "g"]}),
        json!({"user_id": {"ne": "u"}, "session_id": {"gt": "s"}, "retriever_id": {"exists": true}}),
        json!({"user_id": {"contains": "100%", "starts_with": "É", "ends_with": "_", "text": ""}}),
        json!({"user_id": {"contains": "A"}, "case_sensitive": true}),
        json!({"interaction_type": ["click", "purchase", "custom_tap"]}),
        json!({"position": {"lte": 5.5}, "result_set_size": [1, 2, 2.5], "document_score": {"gt": 0.1}}),
        json!({"timestamp": {"gte": "2025-01-01", "lt": "2025-02-01T00:00:00.000001Z"}}),
        json!({"metadata.device": "Mobile"}),
        json!({"metadata.device": "Mobile", "case_sensitive": true}),
        json!({"metadata.\"a.b\".c": ["x", 5, true, null]}),
        json!({"metadata.items.0.sku": "a", "metadata.items.sku": {"ne": "b"}}),
        json!({"metadata.price": {"gt": 5, "lte": "z"}}),
        json!({"metadata.a": {"exists": true}, "metadata.b": {"is_null": true}}),
        json!({"metadata.title": {"contains": "x", "regex": "^a.c$", "words": "wi-fi", "phrase": "red shoe"}}),
        json!({"OR": [{"user_id": "u"}, {"metadata.a": 1}, {"interaction_type": ["click", "own"]}]}),
        json!({"OR": [{"user_id": "u"}, {"NOT": [{"metadata.a": 1}, {"position": null}]}]}),
        json!({"query_snapshot.text": "q", "search_request.queries.value": "v"}),
    ];
    let case = |filter: &Value| (filter.to_string(), query(filter, "", &[]), None);
    assert_snapshots("filters", &filters.iter().map(case).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches() {
    let searches = ["red shoe", "\"red shoe\" -blue", "wi-fi* OR größe -\"a b\""];
    let case = |search: &&str| ((*search).to_owned(), query(&json!({}), search, &[]), None);
    assert_snapshots("searches", &searches.iter().map(case).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sorts() {
    use Direction::{Ascending, Descending};
    let text = |text: &str| KeyValue::Text(text.to_owned());
    let (time, id) = (KeyValue::Integer(1_000_000), text("i"));
    let sorts = [
        (vec![], vec![time.clone(), id.clone()]),
        (vec![("position", Ascending)], vec![KeyValue::Integer(5), time.clone(), id.clone()]),
        (vec![("position", Descending)], vec![KeyValue::Missing, time.clone(), id.clone()]),
        (vec![("created_at", Ascending)], vec![time.clone(), time.clone(), id.clone()]),
        (
            vec![("user_id", Descending), ("document_score", Ascending)],
            vec![text("u"), KeyValue::Number(0.5), time.clone(), id.clone()],
        ),
        (vec![("metadata.items.0.price", Descending)], vec![KeyValue::Number(9.5), time, id]),
    ];
    let cases = sorts.into_iter().flat_map(|(keys, position)| {
        let query = query(&json!({}), "", &keys);
        let start = (format!("{keys:?}"), query.clone(), None);
        [start, (format!("{keys:?} from the middle"), query, Some(Position(position)))]
    });
    assert_snapshots("sorts", &cases.collect::<Vec<_>>()).await;
}

/// Whatever is asked, the text of the statement is of our making: values and paths are binds.
#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_statement_holds_nothing_of_the_caller() {
    let shapes = |marker: &str| {
        let quoted = format!("metadata.\"{}\"", marker.replace('"', "\"\""));
        let filter = json!({
            "user_id": marker,
            "AND": [
                {quoted.clone(): marker}, {quoted.clone(): {"gt": marker}},
                {quoted.clone(): {"contains": marker}}, {quoted.clone(): {"exists": false}},
                {format!("{quoted}.0"): {"text": marker}},
                {"feature_id": {"starts_with": marker}}, {"session_id": [marker, "b"]},
                {"execution_id": {"regex": "[a-z]"}},
            ],
        });
        let sort = format!("{quoted}.0");
        query(&filter, "word", &[(sort.as_str(), Direction::Ascending)])
    };
    let expected = shapes("plain");
    let hostile =
        ["'; DROP TABLE interactions; --", "\" OR 1=1 --", "$1", "?", "\\", "') OR ('1'='1", "%"];
    for database in databases().await {
        let text = async |query: &Query| -> Vec<String> {
            let way = database.repository.way(&query.selection, &query.sort, 101).await.unwrap();
            let statements = database.repository.page_statements(query, &way, &None, 101);
            statements.iter().map(|one| database.repository.render(one).sql).collect()
        };
        let expected = text(&expected).await;
        for marker in hostile {
            assert_eq!(text(&shapes(marker)).await, expected, "{}: {marker}", database.name);
        }
        database.remove().await;
    }
}

/// SQLite reads a number of everyday size in JSON as the very double that it is. (Of numbers of any
/// size it reads a sixth a bit off; the same number always alike.)
#[tokio::test(flavor = "multi_thread")]
async fn everyday_numbers_in_json_are_read_exactly() {
    let database = crate::support::database::sqlite().await;
    let connection = Database::connect(&database.url).await.unwrap();
    let mut state = 42_u64;
    let mut draw = || {
        // SplitMix64, for bits of every kind.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let mixed = mixed ^ (mixed >> 31);
        // Any mantissa and sign, and sizes from 1e-9 to 1e15.
        let exponent = 993 + (mixed >> 52) % 80;
        f64::from_bits((mixed & 0x800F_FFFF_FFFF_FFFF) | (exponent << 52))
    };
    let mut numbers = vec![0.1, 0.3, 90.422_252_909_423_83];
    numbers
        .extend(std::iter::repeat_with(&mut draw).filter(|number| number.is_finite()).take(50_000));
    let list = Value::from(numbers.clone()).to_string();
    let backend = connection.get_database_backend();
    let select = "SELECT CAST(value AS REAL) FROM json_each(?)";
    let select = Statement::from_sql_and_values(backend, select, [list.into()]);
    let rows = connection.query_all_raw(select).await.unwrap();
    let wrong: Vec<_> = rows
        .iter()
        .map(|row| row.try_get_by_index::<f64>(0).unwrap())
        .zip(&numbers)
        .filter(|(read, written)| read.to_bits() != written.to_bits())
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {}: {:?}",
        wrong.len(),
        numbers.len(),
        &wrong[..5.min(wrong.len())]
    );
    connection.close().await.unwrap();
    database.remove().await;
}
