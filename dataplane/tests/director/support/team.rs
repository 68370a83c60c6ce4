//! [`TeamRig`]: several workers on one network, whose ports give each packet to any of them.
//!
//! Like a NIC that spreads packets without a thought: nothing may depend on which worker receives
//! what. Or NICs are told how to steer them ([`Steered`]).

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use rvs_dataplane::buf::PacketBuf;
use rvs_dataplane::control;
use rvs_dataplane::director::{Director, Sizes};
use rvs_dataplane::forward::LocalPortShare;
use rvs_dataplane::handover::Peers;
use rvs_dataplane::io::Io;
use rvs_dataplane::ownership::{Team, WorkerIdx};
use rvs_dataplane::publish::Publisher;
use rvs_dataplane::rss::RssSteering;
use rvs_dataplane::sched::Counted;
use rvs_dataplane::service::RealId;
use rvs_dataplane::snapshot::PortIdx;
use rvs_dataplane::stats::WorkerStats;
use rvs_dataplane::testbuf::TestBuf;
use rvs_dataplane::testing::nic::Nic;
use rvs_dataplane::testing::{PacketSpec, arp_frame, describe, verify};
use rvs_dataplane::time::{Tick, Ticks};
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::{ArpOperation, ArpPacket, EtherType, EthernetHeader};
use rvs_dataplane::worker::Worker;

use super::{LAN, Setup, SharedPorts, WAN, Wires, mac_of};

const TEAM_SEED: u64 = 0x7EA4_5EED;

/// Ports that steer, and what the workers compute with.
pub(crate) struct Steered {
    /// By port.
    pub(crate) nics: [Nic; 2],
    /// By worker: its local ports, and how the ports hash, if they do as they are told.
    pub(crate) shares: Vec<(LocalPortShare, Option<Arc<RssSteering>>)>,
}

/// Workers under test.
pub(crate) struct TeamRig {
    workers: Vec<Worker<TestBuf, SharedPorts>>,
    /// Without them, a packet comes to any worker.
    nics: Option<[Nic; 2]>,
    setup: Setup,
    wires: Vec<Rc<RefCell<Wires>>>,
    pub(crate) stats: Vec<Arc<WorkerStats>>,
    publisher: Publisher,
    _controls: Vec<control::ControlEnd>,
    pub(crate) now: Tick,
    random: u64,
}

impl TeamRig {
    /// `count` workers that run `setup`; worker `i` has tx queues if `has_tx(i)`.
    pub(crate) fn new(setup: &Setup, count: u16, has_tx: impl Fn(u16) -> bool) -> Self {
        let teams = (0..count).map(|me| Team::new(WorkerIdx(me), count, TEAM_SEED));
        Self::with_teams(setup, teams.collect(), has_tx, None)
    }

    /// A worker for each queue of ports that steer.
    pub(crate) fn steered(setup: &Setup, Steered { nics, shares }: Steered) -> Self {
        let count = u16::try_from(shares.len()).unwrap();
        let team = |(me, (share, hashing))| {
            Team::new(WorkerIdx(me), count, TEAM_SEED).steered(share, hashing)
        };
        let teams = (0..).zip(shares).map(team).collect();
        Self::with_teams(setup, teams, |_| true, Some(nics))
    }

    fn with_teams(
        setup: &Setup,
        teams: Vec<Team>,
        has_tx: impl Fn(u16) -> bool,
        nics: Option<[Nic; 2]>,
    ) -> Self {
        let now = Tick(5);
        let count = u16::try_from(teams.len()).unwrap();
        let publisher = Publisher::new(setup.snapshot());
        let mut rig = Self {
            workers: Vec::new(),
            nics,
            setup: setup.clone(),
            wires: Vec::new(),
            stats: Vec::new(),
            publisher,
            _controls: Vec::new(),
            now,
            random: 0x1234_5678_9ABC_DEF1,
        };
        let sizes = Sizes {
            flows: setup.flows,
            templates: setup.templates,
            services: Setup::SERVICES,
            real_servers: Setup::REAL_SERVERS,
        };
        let sender = (0..count).find(|worker| has_tx(*worker)).map(WorkerIdx);
        let stats = || Arc::new(WorkerStats::new(Setup::SERVICES, Setup::REAL_SERVERS));
        rig.stats = (0..count).map(|_| stats()).collect();
        for (team, peers) in teams.into_iter().zip(Peers::mesh(count)) {
            let me = team.me().0;
            let wires = Rc::new(RefCell::new(Wires::new()));
            let counted = Counted::of(&rig.stats, usize::from(me));
            let stats = counted.own;
            let seed = 0x5EED + u64::from(me);
            let director = Director::new(sizes, seed, now, Arc::clone(&stats))
                .in_team(team)
                .counting(counted.others);
            let senders = vec![if has_tx(me) { None } else { sender }; 2];
            let io = Io::new(SharedPorts(Rc::clone(&wires)), Arc::clone(&stats));
            let io = io.with_peers(peers, senders);
            let (control, end) = control::rings();
            let reader = rig.publisher.reader();
            rig.workers.push(Worker::new(director, io, reader, end, Arc::clone(&stats)));
            rig.wires.push(wires);
            rig._controls.push(control);
        }
        rig.run();
        rig
    }

