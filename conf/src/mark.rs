//! Marks: what netfilter's fwmark is to LVS. Rules give packets a mark, and a service can be all
//! packets with a mark, such as those to the ports of HTTP and HTTPS.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use ipnet::Ipv4Net;

use crate::config::{Port, Protocol};

/// A mark, 1 to 4294967295.
pub type Mark = NonZeroU32;

/// Which packets of new flows get a mark. A packet fits if it fits every condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRule {
    /// The mark.
    pub mark: Mark,
    /// Transport protocol; `None` for any.
    pub protocol: Option<Protocol>,
    /// Where the packet comes from, host bits zero.
    pub source: Ipv4Net,
    /// Where the packet goes, host bits zero. A single address is a VIP: the director answers for
    /// it. Packets to longer ranges have to be routed to the director.
    pub destination: Ipv4Net,
    /// Ports it comes from; empty for any.
    pub source_ports: Vec<RangeInclusive<u16>>,
    /// Ports it goes to; empty for any.
    pub destination_ports: Vec<RangeInclusive<u16>>,
    /// Index in [`Config::ports`](crate::Config::ports) of the port that it is received at; `None`
    /// for any.
    pub port: Option<usize>,
}

impl MarkRule {
    /// The destination, if it is a single address.
    #[must_use]
    pub fn vip(&self) -> Option<Ipv4Addr> {
        (self.destination.prefix_len() == 32).then(|| self.destination.addr())
    }

    /// The rule in one line, with the names of `ports`.
    #[must_use]
    pub fn describe(&self, ports: &[Port]) -> String {
        let protocol = self.protocol.map(|protocol| format!("{} ", protocol.as_str()));
        let port = self.port.and_then(|index| ports.get(index));
        format!(
            "{} to {}from {}{} to {}{}{}",
            self.mark,
            protocol.unwrap_or_default(),
            self.source,
            shown(&self.source_ports),
            self.destination,
            shown(&self.destination_ports),
            port.map(|port| format!(" at {}", port.name)).unwrap_or_default(),
        )
    }
}

/// Ports behind an address.
fn shown(ports: &[RangeInclusive<u16>]) -> String {
    let range = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    let list: Vec<_> = ports.iter().map(range).collect();
    if list.is_empty() { String::new() } else { format!(":{}", list.join(",")) }
}
