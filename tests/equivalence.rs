//! Random requests against random interactions: every database answers as the evaluator in memory
//! does, which shares no code with the way there.

use std::collections::BTreeMap;
use std::panic::resume_unwind;

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

/// How many interactions there are in how many namespaces; a request is asked of one of these.
#[derive(Clone, Copy)]
struct Size {
    parts: usize,
    of: usize,
}

/// One namespace, whose lists take several queries and many pages.
const LARGE: Size = Size { parts: 1, of: 400 };
/// Many small ones, for many requests.
const VARIED: Size = Size { parts: 10, of: 40 };

/// A namespace with random interactions, and what the evaluator takes them for.
struct Part {
    service: TestService,
    recorded: Vec<Interaction>,
}

/// The same namespaces in every database.
struct Sample {
    runtime: Runtime,
    parts: usize,
    databases: Vec<(TestDatabase, Vec<Part>)>,
}

impl Sample {
    fn new(size: Size) -> Self {
        let runtime = Runtime::new().unwrap();
        let drawn = drawn(size);
        let databases = runtime.block_on(async {
            let mut filled = Vec::new();
            for database in databases().await {
                let mut parts = Vec::new();
                for (number, drawn) in drawn.iter().enumerate() {
                    parts.push(filled_part(&database, number, drawn).await);
                }
                filled.push((database, parts));
            }
            filled
        });
        Self { runtime, parts: size.parts, databases }
    }

    /// Checks `cases` requests; a failure is shrunk to one that can be read.
    fn check<S: Strategy>(
        self,
        cases: u32,
        strategy: &S,
        test: impl Fn(&Runtime, &TestService, &[Interaction], S::Value) -> Result<(), TestCaseError>
        + Sync,
    ) where
        S::Value: Clone + Send,
    {
        let cases = std::env::var("PROPTEST_CASES").map_or(cases, |cases| cases.parse().unwrap());
        let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
        let strategy = (0..self.parts, strategy);
        let checked = TestRunner::new(config).run(&strategy, |(part, request)| {
            std::thread::scope(|scope| {
                let ask = |(database, parts): &(TestDatabase, Vec<Part>), request| {
                    let Part { service, recorded } = &parts[part];
                    test(&self.runtime, service, recorded, request)
                        .map_err(|error| TestCaseError::fail(format!("{}: {error}", database.name)))
                };
                let asked = self.databases.iter().map(|database| {
                    let request = request.clone();
                    scope.spawn(move || ask(database, request))
                });
                // All of them, before the first is waited for.
                let mut answers = asked.collect::<Vec<_>>().into_iter();
                answers
                    .try_for_each(|answer| answer.join().unwrap_or_else(|end| resume_unwind(end)))
            })
        });
        let Self { runtime, parts: _, databases } = self;
        for (database, _) in databases {
            runtime.block_on(database.remove());
        }
        if let Err(error) = checked {
            panic!("{error}");
        }
    }
}

async fn filled_part(database: &TestDatabase, number: usize, drawn: &[Interaction]) -> Part {
    let service = TestService::new(&database.repository, &format!("sample-{number}")).await;
    // The same ids stand in another namespace, with other content.
    let other = TestService::new(&database.repository, &format!("other-{number}")).await;
    other.record(drawn.iter().rev().map(swapped).collect()).await;
    for batch in drawn.chunks(100) {
        service.record(batch.iter().map(message).collect()).await;
    }
    let recorded = with_times(&service, drawn.to_vec()).await;
    Part { service, recorded }
}

