//! The ordered migrations of the interactions service, and nothing else.
//!
//! A migration that has landed never changes: the next one corrects it. Migrations share nothing
//! with the service, whose code moves on while they must keep doing what they did. The helpers
//! that they share, `columns` and `citus`, are theirs alone.
//!
//! Every table is made so that it can be distributed by `namespace_id` or copied to every node:
//! each unique key of a tenant's table holds `namespace_id`, and there are no sequences, triggers
//! or defaults computed by the database.

pub use sea_orm_migration::{Migration, MigrationStatus, MigratorTrait};

use sea_orm_migration::prelude::MigrationTrait;

mod citus;
mod columns;
mod m20261120_000001_access;
mod m20261120_000002_interactions;
mod m20261120_000003_interaction_indexes;
mod m20261120_000004_distribution;
mod m20261121_000005_lifecycle;
mod m20261121_000006_type_statistics;
mod m20261122_000007_pending_lists;

/// Brings a database to the present schema, and back.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_access::Migration),
            Box::new(m20261120_000002_interactions::Migration),
            Box::new(m20261120_000003_interaction_indexes::Migration),
            Box::new(m20261120_000004_distribution::Migration),
            Box::new(m20261121_000005_lifecycle::Migration),
            Box::new(m20261121_000006_type_statistics::Migration),
            Box::new(m20261122_000007_pending_lists::Migration),
        ]
    }
}
