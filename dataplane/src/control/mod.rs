//! What the control thread may ask of a worker, and how the worker answers: two rings of plain
//! values per worker, made at start.
//!
//! A worker handles a bounded piece of a request per turn. It stops writing when the reply ring is
//! full and goes on when the control thread has read it, so a slow reader stalls only itself.

mod selection;

use std::net::{IpAddr, Ipv4Addr};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::flow::{Flow, Key, Tally as _};
use crate::forward::ForwardingMode;
use crate::persistence::Template;
use crate::service::{RealId, ServiceId};
use crate::snapshot::PortIdx;
use crate::time::{Tick, Ticks};
use crate::wire::Mac;

pub use selection::{Ends, Kind, Selection};

const COMMAND_RING_LEN: usize = 16;
const REPORT_RING_LEN: usize = 1024;

/// A request to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Report every flow and template that is meant, then [`Report::End`].
    ListFlows(Selection),
    /// Report how many flows and templates are meant, then [`Report::End`]. Templates that are not
    /// used any more and wait for the flows that they control are among them, though [`EndFlows`]
    /// does not end them.
    ///
    /// [`EndFlows`]: Self::EndFlows
    CountFlows(Selection),
    /// End every flow and template that is meant, and report how many those were, then
    /// [`Report::End`]. Nobody is told: packets that still come have no flow.
    EndFlows(Selection),
    /// Report every neighbour, then [`Report::End`].
    ListNeighbors,
    /// Announce all VIPs again, as after start. There is no answer.
    AnnounceVips,
}

/// One piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A flow.
    Flow(FlowReport),
    /// A neighbour.
    Neighbor(NeighborReport),
    /// How many flows and templates were meant.
    Count(u64),
    /// The answer takes its time, but is under way.
    Underway,
    /// The answer is complete.
    End,
}

/// A flow as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowReport {
    /// IP protocol number.
    pub protocol: u8,
    /// Client.
    pub client: (IpAddr, u16),
    /// VIP and vport.
    pub virtual_address: (IpAddr, u16),
    /// LIP and lport, in FULLNAT only.
    pub local: Option<(IpAddr, u16)>,
    /// Real server.
    pub real: (IpAddr, u16),
    /// Its service.
    pub service: ServiceId,
    /// Its real server's number.
    pub real_id: RealId,
    /// Forwarding mode.
    pub mode: ForwardingMode,
    /// Name of the state.
    pub state: &'static str,
    /// Seconds until it ends if it stays idle, rounded up.
    pub expires_s: u32,
    /// Seconds since its last packet, or since the template was used last.
    pub idle_s: u32,
    /// Seconds since it was opened, below 497 days; `None` of a template.
    pub age_s: Option<u32>,
    /// Packets from the client, up to `u32::MAX`; `None` of a template.
    pub packets: Option<u32>,
    /// Whether it is no flow but a persistence template, listed as IPVS does: the client's network
    /// and port 0, vport and real server's port 0 if it is for all ports, both 65535 if it is not
    /// used any more.
    pub is_template: bool,
}

impl FlowReport {
    /// The report on `flow` at `now`.
    #[must_use]
    pub fn of<K: Key>(flow: &Flow<K>, now: Tick) -> Self {
        let (protocol, client, virtual_address) = flow.request.ends();
        let (_, real, back) = flow.reply.ends();
        Self {
            protocol,
            client,
            virtual_address,
            local: (flow.mode == ForwardingMode::FullNat).then_some(back),
            real,
            service: flow.service,
            real_id: flow.real,
            mode: flow.mode,
            state: flow.state().name(),
            expires_s: flow.deadline().since(now).as_secs_ceil(),
            idle_s: now.since(flow.last_seen).as_secs(),
            age_s: flow.tally.age(now).map(Ticks::as_secs),
            packets: flow.tally.packets(),
            is_template: false,
        }
    }

    /// The report on `template`, whose service has this mode, at `now`.
    #[must_use]
    pub fn of_template(template: &Template, mode: ForwardingMode, now: Tick) -> Self {
        let (protocol, client, _) = template.key().ends();
        let [virtual_address, real] = template.listed_ends();
        Self {
            protocol,
            client,
            virtual_address,
            local: None,
            real,
            service: template.service(),
            real_id: template.real(),
            mode,
            state: template.state_name(),
            expires_s: template.deadline().since(now).as_secs_ceil(),
            idle_s: template.idle(now).as_secs(),
            age_s: None,
            packets: None,
            is_template: true,
        }
    }
}

/// A neighbour as listings show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborReport {
    /// Port it is on.
    pub port: PortIdx,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its MAC, once known.
    pub mac: Option<Mac>,
    /// Name of its state.
    pub state: &'static str,
    /// Seconds since it last answered; 0 if it never did.
    pub confirmed_s_ago: u32,
    /// Packets waiting for it.
    pub waiting: usize,
}

/// The control thread's ends of a worker's rings.
#[derive(Debug)]
pub struct ControlEnd {
    commands: Producer<Command>,
    reports: Consumer<Report>,
}

impl ControlEnd {
    /// Sends a request; `false` if the worker has too many already.
    pub fn request(&mut self, command: Command) -> bool {
        self.commands.push(command).is_ok()
    }

    /// The next piece of the answer, if there is one yet.
    pub fn next_report(&mut self) -> Option<Report> {
        self.reports.pop().ok()
    }
}

/// A worker's ends of its rings.
#[derive(Debug)]
pub struct WorkerEnd {
    commands: Consumer<Command>,
    reports: Producer<Report>,
}

impl WorkerEnd {
    /// The next request.
    pub(crate) fn next_command(&mut self) -> Option<Command> {
        self.commands.pop().ok()
    }

    /// Whether there is room for another report.
    pub(crate) fn has_room(&self) -> bool {
        !self.reports.is_full()
    }

    /// Writes a report; `false` if there was no room.
    pub(crate) fn report(&mut self, report: Report) -> bool {
        self.reports.push(report).is_ok()
    }
}

/// A pair of ends, joined.
#[must_use]
pub fn rings() -> (ControlEnd, WorkerEnd) {
    let (command_in, command_out) = RingBuffer::new(COMMAND_RING_LEN);
    let (report_in, report_out) = RingBuffer::new(REPORT_RING_LEN);
    (
        ControlEnd { commands: command_in, reports: report_out },
        WorkerEnd { commands: command_out, reports: report_in },
    )
}
