//! Keyset paging: the conditions and the order by which a list goes on after a position.
//!
//! A page is read in parts, each of them one run along one index. For a list sorted by `position`
//! that stopped at 5, those are the rest of position 5, then the positions after it, then the rows
//! without one. As a single condition with OR, the database would walk the index from its start.

use sea_orm::sea_query::{
    Alias, CommonTableExpression, Expr, ExprTrait, NullOrdering, Order, Query as Sql,
    SelectStatement, WithClause,
};

use super::Dialect;
use super::condition::{Compiler, all, any};
use super::document::number;
use super::entity::interaction::{Column, Part};
use super::json_condition::{at_index, member_path};
use crate::domain::field::JsonPath;
use crate::domain::sort::{Direction, KeyValue, Position, Sort, SortField};

/// How many times the rows of a page PostgreSQL plans for where JSON or words decide which are on it.
const WARINESS: u64 = 10;

/// One expression to order by, and the value to go on after.
#[derive(Clone)]
struct Key {
    expression: Expr,
    direction: Direction,
    /// NULLs come last, whatever the direction.
    nullable: bool,
    /// A column, whose index can be walked.
    indexed: bool,
    /// The value at the position; `None` at the start of the list.
    after: Option<After>,
}

#[derive(Clone)]
enum After {
    Null,
    Value(Expr),
}

/// One run of rows: part of a list, in order.
pub(super) struct Run {
    condition: Option<Expr>,
    order: Vec<Key>,
}

/// The runs of the list in `sort` after `position`, or of the whole list, in order. Together they
/// hold every row that comes after it, each once.
pub(super) fn runs(compiler: Compiler, sort: &Sort, position: Option<&Position>) -> Vec<Run> {
    let keys = keys(compiler, sort, position);
    let Some((lead, rest)) = keys.split_first() else { return Vec::new() };
    let column = || lead.expression.clone();
    let valued = |condition| Run { condition: Some(condition), order: led_by(lead.valued(), rest) };
    let missing = |condition| Run { condition: Some(condition), order: led_by(lead.null(), rest) };
    match (&lead.after, lead.nullable) {
        (None, false) if lead.expression == Expr::col(Column::CreatedAtUs) => {
            // SQLite walks an index whose order it has to complete only where it is asked a range.
            vec![valued(column().gte(i64::MIN))]
        }
        (None, _) if !lead.nullable || !lead.indexed => vec![Run { condition: None, order: keys }],
        (None, _) => vec![valued(column().is_not_null()), missing(column().is_null())],
        (Some(After::Null), _) => vec![missing(column().is_null().and(after(rest)))],
        (Some(After::Value(_)), _) if !lead.indexed || runs_as_one(&keys) => {
            vec![Run { condition: Some(after(&keys)), order: keys }]
        }
        (Some(After::Value(value)), nullable) => {
            let same = column().eq(value.clone()).and(after(rest));
            let mut runs = vec![valued(same), valued(beyond(lead, value.clone()))];
            if nullable {
                runs.push(missing(column().is_null()));
            }
            runs
        }
    }
}

/// All that comes after `position` in one condition and one order: for passing over rows.
pub(super) fn whole(compiler: Compiler, sort: &Sort, position: Option<&Position>) -> Run {
    let keys = keys(compiler, sort, position);
    Run { condition: position.map(|_| after(&keys)), order: keys }
}

fn led_by(lead: Key, rest: &[Key]) -> Vec<Key> {
    std::iter::once(lead).chain(rest.iter().cloned()).collect()
}

impl Run {
    /// Narrows `select` to this run, in its order.
    pub(super) fn apply(self, select: &mut SelectStatement) {
        select.and_where_option(self.condition);
        for key in self.order {
            let order = match key.direction {
                Direction::Ascending => Order::Asc,
                Direction::Descending => Order::Desc,
            };
            if key.nullable {
                select.order_by_expr_with_nulls(key.expression, order, NullOrdering::Last);
            } else {
                select.order_by_expr(key.expression, order);
            }
        }
    }

    /// The first `limit` rows of `select` in this run, as a plan for [`WARINESS`] times as many finds
    /// them. PostgreSQL takes the order of the list for the best way wherever enough rows seem to pass
    /// the filter, and for JSON whether they do is a guess: in its sample of a hundred, one row with a
    /// rare value stands for a hundredth of all. What is planned for more rows takes more than one
    /// such to go wrong. A materialised query is planned by itself, and run only as far as its rows are
    /// asked for (manual, section 7.8.3).
    pub(super) fn warily(self, select: &SelectStatement, limit: u64) -> SelectStatement {
        let name = Alias::new("planned");
        let mut planned = select.clone();
        self.apply(&mut planned);
        planned.limit(limit.saturating_mul(WARINESS));
        let planned = CommonTableExpression::new()
            .query(planned)
            .table_name(name.clone())
            .materialized(true)
            .to_owned();
        let mut page = Sql::select();
        page.with_cte(WithClause::new().cte(planned).to_owned());
        page.column(Column::Record).from(name).limit(limit);
        page
    }
}

