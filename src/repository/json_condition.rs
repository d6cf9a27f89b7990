//! Conditions on JSON: which values a path reaches, and whether any of them passes.
//!
//! PostgreSQL has jsonpath, whose lax mode has the very meaning of a path of keys: a key asked of a
//! list is asked of each element, one level deep, and a comparison opens the list it ends at
//! (manual, section 9.16.2). Such a path is one operator, which the inverted index answers. Where a
//! path indexes a list, and in SQLite throughout, the path is walked step by step, as joined rows.

use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use serde_json::Value;

use super::Dialect;
use super::condition::{Compiler, any, json_list, ordered};
use super::document::{fact, number};
use super::entity::interaction::Part;
use crate::domain::field::{JsonPath, Segment};
use crate::domain::filter::{Case, Comparand, JsonTest, Order, Scalar, TextTest};

/// Most alternatives for which SQLite's index of facts is asked.
const MAX_FACTS: usize = 64;

/// The values that a path into the document reaches.
pub(super) struct Reach<'p> {
    compiler: Compiler,
    /// The key that the path starts with; always one of the document's own.
    root: &'p str,
    segments: Vec<Step<'p>>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    /// Asked of an object, or of each object of a list.
    Key(&'p str),
    /// Asked of a list an index, and of an object a key.
    Index(&'p Segment),
}

impl<'p> Reach<'p> {
    pub(super) fn path(compiler: Compiler, path: &'p JsonPath) -> Self {
        let steps = path.segments.iter().enumerate().map(|(place, segment)| {
            // Below the root stands an object, which knows keys only.
            if segment.is_index() && place > 0 {
                Step::Index(segment)
            } else {
                Step::Key(segment.key())
            }
        });
        Self { compiler, root: path.root.name(), segments: steps.collect() }
    }

    /// The value under one key of the document.
    pub(super) fn key(compiler: Compiler, root: &'p str) -> Self {
        Self { compiler, root, segments: Vec::new() }
    }

    /// Whether the values reached pass `test`.
    pub(super) fn test(&self, test: &JsonTest) -> Expr {
        match test {
            JsonTest::Exists => self.exists(),
            JsonTest::ExistsNotNull => self.exists_not_null(),
            JsonTest::In(values, Case::Insensitive) => self.folded_in(values),
            JsonTest::In(values, Case::Sensitive) => self.exactly_in(values),
            JsonTest::Ordered(order, comparand) => self.ordered(*order, comparand),
            JsonTest::Text(test, case) => self.text(test, *case),
        }
    }

    /// Equality without case: the one test that indexes answer.
    pub(super) fn folded_in(&self, values: &[Scalar]) -> Expr {
        self.one_of(&Expr::col(Part::Document), values)
    }

    /// Equality with case: what PostgreSQL's index finds without case, and of that what is exactly so.
    fn exactly_in(&self, values: &[Scalar]) -> Expr {
        if !values.iter().any(|value| matches!(value, Scalar::Text(_))) {
            return self.folded_in(values);
        }
        let exactly = self.one_of(&self.exact(), values);
        match self.compiler.dialect {
            Dialect::Sqlite => exactly,
            Dialect::Postgres => {
                let folded: Vec<_> = values.iter().map(fold).collect();
                self.folded_in(&folded).and(exactly)
            }
        }
    }

    /// The document as it came.
    fn exact(&self) -> Expr {
        let columns = [Part::DocumentExact, Part::Document].map(Expr::col);
        self.compiler.sql("COALESCE(?, ?)", columns)
    }

    fn exists(&self) -> Expr {
        let document = Expr::col(Part::Document);
        match (self.compiler.dialect, self.lax_path()) {
            (Dialect::Postgres, Some(path)) => self.path_exists(document, &path),
            (Dialect::Postgres | Dialect::Sqlite, _) => {
                let (from, last) = self.walk(document);
                self.any_row(from, last.is_not_null())
            }
        }
    }

    fn exists_not_null(&self) -> Expr {
        let document = Expr::col(Part::Document);
        let not_null = r#"? (@.type() != "null")"#;
        match (self.compiler.dialect, self.lax_path()) {
            (Dialect::Postgres, Some(path)) => {
                self.path_exists(document, &format!("{path} {not_null}"))
            }
            (Dialect::Postgres, None) => {
                let (from, last) = self.walk(document);
                self.any_row(from, self.path_exists(last, &format!("$ {not_null}")))
            }
            (Dialect::Sqlite, _) => self.any_value(document, Expr::cust("v.type <> 'null'")),
        }
    }

    fn one_of(&self, document: &Expr, values: &[Scalar]) -> Expr {
        match self.compiler.dialect {
            Dialect::Postgres => self.path_predicate(document, |operand| {
                let equal = |value| format!("{operand} == {}", literal(value));
                values.iter().map(equal).collect::<Vec<_>>().join(" || ")
            }),
            Dialect::Sqlite => {
                let test = any(by_class(self.compiler, values));
                self.any_value(document.clone(), test)
            }
        }
    }

    fn ordered(&self, order: Order, comparand: &Comparand) -> Expr {
        let (document, value) = match comparand {
            Comparand::Number(bound) => (Expr::col(Part::Document), Scalar::Number(*bound)),
            Comparand::Text(bound) => (self.exact(), Scalar::Text(bound.clone())),
        };
        match self.compiler.dialect {
            Dialect::Postgres => self.path_predicate(&document, |operand| {
                format!("{operand} {} {}", order.sign(), literal(&value))
            }),
            Dialect::Sqlite => {
                let (class, bound) = class_and_bind(self.compiler, &value);
                let test = ordered(Expr::cust("v.value"), order, bound);
                self.any_value(document, Expr::cust(class).and(test))
            }
        }
    }

    fn text(&self, test: &TextTest, case: Case) -> Expr {
        let unfolded = case == Case::Sensitive || matches!(test, TextTest::Regex(_));
        let document = if unfolded { self.exact() } else { Expr::col(Part::Document) };
        match self.compiler.dialect {
            Dialect::Sqlite => {
                let test = self.compiler.text(&Expr::cust("v.value"), test, case);
                self.any_value(document, Expr::cust("v.type = 'text'").and(test))
            }
            Dialect::Postgres => {
                let test = self.compiler.text(&Expr::cust("v.j #>> '{}'"), test, case);
                let is_text = Expr::cust("jsonb_typeof(v.j) = 'string'");
                self.any_value(document, is_text.and(test))
            }
        }
    }

    /// SQLite: the rows that its index of facts names for equality, with or without case; `None`
    /// where the index cannot tell.
    pub(super) fn facts(&self, values: &[Scalar]) -> Option<SelectStatement> {
        if values.len() > MAX_FACTS {
            return None;
        }
        let keys = std::iter::once(Some(self.root)).chain(self.segments.iter().map(Step::key));
        let keys: Vec<_> = keys.collect::<Option<_>>()?;
        let fact = |value| format!("\"{}\"", fact(self.compiler.namespace, &keys, &fold(value)));
        let question = values.iter().map(fact).collect::<Vec<_>>().join(" OR ");
        Some(self.compiler.matching(Part::InteractionFacts, question))
    }

    /// Whether any of the values reached, with lists opened, passes `test`, which speaks of them as
    /// `v`: in SQLite `v.type` and `v.value`, in PostgreSQL `v.j`.
    fn any_value(&self, document: Expr, test: Expr) -> Expr {
        if let (Dialect::Postgres, Some(path)) = (self.compiler.dialect, self.lax_path()) {
            let path = Expr::value(format!("{path}[*]"));
            let from =
                self.compiler.sql("jsonb_path_query(?, ?::jsonpath) AS v(j)", [document, path]);
            return self.any_row(from, test);
        }
        let (from, last) = self.walk(document);
        let from = match self.compiler.dialect {
            Dialect::Postgres => {
                self.compiler.sql("?, jsonb_path_query(?, '$[*]') AS v(j)", [from, last])
            }
            Dialect::Sqlite => {
                let opened = opened(self.compiler, &last);
                self.compiler.sql("?, json_each(?) AS v", [from, opened])
            }
        };
        self.any_row(from, test)
    }

    fn any_row(&self, from: Expr, test: Expr) -> Expr {
        self.compiler.sql("EXISTS (SELECT 1 FROM ? WHERE ?)", [from, test])
    }

    /// The path walked step by step: what to select from, and the JSON at its end (NULL where there
    /// is none).
    fn walk(&self, document: Expr) -> (Expr, Expr) {
        match self.compiler.dialect {
            Dialect::Postgres => self.walk_postgres(document),
            Dialect::Sqlite => self.walk_sqlite(document),
        }
    }

    fn walk_postgres(&self, document: Expr) -> (Expr, Expr) {
        let compiler = self.compiler;
        let mut keys = vec![self.root];
        let mut from = None;
        let mut last = document;
        let mut count = 0;
        let mut join = |last: &mut Expr, template: &str, argument: Expr| {
            count += 1;
            let row = compiler.sql(&format!("{template} AS s{count}(j)"), [last.clone(), argument]);
            *last = Expr::cust(format!("s{count}.j"));
            from = Some(match from.take() {
                None => row,
                Some(before) => compiler.sql("?, ?", [before, row]),
            });
        };
        let query = "LATERAL jsonb_path_query(?, ?::jsonpath)";
        for step in &self.segments {
            match step {
                Step::Key(key) => keys.push(key),
                Step::Index(segment) => {
                    if !keys.is_empty() {
                        join(&mut last, query, Expr::value(json_path(&keys)));
                        keys.clear();
                    }
                    let path = Expr::value(vec![segment.key().to_owned()]);
                    join(&mut last, "LATERAL (SELECT ? #> ?)", path);
                }
            }
        }
        if !keys.is_empty() {
            join(&mut last, query, Expr::value(json_path(&keys)));
        }
        (from.unwrap_or_else(|| Expr::cust("(SELECT 1) AS s0")), last)
    }

    fn walk_sqlite(&self, document: Expr) -> (Expr, Expr) {
        let compiler = self.compiler;
        let (first, rest) = match self.segments.split_first() {
            Some((first, rest)) => (vec![self.root, first.name()], rest),
            None => (vec![self.root], self.segments.as_slice()),
        };
        let first = compiler.sql("? -> ?", [document, Expr::value(member_path(&first))]);
        let mut from = compiler.sql("(SELECT ? AS j) AS s0", [first]);
        let mut last = Expr::cust("s0.j");
        for (count, step) in (1..).zip(rest) {
            match step {
                Step::Key(key) => {
                    let opened = opened(compiler, &last);
                    from = compiler.sql(&format!("?, json_each(?) AS s{count}"), [from, opened]);
                    last = compiler.sql(
                        &format!("CASE s{count}.type WHEN 'object' THEN s{count}.value -> ? END"),
                        [Expr::value(member_path(&[key]))],
                    );
                }
                Step::Index(segment) => last = at_index(compiler, last, segment),
            }
        }
        (from, last)
    }

    /// The path as one jsonpath; `None` where it indexes a list, which jsonpath would also do to a
    /// value that is no list.
    fn lax_path(&self) -> Option<String> {
        let keys = std::iter::once(Some(self.root)).chain(self.segments.iter().map(Step::key));
        keys.collect::<Option<Vec<_>>>().map(|keys| json_path(&keys))
    }

    fn path_exists(&self, json: Expr, path: &str) -> Expr {
        let path = Expr::value(path.to_owned());
        self.compiler.sql("jsonb_path_exists(?, ?::jsonpath, '{}', true)", [json, path])
    }

    /// Whether the jsonpath predicate holds that `predicate` writes about the values reached.
    fn path_predicate(&self, document: &Expr, predicate: impl Fn(&str) -> String) -> Expr {
        let holds = |json, operand: &str| {
            self.compiler.sql("? @@ ?::jsonpath", [json, Expr::value(predicate(operand))])
        };
        match self.lax_path() {
            Some(path) => holds(document.clone(), &path),
            None => {
                let (from, last) = self.walk(document.clone());
                self.any_row(from, holds(last, "$"))
            }
        }
    }
}

impl<'p> Step<'p> {
    /// The key of a step that is one whatever it is asked of.
    fn key(&self) -> Option<&'p str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }

    /// The key that the step asks an object for.
    fn name(&self) -> &'p str {
        match self {
            Self::Key(key) => key,
            Self::Index(segment) => segment.key(),
        }
    }
}

