//! Who has which address, and how it is reached.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::error::{EditError, Role};
use crate::check::{Destinations, not_a_host_of};
use crate::config::{Config, Service};
use crate::mark::MarkRule;
use crate::real_server::ForwardingMode;
use crate::value;

/// How often each address has a role.
#[derive(Debug, Clone, Default)]
struct Counts(HashMap<Ipv4Addr, usize>);

impl Counts {
    fn add(&mut self, address: Ipv4Addr) {
        *self.0.entry(address).or_default() += 1;
    }

    fn remove(&mut self, address: Ipv4Addr) {
        if let Some(count) = self.0.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&address);
            }
        }
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        self.0.contains_key(&address)
    }
}

/// The addresses of a configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses {
    subnets: Vec<Ipv4Net>,
    destinations: Destinations,
    gateways: HashSet<Ipv4Addr>,
    vips: Counts,
    locals: Counts,
}

impl Addresses {
    /// Those of everything but services.
    pub(super) fn of(base: &Config) -> Self {
        let mut all = Self::default();
        for own in base.ports.iter().flat_map(|port| &port.addresses) {
            all.subnets.push(own.subnet());
        }
        for route in &base.routes {
            all.gateways.insert(route.via);
            all.destinations.add(route.to);
        }
        for vip in base.marks.iter().filter_map(MarkRule::vip) {
            all.vips.add(vip);
        }
        base.local_addresses.iter().for_each(|local| all.locals.add(*local));
        all
    }

    /// Takes in those of a service.
    pub(super) fn add(&mut self, service: &Service) {
        service.key.vip().iter().for_each(|vip| self.vips.add(*vip.ip()));
        service.local_addresses.iter().for_each(|local| self.locals.add(*local));
    }

    /// Forgets those of a service that was taken in.
    pub(super) fn remove(&mut self, service: &Service) {
        service.key.vip().iter().for_each(|vip| self.vips.remove(*vip.ip()));
        service.local_addresses.iter().for_each(|local| self.locals.remove(*local));
    }

    /// Whether an address can be a VIP.
    pub(super) fn check_vip(&self, vip: Ipv4Addr) -> Result<(), EditError> {
        if vip.is_loopback() {
            return Ok(());
        }
        self.check_host(Role::Vip, vip)?;
        let taken =
            [(Role::Local, self.locals.has(vip)), (Role::Gateway, self.gateways.contains(&vip))];
        refuse_taken(Role::Vip, vip, taken)
    }

    /// Whether an address can be a local address: replies come to it, so it is in a port's subnet.
    pub(super) fn check_local(&self, local: Ipv4Addr) -> Result<(), EditError> {
        self.check_host(Role::Local, local)?;
        if self.on_link(local).is_none() {
            return Err(EditError::LocalNotOnLink(local));
        }
        let taken =
            [(Role::Vip, self.vips.has(local)), (Role::Gateway, self.gateways.contains(&local))];
        refuse_taken(Role::Local, local, taken)
    }

    /// Whether an address can be that of a real server in this mode. One of the director's own can:
    /// nothing is sent to it ([`crate::OwnAddresses`]).
    pub(super) fn check_real(&self, rip: Ipv4Addr, mode: ForwardingMode) -> Result<(), EditError> {
        if rip.is_loopback() {
            return Ok(());
        }
        self.check_host(Role::RealServer, rip)?;
        if self.on_link(rip).is_some() {
            Ok(())
        } else if !self.destinations.hold(rip) {
            Err(EditError::Unreachable(rip))
        } else if mode == ForwardingMode::Dr {
            Err(EditError::NotOnLink(rip))
        } else {
            Ok(())
        }
    }

    /// Whether a host, and one of its subnet if that is a port's, can have an address.
    fn check_host(&self, role: Role, address: Ipv4Addr) -> Result<(), EditError> {
        if let Some(why) = value::not_a_host(address) {
            return Err(EditError::NotUnicast { role, address, why });
        }
        let Some(subnet) = self.on_link(address) else { return Ok(()) };
        let kind = not_a_host_of(subnet, address);
        kind.map_or(Ok(()), |kind| Err(EditError::NotAHost { role, address, kind, subnet }))
    }

    /// The most specific subnet of a port that holds an address.
    fn on_link(&self, address: Ipv4Addr) -> Option<Ipv4Net> {
        let holding = self.subnets.iter().filter(|subnet| subnet.contains(&address));
        holding.max_by_key(|subnet| subnet.prefix_len()).copied()
    }
}

fn refuse_taken(role: Role, address: Ipv4Addr, taken: [(Role, bool); 2]) -> Result<(), EditError> {
    match taken.into_iter().find(|(_, is_taken)| *is_taken) {
        Some((other, _)) => Err(EditError::AddressConflict { role, address, other }),
        None => Ok(()),
    }
}
