//! What fuzz targets reach in this layer.

use regex_syntax::hir::Hir;
use sea_orm::DatabaseConnection;

use super::callers::Callers;
use super::readers::Readers;
use super::turns::{Room, Turns};
use super::{Dialect, Repository, regex_postgres};

/// A repository that renders statements, and has no database to send them to.
#[must_use]
pub fn unconnected(dialect: Dialect) -> Repository {
    let room = Room { all: 1, one_namespace: 1, bulk: 1 };
    Repository {
        dialect,
        readers: Readers::on_one_pool(room, DatabaseConnection::default()),
        writer: DatabaseConnection::default(),
        aside: DatabaseConnection::default(),
        writes: Turns::new(room),
        callers: Callers::new(),
        slow: None,
    }
}

/// A regular expression as PostgreSQL gets it.
#[must_use]
pub fn postgres_regex(hir: &Hir) -> String {
    regex_postgres::render(hir)
}
