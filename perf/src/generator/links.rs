//! The generator's ends of both links, and one turn of its loop.
//!
//! What a port costs by the burst (the words through which both ends tell each other how far they
//! are travel from one CPU to the other) is shared by many frames here, so bursts are longer than
//! the director's.

use dpdk::{Burst, Mbuf, RxQueue, TxQueue};

use super::{Engine, LAN, WAN};

/// Frames that are sent or taken at once.
const BURST_LEN: usize = 128;

/// One port, with what was received from it and what waits to be sent.
#[derive(Debug)]
struct Link {
    rx: RxQueue,
    tx: TxQueue,
    received: Burst<BURST_LEN>,
    waiting: Burst<BURST_LEN>,
}

impl Link {
    fn new((rx, tx): (RxQueue, TxQueue)) -> Self {
        Self { rx, tx, received: Burst::new(), waiting: Burst::new() }
    }
}

/// Both ports.
#[derive(Debug)]
pub struct Links {
    wan: Link,
    lan: Link,
}

impl Links {
    /// Takes over the queues of the ports that lead to the director's WAN and LAN port.
    #[must_use]
    pub fn new(wan: (RxQueue, TxQueue), lan: (RxQueue, TxQueue)) -> Self {
        Self { wan: Link::new(wan), lan: Link::new(lan) }
    }

    /// Lends the other end buffers to send into, which it has none of before the first poll.
    pub fn lend_buffers(&mut self) {
        for link in [&mut self.lan, &mut self.wan] {
            link.rx.rx_burst(&mut link.received);
            link.received.clear();
        }
    }

    /// One turn of the loop: what came back, then what is to be sent.
    #[inline]
    pub fn turn(&mut self, engine: &mut impl Engine) {
        let mut moved = 0;
        for (port, link) in [(LAN, &mut self.lan), (WAN, &mut self.wan)] {
            let Link { rx, tx, received, waiting } = link;
            let count = rx.rx_burst(received);
            if count > 0 {
                engine.take(port, received);
            }
            if waiting.is_empty() {
                engine.fill(port, waiting);
                // As a NIC leaves headers, in the cache that all CPUs share. To do so with all of
                // a long frame would cost more than the director gains.
                waiting.iter().for_each(Mbuf::demote_data);
            }
            if !waiting.is_empty() {
                moved += tx.tx_burst(waiting);
            }
            moved += count;
        }
        if moved == 0 {
            // A poll writes what the other end reads, so the next one can wait a little.
            std::hint::spin_loop();
        }
    }

    /// Drops what waits to be sent, as other traffic begins.
    pub fn drop_waiting(&mut self) {
        self.wan.waiting.clear();
        self.lan.waiting.clear();
    }

    /// Whether frames wait that a port has not taken yet.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.wan.waiting.is_empty() || !self.lan.waiting.is_empty()
    }
}
