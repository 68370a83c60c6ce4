//! The steps that every burst goes through: parse all, look up all, then each packet to its end.
//!
//! [`Director::process`] shows the order. Its steps stand in the files of this folder: `relay`
//! for packets of a flow, `state` for where they lead it, `admit` for packets that may open one,
//! `persist` for those whose client's template says the real server, `lend` for templates of
//! other workers, `open` for the flow they open, `one_packet` for datagrams that open none,
//! `call_out` for calls of real servers, `reuse` for flows that a packet does not go on with,
//! `stateless` for packets that find no room for a flow, `local` for packets to the director
//! itself, `icmp` for ICMP, `fragments` for fragments, `ftp` for FTP's control connections,
//! `steer` for packets of other workers' flows, `egress` for the way out, `upkeep` for what time
//! brings about, `sweep` and `defence` for flows
//! that end before their time, `on_request` for those that an operator ends, and `adoption` for
//! taking up a new snapshot.

mod admit;
mod adoption;
mod call_out;
mod defence;
mod egress;
mod fragments;
mod ftp;
mod icmp;
mod lend;
mod local;
mod on_request;
mod one_packet;
mod open;
mod persist;
mod relay;
mod reuse;
mod state;
mod stateless;
mod steer;
mod sweep;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::Arc;

use memory::Pages;

use crate::buf::PacketBuf;
use crate::control::{FlowReport, NeighborReport};
use crate::flow::{Flow, FlowTable, Hit, KeyHash, TemplateIdx};
use crate::forward::LocalPorts;
use crate::fragment::Trains;
use crate::ftp::Helper;
use crate::handover::{Errand, NoteKind, Stage};
use crate::io::{Burst, Io, Ports};
use crate::limits::BURST_LEN_MAX;
use crate::ownership::{Team, WorkerIdx};
use crate::parse::{Parsed, Slip};
use crate::persistence::Templates;
use crate::reject::IcmpBudget;
use crate::sched::{Counted, SchedState};
use crate::snapshot::{PortIdx, Snapshot};
use crate::stats::WorkerStats;
use crate::time::Tick;
use crate::verdict::Verdict;

pub(crate) use on_request::Ended;

use adoption::Adoption;
use defence::Defences;
use egress::Egress;
use open::HalfOpen;
use relay::PathMtu;
use stateless::Shortage;
use sweep::Sweep;

/// One value for each packet of a burst.
type PerPacket<T> = [T; BURST_LEN_MAX];

/// Where the packets of a burst are parsed into.
type Slips = [Slip; BURST_LEN_MAX];

/// How much a director can hold. All of it is allocated at start.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Flows.
    pub flows: u32,
    /// Persistence templates.
    pub templates: u32,
    /// Services: one more than the highest [`ServiceId`](crate::service::ServiceId).
    pub services: usize,
    /// Real servers: one more than the highest [`RealId`](crate::service::RealId).
    pub real_servers: usize,
}

/// What the packets of one turn have in common.
#[derive(Debug)]
pub struct Turn<'a, B, P> {
    /// The configuration in force.
    pub snapshot: &'a Snapshot,
    /// The time.
    pub now: Tick,
    /// The way out.
    pub io: &'a mut Io<B, P>,
}

/// All state of one worker's packet path.
#[derive(Debug)]
pub struct Director<B> {
    flows: FlowTable,
    templates: Templates,
    /// A copy of another worker's template was used or claimed, who is to hear of it.
    due_note: Option<(TemplateIdx, NoteKind)>,
    /// What the packets at hand were handed over for, as far as templates go.
    errand: Option<Errand>,
    half_open: HalfOpen,
    egress: Egress<B>,
    trains: Trains<B>,
    sched: Box<[SchedState]>,
    /// The port that the burst at hand was received at, by whichever worker.
    rx_port: PortIdx,
    /// Where schedulers read connections.
    counted: Counted,
    /// A finished flow whose client has begun anew in this turn; it still counts.
    reopened: Option<Flow>,
    /// Where schedulers' random numbers come from.
    random: u64,
    local_ports: LocalPorts,
    path_mtu: Box<[PathMtu]>,
    icmp_budget: IcmpBudget,
    adoption: Adoption,
    shortage: Shortage,
    defences: Defences,
    sweep: Sweep,
    /// Whether states and timeouts may be other than those of most configurations.
    unusual: bool,
    last_tick: Tick,
    /// The time of this turn.
    now: Tick,
    /// Identification of the next tunnel packet that may be fragmented.
    next_ip_id: u16,
    /// Taken while a burst is processed.
    slips: Option<Box<Slips>>,
    team: Team,
    /// The FTP helper.
    ftp: Helper,
    stats: Arc<WorkerStats>,
}

