//! What the program tells of itself: the log, traces, and metrics. Nothing of ours is used here; the
//! rest of the program speaks of itself with `tracing` and `metrics`, and knows of no exporter.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::log::Log;
use self::traces::Traces;

pub mod log;
pub mod metrics;
pub mod traces;

/// What is told, until [`Telemetry::stop`].
#[derive(Debug)]
#[must_use]
pub struct Telemetry {
    traces: Option<Traces>,
}

/// Starts the log; of a server also traces, where the environment says where to. To be called once in
/// a process, on a runtime.
///
/// # Errors
///
/// When a variable makes no sense.
pub fn start(log: Log, server: bool) -> anyhow::Result<Telemetry> {
    let traces = if server { Traces::from_environment()? } else { None };
    let exported = traces.as_ref().map(Traces::layer);
    tracing_subscriber::registry().with(log.layer()?).with(exported).init();
    if server {
        traces::propagate();
        panic::set_hook(Box::new(tell_panic));
    }
    if traces.is_some() {
        tracing::info!("traces are exported");
    }
    Ok(Telemetry { traces })
}

impl Telemetry {
    /// Sends what is still to be sent, if it can be done in less than half a second.
    pub async fn stop(self) {
        if let Some(traces) = self.traces {
            traces.stop().await;
        }
    }
}

/// Logs a panic like anything else: on one line, and escaped.
fn tell_panic(panic: &panic::PanicHookInfo<'_>) {
    ::metrics::counter!("interactions_panics_total").increment(1);
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let text = panic.payload().downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map(ToString::to_string);
    tracing::error!(panic = text, place, backtrace, "panicked");
}
