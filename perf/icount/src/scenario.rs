//! What is counted: packets of established flows, and packets that open one.

use std::sync::Arc;

use dataplane::control::{self, ControlEnd};
use dataplane::director::{Director, Sizes};
use dataplane::forward::ForwardingMode;
use dataplane::io::Io;
use dataplane::publish::Publisher;
use dataplane::stats::WorkerStats;
use dataplane::time::{Tick, Ticks};
use dataplane::wire::{IpProto, TcpFlags};
use dataplane::worker::Worker;

use crate::buf::Frame;
use crate::frames::{self, Bytes, End};
use crate::site::{self, LAN, MACS, VIP, WAN};
use crate::wires::{NEIGHBOR, Wires};

/// Flows that packets of established flows belong to, in turn.
const FLOWS: u32 = 1000;

/// Which packets are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scenario {
    /// UDP requests of established flows.
    Requests(ForwardingMode),
    /// UDP replies.
    Replies(ForwardingMode),
    /// TCP segments from clients of established connections.
    Segments(ForwardingMode),
    /// UDP datagrams that open a flow each.
    NewFlows(ForwardingMode),
    /// UDP datagrams to a port without service.
    NoService,
}

impl Scenario {
    /// All of them, by name.
    pub(crate) const ALL: [(&'static str, Self); 11] = [
        ("dr", Self::Requests(ForwardingMode::Dr)),
        ("tun", Self::Requests(ForwardingMode::Tunnel)),
        ("nat", Self::Requests(ForwardingMode::Nat)),
        ("nat-replies", Self::Replies(ForwardingMode::Nat)),
        ("fullnat", Self::Requests(ForwardingMode::FullNat)),
        ("fullnat-replies", Self::Replies(ForwardingMode::FullNat)),
        ("fullnat-tcp", Self::Segments(ForwardingMode::FullNat)),
        ("new-dr", Self::NewFlows(ForwardingMode::Dr)),
        ("new-nat", Self::NewFlows(ForwardingMode::Nat)),
        ("new-fullnat", Self::NewFlows(ForwardingMode::FullNat)),
        ("no-service", Self::NoService),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, scenario)| scenario)
    }

    fn mode(self) -> ForwardingMode {
        match self {
            Self::Requests(mode) | Self::Replies(mode) => mode,
            Self::Segments(mode) | Self::NewFlows(mode) => mode,
            Self::NoService => ForwardingMode::Dr,
        }
    }

    /// Pushes `count` packets through; an error says what did not come out.
    pub(crate) fn run(self, count: u32) -> Result<(), String> {
        let mut bench = Bench::new(self.mode());
        let udp = |number| request(IpProto::UDP, number, VIP, TcpFlags::default());
        let tcp = |flags| move |number| request(IpProto::TCP, number, VIP, flags);
        match self {
            Self::Requests(_) => {
                bench.play((0..FLOWS).map(udp))?;
                bench.counting = true;
                bench.play((0..count).map(|number| udp(number % FLOWS)))
            }
            Self::Replies(_) => {
                bench.worker.ports_mut().recording = true;
                bench.play((0..FLOWS).map(udp))?;
                bench.worker.ports_mut().recording = false;
                bench.counting = true;
                bench.play_replies(count)
            }
            Self::Segments(_) => {
                bench.play((0..FLOWS).map(tcp(TcpFlags::SYN)))?;
                bench.counting = true;
                bench.play((0..count).map(|number| tcp(TcpFlags::ACK)(number % FLOWS)))
            }
            Self::NewFlows(_) => {
                // The first ones make room in caches and lists.
                bench.play((0..FLOWS).map(udp))?;
                bench.counting = true;
                bench.play((FLOWS..FLOWS + count).map(udp))
            }
            Self::NoService => {
                bench.counting = true;
                let nowhere = (VIP.0, VIP.1 + 1);
                let datagram = |n| request(IpProto::UDP, n, nowhere, TcpFlags::default());
                bench.arrive(WAN.index(), (0..count).map(datagram));
                let dropped = bench.stats.dropped_total();
                expect("dropped", dropped, count)
            }
        }
    }
}

fn request(protocol: u8, number: u32, to: End, flags: TcpFlags) -> Bytes {
    frames::frame((MACS[0], NEIGHBOR), protocol, frames::client(number), to, flags)
}

fn expect(what: &str, happened: u64, wanted: u32) -> Result<(), String> {
    let wanted = u64::from(wanted);
    if happened == wanted {
        return Ok(());
    }
    Err(format!("{happened} of {wanted} packets were {what}"))
}

/// A worker on ports in memory.
struct Bench {
    worker: Worker<Frame, Wires>,
    stats: Arc<WorkerStats>,
    now: Tick,
    /// Whether what comes next is counted.
    counting: bool,
    _publisher: Publisher,
    _control: ControlEnd,
}

impl Bench {
    /// A worker that knows its neighbours.
    fn new(mode: ForwardingMode) -> Self {
        let now = Tick(0);
        let stats = Arc::new(WorkerStats::new(site::SERVICES, site::REAL_SERVERS));
        let publisher = Publisher::new(site::snapshot(mode));
        let sizes =
            Sizes { flows: 65_536, services: site::SERVICES, real_servers: site::REAL_SERVERS };
        let director = Director::new(sizes, 0x5EED, now, Arc::clone(&stats));
        let io = Io::new(Wires::default(), Arc::clone(&stats));
        let (control, end) = control::rings();
        let reader = publisher.reader();
        let worker = Worker::new(director, io, reader, end, Arc::clone(&stats));
        let mut bench =
            Self { worker, stats, now, counting: false, _publisher: publisher, _control: control };
        for _ in 0..100 {
            bench.now = bench.now.after(Ticks(10));
            bench.worker.turn(bench.now);
        }
        bench
    }

    /// Lets requests come in; all must be forwarded.
    fn play(&mut self, requests: impl Iterator<Item = Bytes>) -> Result<(), String> {
        let before = self.stats.forwarded.value();
        let count = self.arrive(WAN.index(), requests);
        expect("forwarded", self.stats.forwarded.value() - before, count)
    }

    /// Lets `count` of the recorded replies come in, over and over; all must be forwarded.
    fn play_replies(&mut self, count: u32) -> Result<(), String> {
        let replies = std::mem::take(&mut self.worker.ports_mut().replies);
        let before = self.stats.forwarded.value();
        let endless = replies.iter().cycle().copied();
        self.arrive(LAN.index(), endless.take(count as usize));
        expect("forwarded", self.stats.forwarded.value() - before, count)
    }

    /// Turns until all frames have come in at `port`; returns how many there were.
    fn arrive(&mut self, port: usize, frames: impl Iterator<Item = Bytes>) -> u32 {
        let mut frames: Vec<_> = frames.collect();
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        frames.reverse();
        self.worker.ports_mut().arriving[port] = frames;
        if self.counting {
            counted(&mut self.worker, port, self.now);
        } else {
            turn_until_empty(&mut self.worker, port, self.now);
        }
        count
    }
}

/// The part of a run that callgrind counts: it is told this function's name.
#[inline(never)]
fn counted(worker: &mut Worker<Frame, Wires>, port: usize, now: Tick) {
    turn_until_empty(worker, port, now);
}

#[inline(always)]
fn turn_until_empty(worker: &mut Worker<Frame, Wires>, port: usize, now: Tick) {
    while !worker.ports_mut().arriving[port].is_empty() {
        worker.turn(now);
    }
}