/// Whether one row comparison says it all, which an index answers in one run.
fn runs_as_one(keys: &[Key]) -> bool {
    keys.iter().all(|key| !key.nullable && key.direction == keys[0].direction)
}

/// The condition of the rows that come after the position.
fn after(keys: &[Key]) -> Expr {
    let Some((key, rest)) = keys.split_first() else { return Expr::cust("(1 = 0)") };
    let Some(position) = &key.after else { return Expr::cust("(1 = 1)") };
    let column = || key.expression.clone();
    let value = match position {
        // Nothing comes after NULL but what differs in a later key.
        After::Null => return column().is_null().and(after(rest)),
        After::Value(value) => value,
    };
    let run = keys.iter().take_while(|next| !next.nullable && next.direction == key.direction);
    let run = run.count();
    if run > 1 {
        let (tuple, rest) = keys.split_at(run);
        let columns = Expr::tuple(tuple.iter().map(|key| key.expression.clone()));
        let values = Expr::tuple(tuple.iter().filter_map(Key::value));
        let later = directed(columns.clone(), key.direction, values.clone());
        if rest.is_empty() {
            return later;
        }
        let same = tuple.iter().filter_map(|key| Some(key.expression.clone().eq(key.value()?)));
        return any(vec![later, all(same.chain([after(rest)]).collect())]);
    }
    let later = match key.nullable {
        true => beyond(key, value.clone()).or(column().is_null()),
        false => beyond(key, value.clone()),
    };
    if rest.is_empty() {
        return later;
    }
    any(vec![later, column().eq(value.clone()).and(after(rest))])
}

impl Key {
    /// This key where it is known to have a value. NULLs are not spoken of then: the database would
    /// not recognise the order of its index.
    fn valued(&self) -> Self {
        Self { nullable: false, ..self.clone() }
    }

    /// This key where it is known to be NULL. PostgreSQL has to be told in the index's own
    /// direction that the rows are ordered by it, though they are all alike.
    fn null(&self) -> Self {
        Self { nullable: false, direction: Direction::Ascending, ..self.clone() }
    }

    fn value(&self) -> Option<Expr> {
        match &self.after {
            Some(After::Value(value)) => Some(value.clone()),
            Some(After::Null) | None => None,
        }
    }
}

fn beyond(key: &Key, value: Expr) -> Expr {
    directed(key.expression.clone(), key.direction, value)
}

fn directed(left: Expr, direction: Direction, right: Expr) -> Expr {
    match direction {
        Direction::Ascending => left.gt(right),
        Direction::Descending => left.lt(right),
    }
}

/// The expressions that `sort` orders by. A JSON key is three of them.
fn keys(compiler: Compiler, sort: &Sort, position: Option<&Position>) -> Vec<Key> {
    let mut keys = Vec::new();
    for (place, key) in sort.keys().iter().enumerate() {
        let value = position.and_then(|Position(values)| values.get(place));
        let column = match &key.field {
            SortField::Identifier(field) => Column::from(*field),
            SortField::Integer(field) => Column::from(*field),
            SortField::Score => Column::DocumentScore,
            SortField::Time(field) => Column::from(*field),
            SortField::Json(path) => {
                keys.extend(json_keys(compiler, path, key.direction, value));
                continue;
            }
        };
        keys.push(Key {
            expression: Expr::col(column),
            direction: key.direction,
            nullable: key.field.can_be_missing(),
            indexed: true,
            after: value.map(column_value),
        });
    }
    keys
}

fn column_value(value: &KeyValue) -> After {
    match value {
        KeyValue::Missing => After::Null,
        KeyValue::Integer(number) => After::Value(Expr::value(*number)),
        KeyValue::Number(number) => After::Value(Expr::value(*number)),
        KeyValue::Text(text) => After::Value(Expr::value(text.clone())),
        // No column holds booleans.
        KeyValue::Boolean(_) => After::Null,
    }
}

