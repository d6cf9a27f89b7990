//! A TCP proxy that cuts connections while answers are on their way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A proxy, until it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    /// How many connections it has cut.
    pub cuts: Arc<AtomicUsize>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Passes everything on to `server`. From there it passes `patience()` bytes and swallows what
    /// comes next, with the connection.
    pub async fn start(
        server: SocketAddr,
        patience: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        let accepting = async move {
            while let Ok((client, _)) = listener.accept().await {
                let (patience, cuts) = (patience(), Arc::clone(&counted));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, patience, &cuts).await;
                    }
                });
            }
        };
        Self { address, cuts, _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)) }
    }
}

async fn pass(client: TcpStream, server: TcpStream, patience: usize, cuts: &AtomicUsize) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let back = async {
        let mut left = patience;
        let mut buffer = vec![0; 16 << 10];
        loop {
            let read = from_server.read(&mut buffer).await?;
            if read == 0 {
                return std::io::Result::Ok(());
            }
            if read > left {
                cuts.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            left -= read;
            to_client.write_all(&buffer[..read]).await?;
        }
    };
    // When either way ends, both connections do.
    tokio::select! {
        _ = there => {}
        _ = back => {}
    }
}
