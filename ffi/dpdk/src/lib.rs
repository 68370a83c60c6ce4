//! Safe wrapper of the parts of DPDK that a packet-forwarding process needs.
//!
//! # Ownership
//!
//! * [`Eal`] is the initialised library: once per process. Everything below refers to it, so
//!   `rte_eal_cleanup` runs only after the last port, queue, pool and thread registration is gone
//!   (see [`Eal`] for the exact rule).
//! * [`PktMempool`] is a cheap handle to a pool. Pools are freed with the EAL and never earlier, so
//!   an [`Mbuf`] can be a single pointer.
//! * [`Mbuf`] owns one packet and frees it on drop. A [`Burst`] owns several.
//! * [`StartedPort::start_on`] configures a port and hands out its queues once. The port is stopped
//!   and closed when the [`StartedPort`] and all of its queues are gone, in any order.
//!
//! # Threads
//!
//! * [`RxQueue`] and [`TxQueue`] are `Send`, not `Sync` and not `Clone`: one thread polls a queue,
//!   with `&mut self`. [`StartedPort`] may be shared; its calls take a lock and belong to a control
//!   thread.
//! * Threads are ordinary std threads. One that allocates and frees many mbufs holds a
//!   [`ThreadRegistration`], which gives it an lcore id and with it a cache in every pool.
//!
//! # Errors
//!
//! Every call that can fail returns [`DpdkError`]: the DPDK function, its errno, and what EAL
//! printed when that is what explains it. Nothing here panics on what a device or the system
//! returns.

#![warn(clippy::indexing_slicing)]

pub mod burst;
pub mod eal;
pub mod eal_args;
pub mod error;
pub mod hugepages;
pub mod lcore;
pub mod log;
pub mod mbuf;
pub mod mempool;
pub mod numa;
pub mod offload;
pub mod port;
pub mod prefetch;
pub mod queue;
pub mod stats;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tsc;

pub use burst::Burst;
pub use eal::Eal;
pub use eal_args::{EalArgs, HugePages};
pub use error::DpdkError;
pub use lcore::{LcoreId, ThreadRegistration};
pub use mbuf::Mbuf;
pub use mempool::PktMempool;
pub use numa::SocketId;
pub use offload::{L4Checksum, Offloads, RxChecksum, TxChecksum};
pub use port::{
    FlowMatch, FlowRule, L4Protocol, PortConfig, PortId, PortInfo, QueueMemory, Rss, RssConfig,
    RssEnds, StartedPort,
};
pub use queue::{RxQueue, TxQueue};
pub use stats::{Link, PortStats};

/// The release of DPDK this process runs with, such as `DPDK 22.11.11`.
#[must_use]
pub fn version() -> String {
    // SAFETY: rte_version has no precondition; it returns a static, nul-terminated string.
    let text = unsafe { dpdk_sys::rte_version() };
    error::c_text(text)
}
