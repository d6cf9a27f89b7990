//! The table of namespaces that keys are confined to.

use sea_orm::entity::prelude::*;

/// One key may reach one namespace. A key without such a row reaches all of its organisation.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key_namespaces")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) namespace_id: i64,
}

/// Tables stand alone: a foreign key would tie tables that are spread differently.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
