//! A connection whose client has begun to speak.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::places::Place;
use crate::server::metering::Open;

/// What every client of HTTP/2 begins with (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Protocol {
    Http1,
    Http2,
}

/// The first that a client says: bytes that are part of what follows, and what they tell.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) protocol: Protocol,
    pub(super) bytes: Bytes,
}

/// A connection's socket, and its place among those that there may be.
pub(in crate::server) struct Connection {
    socket: Socket,
    /// What was read to see how the client speaks, and is left to be read again.
    greeting: Bytes,
    protocol: Protocol,
    info: TcpConnectInfo,
    /// Free again when the connection is gone.
    _place: Place<IpAddr>,
    _open: Open,
}

type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

impl Connection {
    /// What `socket` becomes once `greeting` has been read from it.
    pub(super) fn new(
        socket: Socket,
        greeting: Greeting,
        local_addr: Option<SocketAddr>,
        remote_addr: Option<SocketAddr>,
        place: Place<IpAddr>,
    ) -> Self {
        let info = TcpConnectInfo { local_addr, remote_addr };
        let Greeting { protocol, bytes } = greeting;
        Self { socket, greeting: bytes, protocol, info, _place: place, _open: Open::new() }
    }

    pub(in crate::server) fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let now = self.greeting.len().min(buffer.remaining());
        buffer.put_slice(&self.greeting.split_to(now));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
