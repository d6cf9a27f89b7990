//! A query in its normal form, for people: what is asked for after defaults, aliases, case and the
//! negative operators are gone.

use std::fmt::{self, Display, Formatter};

use super::field::JsonPath;
use super::filter::{
    Case, Comparand, Condition, Filter, IdentifierTest, IntegerTest, JsonTest, Scalar, ScoreTest,
    TextTest, TimeTest,
};
use super::query::Query;
use super::search::{Search, Term};
use super::sort::{Direction, SortKey};
use super::time::{Micros, seconds_and_nanos};

/// Most values of a list that are shown.
const MAX_SHOWN: usize = 10;

/// Shows a query over several lines: its filter as a tree, its search and its order.
#[derive(Debug, Clone, Copy)]
pub struct Outline<'query>(pub &'query Query);

impl Display for Outline<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Query { selection, sort } = self.0;
        writeln!(out, "filter")?;
        filter(out, &selection.filter, 1)?;
        if let Some(search) = &selection.search {
            writeln!(out, "search")?;
            writeln!(out, "  {}", sides(search))?;
        }
        writeln!(out, "sort")?;
        for key in sort.keys() {
            writeln!(out, "  {}", sort_key(key))?;
        }
        Ok(())
    }
}

fn filter(out: &mut Formatter<'_>, shown: &Filter, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    match shown {
        Filter::All(_) => match shown.conjuncts().as_slice() {
            [] => writeln!(out, "{indent}everything"),
            [one] => filter(out, one, depth),
            members => group(out, "all of", members, depth),
        },
        Filter::Any(members) if members.is_empty() => writeln!(out, "{indent}nothing"),
        Filter::Any(members) => group(out, "any of", &members.iter().collect::<Vec<_>>(), depth),
        Filter::Not(member) => group(out, "not", &[member.as_ref()], depth),
        Filter::Condition(shown) => writeln!(out, "{indent}{}", condition(shown)),
    }
}

fn group(out: &mut Formatter<'_>, name: &str, members: &[&Filter], depth: usize) -> fmt::Result {
    writeln!(out, "{}{name}", "  ".repeat(depth))?;
    members.iter().try_for_each(|member| filter(out, member, depth + 1))
}

fn condition(shown: &Condition) -> String {
    match shown {
        Condition::Identifier { field, test } => {
            let field = field.name();
            match test {
                IdentifierTest::Exists => format!("{field} exists"),
                IdentifierTest::In(values) => format!("{field} {}", is_in(values.iter().map(text))),
                IdentifierTest::Ordered(order, value) => {
                    format!("{field} {} {}", order.sign(), text(value))
                }
                IdentifierTest::Text(test, case) => format!("{field} {}", passes(test, *case)),
            }
        }
        Condition::Types(names) => {
            format!(
                "interaction_type has {}",
                one_of(names.iter().map(|name| name.as_str().to_owned()))
            )
        }
        Condition::Integer { field, test } => {
            let field = field.name();
            match test {
                IntegerTest::Exists => format!("{field} exists"),
                IntegerTest::In(values) => {
                    format!("{field} {}", is_in(values.iter().map(i32::to_string)))
                }
                IntegerTest::Ordered(order, value) => format!("{field} {} {value}", order.sign()),
            }
        }
        Condition::Score(test) => match test {
            ScoreTest::Exists => "document_score exists".to_owned(),
            ScoreTest::In(values) => {
                format!("document_score {}", is_in(values.iter().map(f64::to_string)))
            }
            ScoreTest::Ordered(order, value) => format!("document_score {} {value}", order.sign()),
        },
        Condition::Time { field, test } => {
            let field = field.name();
            match test {
                TimeTest::In(values) => {
                    format!("{field} {}", is_in(values.iter().copied().map(time)))
                }
                TimeTest::Ordered(order, value) => {
                    format!("{field} {} {}", order.sign(), time(*value))
                }
            }
        }
        Condition::Json { path: at, test } => {
            let path = path(at);
            match test {
                JsonTest::Exists => format!("{path} exists"),
                JsonTest::ExistsNotNull => format!("{path} exists and is not null"),
                JsonTest::In(values, case) => {
                    format!("{path} {}{}", is_in(values.iter().map(scalar)), in_case(*case))
                }
                JsonTest::Ordered(order, value) => {
                    format!("{path} {} {}", order.sign(), comparand(value))
                }
                JsonTest::Text(test, case) => format!("{path} {}", passes(test, *case)),
            }
        }
    }
}

fn passes(test: &TextTest, case: Case) -> String {
    let words = |words: &[String]| one_of(words.iter().map(text));
    let test = match test {
        TextTest::Contains(part) => format!("contains {}", text(part)),
        TextTest::StartsWith(start) => format!("starts with {}", text(start)),
        TextTest::EndsWith(end) => format!("ends with {}", text(end)),
        TextTest::Regex(pattern) => format!("matches /{}/", pattern.as_str()),
        TextTest::Words(all) => format!("has all of the words {}", words(all)),
        TextTest::Phrase(phrase) => format!("has the words one after the other {}", words(phrase)),
    };
    format!("{test}{}", in_case(case))
}

