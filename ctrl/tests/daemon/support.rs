//! Daemons and commands for the tests of this folder.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take that the tests wait for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker polls its CPU without a pause, so daemons that run at the same time would measure each
/// other. Every test that starts one takes its turn.
static TURN: Mutex<()> = Mutex::new(());

/// The ports of most tests: one that receives nothing and one that receives frames without end.
pub(crate) const PORTS: &str = "  wan: {device: \"net_null0,no-rx=1\", addresses: [192.0.2.2/24]}
  lan: {device: net_null1, addresses: [10.0.0.2/24]}";

/// A directory with a configuration, and the socket it names.
pub(crate) struct Site {
    pub(crate) directory: TempDir,
    pub(crate) config: PathBuf,
    pub(crate) socket: PathBuf,
}

impl Site {
    /// A site with these ports and 128 MiB of memory.
    pub(crate) fn new(ports: &str) -> Self {
        Self::with_memory(ports, "128M")
    }

    pub(crate) fn with_memory(ports: &str, memory: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("run/rvs.sock");
        let config = directory.path().join("rvs.yaml");
        let cpu = core_affinity::get_core_ids().unwrap().pop().unwrap().id;
        let text = format!(
            "version: 1
dpdk: {{memory: {memory}, eal_args: [--no-huge]}}
control: {{socket: {socket}}}
workers: [{cpu}]
limits: {{flows: 10000}}
ports:
{ports}
services:
  web:
    vip: 192.0.2.10:80
    protocol: tcp
    mode: fullnat
    local_addresses: [192.0.2.100-192.0.2.103]
    scheduler: wrr
    real_servers:
      - {{address: 192.0.2.11:8080, weight: 2}}
      - {{address: 192.0.2.12:8080}}
",
            socket = socket.display()
        );
        fs::write(&config, text).unwrap();
        Self { directory, config, socket }
    }

    /// The same with another socket.
    pub(crate) fn at_socket(mut self, socket: &Path) -> Self {
        let text = fs::read_to_string(&self.config).unwrap();
        let path = |socket: &Path| socket.display().to_string();
        fs::write(&self.config, text.replace(&path(&self.socket), &path(socket))).unwrap();
        self.socket = socket.to_path_buf();
        self
    }

    /// `rvs run` with this configuration.
    pub(crate) fn run(&self) -> Command {
        let mut run = rvs(&["run", "--config"]);
        run.arg(&self.config).stdin(Stdio::null());
        run
    }

    /// `rvs run` when it is expected not to start; what it says.
    pub(crate) fn refused(&self) -> String {
        let _turn = turn();
        let output = self.run().output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        text
    }

    /// `rvs show` with these arguments.
    pub(crate) fn show(&self, arguments: &[&str]) -> Output {
        let mut show = rvs(&["show", "--socket"]);
        show.arg(&self.socket).args(arguments).output().unwrap()
    }

    /// What a successful `rvs show` prints.
    pub(crate) fn shown(&self, arguments: &[&str]) -> String {
        let output = self.show(arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    pub(crate) site: Site,
    child: Child,
    log: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Daemon {
    /// Starts a daemon and waits until it answers.
    pub(crate) fn start(site: Site, arguments: &[&str]) -> Self {
        let turn = turn();
        let log = site.directory.path().join("log");
        let mut run = site.run();
        run.args(arguments).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let child = run.spawn().unwrap();
        let mut daemon = Self { site, child, log, _turn: turn };
        daemon.wait_until("it answers", |daemon| daemon.site.show(&["status"]).status.success());
        daemon
    }

    /// Waits for what comes about while it runs.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(self.is_running(), "ended before {what}: {}", self.log());
            assert!(start.elapsed() < PATIENCE, "long before {what}: {}", self.log());
            thread::yield_now();
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(&mut self, name: &str) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal(name);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            assert!(start.elapsed() < PATIENCE, "does not stop: {}", self.log());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the daemon without giving it a chance.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.site.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn rvs(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rvs"));
    command.args(arguments);
    command
}

/// `rvs` for the daemon of a site.
pub(crate) fn tool(site: &Site, arguments: &[&str]) -> Output {
    // The socket comes from the environment here, and by --socket in other tests.
    rvs(arguments).env("RVS_SOCKET", &site.socket).stdin(Stdio::null()).output().unwrap()
}

/// What a successful command prints.
#[track_caller]
pub(crate) fn said(site: &Site, arguments: &[&str]) -> String {
    let output = tool(site, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that a command ends with this status and says these parts in one paragraph.
#[track_caller]
pub(crate) fn refused(site: &Site, arguments: &[&str], status: i32, parts: &[&str]) {
    let output = tool(site, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {:?}", output.stdout);
    names(&text, parts);
}

/// Runs a command line on a terminal, where `keys` are typed; what the terminal gets, and whether
/// it ended well.
pub(crate) fn on_terminal(line: &str, keys: &str) -> Option<(String, bool)> {
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", line, "/dev/null"]);
    script.env_remove("NO_COLOR").stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = script.spawn() else {
        eprintln!("skipped: `script` is not installed");
        return None;
    };
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), keys.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}

/// The site's file after these replacements, under another name.
pub(crate) fn variant(site: &Site, name: &str, replacements: &[(&str, &str)]) -> PathBuf {
    let mut text = fs::read_to_string(&site.config).unwrap();
    for (from, to) in replacements {
        assert!(text.contains(from), "{from:?} is not in {text}");
        text = text.replacen(from, to, 1);
    }
    let path = site.directory.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asserts that a text is one paragraph that names all of `words`.
#[track_caller]
pub(crate) fn names(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("rvs: ")).collect();
    assert_eq!(told.len(), 1, "one paragraph: {text}");
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
