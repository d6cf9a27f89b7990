//! The service as a process of its own, as its users run it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

const PATIENCE: Duration = Duration::from_secs(60);

/// What keeps one key of many clients from being slowed down on purpose.
const UNLIMITED: [&str; 6] =
    ["--calls-per-second", "1000000", "--max-calls", "1024", "--reading-streams", "64"];

/// A server; it is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Serves the database at `url`; what it logs goes to a file in `scratch`.
    pub(crate) fn start(program: &Path, url: &str, scratch: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = File::create(scratch.join("server.log"))?;
        let child = Command::new(program)
            .args(["serve", "--no-migrate", "--listen", &address.to_string()])
            .args(UNLIMITED)
            .env("INTERACTIONS_DATABASE_URL", url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let mut server = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let gone = server.child.try_wait()?;
            anyhow::ensure!(gone.is_none(), "the server ended: {}", log_of(scratch));
            anyhow::ensure!(started.elapsed() < PATIENCE, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most of it since [`Self::forget_peak`], in bytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// Lets the peak of memory be the present.
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        // proc(5): 5 resets the peak resident set size.
        Ok(fs::write(self.proc("clear_refs"), "5")?)
    }

    fn status(&self, name: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.context("the system says how much memory a process has")?;
        Ok(kib.trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.child.wait();
    }
}

fn log_of(scratch: &Path) -> String {
    fs::read_to_string(scratch.join("server.log")).unwrap_or_default()
}
