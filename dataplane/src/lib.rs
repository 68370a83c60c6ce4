//! The packet path of RVS: everything that happens to one packet between rx and tx.
//!
//! Follow one packet by opening five files in this order:
//!
//! 1. [`worker`]: the loop of one lcore, from rx burst to tx burst;
//! 2. [`director`]: the steps every burst goes through, one short function each;
//! 3. [`parse`]: bytes become a class and a flow key;
//! 4. [`flow`]: the flow's record is found, or made;
//! 5. [`forward`]: the rewrite of each forwarding mode.
//!
//! Invariants, written as absences: nothing here reads text, opens a file or a socket, starts a
//! thread, takes a lock, or allocates after [`director::Director::new`]; no input from the network
//! panics; no code here knows DPDK except [`dpdk_io`].

#![forbid(unsafe_code)]

pub mod arp;
pub mod buf;
pub mod control;
pub mod director;
#[cfg(feature = "dpdk")]
pub mod dpdk_io;
pub mod flow;
pub mod forward;
pub mod fragment;
pub mod ftp;
pub mod handover;
pub mod icmp_error;
pub mod io;
pub mod limits;
pub mod marks;
pub mod neighbor;
pub mod options;
pub mod ownership;
pub mod parse;
pub mod persistence;
pub mod publish;
pub mod reject;
mod route_table;
pub mod rss;
pub mod sched;
pub mod service;
pub mod sip;
pub mod snapshot;
pub mod stats;
#[cfg(any(test, feature = "testing"))]
pub mod testbuf;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod verdict;
pub mod wire;
pub mod worker;
