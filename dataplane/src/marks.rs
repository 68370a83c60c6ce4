//! Marks, as netfilter's fwmark is to LVS: rules give packets of new flows a mark, and a service
//! can be all packets with a mark.
//!
//! Built by the control thread, read-only on workers. The rules for one destination address are
//! found by it, so that a packet to one VIP does not pay for the rules of all others.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::parse::Transport;
use crate::snapshot::{PortIdx, Subnet};

/// A mark.
pub type Mark = NonZeroU32;

/// A rule: packets that fit all of it get the mark.
#[derive(Clone, Debug)]
pub struct MarkRule {
    /// The mark.
    pub mark: Mark,
    /// IP protocol number; `None` for any.
    pub protocol: Option<u8>,
    /// The port that the packet was received at; `None` for any.
    pub port: Option<PortIdx>,
    /// Where it comes from.
    pub source: Subnet,
    /// Where it goes.
    pub destination: Subnet,
    /// Transport ports it comes from; empty for any.
    pub source_ports: Box<[RangeInclusive<u16>]>,
    /// Transport ports it goes to; empty for any.
    pub destination_ports: Box<[RangeInclusive<u16>]>,
}

impl MarkRule {
    fn fits(&self, packet: &Transport, port: PortIdx) -> bool {
        let key = &packet.key;
        self.protocol.is_none_or(|protocol| protocol == key.protocol())
            && self.port.is_none_or(|wanted| wanted == port)
            && self.source.contains(key.src_ipv4())
            && self.destination.contains(key.dst_ipv4())
            && holds(&self.source_ports, key.src_port())
            && holds(&self.destination_ports, key.dst_port())
    }
}

fn holds(ranges: &[RangeInclusive<u16>], l4_port: u16) -> bool {
    ranges.is_empty() || ranges.iter().any(|range| range.contains(&l4_port))
}

/// Rules with their places in the configuration, in that order.
type Rules = Vec<(usize, MarkRule)>;

/// All rules of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct MarkRules {
    /// Those whose destination is a single address.
    by_address: HashMap<Ipv4Addr, Rules, RandomState>,
    others: Rules,
}

impl MarkRules {
    /// These rules; the first that fits a packet counts.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = MarkRule>) -> Self {
        let mut all = Self::default();
        for (place, rule) in rules.into_iter().enumerate() {
            match rule.destination.single() {
                Some(address) => all.by_address.entry(address).or_default().push((place, rule)),
                None => all.others.push((place, rule)),
            }
        }
        all
    }

    /// The mark of a packet received at `port`.
    #[must_use]
    pub fn mark_of(&self, packet: &Transport, port: PortIdx) -> Option<Mark> {
        if self.by_address.is_empty() && self.others.is_empty() {
            return None;
        }
        let own = self.by_address.get(&packet.key.dst_ipv4()).map_or(&[][..], |rules| rules);
        let first = |rules: &[(usize, MarkRule)]| {
            let found = rules.iter().find(|(_, rule)| rule.fits(packet, port));
            found.map(|(place, rule)| (*place, rule.mark))
        };
        let (own, other) = (first(own), first(&self.others));
        let earlier = own.into_iter().chain(other).min_by_key(|(place, _)| *place);
        earlier.map(|(_, mark)| mark)
    }

    /// Whether a rule for a prefix is for packets to `address`.
    #[must_use]
    pub fn covers(&self, address: Ipv4Addr) -> bool {
        self.others.iter().any(|(_, rule)| rule.destination.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::FlowKey;

    fn packet(protocol: u8, from: (&str, u16), to: (&str, u16)) -> Transport {
        let address = |text: &str| text.parse().unwrap();
        let key = FlowKey::ipv4(protocol, address(from.0), from.1, address(to.0), to.1);
        Transport { key, ..Transport::default() }
    }

    fn subnet(address: &str, prefix_len: u8) -> Subnet {
        Subnet::of(address.parse().unwrap(), prefix_len)
    }

    fn rule(mark: u32, destination: Subnet) -> MarkRule {
        MarkRule {
            mark: Mark::new(mark).unwrap(),
            protocol: None,
            port: None,
            source: subnet("0.0.0.0", 0),
            destination,
            source_ports: Box::default(),
            destination_ports: Box::default(),
        }
    }

    fn mark(rules: &MarkRules, packet: &Transport, port: u8) -> u32 {
        rules.mark_of(packet, PortIdx(port)).map_or(0, Mark::get)
    }

    #[test]
    fn a_packet_has_to_fit_every_condition() {
        let all = MarkRule {
            protocol: Some(6),
            port: Some(PortIdx(1)),
            source: subnet("198.51.100.0", 24),
            source_ports: [1000..=2000].into(),
            destination_ports: [80..=80, 8000..=8099].into(),
            ..rule(7, subnet("192.0.2.10", 32))
        };
        let rules = MarkRules::new([all]);
        let (client, vip) = (("198.51.100.9", 1500), "192.0.2.10");
        assert_eq!(mark(&rules, &packet(6, client, (vip, 80)), 1), 7);
        assert_eq!(mark(&rules, &packet(6, client, (vip, 8099)), 1), 7);
        assert_eq!(mark(&rules, &packet(6, client, (vip, 8100)), 1), 0);
        assert_eq!(mark(&rules, &packet(17, client, (vip, 80)), 1), 0);
        assert_eq!(mark(&rules, &packet(6, client, (vip, 80)), 0), 0);
        assert_eq!(mark(&rules, &packet(6, ("198.51.100.9", 999), (vip, 80)), 1), 0);
        assert_eq!(mark(&rules, &packet(6, ("198.51.101.9", 1500), (vip, 80)), 1), 0);
        assert_eq!(mark(&rules, &packet(6, client, ("192.0.2.11", 80)), 1), 0);
        assert!(!rules.covers("192.0.2.10".parse().unwrap()));
    }

    #[test]
    fn the_first_that_fits_counts_whether_for_an_address_or_a_prefix() {
        let (address, prefix) = (subnet("192.0.2.10", 32), subnet("192.0.2.0", 24));
        let any = packet(6, ("198.51.100.9", 1), ("192.0.2.10", 80));
        assert_eq!(mark(&MarkRules::new([rule(1, address), rule(2, prefix)]), &any, 0), 1);
        let rules = MarkRules::new([rule(2, prefix), rule(1, address)]);
        assert_eq!(mark(&rules, &any, 0), 2);
        assert!(rules.covers("192.0.2.99".parse().unwrap()));
        assert!(!rules.covers("192.0.3.1".parse().unwrap()));
        assert_eq!(mark(&MarkRules::default(), &any, 0), 0);
    }
}
