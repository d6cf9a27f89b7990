//! The domain on its own: the conformance cases on the reference evaluator, which shows that both
//! parsing and evaluator are right, and what holds of all filters and sorts.

use std::cmp::Ordering;

use crate::support::documents::{self, Reject};
use crate::support::{evaluator, generators};
use interactions::domain::field::{Identifier, JsonRoot};
use interactions::domain::filter::{Filter, Operator};
use interactions::domain::filter_json;
use interactions::domain::interaction::{
    Interaction, MAX_IDENTIFIER_BYTES, MAX_JSON_DEPTH, is_interaction_id,
};
use interactions::domain::search::Search;
use interactions::domain::violation::Violations;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

fn parse(filters: &Map<String, Value>) -> Result<Filter, Violations> {
    let mut violations = Violations::default();
    let filter = filter_json::parse(filters, "filters", &mut violations);
    violations.into_result(filter)
}

fn accepted(filters: &Map<String, Value>) -> Filter {
    parse(filters).unwrap_or_else(|violations| panic!("{filters:?} is refused: {violations:?}"))
}

/// Failures shrink to a case that can be read, and are kept as tests of their own.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn object(json: Value) -> Map<String, Value> {
    json.as_object().expect("an object").clone()
}

/// The ids for which `test` holds, by code point.
fn ids(interactions: &[Interaction], test: impl Fn(&Interaction) -> bool) -> Vec<&str> {
    let matching = interactions.iter().filter(|interaction| test(interaction));
    let mut ids: Vec<_> = matching.map(|interaction| interaction.interaction_id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn matching<'i>(filters: &Map<String, Value>, interactions: &'i [Interaction]) -> Vec<&'i str> {
    let filter = accepted(filters);
    ids(interactions, |interaction| evaluator::matches(&filter, interaction))
}

fn search(text: &str) -> Option<Search> {
    Search::parse(text).unwrap_or_else(|error| panic!("{text:?} is refused: {error}"))
}

mod conformance {
    use super::*;

    #[test]
    fn filters() {
        let interactions = documents::interactions();
        for case in documents::filter_cases() {
            assert_eq!(matching(&case.filters, &interactions), case.matches, "{:?}", case.filters);
        }
    }

    #[test]
    fn sorts() {
        let mut interactions = documents::interactions();
        for case in documents::sort_cases() {
            interactions.sort_by(|a, b| evaluator::compare(&case.sort, a, b));
            let order: Vec<_> = interactions.iter().map(|each| &each.interaction_id).collect();
            assert_eq!(order, case.order.iter().collect::<Vec<_>>(), "{}", case.keys);
        }
    }

    #[test]
    fn searches() {
        let interactions = documents::interactions();
        for case in documents::search_cases() {
            let search = search(&case.search);
            let found = ids(&interactions, |each| evaluator::search_matches(search.as_ref(), each));
            assert_eq!(found, case.matches, "{}", case.search);
        }
    }

    #[test]
    fn rejects() {
        for Reject { filters, why } in documents::rejects() {
            let violations = parse(&filters).expect_err(&why);
            for violation in violations.iter() {
                assert!(violation.field.starts_with("filters"), "{why}: {violation:?}");
            }
        }
    }
}

/// The interactions and requests that are drawn are valid, and meet often enough to tell right
/// from wrong.
mod drawn {
    use super::*;

