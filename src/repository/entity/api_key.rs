//! The table of API keys.

use sea_orm::entity::prelude::*;

/// One API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key_id: String,
    pub(crate) organisation_id: i64,
    pub(crate) name: String,
    /// The SHA-256 of the key.
    #[sea_orm(unique)]
    pub(crate) secret_hash: Vec<u8>,
    /// Bits: 1 read, 2 write, 4 admin.
    pub(crate) scopes: i64,
    pub(crate) default_namespace_id: Option<i64>,
    pub(crate) created_at_us: i64,
    pub(crate) expires_at_us: Option<i64>,
    pub(crate) revoked_at_us: Option<i64>,
    pub(crate) last_used_at_us: Option<i64>,
}

/// Tables stand alone: a foreign key would tie tables that are spread differently.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
