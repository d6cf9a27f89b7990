//! The table of leases: who does what only one server should do at a time.

use sea_orm::entity::prelude::*;

/// One task, and the server that has it until a time.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leases")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    pub(crate) holder: String,
    pub(crate) expires_at_us: i64,
}

/// Tables stand alone: a foreign key would tie tables that are spread differently.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
