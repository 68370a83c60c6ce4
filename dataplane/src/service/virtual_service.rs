//! A virtual service: protocol, VIP and vport, and the real servers behind them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{RealId, RealServer, ServiceKey};
use crate::forward::ForwardingMode;
use crate::persistence::Persistence;
use crate::sched::{MaglevEntry, MaglevTable, Schedule};
use crate::wire::IpProto;

/// Number of a service, kept over snapshots for the same protocol, VIP and vport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub u32);

impl ServiceId {
    /// As an index into arrays by service.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A real server in its service's scheduling list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dest {
    /// The real server.
    pub real: RealId,
    /// Its weight.
    pub weight: u32,
    /// Connections at which it takes no more; 0 for no limit.
    pub upper_threshold: u32,
    /// Connections below which it takes new ones again; 0 for three quarters of the upper.
    pub lower_threshold: u32,
}

impl Dest {
    /// Without thresholds.
    #[must_use]
    pub const fn new(real: RealId, weight: u32) -> Self {
        Self { real, weight, upper_threshold: 0, lower_threshold: 0 }
    }
}

/// What reads the payload of a service's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// FTP: data connections find their way ([`crate::ftp`]).
    Ftp,
}

/// Slots for each real server in [`VirtualService::stateless`]: with eight, shares differ by an
/// eighth or so.
const STATELESS_SLOTS: u32 = 8;

/// A virtual service.
#[derive(Clone, Debug)]
pub struct VirtualService {
    /// Its number.
    pub id: ServiceId,
    /// Which packets are for it. One for vport 0 is persistent, and has all ports that no other
    /// service of this VIP and protocol has.
    pub key: ServiceKey,
    /// Real servers in IPVS' list order: the one added last comes first.
    pub dests: Box<[Dest]>,
    /// Which of them a new connection gets.
    pub schedule: Schedule,
    /// LIPs for its real servers in mode FULLNAT, all reachable for these.
    pub local_addresses: Box<[Ipv4Addr]>,
    /// Chooses real servers where there is no room for flows; `None` if none that could do without
    /// one, by DR or TUN, has a weight.
    pub stateless: Option<Arc<MaglevTable>>,
    /// Whether, and how, all connections of a client go to one real server.
    pub persistence: Option<Persistence>,
    /// Who reads the payload of its connections in NAT and FULLNAT.
    pub helper: Option<Helper>,
    /// One-packet scheduling: every UDP datagram is scheduled by itself and leaves no flow.
    pub ops: bool,
}

impl VirtualService {
    /// `real` with the port at which it gets packets to `dst_port`. As in IPVS those of persistent
    /// services keep their port unless the service is for just that one.
    #[inline]
    #[must_use]
    pub fn with_rport(&self, real: &RealServer, dst_port: u16) -> RealServer {
        let is_for_it = match self.key {
            ServiceKey::Endpoint { vport, .. } => vport == dst_port,
            ServiceKey::Mark(_) => self.persistence.is_none(),
        };
        let l4_port = if is_for_it && real.l4_port != 0 { real.l4_port } else { dst_port };
        RealServer { l4_port, ..*real }
    }

    /// The vport that its NAT real servers call clients from, if they do: by calls that persistence
    /// tells apart. As in IPVS not where a service has several ports.
    pub(crate) fn calls_from(&self) -> Option<u16> {
        self.persistence?.engine?;
        let ServiceKey::Endpoint { protocol: IpProto::UDP, vport, .. } = self.key else {
            return None;
        };
        (vport != 0).then_some(vport)
    }

    /// Turns real servers in the order they were configured into IPVS' list order, in which a new
    /// real server is put at the head.
    #[must_use]
    pub fn list_order(added: impl DoubleEndedIterator<Item = Dest>) -> Box<[Dest]> {
        added.rev().collect()
    }

    /// The table for [`Self::stateless`] of a service with these real servers, in list order. Only
    /// those that a flow is not needed for have a part in it.
    #[must_use]
    pub fn stateless_table(ends: &[(MaglevEntry, ForwardingMode)]) -> Option<MaglevTable> {
        let masked = |(entry, mode): &(MaglevEntry, ForwardingMode)| match mode.sees_replies() {
            true => MaglevEntry { weight: 0, ..*entry },
            false => *entry,
        };
        let entries: Vec<_> = ends.iter().map(masked).collect();
        MaglevTable::build(&entries, STATELESS_SLOTS)
    }
}
