//! A TCP proxy that treats connections as bad networks do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A proxy, until it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    /// How many connections it has cut.
    pub cuts: Arc<AtomicUsize>,
    /// How many connections the server has closed.
    pub closed: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

/// What happens to bytes on their way. The end of what one side says is passed on to the other, which
/// may still speak.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// They arrive.
    Open,
    /// So many arrive; then the connection is cut.
    Cut(usize),
    /// So many arrive; the others are lost, and nobody is told.
    Lost(usize),
    /// They arrive one by one.
    Bytewise,
}

/// What happens on a connection.
#[derive(Debug, Clone, Copy)]
pub struct Ways {
    pub to_server: Way,
    pub to_client: Way,
}

impl Proxy {
    /// Passes everything on to `server`. From there it passes `patience()` bytes and swallows what
    /// comes next, with the connection.
    pub async fn start(
        server: SocketAddr,
        patience: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        let ways = move || Ways { to_server: Way::Open, to_client: Way::Cut(patience()) };
        Self::start_with(server, ways).await
    }

    /// Treats each connection to `server` as `ways` says.
    pub async fn start_with(
        server: SocketAddr,
        ways: impl Fn() -> Ways + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted_cuts, counted_closed) = (Arc::clone(&cuts), Arc::clone(&closed));
        let accepting = async move {
            while let Ok((client, _)) = listener.accept().await {
                let (ways, cuts) = (ways(), Arc::clone(&counted_cuts));
                let closed = Arc::clone(&counted_closed);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, ways, &cuts, &closed).await;
                    }
                });
            }
        };
        let _accepting = AbortOnDropHandle::new(tokio::spawn(accepting));
        Self { address, cuts, closed, _accepting }
    }
}

/// The connection was cut.
struct Cut;

async fn pass(
    client: TcpStream,
    server: TcpStream,
    ways: Ways,
    cuts: &AtomicUsize,
    closed: &AtomicUsize,
) {
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = carry(from_client, to_server, ways.to_server);
    let back = async {
        let carried = carry(from_server, to_client, ways.to_client).await;
        if carried.is_ok() {
            closed.fetch_add(1, Ordering::Relaxed);
        }
        carried
    };
    // Once cut, both ways are gone.
    if tokio::try_join!(there, back).is_err() {
        cuts.fetch_add(1, Ordering::Relaxed);
    }
}

/// Carries bytes one way until they end.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way) -> Result<(), Cut> {
    let mut buffer = vec![0; 16 << 10];
    let mut carried = 0;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let passed = match way {
            Way::Open | Way::Bytewise => read,
            Way::Cut(most) | Way::Lost(most) => read.min(most.saturating_sub(carried)),
        };
        carried += passed;
        let size = if matches!(way, Way::Bytewise) { 1 } else { buffer.len() };
        for piece in buffer[..passed].chunks(size) {
            if to.write_all(piece).await.is_err() {
                return Ok(());
            }
        }
        if passed < read && matches!(way, Way::Cut(_)) {
            return Err(Cut);
        }
    }
    // Where bytes are lost, so is the word that there are no more.
    if !matches!(way, Way::Lost(_)) {
        let _ = to.shutdown().await;
    }
    Ok(())
}
