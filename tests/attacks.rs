//! Peers who mean harm or make no sense, against the program as it is run. Whatever they do, it stays
//! up and small, and serves others meanwhile.

mod amplification;
mod calls;
mod floods;
mod log;
mod nonsense;
mod silence;
mod stalled;
mod trickle;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use interactions::grpc::proto;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::ingest::numbered;
use crate::support::process::{TICKS, peak_memory, processor_time, resident_memory};
use crate::support::program::Server;
use crate::support::server::{Client, client};

/// How much memory an attack may cost, in KiB.
const MOST_MEMORY: u64 = 32 << 10;
/// Calls of somebody else during an attack, at least.
const LEAST_CALLS: usize = 20;

/// What holds here is to hold where keys may do as they like.
const GENEROUS: [&str; 8] = [
    "--max-calls",
    "4000",
    "--calls-per-second",
    "100000",
    "--reading-streams",
    "1000",
    "--writing-streams",
    "2000",
];

/// The program, and somebody who uses it as it is meant to be used.
struct Target {
    server: Server,
    address: SocketAddr,
    user: Client,
    _directory: Option<TempDir>,
}

/// What an attack cost.
struct Cost {
    /// Memory at its most, above what it was before, in KiB.
    memory: u64,
    /// Processor time, in ticks.
    ticks: u64,
    /// How long the calls of others took, the shortest first.
    calls: Vec<Duration>,
}

impl Target {
    /// On a database of its own.
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("target.sqlite3").display());
        let target = Self::on(&url).await;
        Self { _directory: Some(directory), ..target }
    }

    /// On the database at `url`.
    async fn on(url: &str) -> Self {
        let server = Server::start_with(url, &GENEROUS, &[]);
        let address = server.address.parse().unwrap();
        let mut user = client(address, server.key.clone()).await;
        let batch = proto::BatchCreateInteractionsRequest {
            interactions: numbered(0..1_000),
            validate_only: false,
        };
        user.batch_create_interactions(batch).await.unwrap();
        let target = Self { server, address, user, _directory: None };
        // What it takes to serve anybody at all is no cost of an attack.
        target.under(async { tokio::time::sleep(Duration::from_millis(500)).await }).await;
        target
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.server.key)
    }

    /// The outcome of `attack`, and its cost. Somebody else calls all the while, and always gets an
    /// answer.
    async fn under<T>(&self, attack: impl Future<Output = T>) -> (T, Cost) {
        let id = self.server.id();
        let (memory, ticks) = (resident_memory(id), processor_time(id));
        let peak = peak_memory(id);
        let over = CancellationToken::new();
        let using = tokio::spawn({
            let (over, mut user) = (over.clone(), self.user.clone());
            async move {
                let (mut calls, mut most) = (Vec::new(), 0);
                while !over.is_cancelled() || calls.len() < LEAST_CALLS {
                    let request =
                        proto::GetInteractionRequest { interaction_id: "n0000007".to_owned() };
                    let called = Instant::now();
                    user.get_interaction(request).await.unwrap();
                    calls.push(called.elapsed());
                    most = most.max(resident_memory(id));
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                calls.sort_unstable();
                (calls, most)
            }
        });
        let outcome = attack.await;
        over.cancel();
        let (calls, most) = using.await.unwrap();
        // What nobody saw while it lasted is known if it is more than there ever was before.
        let most = if peak_memory(id) > peak { peak_memory(id) } else { most };
        let memory = most.saturating_sub(memory);
        (outcome, Cost { memory, ticks: processor_time(id) - ticks, calls })
    }

    /// The server is still there, and stops as it should.
    fn stop(self) {
        assert_eq!(self.server.stop(), Some(0));
    }
}

impl Cost {
    fn print(&self, attack: &str, outcome: &str) {
        let millis = |duration: &Duration| duration.as_secs_f64() * 1e3;
        println!(
            "{attack}: {outcome}; {} KiB, {:.2} s of processor; {} calls of others, {:.1} ms, at worst {:.1} ms",
            self.memory,
            self.ticks as f64 / TICKS as f64,
            self.calls.len(),
            millis(&self.calls[self.calls.len() / 2]),
            millis(&self.calls[self.calls.len() - 1]),
        );
    }

    fn assert_bounded(&self, attack: &str) {
        assert!(self.memory <= MOST_MEMORY, "{attack}: {} KiB", self.memory);
    }
}
