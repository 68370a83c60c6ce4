//! Nothing of a lab outlives it.
//!
//! A lab is known by its [`LabId`], which is part of the name of everything it makes: its
//! namespaces (`/run/netns/rvs-lab-<pid>-<n>-<role>`) and its directory
//! (`$TMPDIR/rvs-lab-<pid>-<n>`). Taking it down needs nothing but that name, so it works the same
//! from the lab's own drop, from the thread that waits for Ctrl-C, and from a later run that finds
//! what a killed run left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, process, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{LabError, command};

const PREFIX: &str = "rvs-lab-";
const NETNS_DIR: &str = "/run/netns";

/// The name of one lab, unique on this machine while the process that made it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabId {
    pid: u32,
    number: u32,
}

impl LabId {
    /// The part that everything of this lab begins with.
    fn stem(self) -> String {
        format!("{PREFIX}{}-{}-", self.pid, self.number)
    }

    /// The name of the namespace that plays `role`.
    #[must_use]
    pub fn namespace(self, role: &str) -> String {
        self.stem() + role
    }

    /// The directory for this lab's files.
    #[must_use]
    pub fn directory(self) -> PathBuf {
        std::env::temp_dir().join(self.to_string())
    }

    /// The lab that a namespace or directory named `name` belongs to.
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix(PREFIX)?.split('-');
        let pid = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        Some(Self { pid, number })
    }
}

impl fmt::Display for LabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stem().trim_end_matches('-'))
    }
}

/// The labs that stand, and whether a signal has ended all building.
struct Standing {
    labs: Vec<LabId>,
    interrupted: bool,
}

static STANDING: Mutex<Standing> = Mutex::new(Standing { labs: Vec::new(), interrupted: false });

fn standing() -> MutexGuard<'static, Standing> {
    // The list stays true even if a thread panicked while it held the lock.
    STANDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names a new lab and answers for its removal from here on.
///
/// # Errors
/// [`LabError::Interrupted`] once a signal has arrived.
pub fn register() -> Result<LabId, LabError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut standing = standing();
    if standing.interrupted {
        return Err(LabError::Interrupted);
    }
    let lab = LabId { pid: process::id(), number: NEXT.fetch_add(1, Ordering::Relaxed) };
    standing.labs.push(lab);
    Ok(lab)
}

/// Runs `make`, which creates something of a lab, unless a signal has arrived.
///
/// While it runs the lab cannot be taken down, so that nothing is created behind the back of the
/// thread that removes things.
///
/// # Errors
/// [`LabError::Interrupted`] once a signal has arrived, else what `make` says.
pub fn unless_interrupted<T>(make: impl FnOnce() -> Result<T, LabError>) -> Result<T, LabError> {
    let standing = standing();
    if standing.interrupted {
        return Err(LabError::Interrupted);
    }
    make()
}

/// Removes everything of `lab`: its processes, its namespaces with the devices in them, its files.
pub fn take_down(lab: LabId) {
    remove(lab);
    standing().labs.retain(|known| *known != lab);
}

/// Removes everything of every lab of this process.
pub fn take_down_all() {
    let labs: Vec<_> = standing().labs.drain(..).collect();
    labs.into_iter().for_each(remove);
}

/// From now on SIGINT, SIGTERM and SIGHUP take every lab down and end the process with
/// `exit_status()`.
///
/// # Errors
/// [`LabError::Socket`] when the system refuses the handler.
pub fn on_signal(exit_status: fn() -> i32) -> Result<(), LabError> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]);
    let mut signals = signals.map_err(LabError::socket("cannot wait for signals"))?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let mut standing = standing();
            standing.interrupted = true;
            standing.labs.drain(..).for_each(remove);
            end(exit_status());
        }
    });
    Ok(())
}

/// Waits for the end of the process if a signal has begun it; otherwise returns at once.
///
/// A program calls this before it reports an error: while a lab is taken down, everything in it
/// fails, and none of that is worth printing.
pub fn wait_if_interrupted() {
    // The signal's thread holds the lock until the process is gone.
    drop(standing());
}

#[expect(clippy::exit, reason = "a signal ends the process; main may be blocked anywhere")]
fn end(status: i32) -> ! {
    process::exit(status)
}

/// Removes what earlier runs left because they were killed before they could.
pub fn remove_leftovers() {
    let own = process::id();
    let mut labs: Vec<LabId> = Vec::new();
    for dir in [Path::new(NETNS_DIR), &std::env::temp_dir()] {
        for lab in names_in(dir).iter().filter_map(|name| LabId::of(name)) {
            let alive = lab.pid == own || Path::new(&format!("/proc/{}", lab.pid)).exists();
            if !alive && !labs.contains(&lab) {
                labs.push(lab);
            }
        }
    }
    labs.into_iter().for_each(remove);
}

/// Does the removal. What is already gone is no error, and nothing here may stop half-way, so
/// failures of single steps are passed over.
fn remove(lab: LabId) {
    let stem = lab.stem();
    let names = names_in(Path::new(NETNS_DIR));
    let namespaces: Vec<_> = names.into_iter().filter(|name| name.starts_with(&stem)).collect();
    // The daemon gets the chance to close its ports; nothing else needs one.
    for namespace in &namespaces {
        let asks = if namespace.ends_with("director") { Signal::SIGTERM } else { Signal::SIGKILL };
        signal_all(namespace, asks);
    }
    let mut patience = 40;
    while patience > 0 && namespaces.iter().any(|name| !pids_in(name).is_empty()) {
        thread::sleep(Duration::from_millis(25));
        patience -= 1;
    }
    for namespace in &namespaces {
        signal_all(namespace, Signal::SIGKILL);
        let _ = command::run(command::program("ip").args(["netns", "delete", namespace]));
    }
    let _ = fs::remove_dir_all(lab.directory());
}

fn signal_all(namespace: &str, signal: Signal) {
    for pid in pids_in(namespace) {
        let _ = kill(pid, signal);
    }
}

/// The processes in a namespace. A thread that visits one does not count, so this never names the
/// process itself.
fn pids_in(namespace: &str) -> Vec<Pid> {
    let listed = command::run(command::program("ip").args(["netns", "pids", namespace]));
    let listed = listed.unwrap_or_default();
    listed.lines().filter_map(|line| line.trim().parse().ok()).map(Pid::from_raw).collect()
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_recognised_by_its_names() {
        let lab = LabId { pid: 41, number: 7 };
        assert_eq!(lab.namespace("rs1"), "rvs-lab-41-7-rs1");
        assert_eq!(LabId::of("rvs-lab-41-7-rs1"), Some(lab));
        assert_eq!(LabId::of(&lab.to_string()), Some(lab));
        assert_eq!(LabId::of("rvs-lab-x-7-rs1"), None);
        assert_eq!(LabId::of("someone-else"), None);
    }

    #[test]
    fn one_labs_stem_is_no_prefix_of_anothers() {
        let first = LabId { pid: 41, number: 1 };
        let eleventh = LabId { pid: 41, number: 11 };
        assert!(!eleventh.namespace("rs1").starts_with(&first.stem()));
    }
}
