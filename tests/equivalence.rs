//! Random requests against random interactions: every database answers as the evaluator in memory
//! does, which shares no code with the way there.

use std::collections::BTreeMap;

use crate::support::database::{TestDatabase, databases};
use crate::support::messages::message;
use crate::support::service::{TestService, interactions};
use crate::support::typed::{proto_sort, proto_struct, typed_filter};
use crate::support::{documents, evaluator, generators};
use interactions::domain::filter_json;
use interactions::domain::interaction::Interaction;
use interactions::domain::search::Search;
use interactions::domain::violation::Violations;
use interactions::grpc::proto;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

/// Interactions that each request is asked of.
const INTERACTIONS: usize = 400;

/// A database with random interactions, and what the evaluator takes them for.
struct Sample {
    runtime: Runtime,
    databases: Vec<(TestDatabase, TestService, Vec<Interaction>)>,
}

impl Sample {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let drawn = drawn();
        let databases = runtime.block_on(async {
            let mut filled = Vec::new();
            for database in databases().await {
                let service = TestService::new(&database.repository, "sample").await;
                // The same ids stand in another namespace, with other content.
                let other = TestService::new(&database.repository, "other").await;
                other.record(drawn.iter().rev().map(swapped).collect()).await;
                for batch in drawn.chunks(INTERACTIONS / 4) {
                    service.record(batch.iter().map(message).collect()).await;
                }
                let recorded = with_times(&service, drawn.clone()).await;
                filled.push((database, service, recorded));
            }
            filled
        });
        Self { runtime, databases }
    }

    /// Checks `cases` requests; a failure is shrunk to one that can be read.
    fn check<S: Strategy>(
        self,
        cases: u32,
        strategy: &S,
        test: impl Fn(&Runtime, &TestService, &[Interaction], S::Value) -> Result<(), TestCaseError>,
    ) where
        S::Value: Clone,
    {
        let cases = std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap());
        let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
        let checked = TestRunner::new(config).run(strategy, |request| {
            for (database, service, recorded) in &self.databases {
                test(&self.runtime, service, recorded, request.clone())
                    .map_err(|error| TestCaseError::fail(format!("{}: {error}", database.name)))?;
            }
            Ok(())
        });
        let Self { runtime, databases } = self;
        for (database, _, _) in databases {
            runtime.block_on(database.remove());
        }
        if let Err(error) = checked {
            panic!("{error}");
        }
    }
}

fn drawn() -> Vec<Interaction> {
    let mut runner = TestRunner::deterministic();
    let mut by_id = BTreeMap::new();
    while by_id.len() < INTERACTIONS {
        let interaction = generators::interaction().new_tree(&mut runner).unwrap().current();
        by_id.insert(interaction.interaction_id.clone(), interaction);
    }
    by_id.into_values().collect()
}

/// The message of `interaction` with its user and its session changed over.
fn swapped(interaction: &Interaction) -> proto::Interaction {
    let mut message = message(interaction);
    std::mem::swap(&mut message.user_id, &mut message.session_id);
    message
}

/// `interactions` with the times at which the service recorded them.
async fn with_times(service: &TestService, mut recorded: Vec<Interaction>) -> Vec<Interaction> {
    let pages = service.pages(list(1_000)).await.unwrap();
    let times: BTreeMap<_, _> = pages
        .iter()
        .flat_map(interactions)
        .map(|found| (found.interaction_id.clone(), found.created_at.unwrap()))
        .collect();
    for interaction in &mut recorded {
        let time = &times[&interaction.interaction_id];
        interaction.created_at = time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000;
    }
    recorded
}

fn list(page_size: i32) -> proto::ListInteractionsRequest {
    proto::ListInteractionsRequest { page_size, ..Default::default() }
}

