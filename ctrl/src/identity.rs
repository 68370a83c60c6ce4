//! Stable numbers for services and real servers.
//!
//! The packet path knows both by number only, and counters and flows refer to these numbers. The
//! same key gets the same number for as long as the daemon lives, whatever configurations come and
//! go in between; numbers are never given to another key.

use std::collections::HashMap;
use std::net::SocketAddrV4;

use conf::Protocol;
use dataplane::sched::Scheduler;
use dataplane::service::{Dest, RealId, ServiceId};

/// What makes two services the same service: protocol, VIP and vport.
type ServiceKey = (Protocol, SocketAddrV4);
/// What makes two real servers the same real server: its service, RIP and rport.
type RealKey = (ServiceId, SocketAddrV4);

/// How often what a scheduler looks at has changed.
#[derive(Debug)]
struct Revision {
    number: u32,
    scheduler: Scheduler,
    dests: Box<[Dest]>,
}

/// All numbers given so far.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    services: HashMap<ServiceKey, ServiceId>,
    real_servers: HashMap<RealKey, RealId>,
    revisions: HashMap<ServiceId, Revision>,
}

impl Registry {
    /// The number of a service, given now if it has none.
    pub(crate) fn service(&mut self, protocol: Protocol, vip: SocketAddrV4) -> ServiceId {
        let next = ServiceId(number_of(self.services.len()));
        *self.services.entry((protocol, vip)).or_insert(next)
    }

    /// The number of a real server of a service, given now if it has none.
    pub(crate) fn real_server(&mut self, service: ServiceId, address: SocketAddrV4) -> RealId {
        let next = RealId(number_of(self.real_servers.len()));
        *self.real_servers.entry((service, address)).or_insert(next)
    }

    /// A number that changes whenever the scheduler or its list of real servers does. The first is
    /// 1: 0 is what a worker has before it has seen any.
    pub(crate) fn revision(
        &mut self,
        service: ServiceId,
        scheduler: Scheduler,
        dests: &[Dest],
    ) -> u32 {
        let Some(known) = self.revisions.get_mut(&service) else {
            let first = Revision { number: 1, scheduler, dests: dests.into() };
            self.revisions.insert(service, first);
            return 1;
        };
        if known.scheduler != scheduler || *known.dests != *dests {
            let number = known.number.checked_add(1).unwrap_or(1);
            *known = Revision { number, scheduler, dests: dests.into() };
        }
        known.number
    }

    /// The number of a service that has one.
    pub(crate) fn find_service(&self, protocol: Protocol, vip: SocketAddrV4) -> Option<ServiceId> {
        self.services.get(&(protocol, vip)).copied()
    }

    /// The number of a real server that has one.
    pub(crate) fn find_real_server(
        &self,
        service: ServiceId,
        address: SocketAddrV4,
    ) -> Option<RealId> {
        self.real_servers.get(&(service, address)).copied()
    }

    /// One more than the highest number of a service.
    pub(crate) fn service_count(&self) -> usize {
        self.services.len()
    }

    /// One more than the highest number of a real server.
    pub(crate) fn real_server_count(&self) -> usize {
        self.real_servers.len()
    }
}

/// The number after `count` others. A file of 64 MiB cannot name as many as a `u32` can count.
fn number_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddrV4 {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_key_keeps_its_number_and_another_key_gets_another() {
        let mut registry = Registry::default();
        let web = registry.service(Protocol::Tcp, at("192.0.2.10:80"));
        let udp = registry.service(Protocol::Udp, at("192.0.2.10:80"));
        let tls = registry.service(Protocol::Tcp, at("192.0.2.10:443"));
        assert_eq!([web, udp, tls].map(|id| id.0), [0, 1, 2]);
        assert_eq!(registry.service(Protocol::Udp, at("192.0.2.10:80")), udp);

        let first = registry.real_server(web, at("10.0.0.1:80"));
        let same_address_elsewhere = registry.real_server(tls, at("10.0.0.1:80"));
        assert_ne!(first, same_address_elsewhere);
        assert_eq!(registry.real_server(web, at("10.0.0.1:80")), first);
        assert_eq!((registry.service_count(), registry.real_server_count()), (3, 2));
        assert_eq!(registry.find_service(Protocol::Tcp, at("192.0.2.10:443")), Some(tls));
        assert_eq!(registry.find_real_server(udp, at("10.0.0.1:80")), None);
    }

    #[test]
    fn a_revision_changes_with_the_scheduler_and_the_list_only() {
        let mut registry = Registry::default();
        let id = ServiceId(7);
        let dests = [Dest { real: RealId(1), weight: 1 }, Dest { real: RealId(0), weight: 2 }];
        assert_eq!(registry.revision(id, Scheduler::Rr, &dests), 1);
        assert_eq!(registry.revision(id, Scheduler::Rr, &dests), 1);
        assert_eq!(registry.revision(id, Scheduler::Wrr, &dests), 2);
        let reweighted = dests.map(|dest| Dest { weight: 5, ..dest });
        assert_eq!(registry.revision(id, Scheduler::Wrr, &reweighted), 3);
        assert_eq!(registry.revision(id, Scheduler::Wrr, &reweighted[..1]), 4);
        assert_eq!(registry.revision(ServiceId(8), Scheduler::Wrr, &[]), 1);
    }
}