impl<B: PacketBuf> Director<B> {
    /// A director without flows, counting into `stats`. `seed` should be random: it keys the
    /// flow hash and says where local ports start.
    #[must_use]
    pub fn new(sizes: Sizes, seed: u64, now: Tick, stats: Arc<WorkerStats>) -> Self {
        let flows = FlowTable::new(sizes.flows, seed, now);
        stats.flow_capacity.set(flows.capacity() as u64);
        let templates = Templates::new(sizes.templates, seed.rotate_left(29), now);
        stats.template_capacity.set(templates.capacity() as u64);
        Self {
            flows,
            templates,
            due_note: None,
            errand: None,
            half_open: HalfOpen::default(),
            egress: Egress::new(Arc::clone(&stats)),
            trains: Trains::new(now),
            rx_port: PortIdx(0),
            sched: vec![SchedState::default(); sizes.services].into_boxed_slice(),
            local_ports: LocalPorts::new(sizes.real_servers, seed),
            path_mtu: vec![PathMtu::default(); sizes.real_servers].into_boxed_slice(),
            icmp_budget: IcmpBudget::new(now),
            adoption: Adoption::new(sizes.services),
            shortage: Shortage::default(),
            defences: Defences::default(),
            sweep: Sweep::default(),
            unusual: false,
            last_tick: now,
            now,
            next_ip_id: 0,
            slips: Some(Box::default()),
            team: Team::alone(),
            counted: Counted::alone(Arc::clone(&stats)),
            reopened: None,
            random: seed | 1,
            ftp: Helper::new(seed),
            stats,
        }
    }

    /// Makes this one of several workers.
    #[must_use]
    pub fn in_team(mut self, team: Team) -> Self {
        self.local_ports.set_share(team.share().clone());
        self.egress.announces = team.me() == WorkerIdx(0);
        self.team = team;
        self
    }

    /// Has schedulers that look at connections see those of the other workers, too.
    #[must_use]
    pub fn counting(mut self, others: Arc<[Arc<WorkerStats>]>) -> Self {
        self.counted.others = others;
        self
    }

