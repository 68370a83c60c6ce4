//! Ports in memory: the engine runs on the director's own thread, between its bursts.

use dataplane::buf::PacketAlloc;
use dataplane::io::{Burst, Ports};
use dataplane::snapshot::PortIdx;
use dpdk::{Mbuf, PktMempool, tsc};

use super::{Engine, PORT_COUNT};

/// The two ports of a director, with an engine behind them.
#[derive(Debug)]
pub struct MemoryPorts<E> {
    engine: E,
    pool: PktMempool,
    /// Cycles spent in the engine.
    engine_cycles: u64,
}

impl<E: Engine> MemoryPorts<E> {
    /// Ports with `engine` behind them; the director's own packets come from `pool`.
    #[must_use]
    pub fn new(engine: E, pool: PktMempool) -> Self {
        Self { engine, pool, engine_cycles: 0 }
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut E {
        &mut self.engine
    }

    /// Cycles of the time stamp counter spent in the engine so far: what the director did not cost.
    #[must_use]
    pub fn engine_cycles(&self) -> u64 {
        self.engine_cycles
    }

    #[inline]
    fn timed(&mut self, work: impl FnOnce(&mut E)) {
        let start = tsc::now();
        work(&mut self.engine);
        self.engine_cycles += tsc::now() - start;
    }
}

impl<E: Engine> PacketAlloc<Mbuf> for MemoryPorts<E> {
    fn alloc(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }
}

impl<E: Engine> Ports<Mbuf> for MemoryPorts<E> {
    fn port_count(&self) -> usize {
        PORT_COUNT
    }

    #[inline]
    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        self.timed(|engine| engine.fill(port, burst));
    }

    #[inline]
    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        self.timed(|engine| engine.take(port, burst));
    }
}
