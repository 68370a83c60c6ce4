//! [`Draft`]: a checked configuration in parts, which edits change in place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddrV4;
use std::sync::Arc;

use super::address::Addresses;
use super::error::{EditError, in_range};
use super::{Edit, name, real_server};
use crate::config::{Config, Service, ServiceKey, Timeouts};

/// A checked configuration that edits change in place. Clones share what they have in common.
#[derive(Debug, Clone)]
pub struct Draft {
    /// All but the services.
    pub(super) base: Arc<Config>,
    /// In the order of the configuration.
    services: BTreeMap<u64, Entry>,
    places: HashMap<ServiceKey, u64>,
    names: HashMap<String, ServiceKey>,
    next_place: u64,
    real_servers: usize,
    pub(super) addresses: Addresses,
}

/// A service, and what nobody has said about it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) service: Arc<Service>,
    /// The first real server decides on the mode.
    pub(super) mode_open: bool,
}

/// A service or a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A service.
    Service(ServiceKey),
    /// A real server of a service.
    RealServer(ServiceKey, SocketAddrV4),
}

/// What came or went in the course of a list of edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was not there before.
    Added(Subject),
    /// It was there before.
    Removed(Subject),
}

/// A list of edits that was carried out, and how to take it back.
#[derive(Debug, Default)]
pub struct Done {
    base: Option<Arc<Config>>,
    /// Each service as it was, `None` if it was not there.
    before: HashMap<ServiceKey, Option<(u64, Entry)>>,
    steps: Vec<Step>,
}

impl Done {
    /// Whether nothing is different from before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.before.is_empty()
    }

    /// What came and went, in this order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) fn added(&mut self, subject: Subject) {
        self.steps.push(Step::Added(subject));
    }

    pub(super) fn removed(&mut self, subject: Subject) {
        self.steps.push(Step::Removed(subject));
    }
}

/// A list of edits that was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The place in the list, from 0, of the first edit that cannot be done.
    pub index: usize,
    /// Why.
    pub error: EditError,
}

/// What a [`Draft`] holds at one moment. Cheap to take and to clone.
#[derive(Debug, Clone)]
pub struct Desired {
    base: Arc<Config>,
    services: Vec<Arc<Service>>,
}

impl Desired {
    /// The services, in the order of the configuration.
    #[must_use]
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    /// The whole configuration. Takes time in proportion to its size.
    #[must_use]
    pub fn config(&self) -> Config {
        let services = self.services.iter().map(|service| Service::clone(service)).collect();
        Config { services, ..Config::clone(&self.base) }
    }
}

impl Draft {
    /// A configuration in parts. Takes time in proportion to its size.
    #[must_use]
    pub fn new(mut config: Config) -> Self {
        let services = std::mem::take(&mut config.services);
        let mut draft = Self {
            addresses: Addresses::of(&config),
            base: Arc::new(config),
            services: BTreeMap::new(),
            places: HashMap::with_capacity(services.len()),
            names: HashMap::with_capacity(services.len()),
            next_place: 0,
            real_servers: 0,
        };
        for service in services {
            let service = Arc::new(service);
            draft.append(Entry { service, mode_open: false });
        }
        draft
    }

    /// What it holds now.
    #[must_use]
    pub fn desired(&self) -> Desired {
        let services = self.services.values().map(|entry| Arc::clone(&entry.service)).collect();
        Desired { base: Arc::clone(&self.base), services }
    }

    /// All settings but the services.
    #[must_use]
    pub fn base(&self) -> &Config {
        &self.base
    }

    /// The service with this key.
    #[must_use]
    pub fn service(&self, key: ServiceKey) -> Option<&Arc<Service>> {
        self.entry(key).map(|entry| &entry.service)
    }

