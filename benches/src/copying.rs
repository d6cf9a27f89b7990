//! What SQLite takes to store interactions without the service: the same rows once more, by rusqlite.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use anyhow::Context as _;
use interactions::domain::search::word_lines;
use rusqlite::types::Value as SqliteValue;
use rusqlite::{Connection, params, params_from_iter};
use serde_json::{Map, Value};

use crate::client::Haul;

/// What the service sets on the connection that writes, as far as it takes time.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 32768; \
                        PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000";

/// A row, and what the tables of words and facts are to have of it.
struct Copied {
    columns: Vec<SqliteValue>,
    tokens: String,
    facts: String,
}

/// Copies the rows of namespace `from` back into the tables, as the namespace `to`, in transactions of
/// `batch` rows; times the way in.
pub(crate) fn copy_in(
    connection: &mut Connection,
    from: i64,
    to: i64,
    batch: usize,
) -> anyhow::Result<Haul> {
    connection.execute_batch(SETTINGS)?;
    let columns = columns(connection)?;
    let rows = read(connection, &columns, from, to)?;
    let names = columns.join(", ");
    let places = vec!["?"; columns.len() + 1].join(", ");
    let insert = format!("INSERT INTO interactions (namespace_id, {names}) VALUES ({places})");
    let started = Instant::now();
    for rows in rows.chunks(batch) {
        let transaction = connection.transaction()?;
        {
            let mut row = transaction.prepare_cached(&insert)?;
            let mut words = transaction
                .prepare_cached("INSERT INTO interaction_words (rowid, words) VALUES (?, ?)")?;
            let mut facts = transaction
                .prepare_cached("INSERT INTO interaction_facts (rowid, facts) VALUES (?, ?)")?;
            for Copied { columns, tokens, facts: found } in rows {
                let namespace = SqliteValue::Integer(to);
                row.execute(params_from_iter([&namespace].into_iter().chain(columns)))?;
                let row_id = transaction.last_insert_rowid();
                words.execute(params![row_id, tokens])?;
                facts.execute(params![row_id, found])?;
            }
        }
        transaction.commit()?;
    }
    Ok(Haul { rows: rows.len() as u64, elapsed: started.elapsed() })
}

/// All columns but those that a copy has of its own.
fn columns(connection: &Connection) -> anyhow::Result<Vec<String>> {
    let mut columns = connection.prepare(
        "SELECT name FROM pragma_table_info('interactions') \
         WHERE name NOT IN ('row_id', 'namespace_id') ORDER BY cid",
    )?;
    let columns = columns.query_map([], |row| row.get(0))?;
    Ok(columns.collect::<Result<_, _>>()?)
}

fn read(
    connection: &Connection,
    columns: &[String],
    from: i64,
    to: i64,
) -> anyhow::Result<Vec<Copied>> {
    let mut rows = connection.prepare(&format!(
        "SELECT json(document), {} FROM interactions WHERE namespace_id = ? ORDER BY row_id",
        columns.join(", ")
    ))?;
    let mut rows = rows.query([from])?;
    let mut copied = Vec::new();
    while let Some(row) = rows.next()? {
        let document: Map<String, Value> = serde_json::from_str(&row.get::<_, String>(0)?)?;
        let metadata = document.get("metadata").and_then(Value::as_object);
        let metadata = metadata.context("every interaction here has metadata")?;
        let columns = (1..=columns.len()).map(|place| row.get(place));
        copied.push(Copied {
            columns: columns.collect::<Result<_, _>>()?,
            tokens: tokens(to, &word_lines(metadata)),
            facts: facts(to, &document),
        });
    }
    Ok(copied)
}

/// Words as the service stores them: each behind its namespace, values apart.
fn tokens(namespace: i64, lines: &str) -> String {
    let line = |line: &str| {
        line.split(' ').map(|word| format!("{namespace:x}_{word}")).collect::<Vec<_>>().join(" ")
    };
    lines.lines().map(line).collect::<Vec<_>>().join(" _ ")
}

/// As many facts as the service stores, as long and as often the same: one for each value at its keys.
/// To the index they are so many letters.
fn facts(namespace: i64, document: &Map<String, Value>) -> String {
    fn collect(keys: &DefaultHasher, value: &Value, facts: &mut Vec<u64>) {
        match value {
            Value::Null => {}
            Value::Array(list) => list.iter().for_each(|value| collect(keys, value, facts)),
            Value::Object(object) => {
                for (key, value) in object {
                    let mut keys = keys.clone();
                    key.hash(&mut keys);
                    collect(&keys, value, facts);
                }
            }
            scalar @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                let mut fact = keys.clone();
                scalar.hash(&mut fact);
                facts.push(fact.finish());
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    namespace.hash(&mut hasher);
    let mut found = Vec::new();
    for (key, value) in document {
        let mut keys = hasher.clone();
        key.hash(&mut keys);
        collect(&keys, value, &mut found);
    }
    found.sort_unstable();
    found.dedup();
    found.iter().map(|fact| format!("{fact:016x}")).collect::<Vec<_>>().join(" ")
}
