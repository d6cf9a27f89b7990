//! Traces, exported as OpenTelemetry says: by OTLP over gRPC, set by its standard variables
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>), of which the
//! SDK reads most itself.

use std::env;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use opentelemetry::trace::{SpanBuilder, SpanKind, Tracer, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// Where spans go: for traces alone, or for everything.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const SERVICE: &str = "interactions";
/// How long sending what is left may take at the end.
const FLUSH_LIMIT: Duration = Duration::from_millis(400);
/// That spans cannot be exported is logged this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Whoever exports spans. They are collected without waiting and sent by a thread of its own; those
/// that cannot be sent in time are dropped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// As the environment says; `None` where it names nobody to send spans to.
    ///
    /// # Errors
    ///
    /// When it makes no sense.
    pub(super) fn from_environment() -> anyhow::Result<Option<Self>> {
        let disabled = set("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        let none = set("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
        if disabled || none || ENDPOINTS.into_iter().all(|name| set(name).is_none()) {
            return Ok(None);
        }
        if let Some(protocol) = PROTOCOLS.into_iter().find_map(set) {
            anyhow::ensure!(
                protocol == "grpc",
                "traces are exported over grpc only, and {} or {} is {protocol}",
                PROTOCOLS[0],
                PROTOCOLS[1]
            );
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build();
        let exporter = exporter.context("traces cannot be exported as OTEL_EXPORTER_OTLP_* say")?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        // What the variables say goes before the name here.
        let resource = Resource::builder().with_attribute(version);
        let named = set("OTEL_SERVICE_NAME").is_some()
            || set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|it| it.contains("service.name="));
        let resource = if named { resource } else { resource.with_service_name(SERVICE) };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(Plain::new(exporter))
            .build();
        Ok(Some(Self(provider)))
    }

    /// Our spans, of which the log shows some; nobody else's, and no lines of the log.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let ours = filter_fn(|metadata| {
            metadata.is_span() && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
        });
        tracing_opentelemetry::layer()
            .with_tracer(Named(self.0.tracer(SERVICE)))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
    }

    pub(super) async fn stop(self) {
        let Self(provider) = self;
        let stop = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_LIMIT));
        // The thread that sends may take longer than it was told.
        match tokio::time::timeout(FLUSH_LIMIT, stop).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) | Err(_) => tracing::warn!("the last spans were not exported in time"),
        }
    }
}

/// Has calls go on with the traces of their callers, if only in the log.
pub(super) fn propagate() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
}

/// The value of a variable, unless it is empty, which is as good as not set.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Gives spans the kinds and names of OpenTelemetry, so that the log is free of them.
#[derive(Debug)]
struct Named(SdkTracer);

impl Tracer for Named {
    type Span = opentelemetry_sdk::trace::Span;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Self::Span {
        let attributes = builder.attributes.iter().flatten();
        let find = |key: &str| {
            let found = attributes.clone().find(|attribute| attribute.key.as_str() == key);
            found.map(|attribute| attribute.value.as_str().into_owned())
        };
        let (kind, name) = match builder.name.as_ref() {
            "rpc" => (SpanKind::Server, find("rpc.method")),
            "database" => (SpanKind::Client, find("db.operation.name")),
            _ => (SpanKind::Internal, None),
        };
        builder.span_kind = Some(kind);
        if let Some(name) = name {
            builder.name = name.into();
        }
        self.0.build_with_context(builder, parent)
    }
}

/// An exporter that says now and then what it cannot do, and counts the rest.
#[derive(Debug)]
struct Plain<Exporter> {
    exporter: Exporter,
    complained: Mutex<Option<Instant>>,
}

impl<Exporter> Plain<Exporter> {
    fn new(exporter: Exporter) -> Self {
        Self { exporter, complained: Mutex::new(None) }
    }

    fn complain(&self, error: &dyn std::fmt::Display) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
            *complained = Some(Instant::now());
            tracing::warn!(%error, "spans cannot be exported; they are dropped");
        }
    }
}

impl<Exporter: SpanExporter> SpanExporter for Plain<Exporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let count = |result: &'static str| {
            metrics::counter!("interactions_trace_spans_total", "result" => result)
                .increment(spans);
        };
        let exported = self.exporter.export(batch).await;
        match &exported {
            Ok(()) => count("exported"),
            Err(error) => {
                count("failed");
                self.complain(error);
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
