//! From a filter to a condition in SQL.
//!
//! Filters are two-valued and SQL is not, but two rules are enough. A leaf may come out NULL where
//! it should be false; `AND`, `OR` and `WHERE` cannot tell the difference. The one place that can,
//! a negation, is spelled `IS NOT TRUE`, which is true of false and of NULL alike.
//!
//! Every value is a bind, and paths are too; column names come from an enum. The only literals are
//! the bits of types, which partial indexes have to recognise.

use sea_orm::sea_query::{Expr, ExprTrait};

use super::Dialect;
use super::document::TYPES_KEY;
use super::entity::interaction::{Column, Part};
use super::json_condition::Reach;
use crate::domain::access::NamespaceId;
use crate::domain::field::Identifier;
use crate::domain::filter::{
    Case, Condition, Filter, IdentifierTest, IntegerTest, Order, Scalar, ScoreTest, TextTest,
    TimeTest,
};
use crate::domain::interaction_type::TypeName;
use crate::domain::regex::Pattern;

/// Compiles filters for one database and one namespace.
#[derive(Clone, Copy)]
pub(super) struct Compiler {
    pub(super) dialect: Dialect,
    pub(super) namespace: NamespaceId,
    /// Whether conditions on columns are spelled so that no index of SQLite's answers them.
    pub(super) without_indexes: bool,
}

impl Compiler {
    pub(super) fn of(dialect: Dialect, namespace: NamespaceId) -> Self {
        Self { dialect, namespace, without_indexes: false }
    }

    /// The condition that is true of exactly the rows that `filter` is true of.
    pub(super) fn filter(self, filter: &Filter) -> Expr {
        let members = |filters: &[Filter]| -> Vec<Expr> {
            filters.iter().map(|filter| self.filter(filter)).collect()
        };
        match filter {
            Filter::All(filters) => all(members(filters)),
            Filter::Any(filters) => any(members(filters)),
            Filter::Not(filter) => self.sql("(?) IS NOT TRUE", [self.filter(filter)]),
            Filter::Condition(condition) => self.condition(condition),
        }
    }

    /// The same, but no index of SQLite's answers its conditions.
    pub(super) fn without_indexes(self) -> Self {
        Self { without_indexes: self.dialect == Dialect::Sqlite, ..self }
    }

    /// The column, or, where no index is to answer, a term that only looks like it
    /// (<https://www.sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_>).
    pub(super) fn column(self, column: Column) -> Expr {
        if self.without_indexes { self.sql("+?", [Expr::col(column)]) } else { Expr::col(column) }
    }

    pub(super) fn condition(self, condition: &Condition) -> Expr {
        match condition {
            Condition::Identifier { field, test } => self.identifier(*field, test),
            Condition::Types(names) => self.types(names),
            Condition::Integer { field, test } => self.integer(Column::from(*field), test),
            Condition::Score(test) => self.score(test),
            Condition::Time { field, test } => self.time(Column::from(*field), test),
            Condition::Json { path, test } => Reach::path(self, path).test(test),
        }
    }

    fn identifier(self, field: Identifier, test: &IdentifierTest) -> Expr {
        let column = self.column(Column::from(field));
        match test {
            IdentifierTest::Exists => column.is_not_null(),
            IdentifierTest::In(values) => self.one_of_texts(column, values),
            IdentifierTest::Ordered(order, text) => {
                ordered(column, *order, Expr::value(text.clone()))
            }
            IdentifierTest::Text(test, Case::Sensitive) => {
                self.text(&column, test, Case::Sensitive)
            }
            IdentifierTest::Text(TextTest::Regex(pattern), Case::Insensitive) => {
                self.regex(&column, pattern, Case::Insensitive)
            }
            IdentifierTest::Text(test, Case::Insensitive) => {
                let folded = self.sql(
                    "COALESCE(? ->> ?, ?)",
                    [Expr::col(Part::Document), Expr::value(self.key(field.name())), column],
                );
                self.text(&folded, test, Case::Insensitive)
            }
        }
    }

