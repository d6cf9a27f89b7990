//! What is counted of calls, beside what `observe` counts of each.

use std::sync::LazyLock;

use metrics::{Counter, counter};

/// Handles, taken once, after whoever exports them has started.
pub(super) struct Meters {
    pub(super) pages: Counter,
    pub(super) listed: Counter,
    pub(super) keys: Cache,
    pub(super) namespaces: Cache,
    /// Interactions of a stream that break rules.
    pub(super) invalid: Counter,
    pub(super) deleted: Counter,
    pub(super) purged: Counter,
}

/// How often something was remembered.
pub(super) struct Cache {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
}

pub(super) static METERS: LazyLock<Meters> = LazyLock::new(|| Meters {
    pages: counter!("interactions_listed_pages_total"),
    listed: counter!("interactions_listed_interactions_total"),
    keys: Cache::of("keys"),
    namespaces: Cache::of("namespaces"),
    invalid: counter!("interactions_ingested_interactions_total", "outcome" => "invalid"),
    deleted: counter!("interactions_deleted_interactions_total", "cause" => "delete"),
    purged: counter!("interactions_deleted_interactions_total", "cause" => "purge"),
});

impl Cache {
    fn of(cache: &'static str) -> Self {
        let lookups = |result: &'static str| counter!("interactions_cache_lookups_total", "cache" => cache, "result" => result);
        Self { hits: lookups("hit"), misses: lookups("miss") }
    }

    /// Notes whether something was remembered.
    pub(super) fn count(&self, remembered: bool) {
        if remembered { &self.hits } else { &self.misses }.increment(1);
    }
}

/// Counts an error that goes out, by its reason: there are as many as the code names.
pub(super) fn count_error(reason: &'static str) {
    counter!("interactions_errors_total", "reason" => reason).increment(1);
}
