//! A network of namespaces around one director, built and taken down by the program that needs it.
//!
//! ```text
//! addresses.rs     every name, address and port of the network, and its picture
//! mode.rs          the four forwarding modes, as far as the network differs between them
//! requirements.rs  what must be installed, and who must run it
//! command.rs       running a program and saying what went wrong
//! cleanup.rs       nothing stays behind: not after an error, Ctrl-C, or a kill of an earlier run
//! namespace.rs     one network namespace
//! topology.rs      `Lab`: namespaces, cables, routes
//! real_server.rs   nginx in a real server's namespace, with its access log
//! ftp_server.rs    vsftpd in a real server's namespace
//! udp_echo.rs      UDP echo in a real server's namespace
//! tunnel.rs        IPIP decapsulation: the kernel's device, or ours where it has none
//! config.rs        the director's configuration file
//! director.rs      the `rvs` daemon: start, watch, stop
//! client.rs        curl in the client's namespace
//! probe.rs         ping, TCP connect and UDP exchange from the client's namespace
//! wait.rs          asking again until something is so
//! ```
//!
//! Start at [`Lab::new`] and [`Director::start`].

pub mod addresses;
pub mod cleanup;
pub mod client;
pub mod command;
pub mod config;
pub mod director;
mod error;
pub mod ftp_server;
mod mode;
pub mod namespace;
pub mod probe;
pub mod real_server;
pub mod requirements;
pub mod topology;
pub mod tunnel;
pub mod udp_echo;
pub mod wait;

pub use client::Client;
pub use director::Director;
pub use error::LabError;
pub use mode::Mode;
pub use namespace::Namespace;
pub use real_server::RealServer;
pub use topology::Lab;
