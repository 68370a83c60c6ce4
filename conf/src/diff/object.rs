//! The kinds of objects: how each is matched, and what its differences are.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Change, Edit, Field, Subject};
use crate::config::{Config, Port, Service};
use crate::form::{self, Field as Form, Need, Value, list};
use crate::real_server::RealServer;

/// The settings that stand alone.
pub(super) fn settings(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let (before, after) = (form::file(old, Vec::new()), form::file(new, Vec::new()));
    for (old, new) in before.iter().zip(&after) {
        setting(&mut vec![old.key.to_owned()], old, new, changes);
    }
}

/// One setting, or a section of them. Named things and lists of things are compared by kind.
fn setting(path: &mut Vec<String>, old: &Form, new: &Form, changes: &mut Vec<Change>) {
    match (&old.value, &new.value) {
        (Some(Value::Fields(before)), Some(Value::Fields(after))) => {
            for (old, new) in before.iter().zip(after) {
                path.push(old.key.to_owned());
                setting(path, old, new, changes);
                path.pop();
            }
        }
        (Some(Value::Named(_) | Value::Items(_)), _) => {}
        (before, after) if before != after => {
            let field = Field { name: "value".to_owned(), old: old.shown(), new: new.shown() };
            let subject = Subject::Setting(path.clone());
            add(subject, "", Edit::Changed(vec![field]), old.at_start, changes);
        }
        _ => {}
    }
}

/// Rules for marks, in one line each; their order counts, since the first that fits does.
pub(super) fn marks(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let lines = |config: &Config| -> Vec<String> {
        config.marks.iter().map(|rule| rule.describe(&config.ports)).collect()
    };
    let (before, after) = (lines(old), lines(new));
    for (rules, others, edit) in [
        (&after, &before, Edit::Added as fn(_) -> _),
        (&before, &after, Edit::Removed as fn(_) -> _),
    ] {
        for rule in rules.iter().filter(|rule| !others.contains(rule)) {
            add(Subject::Mark(rule.clone()), "", edit(Vec::new()), false, changes);
        }
    }
    let kept = |rules: &[String], others: &[String]| -> Vec<String> {
        rules.iter().filter(|rule| others.contains(rule)).cloned().collect()
    };
    if let Some(order) = order(kept(&before, &after), kept(&after, &before)) {
        let subject = Subject::Setting(vec!["marks".to_owned()]);
        add(subject, "", Edit::Changed(vec![order]), false, changes);
    }
}

/// Ports, by name; their number and order are set up at start.
pub(super) fn ports(old: &[Port], new: &[Port], changes: &mut Vec<Change>) {
    let (before, after) = (by(old, |port| &port.name[..]), by(new, |port| &port.name[..]));
    let names = |ports: &[Port], others: &HashMap<&str, &Port>| -> Vec<String> {
        let names = ports.iter().map(|port| port.name.clone());
        names.filter(|name| others.contains_key(&name[..])).collect()
    };
    if let Some(order) = order(names(old, &after), names(new, &before)) {
        let subject = Subject::Setting(vec!["ports".to_owned()]);
        add(subject, "", Edit::Changed(vec![order]), true, changes);
    }
    let subject = |port: &Port| Subject::Port(port.name.clone());
    for port in new {
        let Some(old) = before.get(&port.name[..]) else {
            add(subject(port), &port.name, came(&form::port(port)), true, changes);
            continue;
        };
        let (before, after) = (form::port(old), form::port(port));
        for (old, new) in before.iter().zip(&after) {
            let path = ["ports", &port.name, old.key].map(str::to_owned);
            setting(&mut path.to_vec(), old, new, changes);
        }
    }
    for port in old.iter().filter(|port| !after.contains_key(&port.name[..])) {
        add(subject(port), &port.name, gone(&form::port(port)), true, changes);
    }
}

/// Routes, by destination. Their order means nothing.
pub(super) fn routes(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let (before, after) = (by(&old.routes, |route| route.to), by(&new.routes, |route| route.to));
    for route in &new.routes {
        let now = form::route(route, &new.ports);
        let edit = match before.get(&route.to) {
            Some(was) => changed(&form::route(was, &old.ports), &now),
            None => Some(came(&now)),
        };
        if let Some(edit) = edit {
            add(Subject::Route(route.to), "", edit, false, changes);
        }
    }
    for route in old.routes.iter().filter(|route| !after.contains_key(&route.to)) {
        let edit = gone(&form::route(route, &old.ports));
        add(Subject::Route(route.to), "", edit, false, changes);
    }
}

/// Services, by what packets are for them. Their order means nothing.
pub(super) fn services(old: &[Service], new: &[Service], changes: &mut Vec<Change>) {
    let (before, after) = (by(old, |one| one.key), by(new, |one| one.key));
    for service in new {
        match before.get(&service.key) {
            // Forms are not made of what stays as it is, which most does.
            Some(old) if *old == service => {}
            Some(old) => one_service(old, service, changes),
            None => whole_service(service, came, changes),
        }
    }
    for service in old.iter().filter(|service| !after.contains_key(&service.key)) {
        whole_service(service, gone, changes);
    }
}

