//! One-packet scheduling (`ipvsadm --ops`): every UDP datagram goes to a real server of its own,
//! and no flow is kept. Replies in NAT mode are not translated, as in IPVS.

use crate::buf::PacketBuf;
use crate::flow::{Direction, FlowKey};
use crate::forward::{self, ForwardingMode};
use crate::io::Ports;
use crate::parse::{Ipv4Meta, Transport};
use crate::service::{RealId, RealServer, VirtualService};
use crate::verdict::{DropReason, Verdict};
use crate::wire::IpProto;

use super::relay::Way;
use super::{Director, Turn};

/// Whether a packet to a service is scheduled by itself.
pub(super) fn applies(service: &VirtualService, packet: &Transport) -> bool {
    service.ops && packet.ip.protocol == IpProto::UDP
}

/// Whether a datagram that is scheduled by itself needs no flow to get to this real server. Replies
/// of FULLNAT need one.
pub(super) fn goes_without_flow(real: &RealServer) -> bool {
    real.mode != ForwardingMode::FullNat
}

impl<B: PacketBuf> Director<B> {
    /// Sends a datagram, whole or its first fragment, to `real`, which was chosen for it, at the
    /// rport that it has here.
    pub(super) fn relay_once<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        packet: &Transport,
        real: &RealServer,
    ) -> Verdict {
        self.stats.count_connection((real.service, real.id));
        self.stats.count_closed((real.service, real.id));
        let (ip, key) = (&packet.ip, &packet.key);
        let client = (key.src_ipv4(), key.src_port());
        let target = FlowKey::ipv4(key.protocol(), client.0, client.1, real.address, real.l4_port);
        self.send_once(turn, frame, ip, real, |frame, nic_fills_udp| {
            forward::translate(frame, ip, &target, nic_fills_udp)
        })
    }

    /// Sends a fragment without transport header where the first of its datagram went.
    #[cold]
    pub(super) fn relay_fragment_once<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        ip: &Ipv4Meta,
        real: RealId,
    ) -> Verdict {
        let Some(real) = turn.snapshot.real_server(real) else {
            return Verdict::Dropped(DropReason::RealServerRemoved);
        };
        let target = FlowKey::ipv4(ip.protocol, ip.src(), 0, real.address, 0);
        self.send_once(turn, frame, ip, real, |frame, _| {
            forward::translate_fragment(frame, &target);
            Ok(())
        })
    }

    fn send_once<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        frame: B,
        ip: &Ipv4Meta,
        real: &RealServer,
        translate: impl FnOnce(&mut B, bool) -> Result<(), DropReason>,
    ) -> Verdict {
        let way = match Way::to(real) {
            Ok(way) => way,
            Err(reason) => return Verdict::Dropped(reason),
        };
        self.stats.count_packet((real.service, real.id), Direction::Request, ip.total_len);
        if !real.mode.sees_replies() {
            return self.relay_stateless(turn, frame, ip, &way);
        }
        self.send_translated(turn, way.hop(), frame, ip, translate)
    }
}
