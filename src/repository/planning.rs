//! PostgreSQL: whether a statement is planned for the values it is asked with, or once for all.
//!
//! Planning opens every index of the table, and takes longer than most pages do. What is right for a
//! small namespace is wrong for a giant one, and so most statements are planned anew. But where one
//! index has just the rows that are asked for, in their order, no values make another one better.

use crate::domain::field::Time;
use crate::domain::filter::{Condition, Filter, IdentifierTest, IntegerTest, ScoreTest, TimeTest};
use crate::domain::query::{Query, Window};

/// When a statement is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planning {
    /// Whenever it is asked, for its values.
    Anew,
    /// Once for each connection.
    Once,
}

impl Planning {
    /// Of the pages of `query`: once where they go by time, over a namespace or what has one value in
    /// it that an index holds in order of time.
    pub(super) fn of_pages(query: &Query) -> Self {
        let Query { selection, sort } = query;
        let Window { visible_since: _, recorded_before } = selection.window;
        let conjuncts = selection.filter.conjuncts();
        let narrowed: Vec<_> = conjuncts.into_iter().filter(|filter| !is_range(filter)).collect();
        let one_index = match narrowed.as_slice() {
            [] => true,
            [one] => is_one_value(one),
            [_, ..] => false,
        };
        let plain = selection.search.is_none() && recorded_before.is_none();
        if plain && one_index && sort.is_by_time() { Self::Once } else { Self::Anew }
    }
}

/// A range of the order itself.
fn is_range(filter: &Filter) -> bool {
    let Filter::Condition(Condition::Time { field: Time::Timestamp, test }) = filter else {
        return false;
    };
    match test {
        TimeTest::Ordered(..) => true,
        TimeTest::In(_) => false,
    }
}

/// One value of a column, or one type that has an index.
fn is_one_value(filter: &Filter) -> bool {
    let Filter::Condition(condition) = filter else { return false };
    match condition {
        Condition::Identifier { field: _, test: IdentifierTest::In(values) } => values.len() == 1,
        Condition::Integer { field: _, test: IntegerTest::In(values) } => values.len() == 1,
        Condition::Score(ScoreTest::In(values)) => values.len() == 1,
        Condition::Types(names) => matches!(names.as_slice(), [name] if name.bit().is_some()),
        Condition::Identifier { .. }
        | Condition::Integer { .. }
        | Condition::Score(_)
        | Condition::Time { .. }
        | Condition::Json { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::access::NamespaceId;
    use crate::domain::filter_json;
    use crate::domain::query::Selection;
    use crate::domain::search::Search;
    use crate::domain::sort::{Direction, Sort, WrittenKey};
    use crate::domain::violation::Violations;

    fn planning(filters: &Value, search: &str, sort: &str) -> Planning {
        let mut violations = Violations::default();
        let filter = filter_json::parse(filters.as_object().unwrap(), "filters", &mut violations);
        assert!(violations.is_empty(), "{violations:?}");
        let key = WrittenKey { field: sort.to_owned(), direction: Direction::Ascending };
        let (namespace, window) = (NamespaceId(1), Window::default());
        let search = Search::parse(search).unwrap();
        let selection = Selection { namespace, window, filter, search };
        Planning::of_pages(&Query { selection, sort: Sort::build(vec![key], "sort").unwrap() })
    }

    #[test]
    fn one_index_has_the_rows_and_their_order() {
        for filters in [
            json!({}),
            json!({ "timestamp": { "gte": "2026-01-01T00:00:00Z", "lt": "2026-01-02T00:00:00Z" } }),
            json!({ "user_id": "a" }),
            json!({ "position": 3, "timestamp": { "lte": "2026-01-01T00:00:00Z" } }),
            json!({ "document_score": 0.5 }),
            json!({ "AND": [{ "AND": [{ "interaction_type": "click" }] }] }),
        ] {
            assert_eq!(planning(&filters, "", "timestamp"), Planning::Once, "{filters}");
        }
    }

    #[test]
    fn what_values_decide_is_planned_for_them() {
        for filters in [
            json!({ "user_id": ["a", "b"] }),
            json!({ "user_id": { "ne": "a" } }),
            json!({ "user_id": "a", "position": 3 }),
            json!({ "user_id": { "gt": "a" } }),
            json!({ "created_at": { "gte": "2026-01-01T00:00:00Z" } }),
            json!({ "interaction_type": "of_my_own" }),
            json!({ "interaction_type": ["click", "purchase"] }),
            json!({ "metadata.a": "b" }),
            json!({ "OR": [{ "user_id": "a" }, { "session_id": "b" }] }),
        ] {
            assert_eq!(planning(&filters, "", "timestamp"), Planning::Anew, "{filters}");
        }
        assert_eq!(planning(&json!({}), "word", "timestamp"), Planning::Anew);
        for sort in ["position", "created_at", "metadata.a"] {
            assert_eq!(planning(&json!({}), "", sort), Planning::Anew, "{sort}");
        }
    }
}
