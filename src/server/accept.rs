//! Takes connections, and hands on those of clients that speak HTTP/2, or HTTP/1.1 where browsers are
//! let in.
//!
//! tonic's own loop has neither limits nor deadlines: whoever connects and says nothing is kept for
//! ever, and where descriptors run out it spins.

mod connection;
mod occasional;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;

pub(super) use self::connection::{Connection, Protocol};

use self::connection::{Greeting, PREFACE};
use self::occasional::Occasional;
use super::metering::METERS;
use super::tls::Tls;
use crate::peer::peer;
use crate::places::{Full, Place, Places};

/// Connections at a time, of all clients.
const MAX_CONNECTIONS: usize = 1_000;
/// Connections at a time from one IPv4 address, or one IPv6 network of 64 bits. One connection
/// carries a hundred calls at a time, so this is plenty, for a proxy too.
const MAX_CONNECTIONS_PER_PEER: usize = 32;
/// How long the TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take after that to say how it speaks.
const PREFACE_LIMIT: Duration = Duration::from_secs(10);
/// How long nothing is taken after a connection could not be, mostly for want of descriptors.
const REST: Duration = Duration::from_millis(100);
/// A client from which nothing has come for so long is asked for a sign of life, by the kernel.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How connections are taken. Only tests need others than the default ones.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one peer.
    pub connections_per_peer: usize,
    /// How long the TLS handshake may take.
    pub handshake: Duration,
    /// How long a client may take to send the first 24 bytes.
    pub preface: Duration,
    /// Whether HTTP/1.1 is taken beside HTTP/2: browsers speak it where there is no TLS.
    pub http1: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connections_per_peer: MAX_CONNECTIONS_PER_PEER,
            handshake: HANDSHAKE_LIMIT,
            preface: PREFACE_LIMIT,
            http1: false,
        }
    }
}

/// The connections that come in at `listener`, once they have begun to speak; behind TLS where
/// there is one. When the stream is dropped, the listener is, and whoever has not spoken yet.
pub(super) fn connections(
    listener: TcpListener,
    limits: Limits,
    tls: Option<Arc<Tls>>,
) -> impl Stream<Item = Connection> {
    let places = Places::new(limits.connections, limits.connections_per_peer);
    let entrance = Entrance {
        listener,
        limits,
        tls,
        places,
        arriving: JoinSet::new(),
        closed_until: Instant::now(),
        refusals: Occasional::default(),
        faults: Occasional::default(),
    };
    futures::stream::unfold(entrance, |mut entrance| async move {
        let connection = entrance.next().await;
        Some((connection, entrance))
    })
}

struct Entrance {
    listener: TcpListener,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    places: Places<IpAddr>,
    /// Each in a task of its own: nobody waits for a client that is slow to speak.
    arriving: JoinSet<Option<Connection>>,
    closed_until: Instant,
    refusals: Occasional,
    faults: Occasional,
}

impl Entrance {
    async fn next(&mut self) -> Connection {
        loop {
            tokio::select! {
                Some(arrived) = self.arriving.join_next() => match arrived {
                    Ok(Some(connection)) => return connection,
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "taking a connection failed"),
                },
                accepted = accept(&self.listener, self.closed_until) => match accepted {
                    Ok((socket, peer)) => self.admit(socket, peer),
                    Err(error) => self.rest(&error),
                },
            }
        }
    }

    fn admit(&mut self, socket: TcpStream, address: SocketAddr) {
        let place = match self.places.take(peer(address.ip())) {
            Ok(place) => place,
            Err(full) => {
                let (limit, refused) = match full {
                    Full::Everywhere => ("connections", &METERS.refused),
                    Full::ForHolder => ("connections of one peer", &METERS.refused_for_peer),
                };
                refused.increment(1);
                if let Some(before) = self.refusals.now() {
                    tracing::warn!(peer = %address, limit, before, "connection refused");
                }
                return;
            }
        };
        METERS.accepted.increment(1);
        let (limits, tls) = (self.limits.clone(), self.tls.clone());
        self.arriving.spawn(async move {
            match arrive(socket, place, &limits, tls).await {
                Ok(connection) => Some(connection),
                Err(error) => {
                    METERS.failed.increment(1);
                    tracing::debug!(peer = %address, %error, "connection closed before its first call");
                    None
                }
            }
        });
    }

    fn rest(&mut self, error: &io::Error) {
        self.closed_until = Instant::now() + REST;
        METERS.accept_errors.increment(1);
        if let Some(before) = self.faults.now() {
            tracing::warn!(%error, before, "connections cannot be taken");
        }
    }
}

async fn accept(listener: &TcpListener, start: Instant) -> io::Result<(TcpStream, SocketAddr)> {
    sleep_until(start).await;
    listener.accept().await
}

async fn arrive(
    socket: TcpStream,
    place: Place<IpAddr>,
    limits: &Limits,
    tls: Option<Arc<Tls>>,
) -> io::Result<Connection> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    let (local_addr, remote_addr) = (socket.local_addr().ok(), socket.peer_addr().ok());
    let mut socket = match tls {
        None => Either::Left(socket),
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.config()).accept(socket);
            Either::Right(Box::new(timeout(limits.handshake, handshake).await??))
        }
    };
    let greeting = timeout(limits.preface, greeting(&mut socket, limits.http1)).await??;
    Ok(Connection::new(socket, greeting, local_addr, remote_addr, place))
}

/// Reads what every client of HTTP/2 begins with, and nothing more; of one that begins otherwise, so
/// much as shows that.
async fn greeting(socket: &mut (impl AsyncRead + Unpin), http1: bool) -> io::Result<Greeting> {
    let mut buffer = [0; PREFACE.len()];
    let mut filled = 0;
    while filled < buffer.len() {
        let read = socket.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let greeting = &buffer[..filled];
        if !PREFACE.starts_with(greeting) {
            if http1 {
                let bytes = Bytes::copy_from_slice(greeting);
                return Ok(Greeting { protocol: Protocol::Http1, bytes });
            }
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not HTTP/2"));
        }
    }
    Ok(Greeting { protocol: Protocol::Http2, bytes: Bytes::from_static(PREFACE) })
}

#[cfg(test)]
mod tests;