    /// Takes a burst received on `port` to the end of its journey.
    #[inline]
    pub fn process<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        burst: &mut Burst<B>,
    ) {
        self.process_stage(turn, port, burst, Stage::Received);
    }

    /// [`Self::process`] for packets of which `stage` is known.
    #[inline(always)]
    fn process_stage<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        burst: &mut Burst<B>,
        stage: Stage,
    ) {
        let Some(mut slips) = self.slips.take() else { return };
        (self.rx_port, self.now) = (port, turn.now);
        parse_all(turn.snapshot, port, burst, &mut slips);
        let hits = self.look_up_all(&slips[..burst.len()]);
        let steer = turn.io.has_peers() && stage != Stage::Owner;
        for (place, frame) in burst.take().into_iter().enumerate() {
            let (slip, hit) = (&slips[place % BURST_LEN_MAX], hits[place % BURST_LEN_MAX]);
            let frame = if steer && !self.has_flow_of(slip, hit) {
                match self.hand_over(turn, (port, stage), frame, slip.parsed()) {
                    Some(frame) => frame,
                    None => continue,
                }
            } else {
                frame
            };
            let verdict = match slip.transport() {
                Some(packet) => self.transport(turn, frame, packet, hit),
                None => self.handle(turn, port, frame, slip.parsed()),
            };
            self.conclude(verdict);
        }
        self.complete_half_open(turn.snapshot, turn.now);
        self.slips = Some(slips);
    }

    /// Finds the flows that the packets probably belong to. Memory is slow and the burst is wide:
    /// each step begins to load what the next one reads, for all packets before any of them.
    #[inline(always)]
    fn look_up_all(&self, slips: &[Slip]) -> PerPacket<Option<Hit>> {
        let mut hashes: PerPacket<_> = [KeyHash::default(); BURST_LEN_MAX];
        for (slip, hash) in slips.iter().zip(&mut hashes) {
            if let Some(packet) = slip.transport() {
                *hash = self.flows.hash(&packet.key);
            }
            self.flows.prefetch_bucket(*hash);
        }
        let mut hits = [None; BURST_LEN_MAX];
        let mut missed = false;
        for (hash, hit) in hashes[..slips.len()].iter().zip(&mut hits) {
            *hit = self.flows.candidate(*hash);
            missed |= hit.is_none();
        }
        if missed {
            self.look_up_second(&hashes[..slips.len()], &mut hits);
        }
        hits
    }

    /// Goes on with the other bucket for those not found in the first.
    #[inline(never)]
    fn look_up_second(&self, hashes: &[KeyHash], hits: &mut PerPacket<Option<Hit>>) {
        for (hash, hit) in hashes.iter().zip(hits) {
            if hit.is_none() {
                *hit = self.flows.second_candidate(*hash);
            }
        }
    }

    /// Anything but a TCP, UDP or SCTP packet with its ports.
    #[inline(never)]
    fn handle<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        port: PortIdx,
        frame: B,
        parsed: Parsed<'_>,
    ) -> Verdict {
        match parsed {
            Parsed::Transport(packet) => self.transport(turn, frame, packet, None),
            Parsed::LaterFragment(ip) => self.later_fragment(turn, port, frame, ip),
            Parsed::Icmp(ip) => self.icmp(turn, frame, ip),
            Parsed::Other(ip) => self.other_protocol(turn, frame, ip),
            Parsed::Arp => self.arp(turn, port, frame),
            Parsed::Bad(reason) => Verdict::Dropped(reason),
        }
    }

    /// Counts a verdict. Packets forwarded and handed over are counted by [`Io`], which knows
    /// whether a port or a ring has taken them.
    #[inline]
    fn conclude(&self, verdict: Verdict) {
        match verdict {
            Verdict::Forwarded | Verdict::HandedOver => {}
            Verdict::Consumed => self.stats.consumed.add(1),
            Verdict::Held => self.stats.held.add(1),
            Verdict::Dropped(reason) => self.stats.dropped(reason).add(1),
        }
    }

    /// The report on the flow at `position` of the table; `None` where there is no flow. Behind
    /// the flows come the templates of this worker. Positions end at [`Self::report_count`].
    #[must_use]
    pub fn flow_report(
        &self,
        snapshot: &Snapshot,
        position: usize,
        now: Tick,
    ) -> Option<FlowReport> {
        if let Some(position) = position.checked_sub(self.flows.capacity()) {
            return self.template_report(snapshot, position, now);
        }
        let flow = self.flows.at(position)?;
        (!flow.deadline().is_due(now)).then(|| FlowReport::of(flow, now))
    }

    /// Where the positions of flows and templates end.
    #[must_use]
    pub fn report_count(&self) -> usize {
        self.flows.capacity() + self.templates.capacity()
    }

    /// Flows the table can hold.
    #[must_use]
    pub fn flow_capacity(&self) -> usize {
        self.flows.capacity()
    }

    /// Bytes of the flow table, all parts together, and the kind of pages it is in.
    #[must_use]
    pub fn flow_memory(&self) -> (usize, Pages) {
        (self.flows.bytes(), self.flows.pages())
    }

    /// The NUMA nodes that the flow table is on; empty if the kernel does not say.
    #[must_use]
    pub fn flow_nodes(&self) -> BTreeSet<u32> {
        self.flows.nodes()
    }

    /// The report on the neighbour at `position`; `None` behind the last.
    #[must_use]
    pub fn neighbor_report(&self, position: usize, now: Tick) -> Option<NeighborReport> {
        self.egress.neighbors.report(position, now)
    }
}

#[inline(always)]
fn parse_all<B: PacketBuf>(
    snapshot: &Snapshot,
    port: PortIdx,
    burst: &mut Burst<B>,
    slips: &mut Slips,
) {
    let mac = snapshot.ports.get(port.index()).map(|port| port.mac).unwrap_or_default();
    for (frame, slip) in burst.iter_mut().zip(slips) {
        slip.fill(frame, mac);
    }
}
