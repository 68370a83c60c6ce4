//! Which services and real servers are meant.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flows::NoSuchService;
use super::{EndsText, ModeWord, ProtocolWord, ServiceName};

/// Only services and real servers for which all of this holds.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(next_help_heading = "Which services")]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServiceFilter {
    /// This one, by its name or as tcp:192.0.2.10:80 or mark:7.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
    /// Of this protocol: tcp, udp, sctp.
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<ProtocolWord>,
    /// With these virtual addresses, and this port.
    #[arg(long, value_name = "NET[:PORT]")]
    vip: Option<EndsText>,
    /// Of packets with this mark.
    #[arg(long, value_name = "N")]
    mark: Option<u32>,
    /// With real servers of this mode, and of these only those: dr, nat, tun, fullnat.
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeWord>,
    /// Of these only the real servers in this network, with this port.
    #[arg(long, value_name = "NET[:PORT]")]
    real: Option<EndsText>,
}

impl ServiceFilter {
    /// The places of the services that are meant.
    pub(crate) fn places(&self, services: &[conf::Service]) -> Result<Vec<usize>, NoSuchService> {
        if let Some(name) = &self.service {
            let place = name.find(services).ok_or_else(|| NoSuchService(name.to_string()))?;
            let service = services.get(place).filter(|service| self.takes(service));
            return Ok(service.map(|_| place).into_iter().collect());
        }
        let places = services.iter().enumerate().filter(|(_, service)| self.takes(service));
        Ok(places.map(|(place, _)| place).collect())
    }

    fn takes(&self, service: &conf::Service) -> bool {
        let key = service.key;
        let is_there = |ends: EndsText| {
            key.vip().is_some_and(|vip| ends.ends().hold(((*vip.ip()).into(), vip.port())))
        };
        self.protocol.is_none_or(|word| Some(word.0) == key.protocol())
            && self.vip.is_none_or(is_there)
            && self.mark.is_none_or(|wanted| Some(wanted) == key.mark().map(conf::Mark::get))
            && (self.mode.is_none() && self.real.is_none()
                || service.real_servers.iter().any(|real| self.has(real)))
    }

    /// Whether a real server of such a service is meant.
    pub(crate) fn has(&self, real: &conf::RealServer) -> bool {
        let end = ((*real.address.ip()).into(), real.address.port());
        self.real.is_none_or(|ends| ends.ends().hold(end))
            && self.mode.is_none_or(|word| word.0.name() == real.mode.as_str())
    }
}
