//! What a caller asks of one namespace, and the fingerprint that ties page tokens to it.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::access::NamespaceId;
use super::filter::Filter;
use super::search::Search;
use super::sort::Sort;
use super::time::Micros;

/// Most interactions in one page; a larger page size is taken as this.
pub const MAX_PAGE_SIZE: u32 = 1_000;
/// Interactions in one page where the caller names no number.
pub const DEFAULT_PAGE_SIZE: u32 = 100;
/// Largest message that carries a page, in bytes.
pub const MAX_PAGE_BYTES: usize = 1 << 20;
/// Most interactions that `skip` passes over.
pub const MAX_SKIP: u32 = 10_000;

/// The times that a call sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// What happened before this is hidden, by the namespace's retention; `None`: nothing is.
    pub visible_since: Option<Micros>,
    /// What was recorded at this time or later is left out; `None`: nothing is.
    pub recorded_before: Option<Micros>,
}

/// Which interactions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selection {
    /// The only namespace that is looked at.
    pub namespace: NamespaceId,
    /// Of what times. It moves with the clock, so it is no part of what makes a query another one.
    #[serde(skip)]
    pub window: Window,
    /// What must hold of them.
    pub filter: Filter,
    /// Which words their metadata must have.
    pub search: Option<Search>,
}

/// Which interactions, in which order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Query {
    /// Which interactions.
    pub selection: Selection,
    /// In which order.
    pub sort: Sort,
}

/// Tells one query from another; equal for equal queries, on every replica and after restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl Query {
    /// The fingerprint of this query.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Sha256::new();
        // Queries are plain data with string keys and finite numbers, which always have a JSON form.
        let written = serde_json::to_writer(&mut hasher, self);
        debug_assert!(written.is_ok(), "a query has a JSON form");
        let digest: [u8; 32] = hasher.finalize().into();
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&digest[..16]);
        Fingerprint(fingerprint)
    }
}
