//! EAL and ports for tests (feature `testing`): no huge pages, no PCI, no privileges.
//!
//! DPDK can be initialised once per process, so the tests of one binary share one EAL, and it is
//! never cleaned up.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::mempool::DATA_ROOM;
use crate::{DpdkError, Eal, EalArgs, HugePages, PktMempool, PortId, SocketId};

/// The EAL of this process. Panics, with EAL's reasons, if it does not start.
#[expect(clippy::panic, reason = "a test without an EAL cannot go on")]
pub fn eal() -> &'static Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| Eal::init(&args()).unwrap_or_else(|e| panic!("no EAL for tests: {e}")))
}

/// The arguments [`eal`] uses, for tests that initialise for themselves. Without huge pages EAL
/// writes no file, so that processes may share the prefix; each of its own would leave a directory.
#[must_use]
pub fn args() -> EalArgs {
    EalArgs::new("dpdk-test").memory_mib(128).huge_pages(HugePages::None).file_prefix("rvs-test")
}

/// A name nobody else in this process has.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A pool without caches, so that its counts are exact at any time.
pub fn pool(count: u32) -> Result<PktMempool, DpdkError> {
    PktMempool::create(eal(), &unique("pool"), count, 0, DATA_ROOM, SocketId::ANY)
}

/// A port that receives empty 64-byte frames without end and swallows what it is sent.
pub fn null_port() -> Result<PortId, DpdkError> {
    eal().probe(&unique("net_null"))
}

/// A port that never receives anything and swallows what it is sent.
pub fn silent_port() -> Result<PortId, DpdkError> {
    eal().probe(&format!("{},no-rx=1", unique("net_null")))
}

/// A port whose queues receive what was sent on the queue with the same number.
pub fn ring_port() -> Result<PortId, DpdkError> {
    eal().probe(&unique("net_ring"))
}

/// A port that receives the frames of one pcap file and writes what it is sent to another. Without
/// a file it receives nothing, or swallows what it is sent.
pub fn pcap_port(rx: Option<&Path>, tx: Option<&Path>) -> Result<PortId, DpdkError> {
    let mut devargs = unique("net_pcap");
    if let Some(rx) = rx {
        devargs.push_str(&format!(",rx_pcap={}", rx.display()));
    }
    if let Some(tx) = tx {
        devargs.push_str(&format!(",tx_pcap={}", tx.display()));
    }
    eal().probe(&devargs)
}
