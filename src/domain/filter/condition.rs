//! From one condition as callers write it to a checked one: does the operator fit the field, and
//! the value the operator?

use serde_json::Value;

use super::{
    Case, Comparand, Condition, Filter, IdentifierTest, IntegerTest, JsonTest, MAX_LIST_VALUES,
    MAX_WORDS, Operator, Order, Scalar, ScoreTest, TextTest, TimeTest,
};
use crate::domain::field::{Field, Identifier, Integer, JsonPath, Time};
use crate::domain::interaction_type::{self, TypeName};
use crate::domain::regex::Pattern;
use crate::domain::text::{fold_case, split_words};
use crate::domain::time::{self, Micros};
use crate::domain::violation::{Violations, echo};

/// A condition as it was written.
pub(super) struct Written {
    pub(super) field: String,
    pub(super) operator: Operator,
    pub(super) value: Option<Value>,
    pub(super) field_path: String,
    pub(super) value_path: String,
}

/// What a condition asks for, before its field says which values it takes.
enum Question {
    Exists(bool),
    IsNull(bool),
    /// `eq` and `in`; `null` among the values stands apart, because it means "has nothing".
    In {
        values: Vec<Value>,
        or_null: bool,
    },
    Ordered(Order, Value),
    Text(TextOperator, String),
}

#[derive(Clone, Copy)]
enum TextOperator {
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Text,
    Words,
    Phrase,
}

impl Written {
    /// Checks this condition, under the case rule that holds where it stands.
    pub(super) fn check(self, case: Case, violations: &mut Violations) -> Filter {
        let field = match Field::parse(&self.field) {
            Ok(field) => field,
            Err(error) => {
                violations.add(self.field_path, error.to_string());
                return Filter::NOTHING;
            }
        };
        let negates = matches!(self.operator, Operator::Ne | Operator::Nin);
        let checked = self.question().and_then(|question| ask(&field, question, case));
        match checked {
            Ok(filter) if negates => filter.negated(),
            Ok(filter) => filter,
            Err(description) => {
                violations.add(self.value_path, format!("{}: {description}", self.operator.name()));
                Filter::NOTHING
            }
        }
    }

    fn question(&self) -> Result<Question, String> {
        let value = self.value.as_ref();
        Ok(match self.operator {
            Operator::Eq | Operator::Ne => one_of(vec![scalar(value)?.clone()]),
            Operator::In | Operator::Nin => one_of(list(value)?.clone()),
            Operator::Gt => Question::Ordered(Order::Greater, scalar(value)?.clone()),
            Operator::Gte => Question::Ordered(Order::GreaterOrEqual, scalar(value)?.clone()),
            Operator::Lt => Question::Ordered(Order::Less, scalar(value)?.clone()),
            Operator::Lte => Question::Ordered(Order::LessOrEqual, scalar(value)?.clone()),
            Operator::Exists => Question::Exists(flag(value)?),
            Operator::IsNull => Question::IsNull(flag(value)?),
            Operator::Contains => Question::Text(TextOperator::Contains, text(value)?),
            Operator::StartsWith => Question::Text(TextOperator::StartsWith, text(value)?),
            Operator::EndsWith => Question::Text(TextOperator::EndsWith, text(value)?),
            Operator::Regex => Question::Text(TextOperator::Regex, text(value)?),
            Operator::Text => Question::Text(TextOperator::Text, text(value)?),
            Operator::Words => Question::Text(TextOperator::Words, text(value)?),
            Operator::Phrase => Question::Text(TextOperator::Phrase, text(value)?),
        })
    }
}

fn one_of(values: Vec<Value>) -> Question {
    let or_null = values.iter().any(Value::is_null);
    let values = values.into_iter().filter(|value| !value.is_null()).collect();
    Question::In { values, or_null }
}

fn ask(field: &Field, question: Question, case: Case) -> Result<Filter, String> {
    match field {
        Field::Identifier(field) => identifier(*field, question, case),
        Field::Types => types(question),
        Field::Integer(field) => integer(*field, question),
        Field::Score => score(question),
        Field::Time(field) => time_field(*field, question),
        Field::Json(path) => json(path, question, case),
    }
}

fn identifier(field: Identifier, question: Question, case: Case) -> Result<Filter, String> {
    let condition = |test| Filter::Condition(Condition::Identifier { field, test });
    let exists = || condition(IdentifierTest::Exists);
    Ok(match question {
        Question::Exists(wanted) => either(exists(), wanted),
        Question::IsNull(wanted) => either(exists(), !wanted),
        Question::In { values, or_null } => {
            let values = each(values, |value| text(Some(&value)))?;
            in_list(values, or_null, exists, |values| condition(IdentifierTest::In(values)))
        }
        Question::Ordered(order, value) => {
            condition(IdentifierTest::Ordered(order, text(Some(&value))?))
        }
        Question::Text(operator, value) => {
            let (test, case) = text_test(operator, value, case)?;
            condition(IdentifierTest::Text(test, case))
        }
    })
}

