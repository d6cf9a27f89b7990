//! What fuzz targets reach in this layer.

use regex_syntax::hir::Hir;
use sea_orm::DatabaseConnection;

use super::callers::Callers;
use super::write_queue::WriteQueue;
use super::{Dialect, Repository, regex_postgres};

/// A repository that renders statements, and has no database to send them to.
#[must_use]
pub fn unconnected(dialect: Dialect) -> Repository {
    Repository {
        dialect,
        reader: DatabaseConnection::default(),
        writer: DatabaseConnection::default(),
        writes: WriteQueue::new(dialect),
        callers: Callers::new(),
    }
}

/// A regular expression as PostgreSQL gets it.
#[must_use]
pub fn postgres_regex(hir: &Hir) -> String {
    regex_postgres::render(hir)
}
