//! The program itself, run as its users run it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::process::peak_memory;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command of the program, without any setting of whoever runs the tests.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interactions"));
    for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    // Where nothing is.
    command.env("XDG_CONFIG_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-configuration"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn is_setting(variable: &str) -> bool {
    variable.starts_with("INTERACTIONS_") || variable.starts_with("OTEL_")
}

/// Runs a command to its end; it has to succeed. Returns its standard output.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{stderr}");
    String::from_utf8(stdout).unwrap()
}

/// A server that is stopped, by its own process id, when this is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    pub namespace: String,
    pub key: String,
}

impl Server {
    /// `serve` on a new database at `url`, with a namespace and a key.
    pub fn start(url: &str) -> Self {
        Self::start_with(url, &[], &[])
    }

    /// The same with further flags, and those that a client of it needs.
    pub fn start_with(url: &str, serve_flags: &[&str], client_flags: &[&str]) -> Self {
        let key = furnish(url, "real");
        let address = free_address();
        let child = serve(url, &address, serve_flags);
        let server = Self { child, address, namespace: "real".to_owned(), key };
        server.wait_until_healthy(client_flags);
        server
    }

    /// The same as [`Server::start`]; what it logs goes to `log`.
    pub fn start_logging(url: &str, log: File) -> Self {
        Self::start_in(url, &[], &[], log)
    }

    /// The same with further flags and variables.
    pub fn start_in(url: &str, flags: &[&str], variables: &[(&str, &str)], log: File) -> Self {
        let (key, address) = (furnish(url, "real"), free_address());
        let mut serve = program(&["serve", "--listen", &address]);
        serve.args(flags).envs(variables.iter().copied());
        serve.env("INTERACTIONS_DATABASE_URL", url).stderr(log);
        let child = serve.spawn().unwrap();
        let server = Self { child, address, namespace: "real".to_owned(), key };
        server.wait_until_healthy(&[]);
        server
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the server at once, as a fault of the machine does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the server again where it was, on the database at `url`.
    pub fn restart(&mut self, url: &str) {
        self.child = serve(url, &self.address, &[]);
        self.wait_until_healthy(&[]);
    }

    /// `demo`, with the key and the namespace that it prints.
    pub fn demo() -> Self {
        let address = free_address();
        let mut demo = program(&["demo", "--listen", &address]);
        let mut child = demo.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let key = lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("export INTERACTIONS_API_KEY=").map(str::to_owned)
        });
        let key = key.expect("the demo prints a key");
        // The rest is read, so that the demo never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Self { child, address, namespace: "demo".to_owned(), key };
        server.wait_until_healthy(&[]);
        server
    }

    /// Waits until `health`, with these flags, is content.
    pub fn wait_until_healthy(&self, flags: &[&str]) {
        let started = Instant::now();
        let health = [&["health", "--addr", &self.address], flags].concat();
        while !program(&health).output().unwrap().status.success() {
            assert!(started.elapsed() < PATIENCE, "the server does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A client command that speaks to this server.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.args(["--addr", &self.address, "--namespace", &self.namespace]);
        command.env("INTERACTIONS_API_KEY", &self.key);
        command
    }

    /// Peak of the memory that the server has had resident, in KiB.
    pub fn peak_memory(&self) -> u64 {
        peak_memory(self.id())
    }

    /// Asks the server to stop as a supervisor does; returns its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.terminate();
        self.wait()
    }

    /// Waits until the server is gone; returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "the server does not stop");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks the server to stop as a supervisor does.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Makes a database ready at `url`, with a namespace; returns a key to it.
pub fn furnish(url: &str, namespace: &str) -> String {
    let on = |command: &mut Command| succeed(command.env("INTERACTIONS_DATABASE_URL", url));
    on(&mut program(&["migrate"]));
    on(&mut program(&["namespace", "create", namespace]));
    let confined = ["--namespace", namespace, "--default-namespace", namespace];
    let key = [&["key", "create", "--name", "test", "--scopes", "read,write"][..], &confined];
    on(&mut program(&key.concat())).trim().to_owned()
}

fn serve(url: &str, address: &str, flags: &[&str]) -> Child {
    let mut serve = program(&["serve", "--listen", address]);
    serve.args(flags).env("INTERACTIONS_DATABASE_URL", url).spawn().unwrap()
}

/// An address on which nothing listens. Its port is below those that the system hands out by itself: a
/// client that tries a server again and again while it is down could be handed that very port, and
/// meet itself.
pub fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// The lines of a gzip'd file.
pub fn gunzipped(path: &Path) -> Vec<String> {
    let file = File::open(path).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}