/// A service that comes or goes, with all its real servers.
fn whole_service(service: &Service, edit: fn(&[Form]) -> Edit, changes: &mut Vec<Change>) {
    let fields = edit(&form::service(service));
    add(Subject::Service(service.key), &service.name, fields, false, changes);
    for real in &service.real_servers {
        let fields = edit(&form::real_server(real, service));
        let subject = Subject::RealServer(service.key, real.address);
        add(subject, &service.name, fields, false, changes);
    }
}

/// A service that stays.
fn one_service(old: &Service, new: &Service, changes: &mut Vec<Change>) {
    let (before, after) = (form::service(old), form::service(new));
    let mut fields = Vec::new();
    if old.name != new.name {
        let (old, new) = (Some(old.name.clone()), Some(new.name.clone()));
        fields.push(Field { name: "name".to_owned(), old, new });
    }
    fields.extend(changed(&before, &after).iter().flat_map(Edit::fields).cloned());
    let kept = |reals: &[RealServer], others: &[RealServer]| -> Vec<String> {
        let others = by(others, |real| real.address);
        let kept = reals.iter().filter(|real| others.contains_key(&real.address));
        kept.map(|real| real.address.to_string()).collect()
    };
    let (reals, others) = (&old.real_servers, &new.real_servers);
    fields.extend(order(kept(reals, others), kept(others, reals)));
    if !fields.is_empty() {
        add(Subject::Service(new.key), &new.name, Edit::Changed(fields), false, changes);
    }
    real_servers(old, new, changes);
}

fn real_servers(old: &Service, new: &Service, changes: &mut Vec<Change>) {
    let before = by(&old.real_servers, |real| real.address);
    let after = by(&new.real_servers, |real| real.address);
    for real in &new.real_servers {
        let now = || form::real_server(real, new);
        let edit = match before.get(&real.address) {
            Some(was) if *was == real => None,
            Some(was) => changed(&form::real_server(was, old), &now()),
            None => Some(came(&now())),
        };
        if let Some(edit) = edit {
            let subject = Subject::RealServer(new.key, real.address);
            add(subject, &new.name, edit, false, changes);
        }
    }
    for real in old.real_servers.iter().filter(|real| !after.contains_key(&real.address)) {
        let edit = gone(&form::real_server(real, old));
        add(Subject::RealServer(old.key, real.address), &new.name, edit, false, changes);
    }
}

fn by<'a, K: Eq + Hash, T>(all: &'a [T], key: impl Fn(&'a T) -> K) -> HashMap<K, &'a T> {
    all.iter().map(|one| (key(one), one)).collect()
}

fn add(subject: Subject, name: &str, edit: Edit, needs_restart: bool, changes: &mut Vec<Change>) {
    changes.push(Change { subject, name: name.to_owned(), edit, needs_restart });
}

/// The order of what stays, if it is another.
fn order(old: Vec<String>, new: Vec<String>) -> Option<Field> {
    let shown = |names: Vec<String>| Some(list(names.into_iter()));
    let differs = old != new;
    differs.then(|| Field { name: "order".to_owned(), old: shown(old), new: shown(new) })
}

/// The fields that differ, if any do.
fn changed(old: &[Form], new: &[Form]) -> Option<Edit> {
    let mut fields = Vec::new();
    collect("", old, new, &mut fields);
    (!fields.is_empty()).then_some(Edit::Changed(fields))
}

fn collect(prefix: &str, old: &[Form], new: &[Form], fields: &mut Vec<Field>) {
    for (old, new) in old.iter().zip(new) {
        let name = format!("{prefix}{}", old.key);
        match (&old.value, &new.value) {
            (Some(Value::Fields(before)), Some(Value::Fields(after))) => {
                collect(&format!("{name}."), before, after, fields);
            }
            // What has its default both times follows something else that is told.
            _ if old.need == Need::Default && new.need == Need::Default => {}
            (before, after) if before != after => {
                fields.push(Field { name, old: old.shown(), new: new.shown() });
            }
            _ => {}
        }
    }
}

/// What the file has to say of something that comes.
fn came(form: &[Form]) -> Edit {
    let field = |(name, value)| Field { name, old: None, new: Some(value) };
    Edit::Added(written(form).map(field).collect())
}

/// What the file had to say of something that goes.
fn gone(form: &[Form]) -> Edit {
    let field = |(name, value)| Field { name, old: Some(value), new: None };
    Edit::Removed(written(form).map(field).collect())
}

fn written(form: &[Form]) -> impl Iterator<Item = (String, String)> {
    let said = form.iter().filter(|field| field.is_written());
    said.filter_map(|field| Some((field.key.to_owned(), field.shown()?)))
}
