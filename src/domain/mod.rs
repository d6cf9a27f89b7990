//! The meaning of the service, free of transport and storage: what an interaction is, what a
//! filter, a sort and a search say, and which position a page ends at.
//!
//! Everything here is parsed once, at the edge, into types that cannot be wrong; what lies
//! further inside never checks again. Nothing here knows of gRPC, protobuf or SQL.

pub mod access;
pub mod field;
pub mod filter;
pub mod filter_json;
pub mod interaction;
pub mod interaction_type;
pub mod nearest;
pub mod outline;
pub mod query;
pub mod regex;
pub mod search;
pub mod sort;
pub mod text;
pub mod time;
pub mod violation;
