//! What two configurations differ in, as a list of [`Change`]s.
//!
//! Things are matched by what they are and not by where they stand: ports by name, routes by
//! destination, services by protocol, VIP and vport (or mark), real servers by address and port.
//! The order is that of the file: settings, ports, routes, services, each of these with its real
//! servers; what was removed comes last in its group.
//!
//! Values are compared in their forms (`form/`), which list every field of every object, so none
//! can be forgotten here. The list is empty exactly if the two configurations do the same: if they
//! are equal but for the order of services and routes, which means nothing.

mod object;

use std::net::SocketAddrV4;

use ipnet::Ipv4Net;

use crate::config::{Config, ServiceKey};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is different.
    pub subject: Subject,
    /// The name of the port or service it is or belongs to: the new one, if there is a new one;
    /// empty for others.
    pub name: String,
    /// What became of it.
    pub edit: Edit,
    /// Whether it takes a restart of the daemon, because it concerns what is set up at start.
    pub needs_restart: bool,
}

/// What a [`Change`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A setting, by the keys that lead to it in the file.
    Setting(Vec<String>),
    /// A port, by name.
    Port(String),
    /// A route, by destination.
    Route(Ipv4Net),
    /// A rule that gives packets a mark, in one line.
    Mark(String),
    /// A service.
    Service(ServiceKey),
    /// A real server of a service.
    RealServer(ServiceKey, SocketAddrV4),
}

/// What became of a [`Subject`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Only the new configuration has it, with these values that are no defaults.
    Added(Vec<Field>),
    /// Only the old configuration has it; it had these.
    Removed(Vec<Field>),
    /// Both have it, with these differences; at least one.
    Changed(Vec<Field>),
}

/// A value that is different, in words of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key, or keys with points between, as in `timeouts.tcp`; `value` for a setting, and
    /// `order` for the order in which real servers, ports or rules for marks stand.
    pub name: String,
    /// What it was; `None` for nothing.
    pub old: Option<String>,
    /// What it is to be; `None` for nothing.
    pub new: Option<String>,
}

impl Edit {
    /// Its fields, whatever became of them.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::Added(fields) | Self::Removed(fields) | Self::Changed(fields) => fields,
        }
    }
}

impl Subject {
    /// The keys that lead to it, for settings and ports.
    #[must_use]
    pub fn key_path(&self) -> Vec<String> {
        match self {
            Self::Setting(path) => path.clone(),
            Self::Port(name) => vec!["ports".to_owned(), name.clone()],
            Self::Route(_) => vec!["routes".to_owned()],
            Self::Mark(_) => vec!["marks".to_owned()],
            Self::Service(_) | Self::RealServer(..) => vec!["services".to_owned()],
        }
    }

    /// The service it is about or belongs to.
    #[must_use]
    pub const fn service(&self) -> Option<ServiceKey> {
        match self {
            Self::Service(key) | Self::RealServer(key, _) => Some(*key),
            Self::Setting(_) | Self::Port(_) | Self::Route(_) | Self::Mark(_) => None,
        }
    }
}

/// How many of a kind were added, removed and changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Only in the new configuration.
    pub added: usize,
    /// Only in the old one.
    pub removed: usize,
    /// In both, with differences of its own.
    pub changed: usize,
}

impl Tally {
    /// Counts those of `changes` whose subject `is_meant`.
    pub fn of(changes: &[Change], is_meant: impl Fn(&Subject) -> bool) -> Self {
        let mut tally = Self::default();
        for change in changes.iter().filter(|change| is_meant(&change.subject)) {
            match change.edit {
                Edit::Added(_) => tally.added += 1,
                Edit::Removed(_) => tally.removed += 1,
                Edit::Changed(_) => tally.changed += 1,
            }
        }
        tally
    }

    /// How many they are together.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.added + self.removed + self.changed
    }
}

/// What leads from `old` to `new`; empty if they do the same.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Vec::new();
    object::settings(old, new, &mut changes);
    object::marks(old, new, &mut changes);
    object::ports(&old.ports, &new.ports, &mut changes);
    object::routes(old, new, &mut changes);
    object::services(&old.services, &new.services, &mut changes);
    changes
}

#[cfg(test)]
mod tests;
