//! Namespaces: a small table that is read through caches, and is the same in both databases.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, SqlErr,
};

use super::entity::{namespace, removed_namespace};
use super::metering::Operation;
use super::metering::shape::Shape;
use super::random::random;
use super::read::in_namespace;
use super::{DEFAULT_ORGANISATION, Error, Repository};
use crate::domain::access::{
    NAMESPACE_NAME_ACCEPTED, Namespace, NamespaceId, NamespaceRef, is_namespace_name,
};
use crate::domain::query::Window;
use crate::domain::time::{Micros, now};

/// Why a namespace was not created.
#[derive(Debug, thiserror::Error)]
pub enum NewNamespaceError {
    /// The name is not one that a namespace can have.
    #[error("a namespace's name is {NAMESPACE_NAME_ACCEPTED}")]
    Name,
    /// The organisation has a namespace of this name.
    #[error("there is a namespace of this name already")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Why a namespace was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveNamespaceError {
    /// The organisation has no such namespace.
    #[error("there is no such namespace")]
    Missing,
    /// It holds interactions.
    #[error("the namespace is not empty")]
    NotEmpty,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl Repository {
    /// Creates a namespace in the default organisation that keeps interactions for ever.
    ///
    /// # Errors
    ///
    /// When the name is malformed or taken, or the database fails.
    pub async fn create_namespace(&self, name: &str) -> Result<Namespace, NewNamespaceError> {
        self.create_namespace_in(DEFAULT_ORGANISATION, name, None).await
    }

    /// Creates a namespace in `organisation`.
    ///
    /// # Errors
    ///
    /// When the name is malformed or taken, or the database fails.
    pub async fn create_namespace_in(
        &self,
        organisation: i64,
        name: &str,
        retention: Option<Micros>,
    ) -> Result<Namespace, NewNamespaceError> {
        if !is_namespace_name(name) {
            return Err(NewNamespaceError::Name);
        }
        let created = Namespace {
            id: random_namespace_id()?,
            organisation_id: organisation,
            name: name.to_owned(),
            created_at: now(),
            retention,
        };
        let row = namespace::ActiveModel {
            namespace_id: Set(created.id.0),
            organisation_id: Set(created.organisation_id),
            name: Set(created.name.clone()),
            created_at_us: Set(created.created_at),
            retention_us: Set(created.retention),
        };
        let (transaction, _turn) = self.begin_write(None).await?;
        let insert = namespace::Entity::insert(row).exec_without_returning(&transaction).await;
        match insert {
            Ok(_) => {
                transaction.commit().await.map_err(Error::from)?;
                Ok(created)
            }
            Err(error) => match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => Err(NewNamespaceError::Taken),
                _ => Err(Error::from(error).into()),
            },
        }
    }

