//! A PostgreSQL cluster of one test's own, which can be stopped, started and left without room.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::program::free_address;

/// The variable that names the directory of PostgreSQL's programs.
const BIN: &str = "INTERACTIONS_TEST_POSTGRES_BIN";
/// The user whom PostgreSQL runs as where the tests run as root, as which it refuses to.
const USER: &str = "postgres";

/// The path of one of PostgreSQL's programs.
pub fn binary(program: &str) -> PathBuf {
    let bin = std::env::var(BIN)
        .unwrap_or_else(|_| panic!("{BIN} names no directory; ./scripts/test does"));
    Path::new(&bin).join(program)
}

/// The cluster; it is stopped when this is dropped.
pub struct Cluster {
    directory: tempfile::TempDir,
    port: u16,
    runs: bool,
}

impl Cluster {
    /// An empty cluster that runs.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        if is_root() {
            succeed(Command::new("chown").arg(USER).arg(directory.path()));
        }
        let address: SocketAddr = free_address().parse().unwrap();
        let port = address.port();
        let mut cluster = Self { directory, port, runs: false };
        let data = cluster.data();
        let initdb =
            ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
        succeed(cluster.command("initdb").arg("--pgdata").arg(data).args(initdb));
        cluster.start_again();
        cluster
    }

    /// Starts it again after [`Self::crash`].
    pub fn start_again(&mut self) {
        let options =
            format!("-p {} -h 127.0.0.1 -k {}", self.port, self.directory.path().display());
        let log = self.directory.path().join("log");
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--silent", "--options", &options]);
        succeed(start.arg("--pgdata").arg(self.data()).arg("--log").arg(log));
        self.runs = true;
    }

    /// Stops it as a crash would: nothing is written back, every session is cut.
    pub fn crash(&mut self) {
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--silent"]);
        succeed(stop.arg("--pgdata").arg(self.data()));
        self.runs = false;
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// A directory that its server can write to.
    pub fn subdirectory(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        if is_root() {
            succeed(Command::new("chown").arg(USER).arg(&path));
        }
        path
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// One of PostgreSQL's programs, run by a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let program = binary(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["--user", USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.runs {
            self.crash();
        }
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    let Output { stdout, .. } = Command::new("id").arg("-u").output().unwrap();
    stdout.trim_ascii() == b"0"
}

/// A file system in memory of a size, such as `8m`, until it is dropped. It takes root, or a sudo
/// that asks for no password.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one over `path`, an empty directory.
    pub fn mount(path: &Path, size: &str) -> Self {
        let owner = path.metadata().unwrap();
        use std::os::unix::fs::MetadataExt as _;
        let options = format!("size={size},mode=700,uid={},gid={}", owner.uid(), owner.gid());
        succeed(privileged("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path));
        Self { path: path.to_owned() }
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        succeed(privileged("mount").args(["-o", &options]).arg(&self.path));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has files open there keeps them until the end.
        succeed(privileged("umount").arg("--lazy").arg(&self.path));
    }
}

fn privileged(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

fn succeed(command: &mut Command) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{}{}", text(&stdout), text(&stderr));
}
