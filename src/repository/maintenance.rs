//! What is done in the background: which namespaces have something to remove, and which of several
//! servers does it.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::{lease, namespace, removed_namespace};
use super::{Error, Repository};
use crate::domain::access::NamespaceId;
use crate::domain::time::{Micros, now};

/// A task that one server at a time may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub name: &'static str,
    /// The server.
    pub holder: String,
}

impl Repository {
    /// Takes `lease`, or renews it, until `lifetime` microseconds from now; whether it is ours. A
    /// row, and not a lock of the database: locks do not pass through every proxy, nor through
    /// Citus.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_lease(&self, lease: &Lease, lifetime: Micros) -> Result<bool, Error> {
        let Lease { name, holder } = lease;
        let row = lease::ActiveModel {
            name: Set((*name).to_owned()),
            holder: Set(holder.clone()),
            expires_at_us: Set(now().saturating_add(lifetime)),
        };
        let held = |column: lease::Column| Expr::col((lease::Entity, column));
        let free = held(lease::Column::ExpiresAtUs).lt(now());
        let ours = held(lease::Column::Holder).eq(holder.clone());
        let take = OnConflict::column(lease::Column::Name)
            .update_columns([lease::Column::Holder, lease::Column::ExpiresAtUs])
            .action_and_where(free.or(ours))
            .to_owned();
        let (transaction, _turn) = self.begin_write(None).await?;
        let insert = lease::Entity::insert(row).on_conflict(take);
        let taken = insert.exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(taken > 0)
    }

    /// Gives `lease` back, where it is ours.
    ///
    /// # Errors
    /// When the database fails; it then runs out by itself.
    pub async fn give_lease_back(&self, lease: &Lease) -> Result<(), Error> {
        let Lease { name, holder } = lease;
        let (transaction, _turn) = self.begin_write(None).await?;
        let delete = lease::Entity::delete_many()
            .filter(lease::Column::Name.eq(*name))
            .filter(lease::Column::Holder.eq(holder.as_str()));
        delete.exec(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// The namespaces that have a retention, and how long it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retentions(&self) -> Result<Vec<(NamespaceId, Micros)>, Error> {
        let select = namespace::Entity::find()
            .filter(namespace::Column::RetentionUs.is_not_null())
            .order_by_asc(namespace::Column::NamespaceId);
        let rows = select.all(&self.aside).await?.into_iter();
        Ok(rows
            .filter_map(|row| Some((NamespaceId(row.namespace_id), row.retention_us?)))
            .collect())
    }

    /// The namespaces that are gone, and when they went.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn removed_namespaces(&self) -> Result<Vec<(NamespaceId, Micros)>, Error> {
        let select = removed_namespace::Entity::find()
            .order_by_asc(removed_namespace::Column::RemovedAtUs)
            .order_by_asc(removed_namespace::Column::NamespaceId);
        let rows = select.all(&self.aside).await?.into_iter();
        Ok(rows.map(|row| (NamespaceId(row.namespace_id), row.removed_at_us)).collect())
    }

    /// Forgets a namespace that is gone and has nothing left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_namespace(&self, namespace: NamespaceId) -> Result<(), Error> {
        let (transaction, _turn) = self.begin_write(None).await?;
        removed_namespace::Entity::delete_by_id(namespace.0).exec(&transaction).await?;
        Ok(transaction.commit().await?)
    }
}
