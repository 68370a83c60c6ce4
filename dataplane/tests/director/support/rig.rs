//! [`Rig`]: a worker with ports in memory, a clock to turn, and books that must balance.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rvs_dataplane::buf::{PacketBuf, TxChecksum};
use rvs_dataplane::control::{self, Command, ControlEnd, FlowReport, Report, Selection};
use rvs_dataplane::director::{Director, Sizes};
use rvs_dataplane::io::Io;
use rvs_dataplane::publish::{Publisher, Running};
use rvs_dataplane::service::RealId;
use rvs_dataplane::snapshot::PortIdx;
use rvs_dataplane::stats::{RealServerStats, WorkerStats};
use rvs_dataplane::testbuf::TestBuf;
use rvs_dataplane::testing::{PacketSpec, arp_frame, describe, verify};
use rvs_dataplane::time::{Moment, Tick, Ticks};
use rvs_dataplane::verdict::{DropReason, Verdict};
use rvs_dataplane::wire::{ArpOperation, ArpPacket, EtherType, EthernetHeader, ipv4, udp};
use rvs_dataplane::worker::Worker;

use super::{Setup, SharedPorts, Wires, mac_of};

/// A worker under test.
pub(crate) struct Rig {
    worker: Option<Worker<TestBuf, SharedPorts>>,
    pub(crate) wires: Rc<RefCell<Wires>>,
    publisher: Publisher,
    /// The generation that the worker has announced.
    pub(crate) running: Running,
    pub(crate) control: ControlEnd,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) setup: Setup,
    pub(crate) now: Tick,
    /// Whether neighbours answer ARP.
    pub(crate) neighbors_answer: bool,
    /// Whether every frame that comes out must have right checksums.
    pub(crate) verify_frames: bool,
    /// Buffers the director can get in each turn of [`Self::swallow`]; `None` is without end.
    pub(crate) buffers_left: Option<usize>,
    /// Packets of the director's own that the test leaves waiting for a neighbour.
    pub(crate) own_waiting: usize,
}

/// What one step brought about.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// IPv4 frames that came out, by port and in order.
    pub(crate) frames: Vec<(PortIdx, Vec<u8>)>,
    /// ARP frames that came out.
    pub(crate) arp: Vec<(PortIdx, ArpPacket, EthernetHeader)>,
    /// How many of the frames left a checksum to the NIC.
    pub(crate) offloaded: usize,
    /// One entry per received packet, ARP answers that the rig gave left out. `Held` packets that
    /// got their final verdict appear with it.
    pub(crate) verdicts: Vec<Verdict>,
}

#[derive(Clone)]
struct Counts {
    forwarded: u64,
    consumed: u64,
    held: u64,
    drops: Vec<u64>,
}

impl Rig {
    /// A worker that runs `setup` and knows its neighbours.
    pub(crate) fn new(setup: Setup) -> Self {
        let mut rig = Self::cold(setup);
        rig.neighbors_answer = true;
        rig.turn();
        rig
    }

    /// A worker that has not turned yet and whose neighbours do not answer.
    pub(crate) fn cold(setup: Setup) -> Self {
        Self::at(setup, Tick(u32::MAX - 500))
    }

    /// [`Self::cold`], with the clock at `now`.
    pub(crate) fn at(setup: Setup, now: Tick) -> Self {
        let wires = Rc::new(RefCell::new(Wires::new()));
        let stats = Arc::new(WorkerStats::new(Setup::SERVICES, Setup::REAL_SERVERS));
        let sizes = Sizes {
            flows: setup.flows,
            templates: setup.templates,
            services: Setup::SERVICES,
            real_servers: Setup::REAL_SERVERS,
        };
        let director = Director::new(sizes, 0x5EED, now, Arc::clone(&stats));
        let io = Io::new(SharedPorts(Rc::clone(&wires)), Arc::clone(&stats));
        let publisher = Publisher::new(setup.snapshot());
        let (control, worker_end) = control::rings();
        let reader = publisher.reader();
        let running = reader.running();
        let worker = Worker::new(director, io, reader, worker_end, Arc::clone(&stats));
        Self {
            worker: Some(worker),
            wires,
            publisher,
            running,
            control,
            stats,
            setup,
            now,
            neighbors_answer: false,
            verify_frames: true,
            buffers_left: None,
            own_waiting: 0,
        }
    }

