//! [`Room`]: whether there will be numbers for everything that is accepted.
//!
//! A number is taken from the moment a thing is accepted until the registry frees it, which can be
//! long after it was removed: while flows refer to it. So what counts is everything that is
//! desired or has a number. The registry itself is busy while a snapshot is built; this is kept
//! beside it, thing by thing, and says what the registry would say.

use std::collections::HashSet;
use std::hash::Hash;
use std::net::SocketAddrV4;

use conf::edit::{Draft, EditError, Step, Subject};
use conf::{Limits, ServiceKey};

use crate::identity::Registry;

/// The numbers of services and real servers.
#[derive(Debug)]
pub(super) struct Room {
    services: Ledger<ServiceKey>,
    real_servers: Ledger<(ServiceKey, SocketAddrV4)>,
}

/// The numbers of one kind of thing.
#[derive(Debug)]
struct Ledger<K> {
    limit: &'static str,
    size: u32,
    desired: usize,
    /// Has a number, but is not desired any more.
    held: HashSet<K>,
    /// Is desired, but has no number yet.
    fresh: HashSet<K>,
}

impl<K: Hash + Eq + Copy> Ledger<K> {
    fn new(limit: &'static str, size: u32) -> Self {
        Self { limit, size, desired: 0, held: HashSet::new(), fresh: HashSet::new() }
    }

    /// Takes in what is desired now; if that was held before, `Ok(true)`.
    fn add(&mut self, key: K) -> Result<bool, EditError> {
        let was_held = self.held.remove(&key);
        if !was_held {
            let taken = self.desired + self.held.len();
            if taken >= usize::try_from(self.size).unwrap_or(usize::MAX) {
                let Self { limit, size, .. } = *self;
                return Err(EditError::NoRoom { limit, size, waiting: self.held.len() });
            }
            self.fresh.insert(key);
        }
        self.desired += 1;
        Ok(was_held)
    }

    fn take_back_add(&mut self, key: K, was_held: bool) {
        self.desired -= 1;
        if was_held {
            self.held.insert(key);
        } else {
            self.fresh.remove(&key);
        }
    }

    /// Lets go of what is not desired any more; whether it had no number yet.
    fn remove(&mut self, key: K) -> bool {
        self.desired -= 1;
        let was_fresh = self.fresh.remove(&key);
        if !was_fresh {
            self.held.insert(key);
        }
        was_fresh
    }

    fn take_back_remove(&mut self, key: K, was_fresh: bool) {
        self.desired += 1;
        if was_fresh {
            self.fresh.insert(key);
        } else {
            self.held.remove(&key);
        }
    }

    /// The registry has freed a number.
    fn freed(&mut self, key: K, is_desired: bool) {
        if !self.held.remove(&key) && is_desired {
            // It came back meanwhile, and will need a number again.
            self.fresh.insert(key);
        }
    }
}

impl Room {
    /// The room beside what is desired and what has a number; nothing else may be accepted until
    /// the registry has given all of `draft` its numbers.
    pub(super) fn new(limits: &Limits, draft: &Draft, registry: &Registry) -> Self {
        let mut room = Self {
            services: Ledger::new("services", limits.services),
            real_servers: Ledger::new("real_servers", limits.real_servers),
        };
        room.services.desired = draft.service_count();
        room.real_servers.desired = draft.real_server_count();
        let desired = draft.subjects();
        for subject in registry.all().filter(|subject| !desired.contains(subject)) {
            match subject {
                Subject::Service(key) => drop(room.services.held.insert(key)),
                Subject::RealServer(key, end) => drop(room.real_servers.held.insert((key, end))),
            }
        }
        room
    }

    /// Takes in what came and went, or nothing if there is no room for it.
    pub(super) fn admit(&mut self, steps: &[Step]) -> Result<(), EditError> {
        let mut done = Vec::with_capacity(steps.len());
        for step in steps {
            match self.step(step) {
                Ok(how) => done.push((step, how)),
                Err(error) => {
                    done.into_iter().rev().for_each(|(step, how)| self.take_back(step, how));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<bool, EditError> {
        match *step {
            Step::Added(Subject::Service(key)) => self.services.add(key),
            Step::Added(Subject::RealServer(key, end)) => self.real_servers.add((key, end)),
            Step::Removed(Subject::Service(key)) => Ok(self.services.remove(key)),
            Step::Removed(Subject::RealServer(key, end)) => {
                Ok(self.real_servers.remove((key, end)))
            }
        }
    }

    fn take_back(&mut self, step: &Step, how: bool) {
        match *step {
            Step::Added(Subject::Service(key)) => self.services.take_back_add(key, how),
            Step::Added(Subject::RealServer(key, end)) => {
                self.real_servers.take_back_add((key, end), how);
            }
            Step::Removed(Subject::Service(key)) => self.services.take_back_remove(key, how),
            Step::Removed(Subject::RealServer(key, end)) => {
                self.real_servers.take_back_remove((key, end), how);
            }
        }
    }

    /// The registry is about to give everything that is desired a number.
    pub(super) fn numbered(&mut self) {
        self.services.fresh.clear();
        self.real_servers.fresh.clear();
    }

    /// The registry has freed these numbers.
    pub(super) fn freed(&mut self, freed: &[Subject], draft: &Draft) {
        for subject in freed {
            let is_desired = draft.has(subject);
            match *subject {
                Subject::Service(key) => self.services.freed(key, is_desired),
                Subject::RealServer(key, end) => self.real_servers.freed((key, end), is_desired),
            }
        }
    }
}
