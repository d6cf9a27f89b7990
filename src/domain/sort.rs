//! Sort orders, always total, and positions in them.
//!
//! Whatever a caller asks for, the order ends in `interaction_id`, which is unique: two
//! interactions never tie, so a position splits a list into what comes before it and what comes
//! after it. Interactions never change, and so what stands before a position stays there.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{Field, Identifier, Integer, JsonPath, Time};
use super::interaction::Interaction;
use super::violation::Violations;

/// Most keys a caller can sort by.
pub const MAX_SORT_KEYS: usize = 8;

/// Which way a key runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// What a key sorts by. Missing values come last in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SortField {
    /// Text, by code point.
    Identifier(Identifier),
    /// A whole number.
    Integer(Integer),
    /// `document_score`.
    Score,
    /// A time.
    Time(Time),
    /// The scalar at a path: numbers, then text by code point, then false, then true.
    Json(JsonPath),
}

impl SortField {
    /// What it is called; a path as `path` shows it.
    #[must_use]
    pub fn name(&self, path: impl FnOnce(&JsonPath) -> String) -> Cow<'static, str> {
        match self {
            Self::Identifier(field) => field.name().into(),
            Self::Integer(field) => field.name().into(),
            Self::Score => "document_score".into(),
            Self::Time(field) => field.name().into(),
            Self::Json(at) => path(at).into(),
        }
    }
}

/// One key of a sort order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SortKey {
    /// What it sorts by.
    pub field: SortField,
    /// Which way.
    pub direction: Direction,
}

/// A total order over the interactions of a namespace: ends in `interaction_id`, and no field is
/// named twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sort(Vec<SortKey>);

/// A key as the caller wrote it.
#[derive(Debug, Clone)]
pub struct WrittenKey {
    /// Field name or path.
    pub field: String,
    /// Direction.
    pub direction: Direction,
}

/// The value that an interaction has under one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KeyValue {
    /// None, or nothing that can be ordered.
    Missing,
    /// A whole number, or a time in microseconds.
    Integer(i64),
    /// A floating-point number.
    Number(f64),
    /// Text.
    Text(String),
    /// A boolean inside JSON.
    Boolean(bool),
}

/// A place in a sort order: the values of one interaction under each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position(pub Vec<KeyValue>);

/// Newest first.
impl Default for Sort {
    fn default() -> Self {
        Self(completed(Vec::new()))
    }
}

impl Sort {
    /// Completes `keys` to a total order: `timestamp` descending where no key names it, then
    /// `interaction_id` in the direction of the key before it. `path` is where the request carries
    /// the keys.
    ///
    /// # Errors
    /// One violation for every key that cannot be sorted by or repeats another, and one when there
    /// are more than [`MAX_SORT_KEYS`].
    pub fn build(keys: Vec<WrittenKey>, path: &str) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        if keys.len() > MAX_SORT_KEYS {
            let found = keys.len();
            violations.add(
                path,
                format!("a sort has at most {MAX_SORT_KEYS} keys; this one has {found}"),
            );
            return Err(violations);
        }
        let mut sort = Vec::with_capacity(keys.len() + 2);
        for (place, key) in keys.into_iter().enumerate() {
            match sort_field(&key.field) {
                Ok(field) if has(&sort, &field) => violations
                    .add(format!("{path}[{place}].field"), "repeats the field of an earlier key"),
                Ok(field) => sort.push(SortKey { field, direction: key.direction }),
                Err(reason) => violations.add(format!("{path}[{place}].field"), reason),
            }
        }
        violations.into_result(Self(completed(sort)))
    }

    /// Whether it goes by `timestamp` alone, whichever way; ids decide among equals.
    #[must_use]
    pub fn is_by_time(&self) -> bool {
        let timestamp = SortField::Time(Time::Timestamp);
        matches!(self.keys(), [time, id] if time.field == timestamp && time.direction == id.direction)
    }

    /// The keys, the most significant one first; the last is `interaction_id`.
    #[must_use]
    pub fn keys(&self) -> &[SortKey] {
        &self.0
    }

    /// Where `interaction` stands in this order.
    #[must_use]
    pub fn position_of(&self, interaction: &Interaction) -> Position {
        Position(self.0.iter().map(|key| key.field.value_of(interaction)).collect())
    }

    /// Whether `position` has the shape of a position in this order.
    #[must_use]
    pub fn admits(&self, position: &Position) -> bool {
        let Position(values) = position;
        values.len() == self.0.len()
            && self.0.iter().zip(values).all(|(key, value)| key.field.admits(value))
    }
}

fn has(keys: &[SortKey], field: &SortField) -> bool {
    keys.iter().any(|key| key.field == *field)
}

fn completed(mut keys: Vec<SortKey>) -> Vec<SortKey> {
    let identity = SortField::Identifier(Identifier::InteractionId);
    if let Some(place) = keys.iter().position(|key| key.field == identity) {
        // No two interactions share an id: what comes after it never decides.
        keys.truncate(place + 1);
        return keys;
    }
    let timestamp = SortField::Time(Time::Timestamp);
    if !has(&keys, &timestamp) {
        keys.push(SortKey { field: timestamp, direction: Direction::Descending });
    }
    let direction = keys.last().map_or(Direction::Descending, |key| key.direction);
    keys.push(SortKey { field: identity, direction });
    keys
}

