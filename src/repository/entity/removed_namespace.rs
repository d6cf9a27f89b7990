//! The table of namespaces that are gone, and whose interactions go.

use sea_orm::entity::prelude::*;

/// One namespace that nobody reaches any more.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "removed_namespaces")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) namespace_id: i64,
    pub(crate) removed_at_us: i64,
}

/// Tables stand alone: a foreign key would tie tables that are spread differently.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
