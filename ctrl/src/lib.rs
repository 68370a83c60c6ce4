//! The RVS daemon and its tool: `rvs run` forwards packets, `rvs check` reads a configuration,
//! `rvs show` asks a running daemon, `rvs apply` gives it another configuration.
//!
//! Start in `cli.rs`, which knows the commands. `rvs run` goes on in `daemon.rs`:
//!
//! * `check.rs`: the configuration, with the facts of this machine and the limits of this version;
//! * `steering/`: how packets reach the worker that owns their flow, chosen per port;
//! * `socket.rs`: one daemon per control socket, decided before any device is touched;
//! * `startup.rs`: memory (`memory.rs`), EAL, ports (`port.rs`), workers (`worker.rs`);
//! * `snapshot/` and `identity/`: the configuration as the packet path wants it;
//! * `state.rs`, `listing/`, `api/` and `metrics/`: what the daemon tells about itself;
//!   `serve/` and `tokens.rs`: to whom; `ipvs/`: to programs that know IPVS alone;
//! * `apply/`: another configuration while packets flow; `edit/`: single changes of what runs;
//! * `links.rs`: links that come up; `local_ports.rs`: local ports that run out;
//! * `shutdown.rs`: the order in which everything ends.
//!
//! The tool's commands have files of their own: `show/`, `stats/`, `kill.rs`, `real_server/` (set,
//! drain, undrain), `doctor/`, `plan/`, `save/`, `apply/command.rs`, `shell.rs` (completions, man
//! pages). They talk to the daemon by `client/`, name flows and services by `select/`, and end with
//! a status of `exit.rs`.
//!
//! Written as absences: nothing here touches a packet; the control thread waits for a worker never
//! longer than a stated time; nothing from the control socket ends the daemon.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod api;
mod apply;
mod check;
mod cli;
mod client;
#[cfg(test)]
mod conformance;
mod daemon;
mod device;
mod doctor;
mod edit;
mod error;
mod exit;
mod identity;
mod ipvs;
mod kill;
mod links;
mod listing;
mod local_ports;
mod log;
mod machine;
mod memory;
mod metrics;
mod numa;
mod plan;
mod port;
mod rates;
mod real_server;
mod save;
mod select;
mod serve;
mod shell;
mod show;
mod shutdown;
mod signals;
mod snapshot;
mod socket;
mod startup;
mod state;
mod stats;
mod steering;
mod term;
#[cfg(test)]
mod testing;
mod tokens;
mod worker;

pub use cli::main;
pub use error::CtrlError;
pub use metrics::bench as metrics_bench;
pub use tokens::TokenError;