fn sort_field(name: &str) -> Result<SortField, String> {
    match Field::parse(name).map_err(|error| error.to_string())? {
        Field::Identifier(field) => Ok(SortField::Identifier(field)),
        Field::Integer(field) => Ok(SortField::Integer(field)),
        Field::Score => Ok(SortField::Score),
        Field::Time(field) => Ok(SortField::Time(field)),
        Field::Json(path) if path.segments.is_empty() => {
            let root = path.root.name();
            Err(format!("{root} as a whole has no order; name a path below it"))
        }
        Field::Json(path) => Ok(SortField::Json(path)),
        Field::Types => Err("interaction_type is a set and has no order".to_owned()),
    }
}

impl SortField {
    /// Whether an interaction can lack a value under this key.
    #[must_use]
    pub fn can_be_missing(&self) -> bool {
        match self {
            Self::Identifier(Identifier::InteractionId) | Self::Time(_) => false,
            Self::Identifier(_) | Self::Integer(_) | Self::Score | Self::Json(_) => true,
        }
    }

    fn value_of(&self, interaction: &Interaction) -> KeyValue {
        match self {
            Self::Identifier(field) => interaction
                .identifier(*field)
                .map_or(KeyValue::Missing, |text| KeyValue::Text(text.to_owned())),
            Self::Integer(field) => interaction
                .integer(*field)
                .map_or(KeyValue::Missing, |number| KeyValue::Integer(number.into())),
            Self::Score => interaction.document_score.map_or(KeyValue::Missing, KeyValue::Number),
            Self::Time(field) => KeyValue::Integer(interaction.time(*field)),
            Self::Json(path) => interaction.value_at(path).map_or(KeyValue::Missing, json_value),
        }
    }

    fn admits(&self, value: &KeyValue) -> bool {
        match (self, value) {
            (_, KeyValue::Missing) => self.can_be_missing(),
            (Self::Identifier(_), KeyValue::Text(text)) | (Self::Json(_), KeyValue::Text(text)) => {
                !text.contains('\0')
            }
            (Self::Integer(_), KeyValue::Integer(number)) => i32::try_from(*number).is_ok(),
            (Self::Time(_), KeyValue::Integer(_)) | (Self::Json(_), KeyValue::Boolean(_)) => true,
            (Self::Score | Self::Json(_), KeyValue::Number(number)) => number.is_finite(),
            (
                Self::Identifier(_)
                | Self::Integer(_)
                | Self::Score
                | Self::Time(_)
                | Self::Json(_),
                KeyValue::Integer(_)
                | KeyValue::Number(_)
                | KeyValue::Text(_)
                | KeyValue::Boolean(_),
            ) => false,
        }
    }
}

fn json_value(value: &Value) -> KeyValue {
    match value {
        Value::Number(number) => number.as_f64().map_or(KeyValue::Missing, KeyValue::Number),
        Value::String(text) => KeyValue::Text(text.clone()),
        Value::Bool(boolean) => KeyValue::Boolean(*boolean),
        Value::Null | Value::Array(_) | Value::Object(_) => KeyValue::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(keys: &[(&str, Direction)]) -> Result<Sort, Violations> {
        let keys = keys.iter().map(|(field, direction)| WrittenKey {
            field: (*field).to_owned(),
            direction: *direction,
        });
        Sort::build(keys.collect(), "sort")
    }

    fn names(sort: &Sort) -> Vec<String> {
        sort.keys()
            .iter()
            .map(|key| match (&key.field, key.direction) {
                (SortField::Identifier(field), Direction::Ascending) => field.name().to_owned(),
                (SortField::Identifier(field), Direction::Descending) => {
                    format!("-{}", field.name())
                }
                (SortField::Time(field), Direction::Ascending) => field.name().to_owned(),
                (SortField::Time(field), Direction::Descending) => format!("-{}", field.name()),
                (other, _) => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn every_order_is_total() {
        use Direction::{Ascending, Descending};
        assert_eq!(names(&build(&[]).unwrap()), ["-timestamp", "-interaction_id"]);
        let by_user = build(&[("user_id", Ascending)]).unwrap();
        assert_eq!(names(&by_user), ["user_id", "-timestamp", "-interaction_id"]);
        let oldest = build(&[("timestamp", Ascending)]).unwrap();
        assert_eq!(names(&oldest), ["timestamp", "interaction_id"]);
        let by_id = build(&[("interaction_id", Ascending), ("user_id", Descending)]).unwrap();
        assert_eq!(names(&by_id), ["interaction_id"]);
    }

    #[test]
    fn what_has_no_order_is_refused_by_place() {
        use Direction::Ascending;
        let wrong = build(&[
            ("interaction_type", Ascending),
            ("metadata", Ascending),
            ("feature_id", Ascending),
            ("document_id", Ascending),
            ("nope", Ascending),
        ]);
        let violations = wrong.unwrap_err();
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["sort[0].field", "sort[1].field", "sort[3].field", "sort[4].field"]);
    }
}