    fn samples<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
        let mut runner = TestRunner::deterministic();
        let mut sample = || strategy.new_tree(&mut runner).expect("a value").current();
        (0..count).map(|_| sample()).collect()
    }

    /// The share of `filters` that some of `interactions` match and some do not.
    fn telling(filters: &[Map<String, Value>], interactions: &[Interaction]) -> f64 {
        let tells = |filters: &&Map<String, Value>| {
            let count = matching(filters, interactions).len();
            0 < count && count < interactions.len()
        };
        let telling = filters.iter().filter(tells).count();
        telling as f64 / filters.len() as f64
    }

    #[test]
    fn requests_tell_interactions_apart() {
        let interactions = samples(generators::interaction(), 60);
        let conditions = samples(generators::written_condition(), 600);
        assert!(telling(&conditions, &interactions) > 0.4);
        assert!(telling(&samples(generators::filter(5), 300), &interactions) > 0.4);
        let searches = samples(generators::search(), 300);
        let searches = searches.iter().filter_map(|text| search(text));
        let finds = searches.filter(|search| {
            interactions.iter().any(|each| evaluator::search_matches(Some(search), each))
        });
        assert!(finds.count() > 150);
    }

    #[test]
    fn every_operator_tells_interactions_apart() {
        let interactions = samples(generators::interaction(), 60);
        let conditions = samples(generators::written_condition(), 2_000);
        for operator in Operator::ALL.map(Operator::name) {
            let of_operator: Vec<_> = conditions
                .iter()
                .filter(|condition| {
                    condition.get("operator").is_some_and(|written| written == operator)
                })
                .cloned()
                .collect();
            assert!(telling(&of_operator, &interactions) > 0.1, "{operator}");
        }
    }

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
            Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn interactions_are_valid(interaction in generators::interaction()) {
            prop_assert!(is_interaction_id(&interaction.interaction_id));
            prop_assert!(!interaction.types.names().is_empty());
            prop_assert!(interaction.timestamp >= 0);
            prop_assert!(interaction.position.is_none_or(|number| number >= 0));
            prop_assert!(interaction.result_set_size.is_none_or(|number| number >= 0));
            prop_assert!(interaction.document_score.is_none_or(f64::is_finite));
            for text in Identifier::ALL.into_iter().filter_map(|field| interaction.identifier(field)) {
                prop_assert!((1..=MAX_IDENTIFIER_BYTES).contains(&text.len()));
                prop_assert!(!text.contains('\0'));
            }
            for root in JsonRoot::ALL.into_iter().filter_map(|root| interaction.json(root)) {
                let root = Value::Object(root.clone());
                prop_assert!(depth(&root) <= MAX_JSON_DEPTH);
                prop_assert!(!root.to_string().contains("\\u0000"));
                prop_assert_eq!(documents::with_doubles(root.clone()), root);
            }
        }

        #[test]
        fn requests_are_valid(
            filters in generators::filter(5),
            text in generators::search(),
            _sort in generators::sort(),
        ) {
            prop_assert!(parse(&filters).is_ok(), "{:?}", parse(&filters));
            prop_assert!(Search::parse(&text).is_ok(), "{text}");
        }
    }
}

/// What holds of every filter and every sort.
mod laws {
    use super::*;

    fn condition(field: &str, operator: &str, value: impl Into<Value>) -> Map<String, Value> {
        object(json!({"field": field, "operator": operator, "value": value.into()}))
    }

