//! The tables, as SeaORM sees them.

pub(crate) mod api_key;
pub(crate) mod api_key_namespace;
pub(crate) mod interaction;
pub(crate) mod namespace;
