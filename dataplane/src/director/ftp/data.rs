//! Flows of FTP's data connections, which are there, or expected, before their first packet.
//!
//! An active one is known by both of its keys as soon as the client has said `PORT`: the real
//! server will connect from the port below its own, to the client (NAT) or to a local address and
//! port that stand for it (FULLNAT), and the client sees the port below the vport. So it has a flow
//! at once. Of a passive one the client's port is not known, so it is expected and gets its flow
//! with its first packet.
//!
//! Data connections belong to whichever worker their packets lead to, as all others. Where that is
//! another one than the control connection's, it is told by a note; of a passive one, all workers
//! are. Across workers, nothing ties the data connection's life to the control connection's.

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::flow::{Controller, Direction, Flow, FlowKey, FlowState, Hit, KeyHash, TcpState};
use crate::forward::{ForwardingMode, LOCAL_PORT_COUNT, LOCAL_PORT_MIN};
use crate::ftp::{ActiveEnd, DATA_PORT_MIN, Expectation};
use crate::handover::Handed;
use crate::io::Ports;
use crate::limits::LOCAL_PORT_TRIES;
use crate::ownership::WorkerIdx;
use crate::parse::Transport;
use crate::service::{RealId, RealServer, ServiceKey, VirtualService};
use crate::snapshot::Snapshot;
use crate::time::Tick;
use crate::verdict::DropReason;
use crate::wire::{IpProto, TcpFlags};

use super::super::local::Refusal;
use super::super::state::count_state_change;
use super::super::{Director, Turn};
use super::Control;

/// An active data connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::director) struct ActiveData {
    /// Address and port that the client named.
    pub(in crate::director) client: (Ipv4Addr, u16),
    /// The real server.
    pub(in crate::director) real: RealId,
    /// In FULLNAT what stands for the client: place of the LIP in the service's list, and lport.
    pub(in crate::director) local: (u16, u16),
}

