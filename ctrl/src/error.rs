//! [`CtrlError`]: everything that can keep a command of `rvs` from being carried out.
//!
//! Each text is one paragraph for an operator: what was to be done, what is in the way, what to do
//! about it.

use std::io;
use std::path::{Path, PathBuf};

use conf::ConfErrors;
use dpdk::DpdkError;

use crate::steering::SteeringError;

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
    /// A PCI device needs huge pages, and there are not enough.
    #[error(
        "port {port} is the PCI device {device}, which needs huge pages, and there are not enough: \
         `dpdk.memory` is {memory_mib} MiB and {free_mib} MiB are free. {}",
        how_to_reserve(*memory_mib)
    )]
    HugePages {
        /// The port.
        port: String,
        /// Its PCI address.
        device: String,
        /// What is wanted.
        memory_mib: u32,
        /// What is free.
        free_mib: u64,
    },
    /// The packet buffers do not fit into the memory.
    #[error(
        "{memory_mib} MiB of memory do not hold the packet buffers that {} and their descriptors \
         need. Set `dpdk: {{memory: {needed_mib}M}}` or more, or give the ports fewer \
         `rx_descriptors` and `tx_descriptors`.",
        crate::check::counted(*ports, "port")
    )]
    MemoryTooSmall {
        /// What there is.
        memory_mib: u32,
        /// What would do.
        needed_mib: u32,
        /// The number of ports.
        ports: usize,
    },
    /// DPDK's environment layer did not start.
    #[error(
        "DPDK does not start with {memory}: {}. {}",
        source.to_string().trim_end_matches('.'), eal_advice(*huge, *memory_mib)
    )]
    Eal {
        /// The kind and amount of memory, in words.
        memory: String,
        /// Whether it was to be huge pages.
        huge: bool,
        /// How much.
        memory_mib: u32,
        /// What DPDK said.
        source: DpdkError,
    },
    /// The pool of packet buffers could not be made.
    #[error(
        "the packet buffers cannot be made: {0}. Set more memory with `dpdk: {{memory: ...}}`."
    )]
    Pool(DpdkError),
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
    /// No daemon listens on the socket.
    #[error(
        "no RVS daemon answers at {}: is `rvs run` running? If it serves another socket \
         (`control: {{socket: ...}}` in its configuration), name that with --socket.",
        socket.display()
    )]
    NoDaemon {
        /// The socket that was tried.
        socket: PathBuf,
    },
    /// The user may not talk to the daemon.
    #[error(
        "permission denied on {}: run as root, or as the user that `rvs run` runs as.",
        socket.display()
    )]
    Denied {
        /// The socket that was tried.
        socket: PathBuf,
    },
    /// What answered is no RVS daemon, or it stopped in the middle.
    #[error("the daemon at {} gave no usable answer: {why}.", socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What was wrong with it.
        why: String,
    },
    /// The daemon has refused what was asked of it, or it failed.
    #[error("{text}")]
    Refused {
        /// Its words.
        text: String,
        /// Whether they are a report on a configuration.
        is_report: bool,
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
    /// Whether the cause is that no daemon could be reached.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::NoDaemon { .. } | Self::Denied { .. })
    }

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

/// What to do about missing huge pages.
pub(crate) fn how_to_reserve(memory_mib: u32) -> String {
    let pages = memory_mib.div_ceil(2);
    format!(
        "Reserve them with `echo {pages} > \
         /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages` as root, or from boot on with \
         `hugepages={pages}` on the kernel's command line; or ask for less with `dpdk.memory`."
    )
}

fn eal_advice(huge: bool, memory_mib: u32) -> String {
    if huge {
        format!(
            "If it is about memory, huge pages may be on another NUMA node or taken by now. {} \
             If it is about an argument, see `dpdk.eal_args` in the configuration.",
            how_to_reserve(memory_mib)
        )
    } else {
        "If it is about memory, ask for less with `dpdk.memory`; if it is about an argument, see \
         `dpdk.eal_args` in the configuration."
            .to_owned()
    }
}
