//! Whichever way the rows of a list are found, they are the same, in the same order. (That they are
//! the right ones is what `equivalence.rs` asks.)

use std::collections::BTreeMap;

use interactions::domain::filter_json;
use interactions::domain::interaction::Interaction;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::search::Search;
use interactions::domain::violation::Violations;
use interactions::repository::{Dialect, Start, Way};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, SqlxSqliteConnector};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

use crate::support::database::{TestDatabase, databases};
use crate::support::messages::message;
use crate::support::service::TestService;
use crate::support::{documents, generators};

const INTERACTIONS: usize = 300;
const REQUESTS: usize = 600;
const LIMIT: u64 = 4;

/// A connection that knows what the service's own know.
async fn connection(database: &TestDatabase) -> DatabaseConnection {
    match database.repository.dialect() {
        Dialect::Postgres => Database::connect(&database.url).await.unwrap(),
        Dialect::Sqlite => {
            let options: SqliteConnectOptions = database.url.parse().unwrap();
            let pool = SqlitePool::connect_with(options.with_regexp()).await.unwrap();
            SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
        }
    }
}

/// The first rows after `start` as the statements of `way` find them, encoded.
async fn page(
    (database, connection): (&TestDatabase, &DatabaseConnection),
    query: &Query,
    way: &Way,
    start: &Start,
) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for statement in database.repository.page_statements(query, way, start, LIMIT) {
        let statement = database.repository.render(&statement);
        let rows = connection.query_all_raw(statement).await.unwrap();
        records.extend(rows.iter().map(|row| row.try_get_by_index::<Vec<u8>>(0).unwrap()));
    }
    records.truncate(usize::try_from(LIMIT).unwrap());
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_leads_to_the_same_rows() {
    let mut runner = TestRunner::deterministic();
    let mut by_id = BTreeMap::new();
    while by_id.len() < INTERACTIONS {
        let interaction = generators::interaction().new_tree(&mut runner).unwrap().current();
        by_id.insert(interaction.interaction_id.clone(), interaction);
    }
    let recorded: Vec<Interaction> = by_id.into_values().collect();
    let request = (
        generators::filter(3),
        prop_oneof![2 => Just(String::new()), 1 => generators::search()],
        prop_oneof![Just(serde_json::json!([])), generators::sort_keys()],
        prop::option::of(0..recorded.len()),
    );
    let mut draw = || request.new_tree(&mut runner).unwrap().current();
    let requests: Vec<_> = std::iter::repeat_with(&mut draw).take(REQUESTS).collect();
    for database in databases().await {
        let service = TestService::new(&database.repository, "ways").await;
        service.record(recorded.iter().map(message).collect()).await;
        let connection = connection(&database).await;
        let (mut full, mut few_found) = (0, 0);
        for (filters, search, sort, start) in &requests {
            let mut violations = Violations::default();
            let filter = filter_json::parse(filters, "filters", &mut violations);
            let search = Search::parse(search).unwrap();
            let selection = Selection {
                namespace: service.namespace,
                window: Window::default(),
                filter,
                search,
            };
            let query = Query { selection, sort: documents::sort(sort) };
            let start = start.map(|start| query.sort.position_of(&recorded[start]));
            let repository = &database.repository;
            let few = repository.way(&query.selection, &query.sort, LIMIT).await.unwrap();
            let all = repository.way_to_all(&query.selection).await.unwrap();
            few_found += u32::from(matches!(few, Way::Among(_)));
            let at = (&database, &connection);
            let walked = page(at, &query, &Way::Walk, &start).await;
            full += u32::from(walked.len() as u64 == LIMIT);
            let ways = repository.ways(&query.selection, &query.sort);
            for way in ways.iter().chain([&few, &all]) {
                let found = page(at, &query, way, &start).await;
                assert!(found == walked, "{}: {filters:?} {sort} by {way:?}", database.name);
            }
        }
        assert!(full > 50, "{full} pages were full");
        let sqlite = database.name == "sqlite";
        assert!(!sqlite || few_found > 50, "{few_found} pages were found by an index");
        connection.close().await.unwrap();
        database.remove().await;
    }
}
