//! Ports in memory: what was put in is received, what is sent is kept.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use rvs_dataplane::buf::{PacketAlloc, PacketBuf};
use rvs_dataplane::io::{Burst, Ports};
use rvs_dataplane::snapshot::PortIdx;
use rvs_dataplane::testbuf::{TestAlloc, TestBuf};

/// Both ports' ends that a test holds.
#[derive(Debug)]
pub(crate) struct Wires {
    /// Frames to be received, by port.
    rx: [VecDeque<TestBuf>; 2],
    /// Frames that were sent, by port.
    pub(crate) tx: [Vec<TestBuf>; 2],
    /// Frames a port takes before it refuses; `None` is without end.
    pub(crate) tx_room: [Option<usize>; 2],
    /// Source of every buffer, those received included.
    pub(crate) alloc: TestAlloc,
}

impl Wires {
    pub(crate) fn new() -> Self {
        Self {
            rx: Default::default(),
            tx: Default::default(),
            tx_room: [None; 2],
            alloc: TestAlloc::new(),
        }
    }

    /// Lets `port` receive `frame`.
    pub(crate) fn put(&mut self, port: PortIdx, frame: &[u8]) {
        let mut buf = self.alloc.alloc().expect("buffers for received frames do not run dry");
        buf.append(frame.len()).expect("a frame within the data room").copy_from_slice(frame);
        self.rx[port.index()].push_back(buf);
    }

    /// Frames that no burst has taken yet.
    pub(crate) fn waiting(&self) -> usize {
        self.rx.iter().map(VecDeque::len).sum()
    }
}

/// The worker's handle of the same wires.
#[derive(Clone, Debug)]
pub(crate) struct SharedPorts(pub(crate) Rc<RefCell<Wires>>);

impl PacketAlloc<TestBuf> for SharedPorts {
    fn alloc(&mut self) -> Option<TestBuf> {
        self.0.borrow_mut().alloc.alloc()
    }
}

impl Ports<TestBuf> for SharedPorts {
    fn port_count(&self) -> usize {
        2
    }

    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<TestBuf>) {
        let queue = &mut self.0.borrow_mut().rx[port.index()];
        let count = queue.len().min(burst.remaining_capacity());
        burst.extend(queue.drain(..count));
    }

    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<TestBuf>) {
        let wires = &mut *self.0.borrow_mut();
        let room = &mut wires.tx_room[port.index()];
        let count = burst.len().min(room.unwrap_or(usize::MAX));
        *room = room.map(|room| room - count);
        wires.tx[port.index()].extend(burst.drain(..count));
    }
}