/// SQLite: a list of the elements of `json` where it is a list, else of `json` itself; NULL where
/// there is nothing.
fn opened(compiler: Compiler, json: &Expr) -> Expr {
    compiler.sql(
        "CASE WHEN json_type(?) = 'array' THEN ? WHEN ? IS NOT NULL THEN json_array(json(?)) END",
        std::iter::repeat_n(json.clone(), 4),
    )
}

/// SQLite: the element of a list, or the member of an object. A path is of one kind or the other,
/// and asked of the wrong kind gives NULL.
pub(super) fn at_index(compiler: Compiler, json: Expr, segment: &Segment) -> Expr {
    let member = Expr::value(member_path(&[segment.key()]));
    match segment.index() {
        None => compiler.sql("? -> ?", [json, member]),
        Some(index) => {
            let element = Expr::value(format!("$[{index}]"));
            let either = "(SELECT COALESCE(p.j -> ?, p.j -> ?) FROM (SELECT ? AS j) AS p)";
            compiler.sql(either, [element, member, json])
        }
    }
}

/// SQLite's path to a member of a member of … an object.
pub(super) fn member_path(keys: &[&str]) -> String {
    let mut path = "$".to_owned();
    for key in keys {
        path.push('.');
        path.push_str(&Value::from(*key).to_string());
    }
    path
}

