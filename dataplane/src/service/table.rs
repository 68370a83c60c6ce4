//! Protocol, VIP and vport to service: built by the control thread, read-only on workers.

use std::hash::BuildHasher;
use std::net::Ipv4Addr;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{RealId, ServiceId, VirtualService};
use crate::marks::Mark;
use crate::wire::IpProto;

/// FTP's control port.
const FTP: u16 = 21;
/// FTP's data port.
const FTP_DATA: u16 = 20;
/// Ports from here on are free for all, as Linux has it (`ip_unprivileged_port_start`).
const UNPRIVILEGED_MIN: u16 = 1024;

/// What a request is matched against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceKey {
    /// Where it goes.
    Endpoint {
        /// IP protocol number.
        protocol: u8,
        /// VIP.
        vip: Ipv4Addr,
        /// vport.
        vport: u16,
    },
    /// The mark that a rule gave it.
    Mark(Mark),
}

impl ServiceKey {
    /// The packets of a protocol to an address and port.
    #[must_use]
    pub const fn endpoint(protocol: u8, vip: Ipv4Addr, vport: u16) -> Self {
        Self::Endpoint { protocol, vip, vport }
    }

    /// The VIP, unless it is a mark.
    #[must_use]
    pub const fn vip(self) -> Option<Ipv4Addr> {
        match self {
            Self::Endpoint { vip, .. } => Some(vip),
            Self::Mark(_) => None,
        }
    }
}

/// All services of a snapshot, by number and by key.
#[derive(Debug, Default)]
pub struct ServiceTable {
    by_id: Vec<Option<VirtualService>>,
    by_key: HashTable<(ServiceKey, ServiceId)>,
    /// Whether the schedule of any service looks at connections.
    any_counts: bool,
    /// Whether any service is FTP's by its port.
    any_ftp: bool,
    /// Whether any service is for all ports.
    any_for_all_ports: bool,
    /// The place of each real server in its service's list.
    places: Vec<u32>,
    hasher: RandomState,
}

impl ServiceTable {
    /// A table of `services`; of two with the same key or number the later one wins.
    #[must_use]
    pub fn new(services: impl IntoIterator<Item = VirtualService>) -> Self {
        let mut table = Self::default();
        for service in services {
            table.add(service);
        }
        table
    }

    fn add(&mut self, service: VirtualService) {
        let key = service.key;
        let hasher = &self.hasher;
        let hash = hasher.hash_one(key);
        self.any_counts |= service.schedule.loads_of(0).is_some();
        if let ServiceKey::Endpoint { vport, .. } = key {
            self.any_ftp |= vport == FTP;
            self.any_for_all_ports |= vport == 0;
        }
        for (place, dest) in (0..).zip(&service.dests) {
            let index = dest.real.index();
            if self.places.len() <= index {
                self.places.resize(index + 1, 0);
            }
            self.places[index] = place;
        }
        let entry = self.by_key.entry(
            hash,
            |(other, _)| *other == key,
            |(other, _)| hasher.hash_one(other),
        );
        let id = service.id;
        entry.and_modify(|(_, old)| *old = id).or_insert((key, id));
        if self.by_id.len() <= id.index() {
            self.by_id.resize_with(id.index() + 1, || None);
        }
        self.by_id[id.index()] = Some(service);
    }

    /// The service with exactly this protocol, address and port, or this mark.
    #[inline]
    #[must_use]
    pub fn find(&self, key: &ServiceKey) -> Option<&VirtualService> {
        let (_, id) =
            self.by_key.find(self.hasher.hash_one(key), |(candidate, _)| candidate == key)?;
        self.by_id(*id)
    }

    /// The service that a packet is for, in IPVS' order: the one of its port; in TCP the VIP's FTP
    /// service, to which clients connect at other ports for data; the one for all ports.
    #[inline]
    #[must_use]
    pub fn find_for(&self, key: &ServiceKey) -> Option<&VirtualService> {
        self.find(key).or_else(|| self.find_wider(key))
    }

    #[inline(never)]
    fn find_wider(&self, key: &ServiceKey) -> Option<&VirtualService> {
        let ServiceKey::Endpoint { protocol, vip, vport } = *key else { return None };
        let is_data = vport == FTP_DATA || vport >= UNPRIVILEGED_MIN;
        if self.any_ftp
            && protocol == IpProto::TCP
            && is_data
            && let Some(ftp) = self.find(&ServiceKey::endpoint(protocol, vip, FTP))
        {
            // As in IPVS it stands before the service for all ports even if it takes nothing here.
            return Some(ftp).filter(|ftp| ftp.persistence.is_some());
        }
        if !self.any_for_all_ports {
            return None;
        }
        let for_all = self.find(&ServiceKey::endpoint(protocol, vip, 0));
        for_all.filter(|service| service.persistence.is_some())
    }

    /// Whether the schedule of any service looks at connections.
    #[inline]
    #[must_use]
    pub fn any_counts(&self) -> bool {
        self.any_counts
    }

    /// The place of a real server in its service's list.
    #[inline]
    #[must_use]
    pub fn place_of(&self, real: RealId) -> Option<usize> {
        self.places.get(real.index()).map(|place| *place as usize)
    }

    /// The service with this number.
    #[inline]
    #[must_use]
    pub fn by_id(&self, id: ServiceId) -> Option<&VirtualService> {
        self.by_id.get(id.index())?.as_ref()
    }

    /// All services by number.
    pub fn iter(&self) -> impl Iterator<Item = &VirtualService> {
        self.by_id.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::{Schedule, Scheduler};

    fn key(protocol: u8, vip: [u8; 4], vport: u16) -> ServiceKey {
        ServiceKey::endpoint(protocol, vip.into(), vport)
    }

    fn service(id: u32, vport: u16) -> VirtualService {
        VirtualService {
            id: ServiceId(id),
            key: key(6, [192, 0, 2, 10], vport),
            schedule: Schedule::new(Scheduler::Rr, 1, &[], Vec::new),
            dests: Box::default(),
            local_addresses: Box::default(),
            stateless: None,
            persistence: None,
            helper: None,
            ops: false,
        }
    }

    #[test]
    fn services_are_found_by_their_whole_key_and_by_number() {
        let table = ServiceTable::new([service(5, 80), service(2, 443)]);
        let key = key(6, [192, 0, 2, 10], 80);
        assert_eq!(table.find(&key).map(|found| found.id), Some(ServiceId(5)));
        let others = [
            self::key(17, [192, 0, 2, 10], 80),
            self::key(6, [192, 0, 2, 10], 81),
            self::key(6, [192, 0, 2, 11], 80),
            ServiceKey::Mark(Mark::MIN),
        ];
        assert!(others.iter().all(|other| table.find(other).is_none()));
        let https = self::key(6, [192, 0, 2, 10], 443);
        assert_eq!(table.by_id(ServiceId(2)).map(|found| found.key), Some(https));
        assert!(table.by_id(ServiceId(3)).is_none() && table.by_id(ServiceId(9)).is_none());
        assert_eq!(table.iter().map(|one| one.id.0).collect::<Vec<_>>(), [2, 5]);
    }

    #[test]
    fn the_later_of_two_with_the_same_key_wins() {
        let table = ServiceTable::new([service(1, 80), service(2, 80)]);
        let key = key(6, [192, 0, 2, 10], 80);
        assert_eq!(table.find(&key).map(|found| found.id), Some(ServiceId(2)));
    }
}
