//! Real servers that can be configured, as in IPVS, and that RVS sends nothing to.

use std::collections::HashSet;
use std::fmt;
use std::net::Ipv4Addr;

use crate::config::Config;
use crate::mark::MarkRule;
use crate::real_server::RealServer;
use crate::tunnel::Tunnel;

/// Why a real server gets no packets at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// Its tunnel is of a type that is not forwarded yet.
    Tunnel(Tunnel),
    /// Its address is the director's own. IPVS calls that `Local` and gives packets to the host's
    /// stack, which a director of RVS does not have.
    Local(Ipv4Addr),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(tunnel) => {
                write!(f, "tunnels of type {} are not forwarded yet", tunnel.kind())
            }
            Self::Local(address) => write!(f, "{address} is an address of the director's own"),
        }
    }
}

/// The addresses that a director answers for: those of its ports, VIPs and local addresses.
#[derive(Debug)]
pub struct OwnAddresses(HashSet<Ipv4Addr>);

impl OwnAddresses {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let ports = config.ports.iter().flat_map(|port| &port.addresses).map(|own| own.addr);
        let vips = config.services.iter().filter_map(|service| service.key.vip());
        let pools = config.services.iter().flat_map(|service| config.pool_of(service));
        let all = ports
            .chain(vips.map(|vip| *vip.ip()))
            .chain(config.marks.iter().filter_map(MarkRule::vip))
            .chain(pools.copied());
        Self(all.collect())
    }

    /// Why a real server gets no packets; `None` if it may get some.
    #[must_use]
    pub fn unusable(&self, real: &RealServer) -> Option<Unusable> {
        let rip = *real.address.ip();
        if rip.is_loopback() || self.0.contains(&rip) {
            return Some(Unusable::Local(rip));
        }
        (real.tunnel != Tunnel::Ipip).then_some(Unusable::Tunnel(real.tunnel))
    }
}
