//! [`CtrlError`]: everything that can keep a command of `rvs` from being carried out.
//!
//! Each text is one paragraph for an operator: what was to be done, what is in the way, what to do
//! about it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use conf::ConfErrors;
use dpdk::DpdkError;

use crate::check::counted;
use crate::metrics::ListenError;
use crate::steering::SteeringError;
use crate::tokens::TokenError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CtrlError {
    /// The configuration has errors; whoever wrote it must correct them.
    #[error("{0}")]
    Conf(#[from] ConfErrors),
    /// The configuration has more ports than the packet path has room for.
    #[error(
        "{}: it has {count} ports, and one daemon can have {}: remove some of them.",
        file.display(), dataplane::limits::PORT_COUNT_MAX
    )]
    TooManyPorts {
        /// The configuration file.
        file: PathBuf,
        /// How many it has.
        count: usize,
    },
    /// Another daemon serves the control socket.
    #[error(
        "another RVS daemon{} already serves the control socket {}. Stop that daemon first, or \
         give this one a socket of its own (`control: {{socket: ...}}` in its configuration). \
         Nothing was changed.",
        pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), socket.display()
    )]
    AlreadyRunning {
        /// The socket of both.
        socket: PathBuf,
        /// The other daemon, if it left its number.
        pid: Option<String>,
    },
    /// Something that is no socket is where the control socket should be.
    #[error(
        "the control socket cannot be made: {} exists and is not a socket. Remove it, or choose \
         another path (`control: {{socket: ...}}` in the configuration).",
        socket.display()
    )]
    NotASocket {
        /// The path.
        socket: PathBuf,
    },
    /// The control socket, its directory or its lock cannot be made.
    #[error(
        "the control socket {} cannot be made: {}: {}. {}",
        socket.display(), path.display(), plain(source), socket_advice(source)
    )]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// What was being made: the socket, its directory or its lock.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The control socket cannot be given to a group.
    #[error(
        "the control socket {} cannot be given to the group {group}: {}. Run as root, or as a \
         member of that group, or leave `group` out of `control`.",
        socket.display(), plain(source)
    )]
    SocketGroup {
        /// The socket.
        socket: PathBuf,
        /// The group, as the configuration has it.
        group: String,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration names a user or a group that cannot be found.
    #[error(
        "`{key}` names the {kind} {name}, which cannot be found: {why}. Make it, or correct the \
         configuration; a number needs no entry in the system's database."
    )]
    NoAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key that names it.
        key: &'static str,
        /// Why it cannot be found.
        why: String,
    },
    /// The file of tokens is not in order.
    #[error("the tokens for the API over TCP, {}: {source}.", file.display())]
    Tokens {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: TokenError,
    },
    /// The API cannot listen on its TCP address.
    #[error(
        "the API cannot listen on {listen}: {}. Stop who listens there, or choose another address \
         of this machine (`control: {{tcp: {{listen: ...}}}}` in the configuration).",
        plain(source)
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is nowhere to serve metrics at.
    #[error("{0}")]
    Metrics(ListenError),
    /// A PCI device needs huge pages, and there are not enough.
    #[error(
        "port {port} is the PCI device {device}, which needs huge pages, and there are not enough: \
         {missing}. {advice}"
    )]
    HugePages {
        /// The port.
        port: String,
        /// Its PCI address.
        device: String,
        /// Where how many are missing.
        missing: String,
        /// What to do.
        advice: String,
    },
    /// The packet buffers do not fit into the memory.
    #[error(
        "{memory_mib} MiB of memory{} do not hold the packet buffers that {} and their descriptors \
         need. Set `dpdk: {{memory: {needed_mib}M}}` or more, or give the ports fewer \
         `rx_descriptors` and `tx_descriptors`.",
        on_node(*node), crate::check::counted(*ports, "port")
    )]
    MemoryTooSmall {
        /// What there is.
        memory_mib: u32,
        /// The node it is on, if that matters.
        node: Option<u32>,
        /// What would do, over all nodes.
        needed_mib: u32,
        /// The number of ports.
        ports: usize,
    },
    /// DPDK's environment layer did not start.
    #[error(
        "DPDK does not start with {memory}: {}. {advice}",
        source.to_string().trim_end_matches('.')
    )]
    Eal {
        /// The kind and amount of memory, in words.
        memory: String,
        /// What to do.
        advice: String,
        /// What DPDK said.
        source: DpdkError,
    },
    /// The pool of packet buffers could not be made.
    #[error(
        "the packet buffers cannot be made{}: {source}. Set more memory with `dpdk: {{memory: \
         ...}}`.", on_node(*node)
    )]
    Pool {
        /// The node they should be on, if that matters.
        node: Option<u32>,
        /// What DPDK said.
        source: DpdkError,
    },
    /// The workers are too many for packets to be brought to each of them.
    #[error("packets cannot be steered to this many workers: {0}. Name fewer `workers`.")]
    Steering(String),
    /// A port cannot be used.
    #[error("port {name} (device {device}): {cause}. {advice}")]
    Port {
        /// The key under `ports`.
        name: String,
        /// The device, as the configuration has it.
        device: String,
        /// What is in the way.
        cause: String,
        /// What to do.
        advice: String,
    },
    /// A worker could not start.
    #[error("worker {lcore} cannot start: {cause}. {advice}")]
    Worker {
        /// Its lcore.
        lcore: u32,
        /// What is in the way.
        cause: String,
        /// What to do.
        advice: &'static str,
    },
    /// A worker ended although nobody told it to.
    #[error(
        "worker {lcore} ended by itself, which is a defect of RVS. The daemon stops, since it does \
         not forward any more: start it again, and report what its log says."
    )]
    WorkerEnded {
        /// Its lcore.
        lcore: u32,
    },
    /// The control thread could not set itself up.
    #[error("the control thread cannot start: {0}. The machine is probably out of resources.")]
    Runtime(#[source] io::Error),
    /// The control socket failed while the daemon ran.
    #[error("the control socket failed: {0}.")]
    Serve(#[source] io::Error),
    /// No daemon answers where one was looked for.
    #[error("no RVS daemon answers at {daemon}: {advice}")]
    NoDaemon {
        /// Where it was looked for.
        daemon: String,
        /// What to do.
        advice: String,
    },
    /// The user may not talk to the daemon, or may not do this.
    #[error("permission denied on {daemon}: {advice}")]
    Denied {
        /// Where the daemon is.
        daemon: String,
        /// What to do.
        advice: String,
    },
    /// What answered is no RVS daemon, or it stopped in the middle.
    #[error("the daemon at {daemon} gave no usable answer: {why}.")]
    Answer {
        /// Where it is.
        daemon: String,
        /// What was wrong with its answer.
        why: String,
    },
    /// The daemon cannot answer now.
    #[error("the daemon is busy: {0}. Nothing was changed; try again.")]
    Busy(String),
    /// The daemon is of another release, which cannot do what was asked.
    #[error(
        "the daemon at {daemon} is of another release ({version}; this is rvs {}): {why}. Restart \
         the daemon with this release, or use the `rvs` of its own.",
        env!("CARGO_PKG_VERSION")
    )]
    OtherRelease {
        /// Where it is.
        daemon: String,
        /// Its version.
        version: String,
        /// What it lacks.
        why: String,
    },
    /// A deadline has passed.
    #[error("{0}")]
    Deadline(String),
    /// The command line is wrong in a way that its grammar does not tell.
    #[error("{0}")]
    Usage(String),
    /// The daemon has refused what was asked of it, or it failed.
    #[error("{text}")]
    Refused {
        /// Its words.
        text: String,
        /// Whether they are a report on a configuration.
        is_report: bool,
    },
    /// The file has what was not put into force, and saving would undo it.
    #[error(
        "{} has changes that the daemon has not read, and saving would undo them:\n{changes}Put \
         them into force first (`rvs apply`), or overwrite them (`rvs save --force`). Nothing was \
         written.", file.display()
    )]
    NotInForce {
        /// The file.
        file: PathBuf,
        /// Its changes, in lines that have their ends.
        changes: String,
    },
    /// A configuration cannot be written to its file.
    #[error("{} cannot be written: {why}. It is as it was.", file.display())]
    Save {
        /// The file.
        file: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// A plan is not empty, and that is what was asked.
    #[error("something would change.")]
    WouldChange,
    /// `rvs doctor` has found something.
    #[error(
        "{} and {} found; the report says what to do.",
        counted(*problems, "problem"),
        counted(*warnings, "warning")
    )]
    Unwell {
        /// How many problems.
        problems: usize,
        /// How many warnings.
        warnings: usize,
    },
    /// The result cannot be written.
    #[error("the result cannot be written: {0}.")]
    Output(#[source] io::Error),
}

impl From<SteeringError> for CtrlError {
    fn from(error: SteeringError) -> Self {
        Self::Steering(error.to_string())
    }
}

impl CtrlError {
    /// For `map_err`: an error about `path` on the way to `socket`.
    pub(crate) fn socket<'a>(
        socket: &'a Path,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Socket {
            socket: socket.to_path_buf(),
            path: path.to_path_buf(),
            source,
        }
    }
}

/// An error of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

fn socket_advice(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "Run as root, or set `control: {socket: ...}` in the configuration to a path this user \
         may write to."
    } else {
        "Correct the path in the configuration (`control: {socket: ...}`), or what is in its way."
    }
}

fn on_node(node: Option<u32>) -> String {
    node.map(|node| format!(" on NUMA node {node}")).unwrap_or_default()
}
