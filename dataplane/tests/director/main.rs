//! The whole packet path in memory: frames go into a worker's ports and come out again, under a
//! clock that the tests turn.
//!
//! [`support`] has the rig that all of them use. Expected frames are built by `PacketSpec`, that
//! is by an independent packet library, and compared byte for byte.

#[cfg(test)]
mod support;

#[cfg(test)]
mod adoption;
#[cfg(test)]
mod arp;
#[cfg(test)]
mod churn;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod forward_dr;
#[cfg(test)]
mod forward_fullnat;
#[cfg(test)]
mod forward_nat;
#[cfg(test)]
mod forward_tunnel;
#[cfg(test)]
mod fragments;
#[cfg(test)]
mod ftp;
#[cfg(test)]
mod hops;
#[cfg(test)]
mod icmp;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod mixed;
#[cfg(test)]
mod nics;
#[cfg(test)]
mod on_request;
#[cfg(test)]
mod options;
#[cfg(test)]
mod persist;
#[cfg(test)]
mod persist_team;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod removal;
#[cfg(test)]
mod sched;
#[cfg(test)]
mod sctp;
#[cfg(test)]
mod sctp_recorded;
#[cfg(test)]
mod sctp_team;
#[cfg(test)]
mod shed;
#[cfg(test)]
mod sip;
#[cfg(test)]
mod sip_out;
#[cfg(test)]
mod stateless;
#[cfg(test)]
mod team;
#[cfg(test)]
mod tx_refused;
#[cfg(test)]
mod worker;
#[cfg(test)]
mod zero_alloc;
