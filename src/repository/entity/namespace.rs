//! The table of namespaces.

use sea_orm::entity::prelude::*;

/// One namespace; its name is unique in its organisation.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "namespaces")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) namespace_id: i64,
    pub(crate) organisation_id: i64,
    pub(crate) name: String,
    pub(crate) created_at_us: i64,
    /// Microseconds that interactions are kept; none: for ever.
    pub(crate) retention_us: Option<i64>,
}

/// Tables stand alone: a foreign key would tie tables that are spread differently.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