impl<B: PacketBuf> Director<B> {
    /// Makes ready for the real server's connection to the client's `cport`. Returns where the
    /// real server is to connect to; `None`, and counted, if that cannot be.
    pub(super) fn await_active<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        control: &Control<'_>,
        cport: u16,
        said_before: Option<ActiveEnd>,
    ) -> Option<(Ipv4Addr, u16)> {
        let client = (control.flow.request.src_ipv4(), cport);
        let (service, real) = (control.service, control.real);
        let request = active_request(service, client)?;
        let rport = data_rport(service, real)?;
        let owner = self.team.owner(turn.snapshot, &request);
        let (local, end) = if real.mode == ForwardingMode::FullNat {
            // Real servers connect to nobody but whom the control connection comes from.
            let lip = control.flow.reply.dst_ipv4();
            let lport = match said_before {
                Some(end) => Some(end.lport),
                None => self.local_port(turn.snapshot, (real.address, rport), lip, owner),
            };
            let Some((place, lport)) = local_place(service, lip).zip(lport) else {
                self.stats.ftp.no_flow.add(1);
                return None;
            };
            (place, (lip, lport))
        } else {
            (0, client)
        };
        let data = ActiveData { client, real: real.id, local: (local, end.1) };
        if owner == self.team.me() {
            let controller = Controller::Flow(control.idx);
            if !self.open_active(turn.snapshot, &data, controller, turn.now) {
                return None;
            }
        } else {
            turn.io.tell(
                owner,
                Handed::ActiveData {
                    client: client.0,
                    cport,
                    real: real.id,
                    lip: local,
                    lport: end.1,
                },
            );
        }
        self.stats.ftp.announced.add(1);
        Some(end)
    }

    /// An lport at `lip` for an active data connection that `owner` will own. Whether another
    /// worker uses it already is not known here; since all ports come in turn, that is rare, and
    /// the other one refuses it then.
    fn local_port(
        &mut self,
        snapshot: &Snapshot,
        (rip, rport): (Ipv4Addr, u16),
        lip: Ipv4Addr,
        owner: WorkerIdx,
    ) -> Option<u16> {
        for _ in 0..LOCAL_PORT_TRIES {
            self.ftp.cursor = self.ftp.cursor.wrapping_add(1);
            let n = u16::try_from(self.ftp.cursor % LOCAL_PORT_COUNT).ok()?;
            let lport = LOCAL_PORT_MIN.checked_add(n)?;
            let reply = FlowKey::ipv4(IpProto::TCP, rip, rport, lip, lport);
            let is_free = || self.flows.lookup(self.flows.hash(&reply), &reply).is_none();
            if self.team.owner(snapshot, &reply) == owner && (owner != self.team.me() || is_free())
            {
                return Some(lport);
            }
        }
        None
    }

    /// Gives an active data connection its flow; false, and counted, if that cannot be.
    pub(in crate::director) fn open_active(
        &mut self,
        snapshot: &Snapshot,
        data: &ActiveData,
        controller: Controller,
        now: Tick,
    ) -> bool {
        let opened = self.try_open_active(snapshot, data, controller, now).is_some();
        if !opened {
            self.stats.ftp.no_flow.add(1);
        }
        opened
    }

    fn try_open_active(
        &mut self,
        snapshot: &Snapshot,
        data: &ActiveData,
        controller: Controller,
        now: Tick,
    ) -> Option<()> {
        let real = snapshot.real_server(data.real)?;
        let service = snapshot.services.by_id(real.service)?;
        let request = active_request(service, data.client)?;
        let (lip, lport) = match real.mode {
            ForwardingMode::Nat => data.client,
            ForwardingMode::FullNat => {
                (*service.local_addresses.get(usize::from(data.local.0))?, data.local.1)
            }
            ForwardingMode::Dr | ForwardingMode::Tunnel => return None,
        };
        let rport = data_rport(service, real)?;
        let reply = FlowKey::ipv4(IpProto::TCP, real.address, rport, lip, lport);
        let (hash, reply_hash) = (self.flows.hash(&request), self.flows.hash(&reply));
        if let Some(old) = self.flows.lookup(hash, &request) {
            if self.flows.flow(old.flow()).is_some_and(|flow| flow.reply == reply) {
                self.listen_again(snapshot, old, now);
                return Some(());
            }
            self.end_flow(snapshot, old);
        }
        if let Some(older) = self.flows.lookup(reply_hash, &reply) {
            if real.mode == ForwardingMode::FullNat {
                return None;
            }
            // As for all flows of NAT: of two VIPs with one client's port, the newer one counts.
            self.end_flow(snapshot, older);
        }
        let state = TcpState::Listen;
        let life = (now, snapshot.timeouts_of(service.id).tcp(state));
        let ids = (service.id, real.id);
        let flow = Flow::new(request, reply, real.mode, ids, FlowState::Tcp(state), life);
        let idx = self.flows.insert_request(flow, hash).ok()?;
        self.flows.insert_reply(idx, reply_hash).ok()?;
        self.stats.flows.set(self.flows.len() as u64);
        if let Some(real) = self.stats.real_server(real.id) {
            real.inactive.add(1);
        }
        self.load_changed(snapshot, ids.0, ids.1);
        self.link(Hit::new(idx, Direction::Request), controller);
        Some(())
    }

    /// The client has named the end of a data connection that has a flow: it waits again, unless
    /// the connection is under way.
    fn listen_again(&mut self, snapshot: &Snapshot, hit: Hit, now: Tick) {
        let Some(flow) = self.flows.flow_mut(hit.flow()) else { return };
        let (before, after) = (flow.state(), TcpState::Listen);
        let timeout = snapshot.timeouts_of(flow.service).tcp(after);
        if before.is_active() {
            return;
        }
        let real = flow.real;
        if flow.advance((Direction::Reply, now), FlowState::Tcp(after), timeout) {
            self.flows.hasten(hit.flow());
        }
        count_state_change(&self.stats, real, before.is_active(), after.is_active());
    }

    /// Expects the client's connection to the port that its real server has named in a line with
    /// sequence number `seq`.
    pub(super) fn await_passive<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        control: &Control<'_>,
        (l4_port, seq): (u16, u32),
    ) {
        if l4_port < DATA_PORT_MIN {
            return self.stats.ftp.refused.add(1);
        }
        if let Some(record) = self.ftp.controls.get_mut(&control.flow.request) {
            record.answered = Some(seq);
        }
        let (client, real) = (control.flow.request.src_ipv4(), control.real.id);
        // Real servers accept nobody but whom the control connection comes from.
        let lip = local_place(control.service, control.flow.reply.dst_ipv4()).unwrap_or_default();
        let controller = Controller::Flow(control.idx);
        self.expect(turn.snapshot, (client, l4_port), (real, lip, controller), turn.now);
        turn.io.tell_all(|| Handed::PassiveData { client, l4_port, real, lip });
        self.stats.ftp.announced.add(1);
    }

    /// Expects a connection of `client` to a port of the VIP that leads to `real`, in FULLNAT from
    /// the LIP at this place of the service's list.
    pub(in crate::director) fn expect(
        &mut self,
        snapshot: &Snapshot,
        (client, l4_port): (Ipv4Addr, u16),
        (real, lip, controller): (RealId, u16, Controller),
        now: Tick,
    ) {
        let Some(server) = snapshot.real_server(real) else { return };
        let Some(service) = snapshot.services.by_id(server.service) else { return };
        let Some(vip) = service.key.vip() else { return };
        let key = FlowKey::ipv4(IpProto::TCP, client, 0, vip, l4_port);
        let deadline = now.after(snapshot.timeouts_of(service.id).tcp(TcpState::Listen));
        let lip = service.local_addresses.get(usize::from(lip)).copied();
        if self.ftp.expect(key, Expectation { real, lip, controller, deadline }) {
            self.stats.ftp.given_up.add(1);
        }
    }

    /// Opens the flow of a packet that begins an expected data connection; `None` if it does not.
    #[cold]
    #[inline(never)]
    pub(in crate::director) fn open_expected(
        &mut self,
        snapshot: &Snapshot,
        (packet, hash): (&Transport, KeyHash),
        now: Tick,
    ) -> Option<Result<Hit, Refusal>> {
        let opens = packet.flags.contains(TcpFlags::SYN)
            && !packet.flags.intersects(TcpFlags::RST | TcpFlags::ACK);
        if !opens || packet.ip.protocol != IpProto::TCP {
            return None;
        }
        let (client, vip, l4_port) = (packet.ip.src(), packet.ip.dst(), packet.key.dst_port());
        let key = FlowKey::ipv4(IpProto::TCP, client, 0, vip, l4_port);
        let expected = *self.ftp.expected.get(&key)?;
        let real = snapshot.real_server(expected.real)?;
        let service = snapshot.services.by_id(real.service)?;
        if expected.deadline.is_due(now) || !real.mode.sees_replies() {
            return None;
        }
        let real = RealServer { l4_port, ..*real };
        let pool = expected.lip.as_slice();
        if !pool.iter().all(|lip| service.local_addresses.contains(lip)) {
            return None;
        }
        let opened = self.open_uncounted(snapshot, (service, &real, pool), (packet, hash), now);
        match opened {
            Ok(hit) => {
                self.ftp.expected.remove(&key);
                self.link(hit, expected.controller);
            }
            Err(Refusal::Silent(DropReason::FlowTableFull)) => self.stats.ftp.no_flow.add(1),
            Err(_) => {}
        }
        Some(opened)
    }

    /// Hangs a data connection on its control connection.
    fn link(&mut self, data: Hit, controller: Controller) {
        let Some(flow) = self.flows.flow_mut(data.flow()) else { return };
        flow.control = flow.control.by(controller);
        self.stats.ftp.data_flows.add(1);
        let Controller::Flow(control) = controller else { return };
        let Some(key) = self.flows.flow(control).map(|control| control.request) else { return };
        if let Some(record) = self.ftp.controls.get_mut(&key) {
            record.data_flows = record.data_flows.saturating_add(1);
        }
    }
}

/// The port of active data connections beside the port of control connections (RFC 959 section
/// 3.2: the one below).
fn data_port(control: u16) -> Option<u16> {
    control.checked_sub(1).filter(|port| *port > 0)
}

/// The port that a real server's active data connections come from.
fn data_rport(service: &VirtualService, real: &RealServer) -> Option<u16> {
    let ServiceKey::Endpoint { vport, .. } = service.key else { return None };
    data_port(service.with_rport(real, vport).l4_port)
}

/// The key of a client's packets on an active data connection.
fn active_request(service: &VirtualService, client: (Ipv4Addr, u16)) -> Option<FlowKey> {
    let ServiceKey::Endpoint { protocol, vip, vport } = service.key else { return None };
    Some(FlowKey::ipv4(protocol, client.0, client.1, vip, data_port(vport)?))
}

fn local_place(service: &VirtualService, lip: Ipv4Addr) -> Option<u16> {
    let place = service.local_addresses.iter().position(|local| *local == lip)?;
    u16::try_from(place).ok()
}
