//! Which flows and templates a request is about.

use std::net::IpAddr;

use super::FlowReport;
use crate::forward::ForwardingMode;
use crate::service::ServiceId;

/// Addresses and ports that one end of a flow may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The network that its address has to be in.
    pub network: IpAddr,
    /// Bits of the network's prefix; more than an address has are taken as all.
    pub prefix_len: u8,
    /// Its port; `None` for any.
    pub l4_port: Option<u16>,
}

/// Flows, templates, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Both.
    #[default]
    All,
    /// Flows alone.
    Flows,
    /// Persistence templates alone.
    Templates,
}

/// What a flow must be to be among those that are meant; without any of it, all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Flows or templates.
    pub kind: Kind,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// Client.
    pub client: Option<Ends>,
    /// VIP and vport.
    pub virtual_address: Option<Ends>,
    /// LIP and lport; only FULLNAT has them.
    pub local: Option<Ends>,
    /// Real server.
    pub real: Option<Ends>,
    /// Service.
    pub service: Option<ServiceId>,
    /// Forwarding mode.
    pub mode: Option<ForwardingMode>,
    /// Name of the state.
    pub state: Option<&'static str>,
    /// Least time without a packet, in seconds.
    pub idle_s_min: u32,
    /// Least time since it was opened, in seconds; templates have none.
    pub age_s_min: u32,
    /// Least count of packets from the client; templates have none.
    pub packets_min: u32,
}

impl Ends {
    /// Whether an end with this address and port is among them.
    #[must_use]
    pub fn hold(&self, (address, l4_port): (IpAddr, u16)) -> bool {
        let is_in = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let rest = 32_u32.saturating_sub(self.prefix_len.into());
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(rest).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let rest = 128_u32.saturating_sub(self.prefix_len.into());
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(rest).unwrap_or(0) == 0
            }
            _ => false,
        };
        is_in && self.l4_port.is_none_or(|wanted| wanted == l4_port)
    }
}

impl Selection {
    /// All flows and templates.
    pub const ALL: Self = Self {
        kind: Kind::All,
        protocol: None,
        client: None,
        virtual_address: None,
        local: None,
        real: None,
        service: None,
        mode: None,
        state: None,
        idle_s_min: 0,
        age_s_min: 0,
        packets_min: 0,
    };

    /// Whether a flow or template is meant.
    #[must_use]
    pub fn takes(&self, flow: &FlowReport) -> bool {
        let is_kind = match self.kind {
            Kind::All => true,
            Kind::Flows => !flow.is_template,
            Kind::Templates => flow.is_template,
        };
        let held = |ends: Option<Ends>, end| ends.is_none_or(|ends| ends.hold(end));
        is_kind
            && self.protocol.is_none_or(|protocol| protocol == flow.protocol)
            && self.service.is_none_or(|service| service == flow.service)
            && self.mode.is_none_or(|mode| mode == flow.mode)
            && self.state.is_none_or(|state| state == flow.state)
            && held(self.client, flow.client)
            && held(self.virtual_address, flow.virtual_address)
            && held(self.real, flow.real)
            && self.local.is_none_or(|ends| flow.local.is_some_and(|local| ends.hold(local)))
            && flow.idle_s >= self.idle_s_min
            && flow.age_s.unwrap_or(0) >= self.age_s_min
            && flow.packets.unwrap_or(0) >= self.packets_min
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::RealId;

    fn end(text: &str) -> (IpAddr, u16) {
        let end: std::net::SocketAddr = text.parse().unwrap();
        (end.ip(), end.port())
    }

    fn flow() -> FlowReport {
        FlowReport {
            protocol: 6,
            client: end("198.51.100.7:40000"),
            virtual_address: end("192.0.2.10:80"),
            local: Some(end("10.0.0.100:2000")),
            real: end("10.0.0.11:8080"),
            service: ServiceId(3),
            real_id: RealId(4),
            mode: ForwardingMode::FullNat,
            state: "ESTABLISHED",
            expires_s: 900,
            idle_s: 5,
            age_s: Some(100),
            packets: Some(7),
            is_template: false,
        }
    }

    fn ends(network: &str, prefix_len: u8, l4_port: Option<u16>) -> Option<Ends> {
        Some(Ends { network: network.parse().unwrap(), prefix_len, l4_port })
    }

    #[test]
    fn prefixes_are_compared_to_the_bit() {
        for (network, prefix_len, l4_port, expected) in [
            ("198.51.100.7", 32, None, true),
            ("198.51.100.6", 31, Some(40_000), true),
            ("198.51.100.8", 31, None, false),
            ("198.51.100.6", 32, None, false),
            ("0.0.0.0", 0, None, true),
            ("198.51.100.7", 255, Some(40_001), false),
            ("::", 0, None, false),
        ] {
            let client = ends(network, prefix_len, l4_port);
            let taken = Selection { client, ..Selection::ALL }.takes(&flow());
            assert_eq!(taken, expected, "{network}/{prefix_len}");
        }
        let six = Ends { network: "2001:db8::".parse().unwrap(), prefix_len: 32, l4_port: None };
        assert!(six.hold(end("[2001:db8::1]:1")) && !six.hold(end("[2001:db9::1]:1")));
    }

    #[test]
    fn every_field_counts_by_itself() {
        let all = Selection::ALL;
        assert!(all.takes(&flow()));
        let other = ends("10.9.9.9", 32, None);
        let refusing = [
            Selection { kind: Kind::Templates, ..all },
            Selection { protocol: Some(17), ..all },
            Selection { client: other, ..all },
            Selection { virtual_address: other, ..all },
            Selection { local: other, ..all },
            Selection { real: other, ..all },
            Selection { service: Some(ServiceId(4)), ..all },
            Selection { mode: Some(ForwardingMode::Nat), ..all },
            Selection { state: Some("FIN_WAIT"), ..all },
            Selection { idle_s_min: 6, ..all },
            Selection { age_s_min: 101, ..all },
            Selection { packets_min: 8, ..all },
        ];
        for selection in refusing {
            assert!(!selection.takes(&flow()), "{selection:?}");
        }
        let exact = Selection {
            kind: Kind::Flows,
            protocol: Some(6),
            local: ends("10.0.0.100", 32, Some(2000)),
            idle_s_min: 5,
            age_s_min: 100,
            packets_min: 7,
            ..all
        };
        assert!(exact.takes(&flow()));
        // What has neither a local end nor an age is not taken where one is asked for.
        let template = FlowReport { local: None, age_s: None, is_template: true, ..flow() };
        assert!(Selection { kind: Kind::Templates, ..all }.takes(&template));
        assert!(!Selection { local: ends("0.0.0.0", 0, None), ..all }.takes(&template));
        assert!(!Selection { age_s_min: 1, ..all }.takes(&template));
    }
}
