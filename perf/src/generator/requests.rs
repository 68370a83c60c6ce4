//! Requests of one packet each, which real servers answer or not.
//!
//! As many are in flight as the window allows; where nothing is expected back, as in a flood, there
//! is no window.

use std::collections::VecDeque;

use dataplane::buf::PacketBuf;
use dataplane::forward::ForwardingMode;
use dataplane::io::Burst;
use dataplane::snapshot::PortIdx;
use dataplane::wire::{EthernetHeader, Ipv4Header, L4Ports};
use dpdk::{Mbuf, PktMempool, burst};

use super::arp::{self, ARP_FRAME_LEN};
use super::check::{self, Fault};
use super::flows::Flows;
use super::sizes::Templates;
use super::{Counts, Engine, LAN, PORT_COUNT, WAN};

/// One burst out of so many has a frame that is checked.
const CHECK_INTERVAL: u32 = 8;

/// What clients send, and what becomes of it.
#[derive(Debug)]
pub struct Plan {
    /// What is sent.
    pub templates: Templates,
    /// By whom.
    pub flows: Flows,
    /// How frames come back, which decides what is checked.
    pub mode: ForwardingMode,
    /// Whether real servers answer.
    pub answered: bool,
    /// Most requests under way; none for no limit.
    pub window: Option<u64>,
}

/// The engine.
#[derive(Debug)]
pub struct Requests {
    plan: Plan,
    pool: PktMempool,
    left: u64,
    /// By port: answers of real servers and of ARP that wait to be sent.
    waiting: [VecDeque<Mbuf>; PORT_COUNT],
    counts: Counts,
    checking: bool,
    bursts: u32,
    fault: Option<Fault>,
}

impl Requests {
    /// An engine that sends nothing until it is granted something. Frames come from `pool`.
    #[must_use]
    pub fn new(plan: Plan, pool: PktMempool) -> Self {
        let room = usize::try_from(plan.window.unwrap_or(0)).unwrap_or(0);
        let waiting = std::array::from_fn(|_| VecDeque::with_capacity(room));
        let (counts, checking) = (Counts::default(), true);
        Self { plan, pool, left: 0, waiting, counts, checking, bursts: 0, fault: None }
    }

    /// Goes on with other flows.
    pub fn set_flows(&mut self, flows: Flows) {
        self.plan.flows = flows;
    }

    /// Requests that may be sent now: a whole burst, or the last ones.
    #[inline]
    fn allowed(&self, room: usize) -> usize {
        let wanted = self.left.min(room as u64);
        let free =
            self.plan.window.map_or(u64::MAX, |window| window - self.in_flight().min(window));
        if free < wanted { 0 } else { usize::try_from(wanted).unwrap_or(0) }
    }

    #[inline]
    fn send_requests(&mut self, burst: &mut Burst<Mbuf>) {
        let room = burst.capacity() - burst.len();
        let count = self.allowed(room);
        let first = burst.len();
        if count == 0 {
            return;
        }
        if count == room {
            self.pool.alloc_burst(burst);
        } else {
            burst.extend((0..count).map_while(|_| self.pool.alloc()));
        }
        for frame in &mut burst[first..] {
            let client = self.plan.flows.next_client();
            let template = self.plan.templates.next_template();
            if let Some(bytes) = frame.append(template.frame_len()) {
                template.stamp(bytes, client, 0);
            }
        }
        let count = (burst.len() - first) as u64;
        self.left -= count;
        self.counts.requests += count;
    }

    /// Looks at one frame of some bursts.
    #[inline]
    fn sample(&mut self, port: PortIdx, burst: &[Mbuf]) {
        let Some(frame) = burst.first() else { return };
        self.bursts += 1;
        if !self.checking || self.bursts < CHECK_INTERVAL {
            return;
        }
        self.bursts = 0;
        self.counts.checked += 1;
        let verdict = match port {
            LAN => check::forwarded(self.plan.mode, frame.bytes()),
            _ => check::replied(frame.bytes()),
        };
        if let Err(fault) = verdict {
            self.counts.wrong += 1;
            self.fault.get_or_insert(fault);
        }
    }

    /// Takes ARP out of the burst and answers it.
    #[cold]
    fn take_arp(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        for mut frame in burst.take() {
            if frame.len() != ARP_FRAME_LEN {
                burst.push(frame);
            } else if arp::answer(&mut frame) {
                self.waiting[port.index()].push_back(frame);
            }
        }
    }
}

impl Engine for Requests {
    #[inline]
    fn take(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        if burst.iter().any(|frame| frame.len() == ARP_FRAME_LEN) {
            self.take_arp(port, burst);
        }
        self.sample(port, burst);
        let count = burst.len() as u64;
        if port != LAN {
            self.counts.replied += count;
        } else {
            self.counts.forwarded += count;
            if self.plan.answered {
                self.counts.answers += count;
                for frame in burst.iter() {
                    frame.prefetch_data();
                }
                for frame in burst.iter_mut() {
                    turn_round(frame.bytes_mut());
                }
                self.waiting[LAN.index()].extend(burst.drain(..));
            }
        }
        burst::free_all(burst);
    }

    #[inline]
    fn fill(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        let waiting = &mut self.waiting[port.index()];
        while !waiting.is_empty() && !burst.is_full() {
            burst.extend(waiting.pop_front());
        }
        if port == WAN && self.left > 0 {
            self.send_requests(burst);
        }
    }

    fn grant(&mut self, count: u64) {
        self.left = count;
    }

    fn check(&mut self, on: bool) {
        self.checking = on;
    }

    fn is_spent(&self) -> bool {
        self.left == 0
    }

    #[inline]
    fn in_flight(&self) -> u64 {
        if self.plan.window.is_none() {
            return 0;
        }
        let back = if self.plan.answered { self.counts.replied } else { self.counts.forwarded };
        self.counts.requests.saturating_sub(back + self.counts.lost)
    }

    fn write_off(&mut self) {
        self.counts.lost += self.in_flight();
    }

    fn counts(&self) -> &Counts {
        &self.counts
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }
}

/// Makes a packet the answer to itself: both ends change places, and no checksum changes.
#[inline]
fn turn_round(frame: &mut [u8]) {
    let Some((ethernet, packet)) = EthernetHeader::split_mut(frame) else { return };
    let (dst, src) = (ethernet.dst, ethernet.src);
    ethernet.set_addresses(src, dst);
    let Some((ip, transport)) = Ipv4Header::split_mut(packet) else { return };
    let [a, b, c, d, e, f, g, h] = ip.wire_addresses();
    let _unchanged = ip.set_wire_addresses([e, f, g, h, a, b, c, d]);
    if let Some(ports) = L4Ports::read_mut(transport) {
        let (src, dst) = (ports.src_port(), ports.dst_port());
        let _unchanged = ports.set_ports(dst, src);
    }
}
