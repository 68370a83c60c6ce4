//! Services and their real servers.

use std::collections::HashMap;
use std::net::SocketAddrV4;

use super::text::{self, addresses, list, persistence_texts};
use super::{Changes, Edit, Field, Subject};
use crate::config::{Service, ServiceKey};
use crate::helper::Helper;
use crate::real_server::RealServer;

type ByAddress<'a> = HashMap<SocketAddrV4, &'a RealServer>;

/// Services, by protocol, VIP and vport. The order of services means nothing.
pub(super) fn services(old: &[Service], new: &[Service], changes: &mut Changes) {
    let before: HashMap<ServiceKey, &Service> = old.iter().map(|one| (one.key, one)).collect();
    let after: HashMap<ServiceKey, &Service> = new.iter().map(|one| (one.key, one)).collect();
    for service in new {
        if let Some(old) = before.get(&service.key) {
            one_service(old, service, changes);
        } else {
            changes.add(Subject::Service(service.key), Edit::Added, false);
            all_real_servers(service, &Edit::Added, changes);
        }
    }
    for service in old.iter().filter(|service| !after.contains_key(&service.key)) {
        changes.add(Subject::Service(service.key), Edit::Removed, false);
        all_real_servers(service, &Edit::Removed, changes);
    }
}

fn all_real_servers(service: &Service, edit: &Edit, changes: &mut Changes) {
    for real in &service.real_servers {
        changes.add(Subject::RealServer(service.key, real.address), edit.clone(), false);
    }
}

/// A service that stays.
fn one_service(old: &Service, new: &Service, changes: &mut Changes) {
    if old == new {
        return;
    }
    let Service {
        name,
        key: _,
        mode,
        scheduler,
        scheduler_flags,
        ops,
        persistence,
        timeouts,
        local_addresses,
        real_servers,
        helper,
    } = old;
    let (before, after) = (by_address(real_servers), by_address(&new.real_servers));
    let mut fields = Vec::new();
    let mut field = |name, differs: bool, old: String, new: String| {
        if differs {
            fields.push(Field { name, old, new });
        }
    };
    field("name", *name != new.name, name.clone(), new.name.clone());
    field("mode", *mode != new.mode, mode.as_str().to_owned(), new.mode.as_str().to_owned());
    let (rr, other) = (scheduler.as_str().to_owned(), new.scheduler.as_str().to_owned());
    field("scheduler", *scheduler != new.scheduler, rr, other);
    let flags = (list(scheduler_flags.names(*scheduler)), {
        list(new.scheduler_flags.names(new.scheduler))
    });
    field("scheduler_flags", *scheduler_flags != new.scheduler_flags, flags.0, flags.1);
    field("ops", *ops != new.ops, ops.to_string(), new.ops.to_string());
    let [old_time, old_mask, old_engine] = persistence_texts(*persistence);
    let [new_time, new_mask, new_engine] = persistence_texts(new.persistence);
    field("persistence", old_time != new_time, old_time, new_time);
    field("persistence_mask", old_mask != new_mask, old_mask, new_mask);
    field("persistence_engine", old_engine != new_engine, old_engine, new_engine);
    let idle = (text::timeouts(timeouts), text::timeouts(&new.timeouts));
    field("timeouts", *timeouts != new.timeouts, idle.0, idle.1);
    let locals = (addresses(local_addresses), addresses(&new.local_addresses));
    field("local_addresses", *local_addresses != new.local_addresses, locals.0, locals.1);
    let helpers = (name_of(*helper), name_of(new.helper));
    field("helper", *helper != new.helper, helpers.0, helpers.1);
    let order = (kept(real_servers, &after), kept(&new.real_servers, &before));
    field("order", order.0 != order.1, list(&order.0), list(&order.1));
    changes.fields(Subject::Service(new.key), fields);
    self::real_servers((&before, &after), old, new, changes);
}

fn name_of(helper: Option<Helper>) -> String {
    helper.map_or("none", Helper::as_str).to_owned()
}

fn by_address(real_servers: &[RealServer]) -> ByAddress<'_> {
    real_servers.iter().map(|real| (real.address, real)).collect()
}

/// The real servers that both have, in the order of this one.
fn kept(real_servers: &[RealServer], others: &ByAddress<'_>) -> Vec<SocketAddrV4> {
    let addresses = real_servers.iter().map(|real| real.address);
    addresses.filter(|address| others.contains_key(address)).collect()
}

fn real_servers(
    (before, after): (&ByAddress<'_>, &ByAddress<'_>),
    old: &Service,
    new: &Service,
    changes: &mut Changes,
) {
    for real in &new.real_servers {
        let subject = Subject::RealServer(new.key, real.address);
        let Some(before) = before.get(&real.address) else {
            changes.add(subject, Edit::Added, false);
            continue;
        };
        changes.fields(subject, real_server((old, before), (new, real)));
    }
    for real in old.real_servers.iter().filter(|real| !after.contains_key(&real.address)) {
        changes.add(Subject::RealServer(old.key, real.address), Edit::Removed, false);
    }
}

/// What differs between a real server and what it was, each with its service. Who goes along with a
/// change of the service's mode does not differ by itself.
fn real_server(old: (&Service, &RealServer), new: (&Service, &RealServer)) -> Vec<Field> {
    let texts = |real: &RealServer| {
        let RealServer {
            address: _,
            mode,
            tunnel,
            weight,
            drain,
            upper_threshold,
            lower_threshold,
        } = real;
        [
            ("mode", mode.as_str().to_owned()),
            ("tunnel", tunnel.to_string()),
            ("weight", weight.to_string()),
            ("drain", drain.to_string()),
            ("upper_threshold", upper_threshold.to_string()),
            ("lower_threshold", lower_threshold.to_string()),
        ]
    };
    let follows = |(service, real): (&Service, &RealServer)| service.mode == real.mode;
    let both_follow = follows(old) && follows(new);
    let both = texts(old.1).into_iter().zip(texts(new.1));
    let differing = both.filter(|((_, old), (_, new))| old != new);
    let fields = differing.map(|((name, old), (_, new))| Field { name, old, new });
    fields.filter(|field| !both_follow || field.name != "mode").collect()
}
