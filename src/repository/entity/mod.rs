//! The tables, as SeaORM sees them.

pub(crate) mod api_key;
pub(crate) mod api_key_namespace;
pub(crate) mod interaction;
pub(crate) mod lease;
pub(crate) mod namespace;
pub(crate) mod removed_namespace;
