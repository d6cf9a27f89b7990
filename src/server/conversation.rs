//! Connections and the calls on them: HTTP/2, or HTTP/1.1 from browsers, with every limit set.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::server::Connected as _;
use tower::{Service, ServiceExt as _};

use super::accept::{Connection, Protocol};
use crate::grpc::hang_up::HangUp;

/// Calls at a time on one connection.
const CONCURRENT_CALLS: u32 = 100;
/// Streams of a connection that may fail by a fault of the client before it is closed: a client may
/// otherwise spend our memory (RUSTSEC-2024-0003).
const CLIENT_FAULTS: usize = 1024;
/// Calls that a client may have begun and reset before we saw them (CVE-2023-44487).
const PENDING_RESETS: usize = 20;
/// A connection this long without a sign of life is asked for one.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to answer.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// After so long a connection is to end, and its client to open another: it may find another server,
/// and what a connection may fail in its life is counted anew. Its calls go on to their end.
const CONNECTION_AGE: Duration = Duration::from_secs(300);
/// Largest metadata of a call, in bytes.
const MAX_HEADER_BYTES: u16 = 16 << 10;
/// How long a client of HTTP/1.1 may take to send it.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// Bytes that a client may send ahead on one call, and on all calls of a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// How long connections last. Only tests need others than the default settings.
#[derive(Debug, Clone)]
pub struct Life {
    /// How old one may become.
    pub age: Duration,
    /// How long one may be without a sign of life before it is asked for one.
    pub keepalive_interval: Duration,
    /// How long it may take to answer.
    pub keepalive_timeout: Duration,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            age: spread(CONNECTION_AGE, getrandom::u32().unwrap_or(u32::MAX / 2)),
            keepalive_interval: KEEPALIVE_INTERVAL,
            keepalive_timeout: KEEPALIVE_TIMEOUT,
        }
    }
}

/// A duration between 90 and 110 per cent of `middle`, as `dice` say: servers that start together
/// are not to lose their clients together.
fn spread(middle: Duration, dice: u32) -> Duration {
    middle.mul_f64(0.9 + 0.2 * f64::from(dice) / f64::from(u32::MAX))
}

/// Whoever serves connections with clones of a service.
#[derive(Debug, Clone)]
pub(super) struct Speaker<Service> {
    pub(super) service: Service,
    pub(super) life: Life,
    /// When it is cancelled, no connection is taken any more, and those there are have to end.
    pub(super) shutdown: CancellationToken,
}

impl<Calls, Answer> Speaker<Calls>
where
    Calls: Service<Request<Body>, Response = Response<Answer>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    Calls::Future: Send,
    Answer: HttpBody + Send + 'static,
    Answer::Data: Send,
    Answer::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Serves `connections` until the shutdown, and returns when the calls of all have ended.
    pub(super) async fn serve(self, connections: impl Stream<Item = Connection>) {
        let served = TaskTracker::new();
        {
            // Dropped at once at the end, and the listener with it: whoever comes then is refused,
            // and finds another server.
            let mut connections = pin!(connections);
            loop {
                tokio::select! {
                    () = self.shutdown.cancelled() => break,
                    Some(connection) = connections.next() => {
                        served.spawn(self.clone().converse(connection));
                    }
                }
            }
        }
        served.close();
        served.wait().await;
    }

    /// One connection, from its first frame to its last. When it is too old it is told to end, and its
    /// calls go on to their end.
    async fn converse(self, connection: Connection) {
        let Self { service, life, shutdown } = self;
        let peer = connection.connect_info();
        let service = service.map_request(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            request
        });
        let calls = TowerToHyperService::new(service);
        let over = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(life.age) => {}
            }
        };
        let (protocol, io) = (connection.protocol(), TokioIo::new(connection));
        let ended = match protocol {
            Protocol::Http2 => {
                let conversation = http2(&life).serve_connection(io, calls);
                until(conversation, over, |conversation| conversation.graceful_shutdown()).await
            }
            Protocol::Http1 => {
                let conversation = http1().serve_connection(io, calls);
                let told =
                    until(conversation, over, |conversation| conversation.graceful_shutdown());
                let mut ended = Ok(());
                HangUp::around(async { ended = told.await }).await;
                ended
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection failed");
        }
    }
}

/// Goes on with a conversation to its end, and has it told to end when it is `over`.
async fn until<Conversation: Future>(
    conversation: Conversation,
    over: impl Future<Output = ()>,
    tell: impl FnOnce(Pin<&mut Conversation>),
) -> Conversation::Output {
    let mut conversation = pin!(conversation);
    tokio::select! {
        ended = &mut conversation => return ended,
        () = over => tell(conversation.as_mut()),
    }
    conversation.await
}

fn http2(life: &Life) -> http2::Builder<TaskForEach> {
    let mut protocol = http2::Builder::new(TaskForEach);
    protocol
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONCURRENT_CALLS)
        .max_local_error_reset_streams(CLIENT_FAULTS)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .keep_alive_interval(life.keepalive_interval)
        .keep_alive_timeout(life.keepalive_timeout)
        .max_header_list_size(MAX_HEADER_BYTES.into())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    protocol
}

/// A connection has one call, since to hang up is to close it.
fn http1() -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MAX_HEADER_BYTES.into())
        .keep_alive(false);
    protocol
}

/// Runs each call in a task of its own, in which it can be hung up.
#[derive(Debug, Clone, Copy)]
struct TaskForEach;

impl<Call> Executor<Call> for TaskForEach
where
    Call: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, call: Call) {
        tokio::spawn(HangUp::around(call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_start_together_part_from_their_clients_one_after_the_other() {
        let middle = Duration::from_secs(300);
        assert_eq!(spread(middle, 0), Duration::from_secs(270));
        assert_eq!(spread(middle, u32::MAX).as_secs_f64().round(), 330.0);
        let age = Life::default().age.as_secs_f64();
        assert!((270.0..=330.0).contains(&age), "{age}");
    }
}