    pub(super) fn types(self, names: &[TypeName]) -> Expr {
        let well_known = names.iter().filter_map(TypeName::bit);
        let mut tests: Vec<_> = well_known.map(|bit| self.has_bit(bit)).collect();
        let own = own_types(names);
        if !own.is_empty() {
            tests.push(Reach::key(self, TYPES_KEY).folded_in(&own));
        }
        any(tests)
    }

    /// The condition of the partial index on this type, spelled as the index spells it.
    fn has_bit(self, bit: i64) -> Expr {
        let sign = if self.without_indexes { "+" } else { "" };
        Expr::cust(format!("({sign}type_mask & {bit}) <> 0"))
    }

    fn integer(self, column: Column, test: &IntegerTest) -> Expr {
        let expression = self.column(column);
        match test {
            IntegerTest::Exists => expression.is_not_null(),
            IntegerTest::In(values) => self.one_of_integers(expression, values),
            IntegerTest::Ordered(order, bound) => ordered(expression, *order, Expr::value(*bound)),
        }
    }

    fn score(self, test: &ScoreTest) -> Expr {
        let column = self.column(Column::DocumentScore);
        match test {
            ScoreTest::Exists => column.is_not_null(),
            ScoreTest::In(values) => {
                any(values.iter().map(|value| column.clone().eq(*value)).collect())
            }
            ScoreTest::Ordered(order, bound) => ordered(column, *order, Expr::value(*bound)),
        }
    }

    fn time(self, column: Column, test: &TimeTest) -> Expr {
        let column = self.column(column);
        match test {
            TimeTest::In(values) => self.one_of_integers(column, values),
            TimeTest::Ordered(order, bound) => ordered(column, *order, Expr::value(*bound)),
        }
    }

    pub(super) fn one_of_texts(self, column: Expr, values: &[String]) -> Expr {
        if let [value] = values {
            return column.eq(value.clone());
        }
        let list = match self.dialect {
            Dialect::Postgres => Expr::value(values.to_vec()),
            Dialect::Sqlite => json_list(values.iter().cloned()),
        };
        self.sql(self.pick("? IN (SELECT value FROM json_each(?))", "? = ANY(?)"), [column, list])
    }

    fn one_of_integers<I: Into<i64> + Copy>(self, column: Expr, values: &[I]) -> Expr {
        if let [value] = values {
            let value: i64 = (*value).into();
            return column.eq(value);
        }
        let values: Vec<i64> = values.iter().map(|value| (*value).into()).collect();
        let list = match self.dialect {
            Dialect::Postgres => Expr::value(values),
            Dialect::Sqlite => json_list(values),
        };
        self.sql(self.pick("? IN (SELECT value FROM json_each(?))", "? = ANY(?)"), [column, list])
    }

    /// Whether a text, which is folded already where case does not count, passes `test`.
    pub(super) fn text(self, text: &Expr, test: &TextTest, case: Case) -> Expr {
        let with = |template, needle: &String| {
            self.sql(template, [text.clone(), Expr::value(needle.clone())])
        };
        match test {
            // Everything contains, starts and ends with nothing; substr counts differently there.
            TextTest::Contains(needle)
            | TextTest::StartsWith(needle)
            | TextTest::EndsWith(needle)
                if needle.is_empty() =>
            {
                text.clone().is_not_null()
            }
            TextTest::Contains(needle) => {
                with(self.pick("instr(?, ?) > 0", "strpos(?, ?) > 0"), needle)
            }
            TextTest::StartsWith(needle) => match self.dialect {
                Dialect::Postgres => with("starts_with(?, ?)", needle),
                Dialect::Sqlite => {
                    let (length, needle) = (length(needle), Expr::value(needle.clone()));
                    self.sql("substr(?, 1, ?) = ?", [text.clone(), length, needle])
                }
            },
            TextTest::EndsWith(needle) => {
                let (length, needle) = (length(needle), Expr::value(needle.clone()));
                let template = self.pick("substr(?, -?) = ?", "right(?, ?) = ?");
                self.sql(template, [text.clone(), length, needle])
            }
            TextTest::Regex(pattern) => self.regex(text, pattern, case),
            TextTest::Words(words) => all(words
                .iter()
                .map(|word| self.regex(text, &Pattern::of_words([word.as_str()]), Case::Sensitive))
                .collect()),
            TextTest::Phrase(words) => {
                let pattern = Pattern::of_words(words.iter().map(String::as_str));
                self.regex(text, &pattern, Case::Sensitive)
            }
        }
    }