fn types(question: Question) -> Result<Filter, String> {
    match question {
        // Every interaction carries at least one type.
        Question::Exists(wanted) => Ok(either(Filter::EVERYTHING, wanted)),
        Question::IsNull(wanted) => Ok(either(Filter::EVERYTHING, !wanted)),
        Question::In { values, or_null } => {
            let names = each(values, |value| type_name(&text(Some(&value))?))?;
            let exists = || Filter::EVERYTHING;
            Ok(in_list(names, or_null, exists, |names| Filter::Condition(Condition::Types(names))))
        }
        Question::Text(TextOperator::Contains, name) => Ok(Filter::of_type(type_name(&name)?)),
        Question::Text(..) | Question::Ordered(..) => {
            Err("interaction_type takes eq, ne, in, nin, contains, exists and is_null".to_owned())
        }
    }
}

fn integer(field: Integer, question: Question) -> Result<Filter, String> {
    let condition = |test| Filter::Condition(Condition::Integer { field, test });
    let exists = || condition(IntegerTest::Exists);
    Ok(match question {
        Question::Exists(wanted) => either(exists(), wanted),
        Question::IsNull(wanted) => either(exists(), !wanted),
        Question::In { values, or_null } => {
            let numbers = each(values, |value| number(&value))?;
            let whole = numbers.into_iter().filter_map(exact_i32).collect();
            in_list(whole, or_null, exists, |values| condition(IntegerTest::In(values)))
        }
        Question::Ordered(order, value) => {
            let bound = integer_bound(order, number(&value)?);
            condition(IntegerTest::Ordered(order, bound))
        }
        Question::Text(..) => return Err(not_text(field.name(), "numbers")),
    })
}

fn score(question: Question) -> Result<Filter, String> {
    let condition = |test| Filter::Condition(Condition::Score(test));
    let exists = || condition(ScoreTest::Exists);
    Ok(match question {
        Question::Exists(wanted) => either(exists(), wanted),
        Question::IsNull(wanted) => either(exists(), !wanted),
        Question::In { values, or_null } => {
            let numbers = each(values, |value| number(&value))?;
            in_list(numbers, or_null, exists, |values| condition(ScoreTest::In(values)))
        }
        Question::Ordered(order, value) => condition(ScoreTest::Ordered(order, number(&value)?)),
        Question::Text(..) => return Err(not_text("document_score", "numbers")),
    })
}

fn time_field(field: Time, question: Question) -> Result<Filter, String> {
    let condition = |test| Filter::Condition(Condition::Time { field, test });
    Ok(match question {
        // Every interaction has both times.
        Question::Exists(wanted) => either(Filter::EVERYTHING, wanted),
        Question::IsNull(wanted) => either(Filter::EVERYTHING, !wanted),
        Question::In { values, or_null } => {
            let times = each(values, |value| time_value(&value))?;
            let exists = || Filter::EVERYTHING;
            in_list(times, or_null, exists, |values| condition(TimeTest::In(values)))
        }
        Question::Ordered(order, value) => condition(TimeTest::Ordered(order, time_value(&value)?)),
        Question::Text(..) => return Err(not_text(field.name(), "times")),
    })
}

fn json(path: &JsonPath, question: Question, case: Case) -> Result<Filter, String> {
    let condition = |test| Filter::Condition(Condition::Json { path: path.clone(), test });
    let not_null = || condition(JsonTest::ExistsNotNull);
    Ok(match question {
        Question::Exists(wanted) => either(condition(JsonTest::Exists), wanted),
        Question::IsNull(wanted) => either(not_null(), !wanted),
        Question::In { values, or_null } => {
            let scalars = each(values, |value| json_scalar(value, case))?;
            in_list(scalars, or_null, not_null, |values| condition(JsonTest::In(values, case)))
        }
        Question::Ordered(order, value) => condition(JsonTest::Ordered(order, comparand(value)?)),
        Question::Text(operator, value) => {
            let (test, case) = text_test(operator, value, case)?;
            condition(JsonTest::Text(test, case))
        }
    })
}

fn either(filter: Filter, wanted: bool) -> Filter {
    if wanted { filter } else { filter.negated() }
}

/// One of `values`, or nothing at all where `or_null` asks for that too.
fn in_list<T>(
    values: Vec<T>,
    or_null: bool,
    exists: impl FnOnce() -> Filter,
    condition: impl FnOnce(Vec<T>) -> Filter,
) -> Filter {
    match (values.is_empty(), or_null) {
        (true, true) => exists().negated(),
        (true, false) => Filter::NOTHING,
        (false, true) => Filter::any(vec![exists().negated(), condition(values)]),
        (false, false) => condition(values),
    }
}