    fn negated(filters: &Map<String, Value>) -> Map<String, Value> {
        object(json!({"NOT": [filters]}))
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_filter_and_its_negation_part_the_interactions(
            filters in generators::filter(4).prop_filter("not empty", |filters| !filters.is_empty()),
            interactions in generators::interactions(12),
        ) {
            let (yes, no) = (accepted(&filters), accepted(&negated(&filters)));
            for interaction in &interactions {
                let (yes, no) = (evaluator::matches(&yes, interaction), evaluator::matches(&no, interaction));
                prop_assert_ne!(yes, no, "{}", interaction.interaction_id);
            }
        }

        #[test]
        fn negative_operators_negate(
            (field, values) in generators::field_and_values(),
            interactions in generators::interactions(12),
        ) {
            let list = Value::Array(values.clone());
            let mut pairs = vec![
                (condition(&field, "in", list.clone()), condition(&field, "nin", list)),
                (condition(&field, "exists", true), condition(&field, "exists", false)),
                (condition(&field, "is_null", true), condition(&field, "is_null", false)),
            ];
            for value in values {
                let eq = condition(&field, "eq", value.clone());
                pairs.push((eq, condition(&field, "ne", value)));
            }
            for (positive, negative) in pairs {
                let expected = matching(&negated(&positive), &interactions);
                prop_assert_eq!(matching(&negative, &interactions), expected, "{:?}", negative);
            }
        }

        #[test]
        fn in_is_any_eq(
            (field, values) in generators::field_and_values(),
            interactions in generators::interactions(12),
        ) {
            let any_of = |interaction: &Interaction| values.iter().any(|value| {
                let eq = accepted(&condition(&field, "eq", value.clone()));
                evaluator::matches(&eq, interaction)
            });
            let expected = ids(&interactions, any_of);
            let list = condition(&field, "in", Value::Array(values.clone()));
            prop_assert_eq!(matching(&list, &interactions), expected);
        }

        #[test]
        fn groups_are_all_any_and_none(
            a in generators::written_condition(),
            b in generators::written_condition(),
            interactions in generators::interactions(12),
        ) {
            let group = |key: &str| accepted(&object(json!({key: [a, b]})));
            let groups = ["AND", "OR", "NOT", "NOR"].map(group);
            let (a, b) = (accepted(&a), accepted(&b));
            for interaction in &interactions {
                let is_true = |filter| evaluator::matches(filter, interaction);
                let (a, b) = (is_true(&a), is_true(&b));
                let expected = [a && b, a || b, !a && !b, !a && !b];
                prop_assert_eq!(groups.each_ref().map(is_true), expected);
            }
        }

        #[test]
        fn the_outermost_case_reaches_conditions_that_set_none(
            condition in generators::written_condition(),
            sensitive: bool,
            interactions in generators::interactions(12),
        ) {
            let near = json!({"AND": [condition], "case_sensitive": sensitive});
            let far = json!({"AND": {"OR": {"AND": [condition]}}, "case_sensitive": sensitive});
            let inner = json!({"AND": [near], "case_sensitive": !sensitive});
            let expected = matching(&object(near), &interactions);
            prop_assert_eq!(matching(&object(far), &interactions), expected.clone());
            prop_assert_eq!(matching(&object(inner), &interactions), expected);
        }

        #[test]
        fn anything_is_read_or_refused(json in generators::filter_like()) {
            let object =
                if json.is_object() { object(json) } else { object(json!({"AND": json})) };
            if let Err(violations) = parse(&object) {
                for violation in violations.iter() {
                    prop_assert!(violation.field.starts_with("filters"), "{:?}", violation);
                    prop_assert!(!violation.description.is_empty());
                }
            }
        }

        #[test]
        fn sort_orders_are_total(
            sort in generators::sort(),
            interactions in generators::interactions(10),
        ) {
            let compare = |a: &Interaction, b: &Interaction| evaluator::compare(&sort, a, b);
            for a in &interactions {
                for b in &interactions {
                    let is_same = a.interaction_id == b.interaction_id;
                    prop_assert_eq!(compare(a, b) == Ordering::Equal, is_same);
                    prop_assert_eq!(compare(a, b), compare(b, a).reverse());
                    for c in &interactions {
                        let descends = compare(a, b).is_le() && compare(b, c).is_le();
                        prop_assert!(!descends || compare(a, c).is_le());
                    }
                }
            }
        }

        #[test]
        fn positions_fit_their_sort(
            sort in generators::sort(),
            a in generators::interaction(),
            b in generators::interaction(),
        ) {
            let (at_a, at_b) = (sort.position_of(&a), sort.position_of(&b));
            prop_assert!(sort.admits(&at_a) && sort.admits(&at_b));
            if at_a == at_b {
                prop_assert_eq!(a.interaction_id, b.interaction_id);
            }
        }
    }
}
