//! What is counted of connections and of work in the background, and what is looked up when somebody
//! asks.

use std::sync::LazyLock;

use metrics::{Counter, Gauge, counter, gauge};

use crate::repository::{Load, PoolLoad, Repository, TurnsLoad};

/// Handles, taken once, after whoever exports them has started.
pub(super) struct Meters {
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) refused_for_peer: Counter,
    /// Connections that ended before their first call: no TLS, no HTTP/2, or nothing said.
    pub(super) failed: Counter,
    /// Connections that the system could not hand over, mostly for want of descriptors.
    pub(super) accept_errors: Counter,
    pub(super) open: Gauge,
    pub(super) expired: Counter,
    pub(super) of_removed_namespaces: Counter,
    pub(super) sweeps: Counter,
    pub(super) failed_sweeps: Counter,
}

pub(super) static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let refused =
        |limit: &'static str| counter!("interactions_connections_refused_total", "limit" => limit);
    let deleted =
        |cause: &'static str| counter!("interactions_deleted_interactions_total", "cause" => cause);
    let sweeps = |result: &'static str| counter!("interactions_maintenance_sweeps_total", "result" => result);
    Meters {
        accepted: counter!("interactions_connections_accepted_total"),
        refused: refused("all"),
        refused_for_peer: refused("peer"),
        failed: counter!("interactions_connections_failed_total"),
        accept_errors: counter!("interactions_accept_errors_total"),
        open: gauge!("interactions_connections_open"),
        expired: deleted("retention"),
        of_removed_namespaces: deleted("namespace"),
        sweeps: sweeps("done"),
        failed_sweeps: sweeps("failed"),
    }
});

/// Counts a connection as open until this is dropped.
#[derive(Debug)]
pub(super) struct Open(());

impl Open {
    pub(super) fn new() -> Self {
        METERS.open.increment(1);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        METERS.open.decrement(1);
    }
}

/// Notes how busy the database is.
pub(super) fn note_load(repository: &Repository) {
    let Load { pools, reading, writing } = repository.load();
    for PoolLoad { name, open, idle, most } in pools {
        let connections = |state: &'static str| gauge!("interactions_database_connections", "pool" => name, "state" => state);
        connections("used").set(float(open.saturating_sub(idle)));
        connections("idle").set(float(idle));
        gauge!("interactions_database_connections_max", "pool" => name).set(float(most));
    }
    for (to, TurnsLoad { using, waiting, most }) in [("read", reading), ("write", writing)] {
        gauge!("interactions_database_turns", "to" => to, "state" => "used").set(float(using));
        gauge!("interactions_database_turns", "to" => to, "state" => "waiting").set(float(waiting));
        gauge!("interactions_database_turns_max", "to" => to).set(float(most));
    }
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
