//! What two configurations differ in, as a list of [`Change`]s.
//!
//! Things are matched by what they are and not by where they stand: ports by name, routes by
//! destination, services by protocol, VIP and vport, real servers by address and port. The order is
//! that of the file: settings, ports, routes, services, each of these with its real servers; what
//! was removed comes last in its group.
//!
//! Every comparison takes its value apart field by field, so that a field added to the
//! configuration cannot be forgotten here.

mod ipvs;
mod service;
mod setting;
mod text;

use std::net::SocketAddrV4;

use ipnet::Ipv4Net;

use crate::config::{Config, ServiceKey};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is different.
    pub subject: Subject,
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
    /// A service.
    Service(ServiceKey),
    /// A real server of a service.
    RealServer(ServiceKey, SocketAddrV4),
}

/// What became of a [`Subject`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Only the new configuration has it.
    Added,
    /// Only the old configuration has it.
    Removed,
    /// Both have it, with these differences; at least one.
    Changed(Vec<Field>),
}

/// A value that is different, in words of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key; `value` for a setting, and `order` for the order in which real servers stand.
    pub name: &'static str,
    /// What it was.
    pub old: String,
    /// What it is to be.
    pub new: String,
}

impl Subject {
    /// The keys that lead to it, for settings and ports.
    #[must_use]
    pub fn key_path(&self) -> Vec<String> {
        match self {
            Self::Setting(path) => path.clone(),
            Self::Port(name) => vec!["ports".to_owned(), name.clone()],
            Self::Route(_) => vec!["routes".to_owned()],
            Self::Service(_) | Self::RealServer(..) => vec!["services".to_owned()],
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
                Edit::Added => tally.added += 1,
                Edit::Removed => tally.removed += 1,
                Edit::Changed(_) => tally.changed += 1,
            }
        }
        tally
    }
}

/// What leads from `old` to `new`; empty if they are equal.
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut changes = Changes::default();
    setting::settings(old, new, &mut changes);
    setting::ports(&old.ports, &new.ports, &mut changes);
    setting::routes(old, new, &mut changes);
    service::services(&old.services, &new.services, &mut changes);
    changes.list
}

/// Changes as they are found.
#[derive(Debug, Default)]
struct Changes {
    list: Vec<Change>,
}

impl Changes {
    fn add(&mut self, subject: Subject, edit: Edit, needs_restart: bool) {
        self.list.push(Change { subject, edit, needs_restart });
    }

    /// Adds a change if there are any fields in it.
    fn fields(&mut self, subject: Subject, fields: Vec<Field>) {
        if !fields.is_empty() {
            self.add(subject, Edit::Changed(fields), false);
        }
    }

    /// Adds a change of one setting, if there is one.
    fn setting<T: PartialEq + ?Sized>(
        &mut self,
        path: &[&str],
        needs_restart: bool,
        (old, new): (&T, &T),
        show: impl Fn(&T) -> String,
    ) {
        if old != new {
            let field = Field { name: "value", old: show(old), new: show(new) };
            let path = path.iter().map(|&key| key.to_owned()).collect();
            self.add(Subject::Setting(path), Edit::Changed(vec![field]), needs_restart);
        }
    }
}

#[cfg(test)]
mod tests;
