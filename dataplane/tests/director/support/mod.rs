//! What the tests of the packet path share: a small set-up, ports in memory, the rig that drives a
//! worker, and the packets of a typical connection.

mod clients;
mod nat;
mod rig;
mod setup;
mod team;
mod traffic;
mod wires;

pub(crate) use clients::{client, ends, request};
pub(crate) use nat::NatPair;
pub(crate) use rig::{Outcome, Rig};
pub(crate) use setup::{
    CLIENT, GATEWAY, LAN, LAN_IP, LAN_MAC, LIP, MODES, RS1, RS2, ServiceSpec, Setup, VIP, WAN,
    WAN_IP, WAN_MAC, mac_of,
};
pub(crate) use team::{Steered, TeamRig};
pub(crate) use traffic::{
    FIN_ACK, RST_ACK, SYN_ACK, datagrams, from_real, icmp_error, one_hop_on, segments, src_port_of,
    to_client, to_real,
};
pub(crate) use wires::{SharedPorts, Wires};
