//! The lab that RVS is shown, tested and measured in.
//!
//! [`lab`] builds a small network out of Linux network namespaces: a client, a router, the
//! director's machine and two real servers, joined by virtual Ethernet. Everything in it is real
//! (curl, the kernel's TCP, nginx, the `rvs` daemon on DPDK); only the cables are not. The demo
//! (`rvs-demo`) and the end-to-end tests (`tests/netns`) both run in it.
//!
//! Nothing uses this crate, and it knows the daemon only by what an operator knows: its
//! configuration file, its command line and its exit status.

#![forbid(unsafe_code)]

pub mod lab;