    /// Publishes what `change` makes of the set-up.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut Setup)) -> Outcome {
        self.publish(change);
        let outcome = self.turn();
        assert_eq!(self.publisher.reclaim(), 0, "the worker let the old snapshot go");
        outcome
    }

    /// [`Self::reconfigure`] without a turn.
    pub(crate) fn publish(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        self.setup.generation += 1;
        self.publisher.publish(self.setup.snapshot());
        self.publisher.reclaim();
    }

    /// Lets `port` receive `frames` and the worker turn until all are done.
    pub(crate) fn send_all<F: AsRef<[u8]>>(
        &mut self,
        port: PortIdx,
        frames: impl IntoIterator<Item = F>,
    ) -> Outcome {
        for frame in frames {
            self.wires.borrow_mut().put(port, frame.as_ref());
        }
        self.turn()
    }

    /// Lets `port` receive one frame.
    pub(crate) fn send(&mut self, port: PortIdx, packet: &PacketSpec) -> Outcome {
        self.send_all(port, [packet.frame()])
    }

    /// Turns the clock on by `span`, then the worker.
    pub(crate) fn pass(&mut self, span: Ticks) -> Outcome {
        self.now = self.now.after(span);
        self.turn()
    }

    /// [`Self::pass`] in seconds.
    pub(crate) fn pass_s(&mut self, seconds: u32) -> Outcome {
        self.pass(Ticks::from_secs(seconds))
    }

    /// Turns the worker until it has taken every frame and every answer of a neighbour.
    pub(crate) fn turn(&mut self) -> Outcome {
        let before = self.counts();
        let mut outcome = Outcome::default();
        let mut answers = 0;
        loop {
            self.turn_once(&mut outcome);
            answers += self.answer_arp(&outcome, answers);
            if self.wires.borrow().waiting() == 0 {
                break;
            }
        }
        outcome.verdicts = before.verdicts_until(&self.counts(), answers as u64);
        self.assert_books();
        outcome
    }

    /// Lets the worker run its loop by itself for `turns` turns.
    pub(crate) fn run(&mut self, turns: u64) -> Outcome {
        let (stop, mut left) = (AtomicBool::new(false), turns);
        let worker = self.worker.as_mut().expect("it lives as long as the rig");
        worker.run(&stop, || {
            left -= 1;
            stop.store(left == 0, Ordering::Relaxed);
            // Each turn takes a thousand cycles.
            Moment { tick: self.now, cycles: (turns - left) * 1000 }
        });
        let mut outcome = Outcome::default();
        self.take_frames(&mut outcome);
        outcome
    }

    /// Lets the worker turn once with these frames, by port, and looks at nothing but the books;
    /// for traffic that is too wild to say what should come out. Neighbours answer.
    pub(crate) fn swallow(&mut self, bursts: [Vec<Vec<u8>>; 2], context: &str) {
        for (port, frames) in (0u8..).map(PortIdx).zip(bursts) {
            for frame in frames {
                self.wires.borrow_mut().put(port, &frame);
            }
        }
        if let Some(buffers) = self.buffers_left {
            self.wires.borrow_mut().alloc.run_dry_after(buffers);
        }
        let worker = self.worker.as_mut().expect("it lives as long as the rig");
        worker.turn(self.now);
        self.wires.borrow_mut().alloc.refill();
        let sent = mem::take(&mut self.wires.borrow_mut().tx);
        let mut arp = Outcome::default();
        for (port, frames) in (0u8..).map(PortIdx).zip(sent) {
            for buf in frames.iter().filter(|buf| buf.bytes().get(12..14) == Some(&[8, 6])) {
                self.take_frame(port, buf, &mut arp);
            }
        }
        self.answer_arp(&arp, 0);
        assert_eq!(self.unconcluded(), 0, "received packets without verdict: {context}");
    }

    /// Lets enough time pass for everything that waits to end.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3000 {
            self.now = self.now.after(Ticks(100));
            self.swallow(Default::default(), "settling");
        }
        self.assert_books();
        assert_eq!((self.stats.held.value(), self.stats.flows.value()), (0, 0));
    }

    fn turn_once(&mut self, outcome: &mut Outcome) {
        let worker = self.worker.as_mut().expect("it lives as long as the rig");
        worker.turn(self.now);
        self.take_frames(outcome);
    }

    fn take_frames(&self, outcome: &mut Outcome) {
        let sent = mem::take(&mut self.wires.borrow_mut().tx);
        for (port, frames) in (0u8..).map(PortIdx).zip(sent) {
            for buf in frames {
                self.take_frame(port, &buf, outcome);
            }
        }
    }

    fn take_frame(&self, port: PortIdx, buf: &TestBuf, outcome: &mut Outcome) {
        outcome.offloaded += usize::from(buf.tx_checksum() != TxChecksum::None);
        assert!(buf.poison_intact(), "bytes outside the frame were written: {buf:?}");
        let frame = complete_offload(buf);
        let (header, payload) = EthernetHeader::split(&frame).expect("a whole frame");
        assert_eq!(header.src, self.setup.snapshot().ports[port.index()].mac, "{buf:?}");
        if self.verify_frames {
            assert_eq!(verify(&frame), Ok(()), "{}", describe(&frame));
        }
        if header.ether_type() == EtherType::ARP {
            let packet = *ArpPacket::checked(payload).expect("well-formed ARP");
            outcome.arp.push((port, packet, *header));
        } else {
            outcome.frames.push((port, frame));
        }
    }

    /// Answers the ARP requests of `outcome` behind the first `answered`; returns how many.
    fn answer_arp(&self, outcome: &Outcome, answered: usize) -> usize {
        if !self.neighbors_answer {
            return 0;
        }
        let requests = outcome.arp.iter().filter(|(_, packet, _)| {
            packet.operation() == ArpOperation::Request && !packet.is_gratuitous()
        });
        let mut count = 0;
        for (port, request, _) in requests.skip(answered) {
            let (address, mac) = (request.target_ip(), mac_of(request.target_ip()));
            let asker = request.sender_mac();
            let reply = ArpPacket::reply(mac, address, asker, request.sender_ip());
            self.wires.borrow_mut().put(*port, &arp_frame(asker, mac, &reply));
            count += 1;
        }
        count
    }

    /// Sends `input` on `on` and compares everything that comes out of it.
    pub(crate) fn expect(
        &mut self,
        name: &str,
        (on, input): (PortIdx, &PacketSpec),
        expected: &[(PortIdx, PacketSpec)],
        verdict: Verdict,
    ) {
        let frames: Vec<_> = expected.iter().map(|(port, spec)| (*port, spec.frame())).collect();
        self.expect_frames(name, (on, &input.frame()), &frames, verdict);
    }

    /// [`Self::expect`] for frames that no `PacketSpec` makes.
    pub(crate) fn expect_frames(
        &mut self,
        name: &str,
        (on, input): (PortIdx, &[u8]),
        expected: &[(PortIdx, Vec<u8>)],
        verdict: Verdict,
    ) {
        let outcome = self.send_all(on, [input]);
        assert_eq!(outcome.lines(), lines(expected), "{name}: {}", describe(input));
        assert_eq!(outcome.frames, expected, "{name}: the same in words, other bytes");
        assert_eq!(outcome.verdicts, [verdict], "{name}: {}", describe(input));
    }

    /// `input` must be forwarded as `expected`.
    pub(crate) fn forwards(
        &mut self,
        name: &str,
        input: (PortIdx, &PacketSpec),
        (port, expected): (PortIdx, PacketSpec),
    ) {
        self.expect(name, input, &[(port, expected)], Verdict::Forwarded);
    }

    /// `input` must be dropped and answered with `answer` on the same port.
    pub(crate) fn refuses(
        &mut self,
        name: &str,
        input: (PortIdx, &PacketSpec),
        answer: PacketSpec,
        reason: DropReason,
    ) {
        self.expect(name, input, &[(input.0, answer)], Verdict::Dropped(reason));
    }

    /// `input` must be dropped without a word.
    pub(crate) fn drops(&mut self, name: &str, input: (PortIdx, &PacketSpec), reason: DropReason) {
        self.expect(name, input, &[], Verdict::Dropped(reason));
    }

    /// All flows, as the control thread sees them.
    pub(crate) fn flows(&mut self) -> Vec<FlowReport> {
        let list = |report| match report {
            Report::Flow(flow) => Some(flow),
            Report::Neighbor(_) | Report::Count(_) | Report::Underway | Report::End => None,
        };
        self.list(Command::ListFlows(Selection::ALL)).into_iter().filter_map(list).collect()
    }

    /// The answer to `command` without its end mark.
    pub(crate) fn list(&mut self, command: Command) -> Vec<Report> {
        assert!(self.control.request(command));
        let mut reports = Vec::new();
        for _ in 0..=self.setup.flows {
            self.turn();
            while let Some(report) = self.control.next_report() {
                if report == Report::End {
                    return reports;
                }
                if report != Report::Underway {
                    reports.push(report);
                }
            }
        }
        panic!("{command:?} did not end");
    }

    /// Active and inactive flows of a real server.
    pub(crate) fn gauges(&self, real: u32) -> (u64, u64) {
        let stats = self.stats.real_server(RealId(real)).expect("a real server of the test");
        (stats.active.value(), stats.inactive.value())
    }

    fn counts(&self) -> Counts {
        let stats = &self.stats;
        let dropped = |reason: &DropReason| stats.dropped(*reason).value();
        Counts {
            forwarded: stats.forwarded.value(),
            consumed: stats.consumed.value(),
            held: stats.held.value(),
            drops: DropReason::ALL.iter().map(dropped).collect(),
        }
    }

    /// Received packets less those with a verdict, as far as the counters tell.
    fn unconcluded(&self) -> i128 {
        let stats = &self.stats;
        let dropped = stats.dropped_total();
        let counts = [stats.forwarded.value(), stats.consumed.value(), dropped, stats.held.value()];
        i128::from(stats.received.value()) - counts.into_iter().map(i128::from).sum::<i128>()
    }

    /// Every received packet has its verdict, every buffer its owner, every flow its real server.
    pub(crate) fn assert_books(&self) {
        let stats = &self.stats;
        let held = stats.held.value();
        assert_eq!(self.unconcluded(), 0, "received packets without verdict");
        let live = self.wires.borrow().alloc.live();
        let kept = usize::try_from(held).unwrap() + self.own_waiting;
        assert_eq!(live, kept, "buffers alive and packets held");
        let real_servers = || (0..).map_while(|id| stats.real_server(RealId(id)));
        let sum = |count: fn(&RealServerStats) -> u64| real_servers().map(count).sum::<u64>();
        let flows = sum(|real| real.active.value() + real.inactive.value());
        assert_eq!(flows, stats.flows.value(), "flows and connections of real servers");
        let (opened, closed) =
            (sum(|real| real.traffic.connections.value()), sum(|real| real.traffic.closed.value()));
        // Flows that were not scheduled, such as FTP's data connections, end like others.
        assert!(opened <= closed + flows, "{opened} opened, {closed} closed, {flows} there");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.assert_books();
        self.worker = None;
        assert_eq!(self.wires.borrow().alloc.live(), 0, "buffers left when the worker is gone");
    }
}