    /// Whether `pattern` matches somewhere in `text`, which is never folded.
    fn regex(self, text: &Expr, pattern: &Pattern, case: Case) -> Expr {
        let insensitive = case == Case::Insensitive;
        match self.dialect {
            Dialect::Sqlite => {
                let flags = if insensitive { "(?i)" } else { "" };
                let source = format!("{flags}{}", pattern.as_str());
                self.sql("? REGEXP ?", [text.clone(), Expr::value(source)])
            }
            Dialect::Postgres => {
                let rendered =
                    pattern.hir(insensitive).map(|hir| super::regex_postgres::render(&hir));
                // A pattern that was let through always has a meaning; were it not so, an error of
                // the database is better than an answer that is wrong.
                let source = rendered.unwrap_or_else(|| "(".to_owned());
                self.sql("? ~ ? COLLATE \"C\"", [text.clone(), Expr::value(source)])
            }
        }
    }

    /// The name of a member of the document, as this database's `->>` takes it.
    fn key(self, name: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("$.{}", serde_json::Value::from(name)),
            Dialect::Postgres => name.to_owned(),
        }
    }

    /// Raw SQL, in which each `?` stands for one of `parts`, in order.
    pub(super) fn sql(self, template: &str, parts: impl IntoIterator<Item = Expr>) -> Expr {
        let template = match self.dialect {
            Dialect::Sqlite => template.to_owned(),
            Dialect::Postgres => template.replace('?', "$"),
        };
        Expr::cust_with_exprs(template, parts)
    }

    pub(super) fn pick<T>(self, sqlite: T, postgres: T) -> T {
        match self.dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
        }
    }
}

/// `a AND b AND …`; true when there are none.
pub(super) fn all(conditions: Vec<Expr>) -> Expr {
    balanced(conditions, |left, right| left.and(right)).unwrap_or_else(|| Expr::cust("(1 = 1)"))
}

/// `a OR b OR …`; false when there are none.
pub(super) fn any(conditions: Vec<Expr>) -> Expr {
    balanced(conditions, |left, right| left.or(right)).unwrap_or_else(|| Expr::cust("(1 = 0)"))
}

/// Joins conditions as a balanced tree: SQLite refuses expressions deeper than 1,000.
fn balanced(mut conditions: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while conditions.len() > 1 {
        let mut halves = conditions.into_iter();
        let mut joined = Vec::with_capacity(halves.len().div_ceil(2));
        while let Some(left) = halves.next() {
            joined.push(match halves.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        conditions = joined;
    }
    conditions.pop()
}

/// `column order bound`.
pub(super) fn ordered(column: Expr, order: Order, bound: Expr) -> Expr {
    match order {
        Order::Less => column.lt(bound),
        Order::LessOrEqual => column.lte(bound),
        Order::Greater => column.gt(bound),
        Order::GreaterOrEqual => column.gte(bound),
    }
}

/// Those of `names` that are callers' own, as values in JSON.
pub(super) fn own_types(names: &[TypeName]) -> Vec<Scalar> {
    let own = names.iter().filter(|name| name.bit().is_none());
    own.map(|name| Scalar::Text(name.as_str().to_owned())).collect()
}

/// A list as one bind, so that its length never meets the limit on binds.
pub(super) fn json_list<T: Into<serde_json::Value>>(values: impl IntoIterator<Item = T>) -> Expr {
    let list = serde_json::Value::Array(values.into_iter().map(Into::into).collect());
    Expr::value(list.to_string())
}

/// How many characters `text` has; a request is far smaller than 2 GiB.
fn length(text: &str) -> Expr {
    Expr::value(i32::try_from(text.chars().count()).unwrap_or(i32::MAX))
}
