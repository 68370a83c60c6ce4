//! EAL and ports for tests (feature `testing`): no huge pages, no PCI, no privileges.
//!
//! DPDK can be initialised once per process, so the tests of one binary share one EAL, and it is
//! never cleaned up.

use std::fs;
use std::io;
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

/// Writes Ethernet frames to a capture file, in the classic little-endian format.
pub fn write_pcap(path: &Path, frames: &[Vec<u8>]) -> io::Result<()> {
    const LINK_ETHERNET: u32 = 1;
    const SNAP_LEN: u32 = 65_535;
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0]);
    for word in [0, 0, SNAP_LEN, LINK_ETHERNET] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        for word in [0, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    fs::write(path, file)
}

/// The frames of a capture file in the classic little-endian format, as far as they are whole.
pub fn read_pcap(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let file = fs::read(path)?;
    let mut rest = file.get(24..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *header;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        let Some((frame, next)) = behind.split_at_checked(len) else { break };
        frames.push(frame.to_vec());
        rest = next;
    }
    Ok(frames)
}