/// The jsonpath of nested keys. A key is a JSON string in it, escapes included.
fn json_path(keys: &[&str]) -> String {
    member_path(keys)
}

/// A value in jsonpath, where literals are JSON's.
fn literal(value: &Scalar) -> String {
    match value {
        Scalar::Boolean(boolean) => boolean.to_string(),
        Scalar::Number(value) => number(*value).to_string(),
        Scalar::Text(text) => Value::from(text.as_str()).to_string(),
    }
}

fn fold(value: &Scalar) -> Scalar {
    match value {
        Scalar::Boolean(_) | Scalar::Number(_) => value.clone(),
        Scalar::Text(text) => Scalar::Text(crate::domain::text::fold_case(text)),
    }
}

/// SQLite: the condition of a class on `v`, and a value of it to compare `v.value` with.
fn class_and_bind(compiler: Compiler, value: &Scalar) -> (&'static str, Expr) {
    match value {
        Scalar::Boolean(boolean) => ("v.type IN ('true', 'false')", Expr::value(*boolean)),
        // Read by the same routine as the stored one.
        Scalar::Number(value) => {
            let text = Expr::value(number(*value).to_string());
            ("v.type IN ('integer', 'real')", compiler.sql("? ->> '$'", [text]))
        }
        Scalar::Text(text) => ("v.type = 'text'", Expr::value(text.clone())),
    }
}

/// SQLite: one condition on `v` for each class among `values`.
fn by_class(compiler: Compiler, values: &[Scalar]) -> Vec<Expr> {
    if let [value] = values {
        let (class, bound) = class_and_bind(compiler, value);
        return vec![Expr::cust(class).and(Expr::cust("v.value").eq(bound))];
    }
    let (mut numbers, mut texts, mut tests) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match value {
            Scalar::Boolean(true) => tests.push(Expr::cust("v.type = 'true'")),
            Scalar::Boolean(false) => tests.push(Expr::cust("v.type = 'false'")),
            Scalar::Number(value) => numbers.push(number(*value)),
            Scalar::Text(text) => texts.push(Value::from(text.as_str())),
        }
    }
    for (class, values) in [("v.type IN ('integer', 'real')", numbers), ("v.type = 'text'", texts)]
    {
        if !values.is_empty() {
            let among = "v.value IN (SELECT value FROM json_each(?))";
            tests.push(Expr::cust(class).and(compiler.sql(among, [json_list(values)])));
        }
    }
    tests
}