    /// The owner of a client's flows.
    pub(crate) fn owner_of_client(&self, client: std::net::SocketAddrV4) -> usize {
        let count = u16::try_from(self.workers.len()).unwrap();
        let team = Team::new(WorkerIdx(0), count, TEAM_SEED);
        team.by_client(*client.ip(), client.port()).index()
    }

    /// A number below `bound`.
    pub(crate) fn random(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    /// Changes the configuration, which workers take up with their next turn.
    pub(crate) fn publish(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        self.setup.generation += 1;
        self.publisher.publish(self.setup.snapshot());
    }

    /// Lets a worker receive `frame`: the one that the port steers it to, or any.
    pub(crate) fn put(&mut self, port: PortIdx, frame: &[u8]) {
        let worker = match &self.nics {
            Some(nics) => usize::from(nics[port.index()].queue_of(frame)),
            None => self.random(self.workers.len()),
        };
        self.put_at(worker, port, frame);
    }

    /// Lets this worker receive `frame`.
    pub(crate) fn put_at(&self, worker: usize, port: PortIdx, frame: &[u8]) {
        self.wires[worker].borrow_mut().put(port, frame);
    }

    /// Sends a request in anywhere; the MAC of the real server that it goes to.
    pub(crate) fn target(&mut self, packet: &PacketSpec) -> Vec<u8> {
        self.put(WAN, &packet.frame());
        let out = self.run();
        let [(LAN, frame)] = out.as_slice() else { panic!("{out:?}") };
        frame[..6].to_vec()
    }

    /// Templates of the first `reals` real servers, without copies.
    pub(crate) fn templates(&self, reals: u32) -> u64 {
        let reals = (0..reals).map(RealId);
        reals.map(|real| self.sum(|stats| stats.real_server(real).unwrap().templates.value())).sum()
    }

    /// Turns one worker once.
    pub(crate) fn turn(&mut self, worker: usize) {
        self.workers[worker].turn(self.now);
    }

    /// Turns the workers until nothing more comes of it; returns the IPv4 frames that came out.
    pub(crate) fn run(&mut self) -> Vec<(PortIdx, Vec<u8>)> {
        let mut out = Vec::new();
        loop {
            let before = out.len();
            let mut arp = 0;
            for _ in 0..4 {
                (0..self.workers.len()).for_each(|worker| self.turn(worker));
                arp += self.take_frames(&mut out);
            }
            let waiting = self.wires.iter().any(|wires| wires.borrow().waiting() > 0);
            if out.len() == before && arp == 0 && !waiting {
                break;
            }
        }
        self.assert_books();
        out
    }

    /// Lets some ticks of the clock pass.
    pub(crate) fn pass_ticks(&mut self, ticks: u32) {
        self.now = self.now.after(Ticks(ticks));
    }

    /// Lets a second pass.
    pub(crate) fn pass_s(&mut self, seconds: u32) -> Vec<(PortIdx, Vec<u8>)> {
        self.now = self.now.after(Ticks::from_secs(seconds));
        self.run()
    }

    /// Collects what was sent and has any worker receive the answers to ARP requests; returns how
    /// many there were.
    fn take_frames(&mut self, out: &mut Vec<(PortIdx, Vec<u8>)>) -> usize {
        let mut answers = Vec::new();
        for wires in &self.wires {
            let sent = mem::take(&mut wires.borrow_mut().tx);
            for (port, frames) in (0u8..).map(PortIdx).zip(sent) {
                for buf in frames {
                    let frame = buf.bytes().to_vec();
                    let (header, payload) = EthernetHeader::split(&frame).expect("a whole frame");
                    assert_eq!(verify(&frame), Ok(()), "{}", describe(&frame));
                    if header.ether_type() == EtherType::ARP {
                        let request = *ArpPacket::checked(payload).expect("well-formed ARP");
                        if request.operation() == ArpOperation::Request && !request.is_gratuitous()
                        {
                            answers.push((port, request));
                        }
                    } else {
                        out.push((port, frame));
                    }
                }
            }
        }
        for (port, request) in &answers {
            let (address, mac) = (request.target_ip(), mac_of(request.target_ip()));
            let asker = request.sender_mac();
            let reply = ArpPacket::reply(mac, address, asker, request.sender_ip());
            self.put(*port, &arp_frame(asker, mac, &reply));
        }
        answers.len()
    }

    /// Sum over all workers.
    pub(crate) fn sum(&self, count: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.stats.iter().map(|stats| count(stats)).sum()
    }

    /// Packets dropped for `reason`, over all workers.
    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.sum(|stats| stats.dropped(reason).value())
    }

    /// Every packet has one verdict at every worker, and what one hands over another takes over.
    fn assert_books(&self) {
        for stats in &self.stats {
            let came = stats.received.value() + stats.taken_over.value();
            let went = stats.forwarded.value()
                + stats.consumed.value()
                + stats.dropped_total()
                + stats.held.value()
                + stats.handed_over.value();
            assert_eq!(came, went, "{stats:?}");
        }
        let (given, taken) =
            (self.sum(|s| s.handed_over.value()), self.sum(|s| s.taken_over.value()));
        assert_eq!(given, taken);
    }
}
