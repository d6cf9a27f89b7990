//! Reading back everything that is stored, to see whether it is still what was written.

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ConnectionTrait as _, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::entity::interaction::{Column, Entity, Model};
use super::{Dialect, Error, Repository};
use crate::domain::access::NamespaceId;
use crate::domain::interaction::Interaction;

/// A row of the table of interactions, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow(Model);

impl StoredRow {
    /// The namespace that it says it is in.
    #[must_use]
    pub fn namespace(&self) -> NamespaceId {
        NamespaceId(self.0.namespace_id)
    }

    /// The id that it says it has.
    #[must_use]
    pub fn interaction_id(&self) -> &str {
        &self.0.interaction_id
    }

    /// The encoded interaction.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        &self.0.record
    }

    /// Whether the row's columns say what `interaction` does, which its record holds and which hashes
    /// to `content_hash`.
    #[must_use]
    pub fn agrees_with(&self, interaction: &Interaction, content_hash: [u8; 16]) -> bool {
        self.0 == Model::of(self.namespace(), interaction, content_hash, self.record())
    }
}

impl Repository {
    /// The next rows after `last` in the order of namespaces and ids, at most `limit`.
    ///
    /// # Errors
    /// When the database fails or finds itself damaged.
    pub async fn rows_after(
        &self,
        last: Option<&StoredRow>,
        limit: u64,
    ) -> Result<Vec<StoredRow>, Error> {
        let key = [Column::NamespaceId, Column::InteractionId];
        let mut select = Entity::find().order_by_asc(key[0]).order_by_asc(key[1]).limit(limit);
        if let Some(StoredRow(last)) = last {
            let place = Expr::tuple([
                Expr::value(last.namespace_id),
                Expr::value(last.interaction_id.clone()),
            ]);
            select = select.filter(Expr::tuple(key.map(Expr::col)).gt(place));
        }
        Ok(select.all(&self.aside).await?.into_iter().map(StoredRow).collect())
    }

    /// Looks through the pages of an SQLite file for those that are malformed, which takes about a
    /// second for each gigabyte. PostgreSQL has checks of its own (`data_checksums`, `pg_amcheck`).
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a damaged file, and whatever else goes wrong.
    pub async fn check_pages(&self) -> Result<(), Error> {
        match self.dialect {
            Dialect::Postgres => return Ok(()),
            Dialect::Sqlite => {}
        }
        // <https://www.sqlite.org/pragma.html#pragma_quick_check>: one row, `ok`, or the first fault.
        let statement =
            sea_orm::Statement::from_string(self.dialect.backend(), "PRAGMA quick_check(1)");
        let row = self.aside.query_one_raw(statement).await?;
        let found: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        match found.as_deref() {
            Some("ok") => Ok(()),
            Some(fault) => Err(Error::Corrupt(fault.to_owned())),
            None => Err(Error::Failed(DbErr::RecordNotFound("PRAGMA quick_check".to_owned()))),
        }
    }

    /// Bytes of an SQLite file's pages; `None` in PostgreSQL.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn file_bytes(&self) -> Result<Option<u64>, Error> {
        match self.dialect {
            Dialect::Postgres => return Ok(None),
            Dialect::Sqlite => {}
        }
        let statement = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let statement = sea_orm::Statement::from_string(self.dialect.backend(), statement);
        let row = self.aside.query_one_raw(statement).await?;
        let bytes: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
    }
}
