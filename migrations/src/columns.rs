//! Column types by database: what SQLite's strict tables accept, and in PostgreSQL text that sorts
//! by code point whatever the locale of the database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// The kinds of column that the schema is made of.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    BigInt,
    Int,
    Double,
    Bytes,
    /// JSON in the database's own binary form.
    Json,
}

/// A column of `kind` that may hold no value.
pub(crate) fn nullable(manager: &SchemaManager<'_>, name: &'static str, kind: Kind) -> ColumnDef {
    let sqlite = manager.get_database_backend() == DatabaseBackend::Sqlite;
    let name_of_type = match (kind, sqlite) {
        (Kind::Text, true) => "TEXT",
        (Kind::Text, false) => r#"text COLLATE "C""#,
        (Kind::BigInt | Kind::Int, true) => "INTEGER",
        (Kind::BigInt, false) => "bigint",
        (Kind::Int, false) => "integer",
        (Kind::Double, true) => "REAL",
        (Kind::Double, false) => "double precision",
        (Kind::Bytes | Kind::Json, true) => "BLOB",
        (Kind::Bytes, false) => "bytea",
        (Kind::Json, false) => "jsonb",
    };
    let mut column = ColumnDef::new(name);
    column.custom(name_of_type);
    column
}

/// A column of `kind` that always holds a value.
pub(crate) fn required(manager: &SchemaManager<'_>, name: &'static str, kind: Kind) -> ColumnDef {
    let mut column = nullable(manager, name, kind);
    column.not_null();
    column
}

/// Starts a table; in SQLite a strict one, which refuses values of a wrong type as PostgreSQL does.
pub(crate) fn table(manager: &SchemaManager<'_>, name: &'static str) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    if manager.get_database_backend() == DatabaseBackend::Sqlite {
        table.extra("STRICT");
    }
    table
}
