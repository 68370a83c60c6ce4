//! The lab that RVS is shown and tested in, and the benchmarks that measure its packet path.
//!
//! [`mod@bench`] runs the worker's loop on memory and measures cycles per packet.
//!
//! [`report`] keeps what was measured.
//!
//! [`lab`] builds a small network out of Linux network namespaces: a client, a router, the
//! director's machine and two real servers, joined by virtual Ethernet. Everything in it is real
//! (curl, the kernel's TCP, nginx, the `rvs` daemon on DPDK); only the cables are not. The demo
//! (`rvs-demo`) and the end-to-end tests (`tests/netns`) both run in it.
//!
//! Nothing uses this crate, and the lab knows the daemon only by what an operator knows: its
//! configuration file, its command line and its exit status.

#![forbid(unsafe_code)]

pub mod bench;
pub mod generator;
pub mod lab;
pub mod report;
