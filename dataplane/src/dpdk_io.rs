//! The packet path on DPDK: mbufs as packet buffers, DPDK queues as ports.

use std::sync::OnceLock;

use dpdk::{L4Checksum, Mbuf, PktMempool, RxQueue, TxQueue};

use crate::buf::{PacketAlloc, PacketBuf, RxChecksum, TxChecksum};
use crate::io::{Burst, Ports};
use crate::snapshot::PortIdx;
use crate::time::{Moment, TICKS_PER_SECOND, Tick};

impl PacketBuf for Mbuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.data()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.data_mut()
    }

    #[inline]
    fn is_contiguous(&self) -> bool {
        Self::is_contiguous(self)
    }

    #[inline]
    fn len(&self) -> usize {
        Self::len(self)
    }

    #[inline]
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        Self::prepend(self, n)?;
        Some(self.data_mut())
    }

    #[inline]
    fn trim_front(&mut self, n: usize) -> bool {
        self.adj(n)
    }

    #[inline]
    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        Self::append(self, n)
    }

    #[inline]
    fn truncate(&mut self, len: usize) -> bool {
        Self::is_contiguous(self)
            && Self::len(self).checked_sub(len).is_some_and(|excess| self.trim(excess))
    }

    #[inline]
    fn rx_ipv4_checksum(&self) -> RxChecksum {
        match Self::rx_ipv4_checksum(self) {
            dpdk::RxChecksum::Unknown => RxChecksum::Unknown,
            // Not present: the sender left it to its own offload, on a link that loses nothing.
            dpdk::RxChecksum::Good | dpdk::RxChecksum::NotPresent => RxChecksum::Good,
            dpdk::RxChecksum::Bad => RxChecksum::Bad,
        }
    }

    #[inline]
    fn request_tx_checksum(&mut self, request: TxChecksum) {
        let Some((l2_len, l3_len, what)) = dpdk_request(request) else {
            return self.clear_tx_offload();
        };
        let done = self.set_tx_offload(l2_len, l3_len, what);
        // An Ethernet and an IPv4 header are within what an mbuf can describe.
        debug_assert!(done, "{request:?}");
    }

    #[inline]
    fn rss_hash(&self) -> Option<u32> {
        Self::rss_hash(self)
    }
}

/// A request in DPDK's words: lengths of both headers, and what to fill in; `None` for nothing.
#[inline]
fn dpdk_request(request: TxChecksum) -> Option<(usize, usize, dpdk::TxChecksum)> {
    let (l2_len, l3_len, l4) = match request {
        TxChecksum::None => return None,
        TxChecksum::Ipv4 { l2_len, l3_len } => (l2_len, l3_len, L4Checksum::None),
        TxChecksum::Ipv4Tcp { l2_len, l3_len } => (l2_len, l3_len, L4Checksum::Tcp),
        TxChecksum::Ipv4Udp { l2_len, l3_len } => (l2_len, l3_len, L4Checksum::Udp),
    };
    Some((usize::from(l2_len), usize::from(l3_len), dpdk::TxChecksum { ipv4: true, l4 }))
}

/// A worker's queues on one port; none where there are fewer queues than workers.
pub type QueuePair = Option<(RxQueue, TxQueue)>;

/// One worker's queue pair on every port, in the order of [`PortIdx`].
#[derive(Debug)]
pub struct DpdkPorts {
    queues: Vec<QueuePair>,
    pool: PktMempool,
}

impl DpdkPorts {
    /// Takes over a worker's queues. Packets of our own are allocated from `pool`.
    #[must_use]
    pub fn new(queues: Vec<QueuePair>, pool: PktMempool) -> Self {
        Self { queues, pool }
    }
}

impl PacketAlloc<Mbuf> for DpdkPorts {
    #[inline]
    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }
}

impl Ports<Mbuf> for DpdkPorts {
    fn port_count(&self) -> usize {
        self.queues.len()
    }

    #[inline]
    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        if let Some(Some((rx, _))) = self.queues.get_mut(port.index()) {
            rx.rx_burst(burst);
        }
    }

    #[inline]
    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        if let Some(Some((_, tx))) = self.queues.get_mut(port.index()) {
            tx.tx_burst(burst);
        }
    }
}

/// The time by [`now`].
#[must_use]
pub fn clock() -> Tick {
    now().tick
}

/// The time by the CPU's cycle counter, which all lcores share. The EAL must be up.
#[inline]
#[must_use]
pub fn now() -> Moment {
    static CYCLES_PER_TICK: OnceLock<u64> = OnceLock::new();
    let cycles_per_tick =
        *CYCLES_PER_TICK.get_or_init(|| (dpdk::tsc::hz() / u64::from(TICKS_PER_SECOND)).max(1));
    let cycles = dpdk::tsc::now();
    #[expect(clippy::cast_possible_truncation, reason = "ticks wrap")]
    let ticks = (cycles / cycles_per_tick) as u32;
    Moment { tick: Tick(ticks), cycles }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_asks_for_the_header_s_checksum_and_its_own() {
        let (l2_len, l3_len) = (14, 24);
        for (request, l4) in [
            (TxChecksum::Ipv4 { l2_len, l3_len }, L4Checksum::None),
            (TxChecksum::Ipv4Tcp { l2_len, l3_len }, L4Checksum::Tcp),
            (TxChecksum::Ipv4Udp { l2_len, l3_len }, L4Checksum::Udp),
        ] {
            let asked = dpdk::TxChecksum { ipv4: true, l4 };
            assert_eq!(dpdk_request(request), Some((14, 24, asked)));
        }
        assert_eq!(dpdk_request(TxChecksum::None), None);
    }
}
