//! One network namespace: a machine of the lab.
//!
//! Programs run in it through `ip netns exec`, exactly as an operator would. Threads of ours enter
//! it by themselves when they need a socket there; a thread that has entered never comes back, it
//! ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, setns};

use super::cleanup::{self, LabId};
use super::{LabError, command};

/// A named network namespace. Cloning copies the name only; the lab removes the namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace that plays `role` in `lab`, with its loopback device up and IPv6 off.
    ///
    /// IPv6 is off because its neighbour discovery would put packets on the wire that no test asked
    /// for.
    ///
    /// # Errors
    /// [`LabError::Command`] when the kernel refuses, [`LabError::Interrupted`] after a signal.
    pub fn create(lab: LabId, role: &str) -> Result<Self, LabError> {
        let namespace = Self { name: lab.namespace(role) };
        cleanup::unless_interrupted(|| {
            command::run(command::program("ip").args(["netns", "add", &namespace.name]))
        })?;
        namespace.set("ipv6/conf/all/disable_ipv6", 1)?;
        namespace.set("ipv6/conf/default/disable_ipv6", 1)?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name `ip netns` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` commands in this namespace, one a line; stops at the first that fails.
    ///
    /// # Errors
    /// [`LabError::Command`] with the line that failed.
    pub fn ip(&self, lines: &str) -> Result<(), LabError> {
        let mut batch = command::program("ip");
        batch.args(["-netns", &self.name, "-batch", "-"]);
        command::run_with_input(&mut batch, lines).map(drop)
    }

    /// Sets `/proc/sys/net/<key>` of this namespace.
    ///
    /// # Errors
    /// [`LabError::File`] when the kernel refuses it. A kernel without IPv6 has no IPv6 settings;
    /// that is no error.
    pub fn set(&self, key: &str, value: u32) -> Result<(), LabError> {
        let path = Path::new("/proc/sys/net").join(key);
        self.enter(move || {
            if key.starts_with("ipv6/") && !path.exists() {
                return Ok(());
            }
            fs::write(&path, value.to_string()).map_err(LabError::file(path))
        })?
    }

    /// A command for `program`, to be run in this namespace.
    ///
    /// It gets a process group of its own, so that Ctrl-C on the terminal reaches only the program
    /// that owns the lab, which then ends everything in order.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = command::program("ip");
        command.args(["netns", "exec", &self.name, program]).process_group(0);
        command
    }

    /// Runs `work` on a thread of this namespace and waits for it.
    ///
    /// # Errors
    /// [`LabError::Enter`] when the namespace cannot be entered; a panic of `work` goes on here.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        thread::scope(|scope| {
            let visit = scope.spawn(|| self.move_thread_in().map(|()| work()));
            visit.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread that lives in this namespace.
    ///
    /// # Errors
    /// [`LabError::Enter`] when the thread cannot be started. When it cannot enter the namespace,
    /// it ends at once with that error.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T, LabError> + Send + 'static,
    ) -> Result<JoinHandle<Result<T, LabError>>, LabError> {
        let own = self.clone();
        let builder = thread::Builder::new().name(name.into());
        let started = builder.spawn(move || own.move_thread_in().and_then(|()| work()));
        started.map_err(|source| LabError::Enter { name: self.name.clone(), source })
    }

    fn move_thread_in(&self) -> Result<(), LabError> {
        let path = PathBuf::from("/run/netns").join(&self.name);
        let entered = File::open(path)
            .and_then(|file| setns(file, CloneFlags::CLONE_NEWNET).map_err(Into::into));
        entered.map_err(|source| LabError::Enter { name: self.name.clone(), source })
    }
}
