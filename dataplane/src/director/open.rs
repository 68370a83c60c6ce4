//! Opening a flow: both keys, its record, and the counts of its service and real server.

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::flow::{
    Direction, Flow, FlowIdx, FlowKey, FlowState, Hit, KeyHash, SctpState, TcpState,
};
use crate::forward::ForwardingMode;
use crate::limits::BURST_LEN_MAX;
use crate::parse::Transport;
use crate::service::{RealServer, VirtualService};
use crate::snapshot::Snapshot;
use crate::time::{Tick, Ticks};
use crate::verdict::DropReason;
use crate::wire::IpProto;

use super::Director;
use super::local::Refusal;

/// A fresh flow holds this long, until its first packet sets its state.
const FRESH_TIMEOUT: Ticks = Ticks::from_secs(3);

/// Flows of this burst whose reply key is not in the table yet.
///
/// Where that key belongs is known when the real server is, and memory takes as long to answer as
/// all else of a new flow. So it is only asked for the bucket then, and the key is put there when
/// the burst has been gone through: no reply can come before.
#[derive(Debug, Default)]
pub(super) struct HalfOpen {
    flows: [Option<Half>; BURST_LEN_MAX],
    len: usize,
}

/// A flow, and the reply key it is to get.
#[derive(Clone, Copy, Debug)]
struct Half {
    flow: FlowIdx,
    reply: FlowKey,
    hash: KeyHash,
}

/// The key that the real server's packets will carry.
enum ReplyKey {
    /// They do not pass here.
    Unseen(FlowKey),
    /// No flow has it.
    Free(FlowKey, KeyHash),
    /// An older flow may have it.
    Unknown(FlowKey, KeyHash),
}

impl<B: PacketBuf> Director<B> {
    /// Makes the flow of a connection to `real`.
    pub(super) fn open(
        &mut self,
        snapshot: &Snapshot,
        (service, real): (&VirtualService, &RealServer),
        (packet, hash): (&Transport, KeyHash),
        now: Tick,
    ) -> Result<Hit, Refusal> {
        let real = &service.with_rport(real, packet.key.dst_port());
        let pool = &service.local_addresses;
        let hit = self.open_uncounted(snapshot, (service, real, pool), (packet, hash), now)?;
        self.stats.count_connection((service.id, real.id));
        if service.helper.is_some()
            && real.mode.sees_replies()
            && let Some(flow) = self.flows.flow_mut(hit.flow())
        {
            flow.control = flow.control.with_helper();
        }
        Ok(hit)
    }

    /// [`Self::open`] for a connection that was not scheduled, so that it is not counted as one.
    /// In FULLNAT it comes from an address of `pool`.
    #[inline(always)]
    pub(super) fn open_uncounted(
        &mut self,
        snapshot: &Snapshot,
        (service, real, pool): (&VirtualService, &RealServer, &[Ipv4Addr]),
        (packet, hash): (&Transport, KeyHash),
        now: Tick,
    ) -> Result<Hit, Refusal> {
        let reply = self.reply_key((real, pool), &packet.key).map_err(Refusal::Silent)?;
        let (ReplyKey::Unseen(key) | ReplyKey::Free(key, _) | ReplyKey::Unknown(key, _)) = reply;
        let state = match packet.ip.protocol {
            IpProto::TCP => FlowState::Tcp(TcpState::None),
            IpProto::SCTP => FlowState::Sctp(SctpState::None),
            _ => FlowState::Udp,
        };
        let ids = (service.id, real.id);
        let flow = Flow::new(packet.key, key, real.mode, ids, state, (now, FRESH_TIMEOUT));
        let full = Refusal::Silent(DropReason::FlowTableFull);
        let flow = self.flows.insert_request(flow, hash).map_err(|_| full)?;
        match reply {
            ReplyKey::Unseen(_) => {}
            ReplyKey::Free(_, hash) => self.flows.insert_reply(flow, hash).map_err(|_| full)?,
            ReplyKey::Unknown(reply, hash) => {
                self.complete_later(snapshot, Half { flow, reply, hash }, now);
            }
        }
        self.stats.flows.set(self.flows.len() as u64);
        if let Some(real) = self.stats.real_server(real.id) {
            real.inactive.add(1);
        }
        self.load_changed(snapshot, ids.0, ids.1);
        Ok(Hit::new(flow, Direction::Request))
    }

    fn reply_key(
        &mut self,
        (real, pool): (&RealServer, &[Ipv4Addr]),
        request: &FlowKey,
    ) -> Result<ReplyKey, DropReason> {
        let protocol = request.protocol();
        let from_real = |dst: Ipv4Addr, dst_port: u16| {
            FlowKey::ipv4(protocol, real.address, real.l4_port, dst, dst_port)
        };
        let to_client = from_real(request.src_ipv4(), request.src_port());
        let flows = &self.flows;
        Ok(match real.mode {
            ForwardingMode::Dr | ForwardingMode::Tunnel => ReplyKey::Unseen(to_client),
            ForwardingMode::Nat => {
                let hash = flows.hash(&to_client);
                flows.prefetch_lookup(hash);
                ReplyKey::Unknown(to_client, hash)
            }
            ForwardingMode::FullNat => {
                let mut hash = KeyHash::default();
                let is_free = |lip, lport| {
                    let key = from_real(lip, lport);
                    hash = flows.hash(&key);
                    flows.lookup(hash, &key).is_none()
                };
                let end = self.local_ports.allocate(real, pool, is_free);
                let (lip, lport) = end.ok_or(DropReason::LocalPortsExhausted)?;
                if let Some((lip, lport)) = self.local_ports.upcoming(real, pool) {
                    flows.prefetch_lookup(flows.hash(&from_real(lip, lport)));
                }
                ReplyKey::Free(from_real(lip, lport), hash)
            }
        })
    }

    fn complete_later(&mut self, snapshot: &Snapshot, half: Half, now: Tick) {
        if self.half_open.len == BURST_LEN_MAX {
            self.complete_half_open(snapshot, now);
        }
        self.half_open.flows[self.half_open.len % BURST_LEN_MAX] = Some(half);
        self.half_open.len += 1;
    }

    /// Puts the reply keys of the burst's new flows where replies find them.
    #[inline(always)]
    pub(super) fn complete_half_open(&mut self, snapshot: &Snapshot, now: Tick) {
        if self.half_open.len > 0 {
            self.complete_all(snapshot, now);
        }
    }

    #[inline(never)]
    fn complete_all(&mut self, snapshot: &Snapshot, now: Tick) {
        for place in 0..std::mem::take(&mut self.half_open.len) {
            if let Some(half) = self.half_open.flows[place % BURST_LEN_MAX] {
                self.complete(snapshot, half, now);
            }
        }
    }

    fn complete(&mut self, snapshot: &Snapshot, half: Half, now: Tick) {
        // A later packet of the burst may have ended it, and even made another in its place.
        if self.flows.flow(half.flow).is_none_or(|flow| flow.reply != half.reply) {
            return;
        }
        // The same client port towards the same real server, through another VIP: the real server
        // can have only one such connection, so the newer one counts.
        if let Some(older) = self.flows.lookup(half.hash, &half.reply) {
            if older.flow() == half.flow {
                return;
            }
            self.end_flow(snapshot, older);
        }
        let Some(flow) = self.flows.flow(half.flow).copied() else { return };
        if self.flows.insert_reply(half.flow, half.hash).is_err() {
            self.shortage.note(now);
            self.stats.flows.set(self.flows.len() as u64);
            self.count_end(snapshot, &flow);
        }
    }
}