impl Counts {
    /// The verdicts given since, leaving out `answers` packets that were consumed.
    fn verdicts_until(&self, later: &Self, answers: u64) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let mut add = |verdict, count: u64| {
            verdicts.extend(std::iter::repeat_n(verdict, usize::try_from(count).unwrap()));
        };
        add(Verdict::Forwarded, later.forwarded - self.forwarded);
        add(Verdict::Consumed, later.consumed - self.consumed - answers);
        add(Verdict::Held, later.held.saturating_sub(self.held));
        for ((reason, before), after) in DropReason::ALL.iter().zip(&self.drops).zip(&later.drops) {
            add(Verdict::Dropped(*reason), after - before);
        }
        verdicts
    }
}

impl Outcome {
    /// What came out, in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        lines(&self.frames)
    }
}

fn lines(frames: &[(PortIdx, Vec<u8>)]) -> Vec<String> {
    frames.iter().map(|(port, frame)| format!("{}: {}", port.0, describe(frame))).collect()
}

/// The frame as the NIC would send it: with the checksums that were asked of it.
fn complete_offload(buf: &TestBuf) -> Vec<u8> {
    let mut frame = buf.to_vec();
    let (l2_len, l3_len, is_udp) = match buf.tx_checksum() {
        TxChecksum::None => return frame,
        TxChecksum::Ipv4 { l2_len, l3_len } => (l2_len, l3_len, false),
        TxChecksum::Ipv4Udp { l2_len, l3_len } => (l2_len, l3_len, true),
        TxChecksum::Ipv4Tcp { .. } => panic!("nothing asks for a TCP checksum: {buf:?}"),
    };
    let packet = &mut frame[usize::from(l2_len)..];
    let header = *ipv4::check(packet).expect("a well-formed packet").header;
    assert_eq!(header.header_len(), usize::from(l3_len), "{buf:?}");
    assert_eq!(header.checksum(), 0, "the NIC expects a zero here: {buf:?}");
    assert!(ipv4::fill_checksum(packet));
    if is_udp {
        assert!(udp::fill_checksum(&mut packet[usize::from(l3_len)..], header.src(), header.dst()));
    }
    frame
}
