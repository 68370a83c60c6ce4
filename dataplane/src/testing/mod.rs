//! Packets for tests: built, verified and printed.
//!
//! * [`PacketSpec`] describes a frame by what matters to the test and builds it with correct
//!   lengths and checksums. The bytes come from the `etherparse` crate, not from our own `wire`
//!   module, so a mistake there cannot hide itself.
//! * [`verify`] asks the same crate whether a frame that came out is well-formed, checksums
//!   included.
//! * [`describe`] prints a frame in one line, for messages of failing tests.
//!
//! Compiled for this crate's own tests and under the `testing` feature for those of others.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that asks for an impossible packet must fail where it asks"
)]

mod describe;
mod packet_spec;
mod verify;

pub use describe::{describe, describe_ipv4};
pub use packet_spec::{DIRECTOR_MAC, Endpoint, PEER_MAC, PacketSpec, arp_frame};
pub use verify::{verify, verify_ipv4};
