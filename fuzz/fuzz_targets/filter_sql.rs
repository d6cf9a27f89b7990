//! A filter, a search and a sort as SQL: its text holds nothing of the caller's, SQLite takes it,
//! and the answers on a few interactions agree with each other.
//!
//! The input is `{"filters": {…}, "search": "…", "sort": [{"field": "…", "direction": "desc"}]}`, of
//! which each part may be missing.

#![no_main]

use std::sync::OnceLock;

use interactions::domain::access::NamespaceId;
use interactions::domain::filter_json;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::search::Search;
use interactions::domain::sort::{Direction, Sort, WrittenKey};
use interactions::domain::violation::Violations;
use interactions::fuzzing;
use interactions::grpc::interaction_service::record_all;
use interactions::repository::{Dialect, Repository, Settings};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const INTERACTIONS: &str = include_str!("../../tests/conformance/interactions.jsonl");
/// How many of them are asked about: enough to differ, and few enough to be quick.
const ROWS: usize = 12;
/// Most parameters of a statement in SQLite; PostgreSQL takes twice as many.
const MAX_PARAMETERS: usize = 32_766;

static DATABASE: OnceLock<Database> = OnceLock::new();

fuzz_target!(init: open(), |bytes: &[u8]| {
    let Ok(written) = serde_json::from_slice::<Value>(bytes) else { return };
    let Some(written) = arrived(written) else { return };
    let database = DATABASE.get().unwrap();
    let Some(query) = query(&written, database.namespace) else { return };
    assert_the_text_is_ours(&written, database.namespace);
    database.runtime.block_on(database.assert_answers_agree(&query));
});

struct Database {
    runtime: Runtime,
    repository: Repository,
    namespace: NamespaceId,
    _directory: TempDir,
}

