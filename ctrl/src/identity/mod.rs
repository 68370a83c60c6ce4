//! Stable numbers for services and real servers.
//!
//! The packet path knows both by number only, and counters and flows refer to these numbers. The
//! same key keeps its number over configurations. When a key is gone its number is used for another
//! one, but only after every worker runs a configuration without it and has no flow of it left
//! (`numbers.rs`). Counters go on counting over that: what they were at the moment is kept as a
//! base, and readers subtract it.

mod departed;
mod numbers;
mod schedules;
mod vips;

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use conf::edit::Subject;
use conf::{Config, ForwardingMode, Limits, MarkRule, Service, ServiceKey};
use dataplane::sched::{MaglevTable, Schedule};
use dataplane::service::{RealId, ServiceId};
use dataplane::snapshot::{AddressUse, Announced};

use crate::api::proto::Traffic;
use departed::Departed;
use numbers::{Numbers, Origin, Previous};
use schedules::Schedules;
pub(crate) use schedules::Wanted;
use vips::VipPlaces;

/// What makes two real servers the same real server: its service, RIP and rport.
type RealKey = (ServiceKey, SocketAddrV4);

/// What the workers tell about numbers.
pub(crate) trait Usage {
    /// The oldest generation that a worker runs. To be asked before the flows.
    fn oldest_generation(&self) -> u64;
    /// Flows and persistence templates of a real server, over all workers.
    fn flows(&self, id: RealId) -> u64;
    /// What has been counted for a real server's number, whoever had it.
    fn real_server(&self, id: RealId) -> Traffic;
    /// What has been counted for a service's number, whoever had it.
    fn service(&self, id: ServiceId) -> Traffic;
}

/// Before there are any workers: no number was ever used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unused;

impl Usage for Unused {
    fn oldest_generation(&self) -> u64 {
        0
    }

    fn flows(&self, _: RealId) -> u64 {
        0
    }

    fn real_server(&self, _: RealId) -> Traffic {
        Traffic::default()
    }

    fn service(&self, _: ServiceId) -> Traffic {
        Traffic::default()
    }
}

/// A configuration's services with their numbers, in its order.
pub(crate) type Named = Vec<NamedService>;

/// A service with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedService {
    pub(crate) id: ServiceId,
    /// What was counted for this number before it was this service's.
    pub(crate) base: Traffic,
    /// Its real servers, in the order of the configuration.
    pub(crate) real_servers: Vec<NamedRealServer>,
}

/// A real server with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedRealServer {
    pub(crate) id: RealId,
    /// What was counted for this number before it was this real server's.
    pub(crate) base: Traffic,
}

/// A configuration needs more numbers than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// The key under `limits`.
    pub(crate) limit: &'static str,
    /// How many do not fit.
    pub(crate) missing: usize,
    /// How many numbers cannot be used yet, because removed ones still have flows.
    pub(crate) retired: usize,
}

/// All numbers given so far.
#[derive(Debug)]
pub(crate) struct Registry {
    services: Numbers<ServiceKey>,
    real_servers: Numbers<RealKey>,
    /// Bases; those that are not here are 0.
    service_bases: HashMap<ServiceId, Traffic>,
    real_bases: HashMap<RealId, Traffic>,
    departed: Departed,
    schedules: Schedules,
    vips: VipPlaces,
}

impl Registry {
    /// Numbers within `limits`, for so many workers.
    pub(crate) fn new(limits: &Limits, workers: usize) -> Self {
        Self {
            services: Numbers::new(limits.services),
            real_servers: Numbers::new(limits.real_servers),
            service_bases: HashMap::new(),
            real_bases: HashMap::new(),
            departed: Departed::default(),
            schedules: Schedules::new(workers),
            vips: VipPlaces::default(),
        }
    }

    /// Frees numbers of what is gone and has no flows any more, which are returned.
    pub(crate) fn release(&mut self, usage: &dyn Usage) -> Vec<Subject> {
        let generation = usage.oldest_generation();
        let (departed, bases) = (&mut self.departed, &self.real_bases);
        let mut freed = Vec::new();
        let is_idle = |_: &_, number| usage.flows(RealId(number)) == 0;
        self.real_servers.release(generation, is_idle, |key, number| {
            let base = bases.get(&RealId(number)).copied().unwrap_or_default();
            departed.note(key, usage.real_server(RealId(number)).since(&base));
            freed.push(Subject::RealServer(key.0, key.1));
        });
        // Flows refer to a service along with one of its real servers.
        let held: HashSet<ServiceKey> =
            self.real_servers.retired().map(|((service, _), _)| *service).collect();
        let is_idle = |key: &ServiceKey, _| !held.contains(key);
        self.services.release(generation, is_idle, |key, _| freed.push(Subject::Service(key)));
        freed
    }