fn in_case(case: Case) -> &'static str {
    match case {
        Case::Sensitive => "",
        Case::Insensitive => ", in any case",
    }
}

/// `= value`, or `in [one, another]`.
fn is_in(mut values: impl ExactSizeIterator<Item = String>) -> String {
    match values.len() {
        1 => format!("= {}", values.next().unwrap_or_default()),
        _ => format!("in {}", one_of(values)),
    }
}

fn one_of(values: impl ExactSizeIterator<Item = String>) -> String {
    let more = values.len().saturating_sub(MAX_SHOWN);
    let mut shown: Vec<_> = values.take(MAX_SHOWN).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    format!("[{}]", shown.join(", "))
}

fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Number(value) => value.to_string(),
        Scalar::Text(value) => text(value),
    }
}

fn comparand(value: &Comparand) -> String {
    match value {
        Comparand::Number(value) => value.to_string(),
        Comparand::Text(value) => text(value),
    }
}

/// As JSON writes it, so that blanks and control characters show.
fn text(value: impl AsRef<str>) -> String {
    serde_json::Value::from(value.as_ref()).to_string()
}

fn time(micros: Micros) -> String {
    let (seconds, nanos) = seconds_and_nanos(micros);
    jiff::Timestamp::new(seconds, nanos)
        .map_or_else(|_| micros.to_string(), |time| time.to_string())
}

/// A path as filters take it: a segment with a dot or a quote in it stands in double quotes.
fn path(path: &JsonPath) -> String {
    let mut text = path.root.name().to_owned();
    for segment in &path.segments {
        text.push('.');
        let key = segment.key();
        if key.contains(['.', '"']) {
            text.push_str(&format!("\"{}\"", key.replace('"', "\"\"")));
        } else {
            text.push_str(key);
        }
    }
    text
}

fn sort_key(key: &SortKey) -> String {
    let field = key.field.name(path);
    let direction = match key.direction {
        Direction::Ascending => "ascending",
        Direction::Descending => "descending",
    };
    format!("{field} {direction}")
}

/// A search by its folded words.
fn sides(search: &Search) -> String {
    let sides = search.sides().iter().map(|side| {
        let required = side.required().iter().map(term);
        let excluded = side.excluded().iter().map(|excluded| format!("-{}", term(excluded)));
        required.chain(excluded).collect::<Vec<_>>().join(" ")
    });
    sides.collect::<Vec<_>>().join(" OR ")
}

fn term(term: &Term) -> String {
    let words = term.words().join(" ");
    let words = if term.words().len() > 1 { format!("\"{words}\"") } else { words };
    if term.is_prefix() { format!("{words}*") } else { words }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::access::NamespaceId;
    use crate::domain::filter_json;
    use crate::domain::query::{Selection, Window};
    use crate::domain::sort::Sort;
    use crate::domain::violation::Violations;

    fn outline(filters: &Value, search: &str) -> String {
        let mut violations = Violations::default();
        let filter = filter_json::parse(filters.as_object().unwrap(), "filters", &mut violations);
        assert!(violations.is_empty(), "{violations:?}");
        let search = Search::parse(search).unwrap();
        let (namespace, window) = (NamespaceId(1), Window::default());
        let selection = Selection { namespace, window, filter, search };
        Outline(&Query { selection, sort: Sort::default() }).to_string()
    }

    #[test]
    fn a_query_is_shown_in_its_normal_form() {
        let filters = json!({
            "AND": [
                { "position": { "lte": 5 } },
                { "document_id": { "ne": "a \"b\"" } },
                { "OR": [{ "interaction_type": ["click", "purchase"] }, { "document_score": { "gt": 0.5 } }] },
            ],
            "metadata.a.\"b.c\".0": { "contains": "Shoe" },
            "timestamp": { "gte": "2026-01-02T03:04:05Z" },
        });
        let shown = outline(&filters, "Red \"blue SHOE\" -old* OR hat");
        assert_eq!(
            shown,
            r#"filter
  all of
    position <= 5
    not
      feature_id = "a \"b\""
    any of
      interaction_type has [click, purchase]
      document_score > 0.5
    metadata.a."b.c".0 contains "shoe", in any case
    timestamp >= 2026-01-02T03:04:05Z
search
  red "blue shoe" -old* OR hat
sort
  timestamp descending
  interaction_id descending
"#
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let users: Vec<_> = (0..12).map(|number| format!("u{number}")).collect();
        let shown = outline(&json!({ "user_id": { "in": users } }), "");
        assert!(shown.contains(r#""u9", and 2 more]"#), "{shown}");
        assert!(outline(&json!({}), "").starts_with("filter\n  everything\nsort\n"));
    }
}