/// Converts every value of a list, and says which one fails.
fn each<T>(
    values: Vec<Value>,
    convert: impl Fn(Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    values.into_iter().map(convert).collect()
}

fn text_test(
    operator: TextOperator,
    value: String,
    case: Case,
) -> Result<(TextTest, Case), String> {
    let case = if matches!(operator, TextOperator::Text) { Case::Insensitive } else { case };
    let folded = match case {
        Case::Sensitive => value.clone(),
        Case::Insensitive => fold_case(&value),
    };
    let test = match operator {
        TextOperator::Contains | TextOperator::Text => TextTest::Contains(folded),
        TextOperator::StartsWith => TextTest::StartsWith(folded),
        TextOperator::EndsWith => TextTest::EndsWith(folded),
        TextOperator::Regex => {
            TextTest::Regex(Pattern::parse(&value).map_err(|error| error.to_string())?)
        }
        TextOperator::Words => TextTest::Words(words(&folded)?),
        TextOperator::Phrase => TextTest::Phrase(words(&folded)?),
    };
    Ok((test, case))
}

fn words(value: &str) -> Result<Vec<String>, String> {
    let words: Vec<_> = split_words(value).map(str::to_owned).collect();
    if words.is_empty() {
        return Err("the value has no word in it; a word is a run of letters and digits".to_owned());
    }
    if words.len() > MAX_WORDS {
        let found = words.len();
        return Err(format!("takes at most {MAX_WORDS} words; got {found}"));
    }
    Ok(words)
}

fn scalar(value: Option<&Value>) -> Result<&Value, String> {
    match value {
        Some(value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => {
            Ok(value)
        }
        Some(Value::Array(_)) => Err("takes one value, not a list; for a list use in".to_owned()),
        Some(Value::Object(_)) => Err("takes one value, not an object".to_owned()),
        None => Err("takes a value; none was given".to_owned()),
    }
}

fn list(value: Option<&Value>) -> Result<&Vec<Value>, String> {
    let Some(Value::Array(values)) = value else {
        return Err(format!("takes a list of values; got {}", described(value)));
    };
    if values.len() > MAX_LIST_VALUES {
        let found = values.len();
        return Err(format!("takes at most {MAX_LIST_VALUES} values; got {found}"));
    }
    for (place, value) in values.iter().enumerate() {
        scalar(Some(value)).map_err(|reason| format!("value {place} of the list: {reason}"))?;
    }
    Ok(values)
}

fn flag(value: Option<&Value>) -> Result<bool, String> {
    match value {
        None => Ok(true),
        Some(Value::Bool(wanted)) => Ok(*wanted),
        other => Err(format!("takes true or false; got {}", described(other))),
    }
}

fn text(value: Option<&Value>) -> Result<String, String> {
    match value {
        Some(Value::String(text)) if text.contains('\0') => {
            Err("the text holds a NUL character, which no field can hold".to_owned())
        }
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(format!("takes text here; got {}", described(other))),
    }
}

/// The number, with negative zero as zero.
fn number(value: &Value) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| number.is_finite());
    number
        .map(|number| number + 0.0)
        .ok_or_else(|| format!("takes a finite number here; got {}", described(Some(value))))
}

fn type_name(text: &str) -> Result<TypeName, String> {
    TypeName::parse(text).ok_or_else(|| {
        let accepted = interaction_type::ACCEPTED;
        format!("{} is no type name; a type is {accepted}", echo(text))
    })
}

fn time_value(value: &Value) -> Result<Micros, String> {
    let accepted = time::ACCEPTED;
    match value {
        Value::String(text) => time::parse(text)
            .ok_or_else(|| format!("{} is no time; a time is {accepted}", echo(text))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("takes {accepted}; got {}", described(Some(value))))
        }
    }
}

fn json_scalar(value: Value, case: Case) -> Result<Scalar, String> {
    match value {
        Value::Bool(boolean) => Ok(Scalar::Boolean(boolean)),
        Value::Number(_) => number(&value).map(Scalar::Number),
        Value::String(_) => {
            let text = text(Some(&value))?;
            Ok(Scalar::Text(match case {
                Case::Sensitive => text,
                Case::Insensitive => fold_case(&text),
            }))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(format!("takes text, numbers and booleans; got {}", described(Some(&value))))
        }
    }
}

fn comparand(value: Value) -> Result<Comparand, String> {
    match value {
        Value::Number(_) => number(&value).map(Comparand::Number),
        Value::String(_) => text(Some(&value)).map(Comparand::Text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("orders numbers and text; got {}", described(Some(&value))))
        }
    }
}

fn not_text(field: &str, class: &str) -> String {
    format!("{field} holds {class}, and this operator is for text")
}

fn described(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}

/// `number` as the 32-bit whole number it is; `None` when no such number equals it.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range first")]
fn exact_i32(number: f64) -> Option<i32> {
    let in_range = number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX);
    (in_range && number.fract() == 0.0).then_some(number as i32)
}

/// The whole number to which an integer is ordered just as it is to `number`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "float-to-integer casts saturate, as is wanted"
)]
fn integer_bound(order: Order, number: f64) -> i64 {
    match order {
        // x < 5.5 is x < 6, and x >= 5.5 is x >= 6.
        Order::Less | Order::GreaterOrEqual => number.ceil() as i64,
        // x > 5.5 is x > 5, and x <= 5.5 is x <= 5.
        Order::Greater | Order::LessOrEqual => number.floor() as i64,
    }
}
