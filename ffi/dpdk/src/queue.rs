//! [`RxQueue`] and [`TxQueue`]: where packets come from and go to.
//!
//! [`StartedPort::start_on`](crate::StartedPort::start_on) hands out each queue once. A queue is
//! polled by one thread at a time (`&mut self`), may move to another thread, and keeps its port
//! running.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arrayvec::ArrayVec;
use dpdk_sys as sys;

use crate::port::PortShared;
use crate::{Mbuf, PortId};

/// A receive queue.
pub struct RxQueue {
    port: u16,
    queue: u16,
    shared: Arc<PortShared>,
    _not_sync: PhantomData<Cell<()>>,
}

/// A transmit queue.
pub struct TxQueue {
    port: u16,
    queue: u16,
    /// Whether drivers must see packets before they are sent, to prepare their checksums.
    prepare: bool,
    shared: Arc<PortShared>,
    _not_sync: PhantomData<Cell<()>>,
}

impl RxQueue {
    pub(crate) fn new(shared: &Arc<PortShared>, queue: u16) -> Self {
        let port = shared.id().index();
        Self { port, queue, shared: Arc::clone(shared), _not_sync: PhantomData }
    }

    /// Appends the packets that have arrived, up to the room left in `out`, and returns how many.
    /// Some drivers return nothing for less room than 4 or 8 packets; 32 is a good size.
    #[inline]
    pub fn rx_burst<const N: usize>(&mut self, out: &mut ArrayVec<Mbuf, N>) -> usize {
        let len = out.len();
        let room = u16::try_from(N - len).unwrap_or(u16::MAX);
        if room == 0 {
            return 0;
        }
        let end = out.as_mut_ptr().wrapping_add(len).cast::<*mut sys::rte_mbuf>();
        // SAFETY: the port is started and has this queue as long as `shared` lives; nobody else
        // polls it, as `self` exists once and is borrowed exclusively; `end` has room for `room`
        // pointers, and Mbuf is a transparent wrapper of one.
        let received = unsafe { sys::rte_eth_rx_burst_(self.port, self.queue, end, room) };
        let received = usize::from(received.min(room));
        // SAFETY: the driver wrote that many mbufs, which are ours alone now.
        unsafe { out.set_len(len + received) };
        received
    }

    /// The port it belongs to.
    #[must_use]
    pub fn port_id(&self) -> PortId {
        self.shared.id()
    }

    /// Its number on that port.
    #[must_use]
    pub fn queue_id(&self) -> u16 {
        self.queue
    }
}

impl TxQueue {
    pub(crate) fn new(shared: &Arc<PortShared>, queue: u16, prepare: bool) -> Self {
        let port = shared.id().index();
        Self { port, queue, prepare, shared: Arc::clone(shared), _not_sync: PhantomData }
    }

    /// Sends packets from the front of the burst and returns how many the port took. The others
    /// stay in the burst, in order: the caller tries again or drops them. The port refuses packets
    /// when its queue is full, and also one whose offload request it cannot serve.
    #[inline]
    pub fn tx_burst<const N: usize>(&mut self, burst: &mut ArrayVec<Mbuf, N>) -> usize {
        let first = burst.as_mut_ptr().cast::<*mut sys::rte_mbuf>();
        let mut count = u16::try_from(burst.len()).unwrap_or(u16::MAX);
        if self.prepare {
            // SAFETY: as for the burst below; packets are only changed, not taken.
            let ready = unsafe { sys::rte_eth_tx_prepare_(self.port, self.queue, first, count) };
            count = ready.min(count);
        }
        // SAFETY: the port is started and has this queue as long as `shared` lives; nobody else
        // sends on it, as `self` exists once and is borrowed exclusively; `first` points to `count`
        // mbufs that the burst owns.
        let sent = unsafe { sys::rte_eth_tx_burst_(self.port, self.queue, first, count) };
        let sent = usize::from(sent.min(count));
        take_front(burst, sent);
        sent
    }

    /// The port it belongs to.
    #[must_use]
    pub fn port_id(&self) -> PortId {
        self.shared.id()
    }

    /// Its number on that port.
    #[must_use]
    pub fn queue_id(&self) -> u16 {
        self.queue
    }
}

/// Removes the first `n` packets without freeing them: the port owns them now.
#[inline]
fn take_front<const N: usize>(burst: &mut ArrayVec<Mbuf, N>, n: usize) {
    let left = burst.len() - n;
    // SAFETY: the first `left` places are overwritten below with the packets that stay.
    unsafe { burst.set_len(left) };
    if left > 0 {
        let first = burst.as_mut_ptr();
        // SAFETY: places 0..n+left hold packets; moving a pointer is a plain copy, and the last `n`
        // places are beyond the new length, so every packet that stays is in the burst once.
        unsafe { std::ptr::copy(first.wrapping_add(n), first, left) };
    }
}

impl fmt::Debug for RxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxQueue").field("port", &self.port).field("queue", &self.queue).finish()
    }
}

impl fmt::Debug for TxQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxQueue").field("port", &self.port).field("queue", &self.queue).finish()
    }
}
