//! The schema: bringing it up to date, and back.

use interactions_migrations::{MigrationStatus, Migrator, MigratorTrait as _};
use sea_orm::DatabaseConnection;

use super::postgres;
use crate::repository::{Dialect, Error, Repository};

/// One migration, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name, which starts with its date.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

impl Repository {
    /// Applies every migration that the database lacks. Nothing is locked against another process
    /// doing the same: where several start together, migrate in a step of its own.
    ///
    /// # Errors
    ///
    /// When a migration fails, or the database has one that this program does not know.
    pub async fn migrate_up(&self) -> Result<(), Error> {
        let connection = self.migration_connection().await?;
        Ok(Migrator::up(&connection, None).await?)
    }

    /// Takes back the last `steps` migrations, and the data in what they made.
    ///
    /// # Errors
    ///
    /// When a migration fails, or the database has one that this program does not know.
    pub async fn migrate_down(&self, steps: u32) -> Result<(), Error> {
        let connection = self.migration_connection().await?;
        Ok(Migrator::down(&connection, Some(steps)).await?)
    }

    /// Every migration in order, and whether the database has it. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the database fails, or has a migration that this program does not know.
    pub async fn migration_states(&self) -> Result<Vec<MigrationState>, Error> {
        let migrations = Migrator::get_migration_with_status_read_only(&self.aside).await?;
        let state = |migration: &interactions_migrations::Migration| MigrationState {
            name: migration.name().to_owned(),
            applied: migration.status() == MigrationStatus::Applied,
        };
        Ok(migrations.iter().map(state).collect())
    }

    async fn migration_connection(&self) -> Result<DatabaseConnection, Error> {
        match self.dialect {
            Dialect::Sqlite => Ok(self.writer.clone()),
            Dialect::Postgres => postgres::for_migrations(&self.writer).await,
        }
    }
}
