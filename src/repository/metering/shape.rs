//! The shape of what is asked: fields, operators and numbers, none of the values. What callers name
//! themselves is a value too: of a path in JSON only its root is told.

use std::collections::BTreeMap;

use crate::domain::field::JsonPath;
use crate::domain::filter::{
    Condition, Filter, IdentifierTest, IntegerTest, JsonTest, ScoreTest, TextTest, TimeTest,
};
use crate::domain::query::Selection;
use crate::domain::sort::{Direction, Sort};

/// What an operation is asked for.
pub(in crate::repository) enum Shape<'a> {
    /// Some of a selection, in an order where that matters.
    Some { selection: &'a Selection, sort: Option<&'a Sort>, limit: u64 },
    /// One row, by what it is called.
    One,
    /// So many interactions, which are named or given.
    Interactions(usize),
}

/// The conditions of a selection, such as `metadata.* eq, position lte x2, search`.
pub(super) fn conditions(selection: &Selection) -> String {
    let mut found = BTreeMap::new();
    collect(&selection.filter, &mut found);
    let mut parts: Vec<_> = found
        .into_iter()
        .map(|(condition, count)| match count {
            1 => condition,
            _ => format!("{condition} x{count}"),
        })
        .collect();
    if selection.search.is_some() {
        parts.push("search".to_owned());
    }
    parts.join(", ")
}

/// An order, such as `-timestamp, -interaction_id`.
pub(super) fn order(sort: &Sort) -> String {
    let keys = sort.keys().iter().map(|key| {
        let field = key.field.name(root);
        match key.direction {
            Direction::Ascending => field.into_owned(),
            Direction::Descending => format!("-{field}"),
        }
    });
    keys.collect::<Vec<_>>().join(", ")
}

fn collect(filter: &Filter, found: &mut BTreeMap<String, usize>) {
    match filter {
        Filter::All(members) | Filter::Any(members) => {
            members.iter().for_each(|member| collect(member, found));
        }
        Filter::Not(member) => collect(member, found),
        Filter::Condition(condition) => *found.entry(told(condition)).or_default() += 1,
    }
}

fn told(condition: &Condition) -> String {
    match condition {
        Condition::Identifier { field, test } => {
            let operator = match test {
                IdentifierTest::Exists => "exists",
                IdentifierTest::In(values) => one_or_more(values.len()),
                IdentifierTest::Ordered(..) => "order",
                IdentifierTest::Text(test, _) => text(test),
            };
            format!("{} {operator}", field.name())
        }
        Condition::Types(names) => format!("interaction_type {}", one_or_more(names.len())),
        Condition::Integer { field, test } => {
            let operator = match test {
                IntegerTest::Exists => "exists",
                IntegerTest::In(values) => one_or_more(values.len()),
                IntegerTest::Ordered(..) => "order",
            };
            format!("{} {operator}", field.name())
        }
        Condition::Score(test) => {
            let operator = match test {
                ScoreTest::Exists => "exists",
                ScoreTest::In(values) => one_or_more(values.len()),
                ScoreTest::Ordered(..) => "order",
            };
            format!("document_score {operator}")
        }
        Condition::Time { field, test } => {
            let operator = match test {
                TimeTest::In(values) => one_or_more(values.len()),
                TimeTest::Ordered(..) => "order",
            };
            format!("{} {operator}", field.name())
        }
        Condition::Json { path, test } => {
            let operator = match test {
                JsonTest::Exists => "exists",
                JsonTest::ExistsNotNull => "is_null",
                JsonTest::In(values, _) => one_or_more(values.len()),
                JsonTest::Ordered(..) => "order",
                JsonTest::Text(test, _) => text(test),
            };
            format!("{} {operator}", root(path))
        }
    }
}

fn one_or_more(values: usize) -> &'static str {
    if values == 1 { "eq" } else { "in" }
}

fn text(test: &TextTest) -> &'static str {
    match test {
        TextTest::Contains(_) => "contains",
        TextTest::StartsWith(_) => "starts_with",
        TextTest::EndsWith(_) => "ends_with",
        TextTest::Regex(_) => "regex",
        TextTest::Words(_) => "words",
        TextTest::Phrase(_) => "phrase",
    }
}

fn root(path: &JsonPath) -> String {
    format!("{}.*", path.root.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::NamespaceId;
    use crate::domain::field::{Field, Identifier, Integer, Time};
    use crate::domain::filter::{Case, Order, Scalar};
    use crate::domain::query::Window;
    use crate::domain::search::Search;
    use crate::domain::sort::WrittenKey;

    fn json(test: JsonTest) -> Filter {
        let Ok(Field::Json(path)) = Field::parse("metadata.secret.path") else {
            panic!("it is a path")
        };
        Filter::Condition(Condition::Json { path, test })
    }

    #[test]
    fn fields_and_operators_are_told_and_nothing_that_a_caller_chose() {
        let position = |order| Condition::Integer {
            field: Integer::Position,
            test: IntegerTest::Ordered(order, 4711),
        };
        let secret = || "secret".to_owned();
        let filter = Filter::All(vec![
            Filter::identifier(Identifier::UserId, secret()),
            Filter::Any(vec![
                json(JsonTest::In(
                    vec![Scalar::Text(secret()), Scalar::Number(1.0)],
                    Case::Sensitive,
                )),
                json(JsonTest::Text(TextTest::Contains(secret()), Case::Insensitive)).negated(),
            ]),
            Filter::Condition(position(Order::Less)),
            Filter::Condition(position(Order::Greater)),
            Filter::before(Time::Timestamp, 4711),
        ]);
        let search = Search::parse("secret").unwrap();
        let selection =
            Selection { namespace: NamespaceId(4711), window: Window::default(), filter, search };
        assert_eq!(
            conditions(&selection),
            "metadata.* contains, metadata.* in, position order x2, timestamp order, user_id eq, search"
        );
        let key =
            |field: &str| WrittenKey { field: field.to_owned(), direction: Direction::Descending };
        let sort = Sort::build(vec![key("metadata.secret"), key("position")], "sort").unwrap();
        assert_eq!(order(&sort), "-metadata.*, -position, -timestamp, -interaction_id");
    }
}
