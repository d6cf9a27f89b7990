//! Every statement that reads interactions names its namespace, as a bind, and nothing stands beside
//! that condition that could take its place. (What is deleted is found in the same way: see the list
//! in `mutations.rs`.)

use interactions::domain::access::NamespaceId;
use interactions::domain::filter_json;
use interactions::domain::query::{Query, Selection, Window};
use interactions::domain::search::Search;
use interactions::domain::violation::Violations;
use interactions::repository::{Repository, Way};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sea_orm::Statement;
use sea_orm::sea_query::SelectStatement;
use serde_json::{Map, Value};

use crate::support::database::databases;
use crate::support::{documents, generators};

const REQUESTS: usize = 1_000;

/// A request that anyone could send to this namespace.
fn query(namespace: NamespaceId, filters: &Map<String, Value>, sort: &Value, text: &str) -> Query {
    let mut violations = Violations::default();
    let filter = filter_json::parse(filters, "filters", &mut violations);
    assert!(violations.is_empty(), "{violations:?}");
    let window = Window { visible_since: Some(1), recorded_before: None };
    let search = Search::parse(text).unwrap();
    let selection = Selection { namespace, window, filter, search };
    Query { selection, sort: documents::sort(sort) }
}

/// `sql` without what stands in parentheses or quotes.
fn outermost(sql: &str) -> String {
    let (mut depth, mut quote) = (0_usize, None);
    let outside = |character: &char| {
        match (quote, *character) {
            (Some(mark), _) if mark == *character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(*character),
            (None, '(') => depth += 1,
            // A page of PostgreSQL's goes on after the statement that it is read from.
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => return depth == 0,
        }
        false
    };
    sql.chars().filter(outside).collect()
}

fn assert_confined(repository: &Repository, namespace: NamespaceId, select: &SelectStatement) {
    let Statement { sql, values, .. } = repository.render(select);
    let (_, conditions) = sql.split_once(" FROM \"interactions\" WHERE ").expect(&sql);
    let first =
        ["\"namespace_id\" = ? AND ", "(+\"namespace_id\") = ? AND ", "\"namespace_id\" = $1 AND "];
    assert!(first.iter().any(|first| conditions.starts_with(first)), "{sql}");
    let bound = values.and_then(|values| values.0.into_iter().next());
    assert_eq!(bound, Some(namespace.0.into()), "{sql}");
    let beside = outermost(conditions);
    let alternatives = ["OR", "UNION", "EXCEPT", "INTERSECT"];
    let any = beside.split_whitespace().find(|word| alternatives.contains(word));
    assert_eq!(any, None, "{beside} in {sql}");
}

#[test]
fn what_stands_outermost_is_found() {
    assert_eq!(outermost("a = ')' AND (b OR (c)) OR \"OR\""), "a =  AND  OR ");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_names_its_namespace_as_a_bind() {
    let mut runner = TestRunner::deterministic();
    let request = (
        generators::filter(4),
        generators::sort_keys(),
        generators::search(),
        generators::interaction(),
        1..i64::MAX,
    );
    let mut draw = || request.new_tree(&mut runner).unwrap().current();
    let requests: Vec<_> = std::iter::repeat_with(&mut draw).take(REQUESTS).collect();
    for database in databases().await {
        let repository = &database.repository;
        for (filters, sort, text, interaction, namespace) in &requests {
            let namespace = NamespaceId(*namespace);
            let query = query(namespace, filters, sort, text);
            let start = Some(query.sort.position_of(interaction));
            let newest = documents::sort(&Value::Array(Vec::new())).position_of(interaction);
            // Nothing is stored: what an index can name is rare.
            let rare = repository.way(&query.selection, &query.sort, 101).await.unwrap();
            let mut statements = Vec::new();
            for way in [&rare, &Way::Walk, &Way::Free] {
                statements.extend(repository.page_statements(&query, way, &None, 101));
                statements.extend(repository.page_statements(&query, way, &start, 101));
                statements.push(repository.count_statement(&query.selection, way));
                for start in [None, Some(&newest)] {
                    let removal = repository.removal_statement(&query.selection, way, start, 500);
                    statements.push(removal);
                }
            }
            for statement in &statements {
                assert_confined(repository, namespace, statement);
            }
        }
        database.remove().await;
    }
}
