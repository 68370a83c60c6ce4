//! Receive-side scaling as arithmetic: which queue a NIC puts a packet in, and how to choose what
//! we send so that the answer comes back to the queue we want.
//!
//! A NIC computes the [`Toeplitz`] hash of a packet's addresses and L4 ports under an [`RssKey`]
//! and takes the queue from its [`RedirectionTable`]. Both are ours to set, so software can compute
//! the queue of any packet:
//!
//! * [`RssSteering`] computes queues, and chooses FULLNAT's local ports so that replies hash to a
//!   worker's own queue;
//! * `symmetry.rs` makes NAT's two sides agree on the client's end alone.
//!
//! Invariants: nothing here knows DPDK, and nothing allocates once it is made. All of it is for
//! packets with ports. Later fragments and ICMP are hashed without ports, so they may arrive
//! anywhere and are handed over.

mod error;
mod key;
mod steering;
mod symmetry;
mod table;
mod toeplitz;

pub use error::RssError;
pub use key::{RSS_KEY_LEN_MAX, RSS_KEY_LEN_MIN, RssKey};
pub use steering::{HashedEnds, RssSteering};
pub use table::{REDIRECTION_SIZE_MAX, RedirectionTable};
pub use toeplitz::Toeplitz;