/// Numbers, texts and booleans in their order, and what has none after them: as rank of the class,
/// number (or boolean), and text. None of the three is ever NULL.
fn json_keys(
    compiler: Compiler,
    path: &JsonPath,
    direction: Direction,
    value: Option<&KeyValue>,
) -> [Key; 3] {
    let [rank, number, text] = json_expressions(compiler, path, direction);
    let ranks = ranks(direction);
    let after = value.map(|value| match value {
        KeyValue::Missing => (MISSING_RANK, 0.0, String::new()),
        KeyValue::Number(number) => (ranks.number, *number, String::new()),
        KeyValue::Integer(_) => (MISSING_RANK, 0.0, String::new()),
        KeyValue::Text(text) => (ranks.text, 0.0, text.clone()),
        KeyValue::Boolean(boolean) => (ranks.boolean, f64::from(u8::from(*boolean)), String::new()),
    });
    let key = |expression, direction, after| Key {
        expression,
        direction,
        nullable: false,
        indexed: false,
        after,
    };
    let value = |value: Option<Expr>| value.map(After::Value);
    [
        key(rank, Direction::Ascending, value(after.as_ref().map(|after| Expr::value(after.0)))),
        key(number, direction, value(after.as_ref().map(|after| json_number(compiler, after.1)))),
        key(text, direction, value(after.map(|after| Expr::value(after.2)))),
    ]
}

/// A number to compare with numbers in JSON. SQLite reads most numbers beyond 1e22 a bit off; it has
/// to read this one just as it read the stored one, or a page would start with the row that the
/// page before it ended with.
fn json_number(compiler: Compiler, value: f64) -> Expr {
    match compiler.dialect {
        Dialect::Postgres => Expr::value(value),
        Dialect::Sqlite => {
            let text = Expr::value(number(value).to_string());
            compiler.sql("CAST(? ->> '$' AS REAL)", [text])
        }
    }
}

/// Where each class of JSON stands in a direction.
struct Ranks {
    number: i32,
    text: i32,
    boolean: i32,
}

const MISSING_RANK: i32 = 3;

fn ranks(direction: Direction) -> Ranks {
    match direction {
        Direction::Ascending => Ranks { number: 0, text: 1, boolean: 2 },
        Direction::Descending => Ranks { boolean: 0, text: 1, number: 2 },
    }
}

fn json_expressions(compiler: Compiler, path: &JsonPath, direction: Direction) -> [Expr; 3] {
    let exact = [Part::DocumentExact, Part::Document].map(Expr::col);
    let document = compiler.sql("COALESCE(?, ?)", exact);
    let json = match compiler.dialect {
        Dialect::Postgres => at_postgres(compiler, document, path),
        Dialect::Sqlite => at_sqlite(compiler, document, path),
    };
    let Ranks { number, text, boolean } = ranks(direction);
    let (rank, as_number, as_text) = match compiler.dialect {
        Dialect::Postgres => (
            format!(
                "CASE jsonb_typeof(?) WHEN 'number' THEN {number} WHEN 'string' THEN {text} \
                 WHEN 'boolean' THEN {boolean} ELSE {MISSING_RANK} END"
            ),
            "CASE jsonb_typeof(?) WHEN 'number' THEN (? #>> '{}')::float8 \
             WHEN 'boolean' THEN (?)::boolean::integer::float8 ELSE 0 END",
            "(CASE jsonb_typeof(?) WHEN 'string' THEN ? #>> '{}' ELSE '' END) COLLATE \"C\"",
        ),
        Dialect::Sqlite => (
            format!(
                "CASE json_type(?) WHEN 'integer' THEN {number} WHEN 'real' THEN {number} \
                 WHEN 'text' THEN {text} WHEN 'true' THEN {boolean} WHEN 'false' THEN {boolean} \
                 ELSE {MISSING_RANK} END"
            ),
            "CASE json_type(?) WHEN 'integer' THEN CAST(? ->> '$' AS REAL) \
             WHEN 'real' THEN ? ->> '$' WHEN 'true' THEN 1.0 ELSE 0.0 END",
            "CASE json_type(?) WHEN 'text' THEN ? ->> '$' ELSE '' END",
        ),
    };
    let write = |template: &str| {
        let uses = template.matches('?').count();
        compiler.sql(template, std::iter::repeat_n(json.clone(), uses))
    };
    [write(&rank), write(as_number), write(as_text)]
}

/// The value at the path, by keys of objects and indexes of lists; NULL where there is none.
fn at_postgres(compiler: Compiler, document: Expr, path: &JsonPath) -> Expr {
    let root = compiler.sql("? -> ?", [document, Expr::value(path.root.name())]);
    path.segments.iter().fold(root, |json, segment| {
        // `#>` takes negative indexes of lists, and `->` none at all.
        if segment.is_index() {
            compiler.sql("? #> ?", [json, Expr::value(vec![segment.key().to_owned()])])
        } else {
            compiler.sql("? -> ?", [json, Expr::value(segment.key())])
        }
    })
}

fn at_sqlite(compiler: Compiler, document: Expr, path: &JsonPath) -> Expr {
    let root = Expr::value(member_path(&[path.root.name()]));
    let root = compiler.sql("? -> ?", [document, root]);
    path.segments.iter().fold(root, |json, segment| {
        if segment.is_index() {
            at_index(compiler, json, segment)
        } else {
            compiler.sql("? -> ?", [json, Expr::value(member_path(&[segment.key()]))])
        }
    })
}
