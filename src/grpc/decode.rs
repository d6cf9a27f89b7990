//! From generated messages to the domain. What comes out has been checked; what is wrong is said
//! field by field, all of it at once.

pub(super) mod admin;
pub(super) mod batch;
pub(super) mod duration;
pub(super) mod filter;
pub(super) mod interaction;
pub(super) mod json;
pub(super) mod list;
mod search_request;
pub(super) mod selection;
pub(super) mod timestamp;