/// Opens a database with a few interactions.
fn open() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings::sqlite_file(&directory.path().join("fuzz.sqlite3"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (repository, namespace) = runtime.block_on(async {
        let repository = Repository::connect(&settings).await.unwrap();
        repository.migrate_up().await.unwrap();
        let namespace = repository.create_namespace("fuzz").await.unwrap().id;
        let records = fuzzing::read_file("jsonl", INTERACTIONS.as_bytes(), 1);
        let interactions = records.into_iter().flat_map(|record| record.parsed).take(ROWS);
        let interactions = interactions.collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(record_all(&repository, namespace, interactions).await.unwrap(), ROWS);
        (repository, namespace)
    });
    assert!(
        DATABASE.set(Database { runtime, repository, namespace, _directory: directory }).is_ok()
    );
}

/// JSON as a request brings it: numbers are doubles, and no text holds a NUL.
fn arrived(value: Value) -> Option<Value> {
    Some(match value {
        Value::Null | Value::Bool(_) => value,
        Value::Number(number) => Value::Number(fuzzing::json_number(number.as_f64()?)?),
        Value::String(text) => Value::String(arrived_text(text)?),
        Value::Array(list) => Value::Array(list.into_iter().map(arrived).collect::<Option<_>>()?),
        Value::Object(object) => {
            let entries = object.into_iter();
            let entries = entries.map(|(key, value)| Some((arrived_text(key)?, arrived(value)?)));
            Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}

fn arrived_text(text: String) -> Option<String> {
    (!text.contains('\0')).then_some(text)
}

/// The query, if every part of it is accepted.
fn query(written: &Value, namespace: NamespaceId) -> Option<Query> {
    let mut violations = Violations::default();
    let everything = Map::new();
    let filters = written.get("filters").and_then(Value::as_object).unwrap_or(&everything);
    let filter = filter_json::parse(filters, "filters", &mut violations);
    let search = written.get("search").and_then(Value::as_str).unwrap_or_default();
    let search = Search::parse(search).ok()?;
    let keys = written.get("sort").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let keys = keys.iter().map(|key| {
        let descending = key.get("direction").and_then(Value::as_str) == Some("desc");
        let direction = if descending { Direction::Descending } else { Direction::Ascending };
        Some(WrittenKey { field: key.get("field")?.as_str()?.to_owned(), direction })
    });
    let sort = Sort::build(keys.collect::<Option<_>>()?, "sort").ok()?;
    let selection = Selection { namespace, window: Window::default(), filter, search };
    violations.is_empty().then_some(Query { selection, sort })
}

/// The same request with other values has the same text.
fn assert_the_text_is_ours(written: &Value, namespace: NamespaceId) {
    let variants = ["qxqa", "zrzb"].map(|mark| query(&marked(written, mark), namespace));
    // A mark makes some texts something else that is refused, such as a time.
    let [Some(one), Some(other)] = variants else { return };
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let (one, other) = (texts(dialect, &one), texts(dialect, &other));
        assert_eq!(one, other, "values are in the text");
    }
}

/// The statements of a page and of the count, whichever way they find their rows.
fn texts(dialect: Dialect, query: &Query) -> Vec<String> {
    let repository = fuzzing::unconnected(dialect);
    let mut statements = Vec::new();
    for way in repository.ways(&query.selection, &query.sort) {
        statements.extend(repository.page_statements(query, &way, &None, 101));
        statements.push(repository.count_statement(&query.selection, &way));
    }
    let rendered = statements.iter().map(|statement| {
        let statement = repository.render(statement);
        let parameters = statement.values.map_or(0, |values| values.0.len());
        assert!(parameters <= MAX_PARAMETERS, "{parameters} parameters");
        statement.sql
    });
    rendered.collect()
}

/// `written` with `mark` in every value that is text, and at the end of every path into JSON.
fn marked(written: &Value, mark: &str) -> Value {
    let marked_path = |text: &String| {
        let is_path = ["metadata.", "query_snapshot.", "search_request."]
            .iter()
            .any(|root| text.starts_with(root) && !text.ends_with('"'));
        if is_path { format!("{text}{mark}") } else { text.clone() }
    };
    match written {
        Value::Null | Value::Bool(_) | Value::Number(_) => written.clone(),
        Value::String(text) => Value::String(format!("{text}{mark}")),
        Value::Array(list) => Value::Array(list.iter().map(|item| marked(item, mark)).collect()),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("field", Value::String(path)) => Value::String(marked_path(path)),
                    ("direction" | "operator", _) => value.clone(),
                    _ => marked(value, mark),
                };
                (marked_path(key), value)
            });
            Value::Object(entries.collect())
        }
    }
}

impl Database {
    /// A list, its pages and counts tell of the same interactions, and of those that a filter does
    /// not find, its negation finds each.
    async fn assert_answers_agree(&self, query: &Query) {
        let all = self.page(query, None, ROWS + 1).await;
        let mut paged: Vec<Vec<u8>> = Vec::new();
        while paged.len() < all.len() {
            let start = paged.last().map(|record| {
                query.sort.position_of(&fuzzing::stored_interaction(record).unwrap())
            });
            let page = self.page(query, start, 5).await;
            assert!(!page.is_empty(), "a list ends before its end");
            paged.extend(page);
        }
        assert_eq!(paged, all, "pages are not the list");
        assert_eq!(self.count(&query.selection).await, all.len(), "the count is another");

        let plain = Selection { search: None, ..query.selection.clone() };
        let negated = Selection { filter: plain.filter.clone().negated(), ..plain.clone() };
        let (plain, negated) = (self.count(&plain).await, self.count(&negated).await);
        assert_eq!(plain + negated, ROWS, "a filter and its negation");
    }

    async fn page(
        &self,
        query: &Query,
        start: interactions::repository::Start,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        let page = self.repository.page(query, &start, limit as u64, usize::MAX).await.unwrap();
        page.into_iter().map(|record| record.to_vec()).collect()
    }

    async fn count(&self, selection: &Selection) -> usize {
        self.repository.count(selection).await.unwrap().try_into().unwrap()
    }
}
