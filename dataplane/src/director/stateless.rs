//! DR and TUN where there is no room for a flow: the real server is computed instead of remembered.
//!
//! A packet that would open a flow in a full table gets the real server that a Maglev table says
//! for its client's address and port, and so does every later packet of its connection: nothing
//! need be remembered as long as the real servers stay the same. Replies do not pass here, so
//! nothing else is lost. Real servers of NAT and FULLNAT cannot do without a flow and have no part
//! in the table: where a service has no others, it refuses.
//!
//! When there is room again such connections still live. So for as long as they may, packets
//! without a flow go on to get the computed real server, and a flow with it; that also goes for new
//! connections, as far as their first packet may be one that is sent again.

use crate::buf::PacketBuf;
use crate::flow::{SctpState, TcpState};
use crate::parse::Transport;
use crate::service::{RealServer, VirtualService};
use crate::snapshot::Snapshot;
use crate::time::{Tick, Ticks};
use crate::wire::{IpProto, TcpFlags};

use super::Director;

/// Other slots that are looked at where a real server takes nothing new.
const TRIES: u32 = 16;

/// When there was no room for a flow last, as far as it still matters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shortage(Option<Tick>);

impl Shortage {
    /// There is no room now.
    pub(super) fn note(&mut self, now: Tick) {
        self.0 = Some(now);
    }

    /// Forgets what no connection can be left of; before the clock wraps.
    pub(super) fn age(&mut self, longest: Ticks, now: Tick) {
        if self.0.is_some_and(|since| now.since(since) > longest) {
            self.0 = None;
        }
    }

    fn was_within(self, span: Ticks, now: Tick) -> bool {
        self.0.is_some_and(|since| now.since(since) <= span)
    }
}

impl<B: PacketBuf> Director<B> {
    /// The real server of a packet without a flow, if it may be of a connection that was opened
    /// when there was no room.
    pub(super) fn computed<'a>(
        &self,
        snapshot: &'a Snapshot,
        service: &VirtualService,
        packet: &Transport,
        now: Tick,
    ) -> Option<&'a RealServer> {
        self.shortage.0?;
        let timeouts = snapshot.timeouts_of(service.id);
        let span = match packet.ip.protocol {
            IpProto::TCP if packet.flags.contains(TcpFlags::SYN) => timeouts.tcp(TcpState::SynRecv),
            IpProto::TCP => timeouts.tcp(TcpState::Established),
            // An INIT is a SYN here.
            IpProto::SCTP if packet.flags.contains(TcpFlags::SYN) => timeouts.sctp(SctpState::Init),
            IpProto::SCTP => timeouts.sctp(SctpState::Established),
            _ => timeouts.udp(),
        };
        if !self.shortage.was_within(span, now) {
            return None;
        }
        compute(snapshot, service, packet)
    }
}

/// The real server that the service's table says.
pub(super) fn compute<'a>(
    snapshot: &'a Snapshot,
    service: &VirtualService,
    packet: &Transport,
) -> Option<&'a RealServer> {
    let table = service.stateless.as_deref()?;
    let (client, cport) = match service.persistence {
        Some(persistence) => (persistence.network_of(packet.key.src_ipv4()), 0),
        None => (packet.key.src_ipv4(), packet.key.src_port()),
    };
    let real = |place: usize| {
        let dest = service.dests.get(place).filter(|dest| dest.weight > 0)?;
        snapshot.real_server(dest.real)
    };
    real(table.place(client, cport)).or_else(|| {
        let may = |place| real(place).is_some();
        real(table.other_place(client, cport, TRIES, may)?)
    })
}