    /// All namespaces, by name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        let select = namespace::Entity::find().order_by_asc(namespace::Column::Name);
        Ok(select.all(&self.aside).await?.into_iter().map(to_namespace).collect())
    }

    /// The next namespaces of an organisation by name, at most `limit`: those that follow the name
    /// `after`, and of these only those `among` some, where it says which.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespaces_after(
        &self,
        organisation: i64,
        among: Option<&[NamespaceId]>,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Namespace>, Error> {
        let mut select =
            namespace::Entity::find().filter(namespace::Column::OrganisationId.eq(organisation));
        if let Some(among) = among {
            let ids = among.iter().map(|namespace| namespace.0);
            select = select.filter(namespace::Column::NamespaceId.is_in(ids));
        }
        let mut page = select.cursor_by(namespace::Column::Name);
        if let Some(name) = after {
            page.after(name);
        }
        let rows = page.first(limit).all(&self.aside).await?;
        Ok(rows.into_iter().map(to_namespace).collect())
    }

    /// Those of an organisation's namespaces that `named` names, in no order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespaces_named(
        &self,
        organisation: i64,
        named: &[NamespaceRef],
    ) -> Result<Vec<Namespace>, Error> {
        let (mut ids, mut names) = (Vec::new(), Vec::new());
        for namespace in named {
            match namespace {
                NamespaceRef::Id(id) => ids.push(id.0),
                NamespaceRef::Name(name) => names.push(name.as_str()),
            }
        }
        let either = Condition::any()
            .add(namespace::Column::NamespaceId.is_in(ids))
            .add(namespace::Column::Name.is_in(names));
        let select = namespace::Entity::find()
            .filter(namespace::Column::OrganisationId.eq(organisation))
            .filter(either);
        Ok(select.all(&self.aside).await?.into_iter().map(to_namespace).collect())
    }

    /// An organisation's namespace of this name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespace_by_name(
        &self,
        organisation: i64,
        name: &str,
    ) -> Result<Option<Namespace>, Error> {
        let select = namespace::Entity::find()
            .filter(namespace::Column::OrganisationId.eq(organisation))
            .filter(namespace::Column::Name.eq(name));
        let _timed = self.timed(Operation::FindNamespace, Shape::One);
        Ok(select.one(&self.aside).await?.map(to_namespace))
    }

    /// A namespace by its id, if the organisation owns it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn namespace_by_id(
        &self,
        organisation: i64,
        id: NamespaceId,
    ) -> Result<Option<Namespace>, Error> {
        let select = namespace::Entity::find_by_id(id.0)
            .filter(namespace::Column::OrganisationId.eq(organisation));
        let _timed = self.timed(Operation::FindNamespace, Shape::One);
        Ok(select.one(&self.aside).await?.map(to_namespace))
    }

    /// Changes how long a namespace's interactions are kept; `None`: for ever. Returns it as it is
    /// then, if the organisation has it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn set_retention(
        &self,
        organisation: i64,
        id: NamespaceId,
        retention: Option<Micros>,
    ) -> Result<Option<Namespace>, Error> {
        let owned = namespace::Column::OrganisationId.eq(organisation);
        let (transaction, _turn) = self.begin_write(None).await?;
        namespace::Entity::update_many()
            .col_expr(namespace::Column::RetentionUs, Expr::value(retention))
            .filter(namespace::Column::NamespaceId.eq(id.0))
            .filter(owned.clone())
            .exec(&transaction)
            .await?;
        let row = namespace::Entity::find_by_id(id.0).filter(owned).one(&transaction).await?;
        transaction.commit().await?;
        Ok(row.map(to_namespace))
    }

    /// Removes a namespace; its name is free at once. Its interactions stay, out of reach, for the
    /// background to remove. So do the rows that confine keys to it: without them such a key would
    /// be confined to nothing, and reach everything.
    ///
    /// # Errors
    ///
    /// When there is no such namespace, when it holds interactions and `force` is not set, or when
    /// the database fails.
    pub async fn remove_namespace(
        &self,
        organisation: i64,
        id: NamespaceId,
        force: bool,
    ) -> Result<(), RemoveNamespaceError> {
        let (transaction, _turn) = self.begin_write(None).await?;
        // First of all, so that of two that remove it the other waits here, and then finds nothing.
        let deleted = namespace::Entity::delete_many()
            .filter(namespace::Column::NamespaceId.eq(id.0))
            .filter(namespace::Column::OrganisationId.eq(organisation))
            .exec(&transaction)
            .await
            .map_err(Error::from)?;
        if deleted.rows_affected == 0 {
            transaction.rollback().await.map_err(Error::from)?;
            return Err(RemoveNamespaceError::Missing);
        }
        if !force && self.holds_interactions(&transaction, id).await? {
            transaction.rollback().await.map_err(Error::from)?;
            return Err(RemoveNamespaceError::NotEmpty);
        }
        let row =
            removed_namespace::ActiveModel { namespace_id: Set(id.0), removed_at_us: Set(now()) };
        let insert = removed_namespace::Entity::insert(row);
        insert.exec_without_returning(&transaction).await.map_err(Error::from)?;
        Ok(transaction.commit().await.map_err(Error::from)?)
    }

    /// Whether a namespace has interactions, those that its retention hides among them.
    async fn holds_interactions(
        &self,
        connection: &impl ConnectionTrait,
        namespace: NamespaceId,
    ) -> Result<bool, Error> {
        let mut any = in_namespace(self.compiler(namespace), Window::default());
        any.clear_selects().expr(Expr::value(1)).limit(1);
        Ok(connection.query_one(&any).await?.is_some())
    }
}

fn to_namespace(row: namespace::Model) -> Namespace {
    let namespace::Model { namespace_id, organisation_id, name, created_at_us, retention_us } = row;
    Namespace {
        id: NamespaceId(namespace_id),
        organisation_id,
        name,
        created_at: created_at_us,
        retention: retention_us,
    }
}

/// Ids are random rather than counted, so that every node can make one and none can be guessed.
fn random_namespace_id() -> Result<NamespaceId, Error> {
    let number = u64::from_be_bytes(random()?) >> 1;
    Ok(NamespaceId(i64::try_from(number).unwrap_or(i64::MAX).max(1)))
}

#[cfg(test)]
mod tests;