    /// Whether a service or real server has a number, be it in force or retired.
    pub(crate) fn has(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Service(key) => self.services.find(key).is_some(),
            Subject::RealServer(key, address) => {
                self.real_servers.find(&(*key, *address)).is_some()
            }
        }
    }

    /// Everything that has a number, be it in force or retired.
    pub(crate) fn all(&self) -> impl Iterator<Item = Subject> {
        let real_servers = self.real_servers.all();
        let real_servers = real_servers.map(|(key, address)| Subject::RealServer(*key, *address));
        self.services.all().map(|key| Subject::Service(*key)).chain(real_servers)
    }

    /// Whether all of `config` can get numbers. Nothing is changed.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Shortage> {
        let services = self.services.shortage(config.services.iter().map(|service| service.key));
        if services > 0 {
            let retired = self.services.retired_count();
            return Err(Shortage { limit: "services", missing: services, retired });
        }
        let real_servers = config.services.iter().flat_map(|service| {
            service.real_servers.iter().map(|real| (service.key, real.address))
        });
        let missing = self.real_servers.shortage(real_servers);
        if missing > 0 {
            let retired = self.real_servers.retired_count();
            return Err(Shortage { limit: "real_servers", missing, retired });
        }
        Ok(())
    }

    /// Gives all of `config`, which is to be `generation`, its numbers. What it does not have any
    /// more is retired. Something that [`Self::check`] found no number for is left out.
    pub(crate) fn assign(&mut self, config: &Config, generation: u64, usage: &dyn Usage) -> Named {
        let waiting = self.waiting();
        let mut services = self.services.begin();
        let mut real_servers = self.real_servers.begin();
        let named = config.services.iter().filter_map(|service| {
            let waiting = waiting.get(&service.key).map_or(&[][..], Vec::as_slice);
            self.assign_service(service, waiting, (&mut services, &mut real_servers), usage)
        });
        let named = named.collect();
        self.services.settle(services, generation);
        self.real_servers.settle(real_servers, generation);
        named
    }

    /// The numbers of retired real servers, by service.
    fn waiting(&self) -> HashMap<ServiceKey, Vec<RealId>> {
        let mut waiting: HashMap<_, Vec<_>> = HashMap::new();
        for ((service, _), number) in self.real_servers.retired() {
            waiting.entry(*service).or_default().push(RealId(number));
        }
        waiting
    }

    fn assign_service(
        &mut self,
        service: &Service,
        waiting: &[RealId],
        (services, reals): (&mut Previous<ServiceKey>, &mut Previous<RealKey>),
        usage: &dyn Usage,
    ) -> Option<NamedService> {
        let (number, origin) = self.services.keep_or_assign(services, service.key)?;
        let id = ServiceId(number);
        if origin != Origin::Kept {
            // As in IPVS, its real servers begin anew with it.
            self.departed.forget(service.key);
        }
        if matches!(origin, Origin::Returned | Origin::Used) {
            self.service_bases.insert(id, usage.service(id));
            match origin {
                Origin::Returned => self.schedules.begin_anew(id),
                Origin::Kept | Origin::Fresh | Origin::Used => self.schedules.forget(id),
            }
            for real in waiting {
                self.real_bases.insert(*real, usage.real_server(*real));
            }
        }
        let base = self.service_bases.get(&id).copied().unwrap_or_default();
        let mut real_servers = Vec::with_capacity(service.real_servers.len());
        for real in &service.real_servers {
            let key = (service.key, real.address);
            let (number, origin) = self.real_servers.keep_or_assign(reals, key)?;
            let id = RealId(number);
            match origin {
                // One that has come back goes on with its counters.
                Origin::Kept | Origin::Returned => {}
                Origin::Fresh | Origin::Used => {
                    let before = self.departed.recall(key).unwrap_or_default();
                    let is_used = origin == Origin::Used;
                    let now = if is_used { usage.real_server(id) } else { Traffic::default() };
                    self.real_bases.insert(id, now.since(&before));
                }
            }
            let base = self.real_bases.get(&id).copied().unwrap_or_default();
            real_servers.push(NamedRealServer { id, base });
        }
        Some(NamedService { id, base, real_servers })
    }

    /// Has the counters of a service and its real servers begin anew, and notes that in `named`.
    pub(crate) fn zero(&mut self, named: &mut NamedService, usage: &dyn Usage) {
        named.base = usage.service(named.id);
        self.service_bases.insert(named.id, named.base);
        for real in &mut named.real_servers {
            real.base = usage.real_server(real.id);
            self.real_bases.insert(real.id, real.base);
        }
    }

    /// The schedule of a service, and its table for where there is no room for flows.
    pub(crate) fn schedule(
        &mut self,
        service: ServiceId,
        wanted: Wanted,
    ) -> (Schedule, Option<Arc<MaglevTable>>) {
        self.schedules.of(service, wanted)
    }

    /// Takes in the VIPs of `config`, which is to be `generation`; returns the places in which they
    /// are announced.
    pub(crate) fn announced(&mut self, config: &Config, generation: u64) -> Vec<Option<Announced>> {
        let of_marks = || config.marks.iter().filter_map(MarkRule::vip);
        let vips = config.services.iter().filter_map(Service::vip_of_network);
        let vips = vips.chain(of_marks()).collect();
        let places = self.vips.update(&vips, generation);
        let nat = config.services.iter().filter(|service| service.has_mode(ForwardingMode::Nat));
        // The service of a mark may come to be one of NAT.
        self.vips.note_nat(nat.filter_map(Service::vip_of_network).chain(of_marks()));
        places
    }

    /// What a VIP, taken in before, is to the packet path.
    pub(crate) fn vip_use(&self, vip: Ipv4Addr) -> AddressUse {
        if self.vips.has_nat(vip) { AddressUse::NatVip } else { AddressUse::Vip }
    }
}

#[cfg(test)]
mod tests;