fn drawn(size: Size) -> Vec<Vec<Interaction>> {
    let mut runner = TestRunner::deterministic();
    let mut part = || {
        let mut by_id = BTreeMap::new();
        while by_id.len() < size.of {
            let interaction = generators::interaction().new_tree(&mut runner).unwrap().current();
            by_id.insert(interaction.interaction_id.clone(), interaction);
        }
        by_id.into_values().collect()
    };
    (0..size.parts).map(|_| part()).collect()
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

/// What a list in no particular order finds: the ids by code point, and the total where it is asked.
type Found = (Vec<String>, Option<i64>);

async fn found(service: &TestService, request: proto::ListInteractionsRequest) -> Found {
    let select = vec!["interaction_id".to_owned()];
    let pages = service.pages(proto::ListInteractionsRequest { select, ..request }).await.unwrap();
    let ids = pages.iter().flat_map(interactions).map(|found| found.interaction_id);
    (sorted(ids.collect()), pages[0].total_size)
}

#[test]
fn filters_match_what_the_evaluator_matches() {
    // The typed form is another way to the same tree, and a total another use of the same condition,
    // which takes the databases as long as the list.
    let strategy = (generators::filter(4), prop::bool::weighted(0.125), prop::bool::weighted(0.25));
    Sample::new(VARIED).check(8_000, &strategy, |runtime, service, recorded, request| {
        let (filters, typed, include_total) = request;
        let filter = parsed(&filters);
        let expected = expected(recorded, |each| evaluator::matches(&filter, each));
        let list = proto::ListInteractionsRequest { include_total, ..list(1_000) };
        let request = if typed && !filters.is_empty() {
            let filter = Some(typed_filter(&filters.clone().into()));
            proto::ListInteractionsRequest { filter, ..list }
        } else {
            let filters = Some(proto_struct(&filters));
            proto::ListInteractionsRequest { filters, ..list }
        };
        let (ids, total) = runtime.block_on(found(service, request));
        prop_assert_eq!(&ids, &expected, "{:?}, typed: {}", filters, typed);
        let counted = include_total.then_some(expected.len() as i64);
        prop_assert_eq!(total, counted, "the total of {:?}", filters);
        Ok(())
    });
}

/// A filter and its negation part the rows between them: nothing is in both, nothing in neither. With
/// the trees above these are ten thousand.
#[test]
fn a_filter_and_its_negation_partition() {
    let filters =
        generators::filter(3).prop_filter("nothing to negate", |filters| !filters.is_empty());
    let strategy = (filters, prop::bool::weighted(0.25));
    Sample::new(VARIED).check(1_000, &strategy, |runtime, service, recorded, request| {
        let (filters, include_total) = request;
        let filter = parsed(&filters);
        let negated = Map::from_iter([("NOT".to_owned(), Value::Object(filters.clone()))]);
        let found = |filters: &Map<String, Value>| {
            let request = proto::ListInteractionsRequest {
                filters: Some(proto_struct(filters)),
                include_total,
                ..list(1_000)
            };
            runtime.block_on(found(service, request))
        };
        let ((some, count), (others, count_of_others)) = (found(&filters), found(&negated));
        let counts = [some.len(), others.len()].map(|count| include_total.then_some(count as i64));
        prop_assert_eq!([count, count_of_others], counts, "totals of {:?}", filters);
        prop_assert_eq!(&some, &expected(recorded, |each| evaluator::matches(&filter, each)));
        let both = some.into_iter().chain(others).collect();
        prop_assert_eq!(sorted(both), expected(recorded, |_| true), "{:?}", filters);
        Ok(())
    });
}

#[test]
fn sorts_order_as_the_evaluator_orders() {
    let strategy = (generators::sort_keys(), 1..60_i32, generators::filter(1));
    Sample::new(LARGE).check(
        300,
        &strategy,
        |runtime, service, recorded, (keys, size, filters)| {
            let (sort, filter) = (documents::sort(&keys), parsed(&filters));
            let mut expected: Vec<_> =
                recorded.iter().filter(|each| evaluator::matches(&filter, each)).collect();
            expected.sort_by(|a, b| evaluator::compare(&sort, a, b));
            let expected: Vec<_> =
                expected.iter().map(|each| each.interaction_id.clone()).collect();
            let request = proto::ListInteractionsRequest {
                sort: proto_sort(&keys),
                filters: Some(proto_struct(&filters)),
                ..list(size)
            };
            let streamed = runtime.block_on(service.ids(request.clone()));
            prop_assert_eq!(&streamed, &expected, "{} {:?}, {} a page", keys, filters, size);
            let resumed = runtime.block_on(service.ids_by_token(request));
            prop_assert_eq!(
                &resumed,
                &expected,
                "{} {:?}, {} a page, resumed",
                keys,
                filters,
                size
            );
            Ok(())
        },
    );
}

#[test]
fn searches_find_what_the_evaluator_finds() {
    Sample::new(LARGE).check(500, &generators::search(), |runtime, service, recorded, text| {
        let search = Search::parse(&text).unwrap();
        let expected = expected(recorded, |each| evaluator::search_matches(search.as_ref(), each));
        let request = proto::ListInteractionsRequest { search: text.clone(), ..list(1_000) };
        prop_assert_eq!(sorted(runtime.block_on(service.ids(request))), expected, "{:?}", text);
        Ok(())
    });
}
