//! Requests of one packet each, which real servers answer or not.
//!
//! As many are in flight as the window allows; where nothing is expected back, as in a flood, there
//! is no window.

use dataplane::buf::PacketBuf;
use dataplane::forward::ForwardingMode;
use dataplane::snapshot::PortIdx;
use dataplane::wire::{EthernetHeader, Ipv4Header, L4Ports};
use dpdk::{Burst, Mbuf, PktMempool, burst};

use super::arp::{self, ARP_FRAME_LEN};
use super::book::Book;
use super::check;
use super::flows::Flows;
use super::sizes::Templates;
use super::{Engine, LAN};

/// One frame out of about so many is checked in full; all others are counted.
const CHECK_INTERVAL: usize = 256;

/// Free places in the window that are worth sending for.
const LEAST_SENT: u64 = 32;

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
    book: Book,
}

impl Requests {
    /// An engine that sends nothing until it is granted something. Frames come from `pool`.
    #[must_use]
    pub fn new(plan: Plan, pool: PktMempool) -> Self {
        let room = usize::try_from(plan.window.unwrap_or(0)).unwrap_or(0);
        Self { plan, pool, book: Book::new(room) }
    }

    /// Goes on with other flows.
    pub fn set_flows(&mut self, flows: Flows) {
        self.plan.flows = flows;
    }

    /// Requests that may be sent now: many at once, or the last ones.
    #[inline]
    fn allowed(&self, room: usize) -> usize {
        let wanted = self.book.left.min(room as u64);
        let free =
            self.plan.window.map_or(u64::MAX, |window| window - self.in_flight().min(window));
        let count = if free < wanted.min(LEAST_SENT) { 0 } else { free.min(wanted) };
        usize::try_from(count).unwrap_or(0)
    }

    /// Looks at one frame now and then.
    #[inline]
    fn sample(&mut self, port: PortIdx, burst: &[Mbuf]) {
        let Some(frame) = burst.first() else { return };
        if !self.book.is_due(port, burst.len(), CHECK_INTERVAL) {
            return;
        }
        let verdict = match port {
            LAN => check::forwarded(self.plan.mode, frame.bytes()),
            _ => check::replied(frame.bytes()),
        };
        if let Err(fault) = verdict {
            self.book.wrong(fault);
        }
    }

    /// Takes ARP out of the burst and answers it.
    #[cold]
    fn take_arp<const N: usize>(&mut self, port: PortIdx, burst: &mut Burst<N>) {
        for mut frame in burst.take() {
            if frame.len() != ARP_FRAME_LEN {
                burst.push(frame);
            } else if arp::answer(&mut frame) {
                self.book.waiting(port).push_back(frame);
            }
        }
    }
}

impl Engine for Requests {
    #[inline]
    fn take<const N: usize>(&mut self, port: PortIdx, burst: &mut Burst<N>) {
        if burst.iter().any(|frame| frame.len() == ARP_FRAME_LEN) {
            self.take_arp(port, burst);
        }
        self.sample(port, burst);
        let count = burst.len() as u64;
        if port != LAN {
            self.book.counts.replied += count;
        } else {
            self.book.counts.forwarded += count;
            if self.plan.answered {
                self.book.counts.answers += count;
                for frame in burst.iter_mut() {
                    frame.prefetch_data_write();
                }
                for frame in burst.iter_mut() {
                    turn_round(frame.bytes_mut());
                }
                self.book.waiting(LAN).extend(burst.drain(..));
            }
        }
        burst::free_all(burst);
    }

    #[inline]
    fn begin<const N: usize>(&mut self, burst: &mut Burst<N>) {
        let count = self.allowed(burst.remaining_capacity());
        let first = burst.len();
        if count == 0 || !self.pool.alloc_some(burst, count) {
            return;
        }
        for frame in &mut burst[first..] {
            let client = self.plan.flows.next_client();
            let template = self.plan.templates.next_template();
            if let Some(bytes) = frame.append(template.frame_len()) {
                template.stamp(bytes, client, 0);
            }
        }
        self.book.left -= count as u64;
        self.book.counts.requests += count as u64;
    }

    #[inline]
    fn in_flight(&self) -> u64 {
        if self.plan.window.is_none() {
            return 0;
        }
        let back =
            if self.plan.answered { self.book.counts.replied } else { self.book.counts.forwarded };
        self.book.counts.requests.saturating_sub(back + self.book.counts.lost)
    }

    fn write_off(&mut self) {
        self.book.counts.lost += self.in_flight();
    }

    fn book(&self) -> &Book {
        &self.book
    }

    fn book_mut(&mut self) -> &mut Book {
        &mut self.book
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