    /// Whether a service or real server is there. Takes time in proportion to the real servers of
    /// the service.
    #[must_use]
    pub fn has(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Service(key) => self.service(*key).is_some(),
            Subject::RealServer(key, address) => self
                .service(*key)
                .is_some_and(|service| real_server::place_of(service, *address).is_some()),
        }
    }

    /// All services and real servers. Takes time in proportion to their number.
    #[must_use]
    pub fn subjects(&self) -> HashSet<Subject> {
        let mut all = HashSet::with_capacity(self.services.len() + self.real_servers);
        for Entry { service, .. } in self.services.values() {
            all.insert(Subject::Service(service.key));
            let reals = service.real_servers.iter();
            all.extend(reals.map(|real| Subject::RealServer(service.key, real.address)));
        }
        all
    }

    /// The key of the service with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<ServiceKey> {
        self.names.get(name).copied()
    }

    /// How many services there are.
    #[must_use]
    pub fn service_count(&self) -> usize {
        self.services.len()
    }

    /// How many real servers all services have.
    #[must_use]
    pub fn real_server_count(&self) -> usize {
        self.real_servers
    }

    /// Carries out a list of edits, one after the other, all or nothing.
    ///
    /// # Errors
    /// The first edit that cannot be done; nothing is changed then.
    pub fn edit(&mut self, edits: &[Edit]) -> Result<Done, Refused> {
        let mut done = Done::default();
        for (index, edit) in edits.iter().enumerate() {
            if let Err(error) = self.carry_out(edit, &mut done) {
                self.undo(done);
                return Err(Refused { index, error });
            }
        }
        Ok(done)
    }

    /// Takes back the list of edits that was carried out last.
    pub fn undo(&mut self, done: Done) {
        if let Some(base) = done.base {
            self.base = base;
        }
        // All go before any comes back: they may have exchanged their names.
        for key in done.before.keys() {
            self.take(*key);
        }
        for (place, entry) in done.before.into_values().flatten() {
            self.put(place, entry);
        }
    }

    fn carry_out(&mut self, edit: &Edit, done: &mut Done) -> Result<(), EditError> {
        match edit {
            Edit::AddService { key, settings, options } => {
                self.add_service(*key, settings, options, done)
            }
            Edit::EditService { key, settings, options } => {
                self.edit_service(*key, settings, options.as_ref(), done)
            }
            Edit::RemoveService(key) => self.remove_service(*key, done),
            Edit::Flush => {
                let keys: Vec<_> = self.services.values().map(|entry| entry.service.key).collect();
                keys.into_iter().try_for_each(|key| self.remove_service(key, done))
            }
            Edit::AddRealServer(key, real) => self.add_real_server(*key, *real, done),
            Edit::EditRealServer(key, real) => self.edit_real_server(*key, *real, done),
            Edit::PatchRealServer(key, address, patch) => {
                self.patch_real_server(*key, *address, patch, done)
            }
            Edit::RemoveRealServer(key, address) => self.remove_real_server(*key, *address, done),
            Edit::SetTimeouts(timeouts) => self.set_timeouts(*timeouts, done),
        }
    }

    fn set_timeouts(&mut self, wanted: Timeouts, done: &mut Done) -> Result<(), EditError> {
        let now = self.base.timeouts;
        let chosen = |what, wanted, now| match wanted {
            0 => Ok(now),
            seconds => in_range(what, seconds),
        };
        let timeouts = Timeouts {
            tcp_s: chosen("timeout `tcp`", wanted.tcp_s, now.tcp_s)?,
            tcp_fin_s: chosen("timeout `tcp_fin`", wanted.tcp_fin_s, now.tcp_fin_s)?,
            udp_s: chosen("timeout `udp`", wanted.udp_s, now.udp_s)?,
        };
        if timeouts != now {
            done.base.get_or_insert_with(|| Arc::clone(&self.base));
            Arc::make_mut(&mut self.base).timeouts = timeouts;
        }
        Ok(())
    }

    pub(super) fn entry(&self, key: ServiceKey) -> Option<&Entry> {
        self.services.get(self.places.get(&key)?)
    }

    /// A name for a new service.
    pub(super) fn made_name(&self, key: ServiceKey) -> String {
        name::made(key, |name| self.names.contains_key(name))
    }

    /// Adds a service to the end of the list.
    pub(super) fn insert(&mut self, entry: Entry, done: &mut Done) {
        let key = entry.service.key;
        done.before.entry(key).or_insert(None);
        done.added(Subject::Service(key));
        self.append(entry);
    }

    /// Puts a service into the place of the one with the same key.
    pub(super) fn replace(&mut self, entry: Entry, done: &mut Done) {
        if self.entry(entry.service.key) == Some(&entry) {
            return;
        }
        if let Some((place, old)) = self.take(entry.service.key) {
            done.before.entry(entry.service.key).or_insert(Some((place, old)));
            self.put(place, entry);
        }
    }

    /// Removes a service; whether it was there.
    pub(super) fn remove(&mut self, key: ServiceKey, done: &mut Done) -> bool {
        let Some((place, old)) = self.take(key) else { return false };
        for real in &old.service.real_servers {
            done.removed(Subject::RealServer(key, real.address));
        }
        done.removed(Subject::Service(key));
        done.before.entry(key).or_insert(Some((place, old)));
        true
    }

    fn append(&mut self, entry: Entry) {
        let place = self.next_place;
        self.next_place += 1;
        self.put(place, entry);
    }

    fn put(&mut self, place: u64, entry: Entry) {
        let service = &entry.service;
        self.places.insert(service.key, place);
        self.names.insert(service.name.clone(), service.key);
        self.real_servers += service.real_servers.len();
        self.addresses.add(service);
        self.services.insert(place, entry);
    }

    fn take(&mut self, key: ServiceKey) -> Option<(u64, Entry)> {
        let place = self.places.remove(&key)?;
        let entry = self.services.remove(&place)?;
        self.names.remove(&entry.service.name);
        self.real_servers -= entry.service.real_servers.len();
        self.addresses.remove(&entry.service);
        Some((place, entry))
    }
}
