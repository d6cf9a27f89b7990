//! Metrics, in the form that Prometheus reads, at `/metrics` of an address of their own.
//!
//! They tell nothing that a client chose, and no secret, so whoever can reach the address may read
//! them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

mod catalog;

/// Where they are.
const PATH: &str = "/metrics";
/// The type of Prometheus' text.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// Scrapes at a time. More wait.
const MAX_CONNECTIONS: usize = 8;
/// How long a request may take to come.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection may last. It carries one request.
const CONNECTION_LIMIT: Duration = Duration::from_secs(15);
/// How long no connection is taken after one could not be.
const REST: Duration = Duration::from_millis(100);
/// How often durations are sorted into buckets: they are kept one by one until then.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Upper bounds of what durations are counted by, in seconds: from a get of SQLite's to the longest
/// that a stream may stand still.
const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Shows metrics to whoever asks.
pub struct Exporter {
    listener: TcpListener,
    recorder: PrometheusHandle,
    process: Collector,
}

impl Exporter {
    /// Starts to count; what was counted before is lost. To be called once in a process, before
    /// anything that counts.
    ///
    /// # Errors
    ///
    /// When the address is taken, or something else counts already.
    pub async fn bind(listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await;
        let listener =
            listener.with_context(|| format!("cannot listen on {listen} for metrics"))?;
        let recorder = PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?;
        let process = Collector::default();
        process.describe();
        catalog::describe();
        ::metrics::gauge!("interactions_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        ::metrics::counter!("interactions_panics_total").absolute(0);
        tracing::info!(address = %listener.local_addr()?, "metrics are shown");
        Ok(Self { listener, recorder, process })
    }

    /// Answers as long as it is polled. Each time, `look` is called first: it notes what is looked
    /// up rather than counted.
    pub async fn serve(self, look: impl Fn() + Send + Sync + 'static) {
        let Self { listener, recorder, process } = self;
        let upkeep = recorder.clone();
        let upkeep = async move {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                upkeep.run_upkeep();
            }
        };
        let render = Arc::new(move || {
            look();
            process.collect();
            recorder.render()
        });
        tokio::join!(upkeep, answer_all(listener, render));
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Exporter").field(&self.listener).finish()
    }
}

async fn answer_all(
    listener: TcpListener,
    render: Arc<impl Fn() -> String + Send + Sync + 'static>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Never closed, so there is always a place in the end.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((socket, _)) => {
                let render = Arc::clone(&render);
                tokio::spawn(async move {
                    let _place = place;
                    let answered = converse(socket, render);
                    let _ = tokio::time::timeout(CONNECTION_LIMIT, answered).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection for metrics cannot be taken");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn converse(
    socket: TcpStream,
    render: Arc<impl Fn() -> String + Send + Sync + 'static>,
) -> io::Result<()> {
    let answer = service_fn(move |request| {
        let response = respond(&request, &*render);
        async { Ok::<_, Infallible>(response) }
    });
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(REQUEST_LIMIT).keep_alive(false);
    let served = protocol.serve_connection(TokioIo::new(socket), answer).await;
    served.map_err(io::Error::other)
}

fn respond<Body>(request: &Request<Body>, render: &impl Fn() -> String) -> Response<String> {
    let mut response = Response::new(String::new());
    if request.uri().path() != PATH {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    } else {
        response.headers_mut().insert(CONTENT_TYPE, TEXT);
        *response.body_mut() = render();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_metrics_are_shown() {
        let status = |method: Method, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            respond(&request, &|| "shown".to_owned())
        };
        let shown = status(Method::GET, "/metrics?x=1");
        assert_eq!((shown.status(), shown.body().as_str()), (StatusCode::OK, "shown"));
        for (method, path, code) in [
            (Method::GET, "/", StatusCode::NOT_FOUND),
            (Method::GET, "/metrics/", StatusCode::NOT_FOUND),
            (Method::POST, "/metrics", StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let refused = status(method, path);
            assert_eq!((refused.status(), refused.body().as_str()), (code, ""), "{path}");
        }
    }
}
