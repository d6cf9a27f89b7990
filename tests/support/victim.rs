//! A server that is killed and started again, on one database and one address.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::program::{free_address, furnish, program};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server's process, and what it takes to start it anew.
pub struct Victim {
    url: String,
    pub address: SocketAddr,
    pub key: String,
    child: Option<Child>,
}

impl Victim {
    /// A namespace and a key in a new database at `url`; no process yet.
    pub fn new(url: &str) -> Self {
        let key = furnish(url, "faults");
        let address = free_address().parse().unwrap();
        Self { url: url.to_owned(), address, key, child: None }
    }

    /// Starts the server with `failpoints`, and waits until it listens.
    pub fn start(&mut self, failpoints: &str) {
        let serve = self.serve(failpoints);
        self.spawn(serve);
    }

    /// The same; what it logs goes to `log`.
    pub fn start_logging(&mut self, failpoints: &str, log: File) {
        let mut serve = self.serve(failpoints);
        serve.stderr(log);
        self.spawn(serve);
    }

    fn serve(&self, failpoints: &str) -> Command {
        let mut serve = program(&["serve", "--listen", &self.address.to_string()]);
        serve.env("FAILPOINTS", failpoints);
        serve
    }

    fn spawn(&mut self, mut serve: Command) {
        assert!(self.child.is_none(), "it runs already");
        serve.env("INTERACTIONS_DATABASE_URL", &self.url).env("INTERACTIONS_LOG", "error");
        self.child = Some(serve.spawn().unwrap());
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "the server ended with {ended:?}");
            assert!(started.elapsed() < PATIENCE, "the server does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The server's process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Ends the server on the spot (`kill -9`).
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}
