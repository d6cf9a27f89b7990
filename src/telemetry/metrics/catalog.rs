//! Every metric of ours, and what it means. docs/operations.md says the same at greater length.

use metrics::{describe_counter, describe_gauge, describe_histogram};

const COUNTERS: [(&str, &str); 19] = [
    ("grpc_server_started_total", "Calls begun."),
    ("grpc_server_handled_total", "Calls ended, by code."),
    ("interactions_sent_bytes_total", "Bytes of answers."),
    ("interactions_errors_total", "Errors answered, by reason."),
    ("interactions_panics_total", "Panics, each a fault of the service."),
    ("interactions_listed_pages_total", "Pages sent by ListInteractions."),
    ("interactions_listed_interactions_total", "Interactions on these pages."),
    ("interactions_ingested_batches_total", "Batches recorded."),
    ("interactions_ingested_interactions_total", "Interactions sent to be recorded, by outcome."),
    ("interactions_deleted_interactions_total", "Interactions deleted, by cause."),
    ("interactions_cache_lookups_total", "Looks at what is remembered of keys and namespaces."),
    ("interactions_slow_queries_total", "Operations of the database that were logged as slow."),
    ("interactions_maintenance_sweeps_total", "Rounds of the work in the background, by result."),
    ("interactions_connections_accepted_total", "Connections taken."),
    ("interactions_connections_refused_total", "Connections over a limit, by limit."),
    ("interactions_connections_failed_total", "Connections that ended before their first call."),
    ("interactions_accept_errors_total", "Connections that the system could not hand over."),
    ("interactions_trace_spans_total", "Spans exported, or not, by result."),
    ("interactions_write_retries_total", "Transactions tried again after giving way to another."),
];

const GAUGES: [(&str, &str); 7] = [
    ("interactions_build_info", "1, with the version."),
    ("interactions_calls_in_progress", "Calls under way."),
    ("interactions_connections_open", "Connections whose clients have begun to speak."),
    ("interactions_database_connections", "Connections to the database, by pool and state."),
    ("interactions_database_connections_max", "Connections that a pool may have."),
    ("interactions_database_turns", "Who uses the database, and who waits to."),
    ("interactions_database_turns_max", "How many may use the database at a time."),
];

const HISTOGRAMS: [(&str, &str); 3] = [
    ("grpc_server_handling_seconds", "How long calls take, streams to their end."),
    ("interactions_database_seconds", "How long the database takes, waits for a turn aside."),
    ("interactions_database_wait_seconds", "How long a turn to use the database is waited for."),
];

/// Tells whoever exports metrics what they mean.
pub(super) fn describe() {
    for (name, meaning) in COUNTERS {
        describe_counter!(name, meaning);
    }
    for (name, meaning) in GAUGES {
        describe_gauge!(name, meaning);
    }
    for (name, meaning) in HISTOGRAMS {
        describe_histogram!(name, meaning);
    }
}
