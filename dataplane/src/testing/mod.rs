//! Packets for tests: built, verified, printed, and spread over queues as a NIC does it.
//!
//! * [`PacketSpec`] describes a frame by what matters to the test and builds it with correct
//!   lengths and checksums. The bytes come from the `etherparse` crate, not from our own `wire`
//!   module, so a mistake there cannot hide itself.
//! * [`sctp_packet`] and its kin build SCTP, which that crate does not know.
//! * [`verify`] asks the same crate whether a frame that came out is well-formed, checksums
//!   included.
//! * [`describe`] prints a frame in one line, for messages of failing tests.
//! * [`nic`] is a model of a NIC: which queue a frame is received on.
//! * [`Random`] gives numbers, the same in every run.
//! * [`cache_lines`] says where a value lies, for tests that no two threads write to one line.
//!
//! Compiled for this crate's own tests and under the `testing` feature for those of others.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that asks for an impossible packet must fail where it asks"
)]

mod cache_lines;
mod describe;
pub mod nic;
mod packet_spec;
mod random;
mod sctp;
mod verify;

pub use cache_lines::{assert_disjoint, cache_lines};
pub use describe::{describe, describe_ipv4};
pub use packet_spec::{DIRECTOR_MAC, Endpoint, PEER_MAC, PacketSpec, arp_frame};
pub use random::Random;
pub use sctp::{crc32c, sctp_checksum, sctp_chunk, sctp_packet};
pub use verify::{verify, verify_ipv4};