/// The ids that `test` holds of, by code point.
fn expected(recorded: &[Interaction], test: impl Fn(&Interaction) -> bool) -> Vec<String> {
    let mut ids: Vec<_> = recorded
        .iter()
        .filter(|interaction| test(interaction))
        .map(|interaction| interaction.interaction_id.clone())
        .collect();
    ids.sort();
    ids
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn parsed(filters: &Map<String, Value>) -> interactions::domain::filter::Filter {
    let mut violations = Violations::default();
    let filter = filter_json::parse(filters, "filters", &mut violations);
    assert!(violations.is_empty(), "{violations:?}");
    filter
}

#[test]
fn filters_match_what_the_evaluator_matches() {
    Sample::new().check(1_000, &generators::filter(4), |runtime, service, recorded, filters| {
        let filter = parsed(&filters);
        let expected = expected(recorded, |each| evaluator::matches(&filter, each));
        let json =
            proto::ListInteractionsRequest { filters: Some(proto_struct(&filters)), ..list(1_000) };
        prop_assert_eq!(&sorted(runtime.block_on(service.ids(json))), &expected, "{:?}", filters);
        if !filters.is_empty() {
            let typed = proto::ListInteractionsRequest {
                filter: Some(typed_filter(&filters.clone().into())),
                ..list(1_000)
            };
            let found = sorted(runtime.block_on(service.ids(typed)));
            prop_assert_eq!(&found, &expected, "typed {:?}", filters);
        }
        Ok(())
    });
}

/// A filter and its negation part the rows between them: nothing is in both, nothing in neither.
#[test]
fn a_filter_and_its_negation_partition() {
    let strategy =
        generators::filter(3).prop_filter("nothing to negate", |filters| !filters.is_empty());
    Sample::new().check(300, &strategy, |runtime, service, recorded, filters| {
        let negated = Map::from_iter([("NOT".to_owned(), Value::Object(filters.clone()))]);
        let ids = |filters: &Map<String, Value>| {
            let request = proto::ListInteractionsRequest {
                filters: Some(proto_struct(filters)),
                ..list(1_000)
            };
            runtime.block_on(service.ids(request))
        };
        let both = ids(&filters).into_iter().chain(ids(&negated)).collect();
        prop_assert_eq!(sorted(both), expected(recorded, |_| true), "{:?}", filters);
        Ok(())
    });
}

#[test]
fn sorts_order_as_the_evaluator_orders() {
    let strategy = (generators::sort_keys(), 1..60_i32, generators::filter(1));
    Sample::new().check(300, &strategy, |runtime, service, recorded, (keys, size, filters)| {
        let (sort, filter) = (documents::sort(&keys), parsed(&filters));
        let mut expected: Vec<_> =
            recorded.iter().filter(|each| evaluator::matches(&filter, each)).collect();
        expected.sort_by(|a, b| evaluator::compare(&sort, a, b));
        let expected: Vec<_> = expected.iter().map(|each| each.interaction_id.clone()).collect();
        let request = proto::ListInteractionsRequest {
            sort: proto_sort(&keys),
            filters: Some(proto_struct(&filters)),
            ..list(size)
        };
        let streamed = runtime.block_on(service.ids(request.clone()));
        prop_assert_eq!(&streamed, &expected, "{} {:?}, {} a page", keys, filters, size);
        let resumed = runtime.block_on(service.ids_by_token(request));
        prop_assert_eq!(&resumed, &expected, "{} {:?}, {} a page, resumed", keys, filters, size);
        Ok(())
    });
}

#[test]
fn searches_find_what_the_evaluator_finds() {
    Sample::new().check(500, &generators::search(), |runtime, service, recorded, text| {
        let search = Search::parse(&text).unwrap();
        let expected = expected(recorded, |each| evaluator::search_matches(search.as_ref(), each));
        let request = proto::ListInteractionsRequest { search: text.clone(), ..list(1_000) };
        prop_assert_eq!(sorted(runtime.block_on(service.ids(request))), expected, "{:?}", text);
        Ok(())
    });
}
