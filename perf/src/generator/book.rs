//! What every engine keeps: what it may still send, what waits to be sent, what it has counted.

use std::collections::VecDeque;

use dataplane::snapshot::PortIdx;
use dpdk::{Burst, Mbuf};

use super::check::Fault;
use super::{Counts, PORT_COUNT};

/// An engine's book.
#[derive(Debug)]
pub struct Book {
    /// What clients may still send, or open.
    pub left: u64,
    /// The counters.
    pub counts: Counts,
    /// By port: answers of clients, of real servers and to ARP.
    waiting: [VecDeque<Mbuf>; PORT_COUNT],
    checking: bool,
    /// By port: frames since the last one that was checked.
    unchecked: [usize; PORT_COUNT],
    fault: Option<Fault>,
}

impl Book {
    /// With room for so many answers at each port.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self {
            left: 0,
            counts: Counts::default(),
            waiting: std::array::from_fn(|_| VecDeque::with_capacity(room)),
            checking: true,
            unchecked: [0; PORT_COUNT],
            fault: None,
        }
    }

    /// What waits to be sent at a port.
    #[inline]
    pub fn waiting(&mut self, port: PortIdx) -> &mut VecDeque<Mbuf> {
        &mut self.waiting[port.index()]
    }

    /// Fills `burst` up with what waits.
    #[inline]
    pub fn send_waiting<const N: usize>(&mut self, port: PortIdx, burst: &mut Burst<N>) {
        let waiting = self.waiting(port);
        let count = waiting.len().min(burst.remaining_capacity());
        if count > 0 {
            burst.extend(waiting.drain(..count));
        }
    }

    /// Whether frames are looked at in detail, some of them.
    pub fn check(&mut self, on: bool) {
        self.checking = on;
    }

    /// Whether one of `count` more frames at a port is to be looked at: one in so many is.
    #[inline]
    pub fn is_due(&mut self, port: PortIdx, count: usize, interval: usize) -> bool {
        let unchecked = &mut self.unchecked[port.index()];
        *unchecked += count;
        let due = self.checking && *unchecked >= interval;
        if due {
            *unchecked = 0;
            self.counts.checked += 1;
        }
        due
    }

    /// Counts a frame that is not as it should be.
    pub fn wrong(&mut self, fault: Fault) {
        self.counts.wrong += 1;
        self.fault.get_or_insert(fault);
    }

    /// The first fault.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }
}
