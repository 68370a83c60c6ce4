//! The configuration file of RVS: YAML text -> raw values -> checked [`Config`].
//!
//! [`load`] reads one file and [`parse`] checks a text; both either give a [`Config`] in which
//! every rule of `docs/CONFIG.md` holds, or [`ConfErrors`] with everything that is wrong at once,
//! each error with its line, column, key path and what to write instead.
//!
//! * `load.rs`: reads the file, refuses what cannot be one, runs the YAML parser under a budget.
//! * `node.rs`: the YAML document as a tree with places; `read.rs` and `raw/`: keys and shapes.
//! * `value.rs`: single values (numbers, addresses, durations); `check/`: rules between them.
//! * `config.rs`, `control.rs`, `real_server.rs`: the checked types, the only ones that leave this
//!   crate.
//! * `warning.rs`: what is in force and yet does not do what it seems to.
//! * `document.rs`: a configuration with the places of its keys; `edit/`: single changes, as
//!   commands make them.
//! * `form/`: a configuration in words of the file; `diff/` makes of it what two differ in,
//!   `emit/` the text of a file, `save/` a text that was changed as little as possible.
//! * `error.rs`, `diag.rs`, `render.rs`: collecting errors and showing them.
//!
//! The crate depends on no other crate of RVS and does no I/O but reading the file it is given;
//! facts about the machine come in through [`Machine`].
#![forbid(unsafe_code)]

mod check;
mod config;
mod control;
mod diag;
pub mod diff;
mod document;
pub mod edit;
mod emit;
mod error;
mod form;
mod helper;
mod ipvs;
mod load;
mod mark;
mod metrics;
mod node;
mod raw;
mod read;
mod real_server;
mod render;
mod rule;
mod save;
mod scheduler;
mod schema;
mod span;
mod suggest;
#[cfg(test)]
mod testing;
mod tunnel;
mod unusable;
mod value;
mod warning;

pub use config::{
    Config, Device, Dpdk, InterfaceAddr, Limits, Machine, Persistence, PersistenceEngine, Port,
    Protocol, Route, Service, ServiceKey, ServiceTimeouts, Timeouts,
};
pub use control::{Account, Admin, Control, Masquerading, Tcp};
pub use document::{Document, Places};
pub use emit::emit;
pub use error::{ConfError, ConfErrors};
pub use helper::Helper;
pub use ipnet::Ipv4Net;
pub use ipvs::{Defence, Ipvs};
pub use load::{FILE_BYTES_MAX, load, parse, parse_bytes, parse_document, read};
pub use mark::{Mark, MarkRule};
pub use metrics::Metrics;
pub use real_server::{ForwardingMode, RealServer, WEIGHT_MAX};
pub use rule::Rule;
pub use save::{Kept, Saved, save};
pub use scheduler::{Scheduler, SchedulerFlags};
pub use schema::json_schema;
pub use tunnel::{GueChecksum, Tunnel};
pub use unusable::{OwnAddresses, Unusable};
pub use warning::{Warning, warnings};
