//! Settings, ports and routes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::text::{self, list};
use super::{Changes, Edit, Field, Subject};
use crate::config::{Config, Dpdk, InterfaceAddr, Limits, Port, Route, ServiceKey, Timeouts};
use crate::control::{Account, Control, Masquerading, Tcp};
use crate::mark::MarkRule;
use crate::metrics::Metrics;

/// The settings that stand alone.
pub(super) fn settings(old: &Config, new: &Config, changes: &mut Changes) {
    let Config {
        dpdk,
        workers,
        limits,
        timeouts,
        marks,
        ipvs,
        control,
        local_addresses,
        metrics,
        // Compared elsewhere.
        ports: _,
        routes: _,
        services: _,
    } = old;
    let number = |number: &u32| number.to_string();

    let Dpdk { memory_mib, eal_args } = dpdk;
    let mib = |mib: &u32| format!("{mib}M");
    changes.setting(&["dpdk", "memory"], true, (memory_mib, &new.dpdk.memory_mib), mib);
    changes.setting(&["dpdk", "eal_args"], true, (eal_args, &new.dpdk.eal_args), |a| list(a));
    changes.setting(&["workers"], true, (workers, &new.workers), |workers| list(workers));

    let Limits { flows, templates, services, real_servers } = limits;
    changes.setting(&["limits", "flows"], true, (flows, &new.limits.flows), number);
    changes.setting(&["limits", "templates"], true, (templates, &new.limits.templates), number);
    changes.setting(&["limits", "services"], true, (services, &new.limits.services), number);
    let reals = (real_servers, &new.limits.real_servers);
    changes.setting(&["limits", "real_servers"], true, reals, number);

    let Timeouts { tcp_s, tcp_fin_s, udp_s } = timeouts;
    let seconds = |seconds: &u32| format!("{seconds}s");
    changes.setting(&["timeouts", "tcp"], false, (tcp_s, &new.timeouts.tcp_s), seconds);
    changes.setting(&["timeouts", "tcp_fin"], false, (tcp_fin_s, &new.timeouts.tcp_fin_s), seconds);
    changes.setting(&["timeouts", "udp"], false, (udp_s, &new.timeouts.udp_s), seconds);

    let describe = |rules: &[MarkRule], ports: &[Port]| -> Vec<String> {
        rules.iter().map(|rule| rule.describe(ports)).collect()
    };
    let rules = (describe(marks, &old.ports), describe(&new.marks, &new.ports));
    changes.setting(&["marks"], false, (&rules.0, &rules.1), |rules| list(rules));
    super::ipvs::ipvs(ipvs, &new.ipvs, changes);

    let pool = (local_addresses, &new.local_addresses);
    changes.setting(&["local_addresses"], false, pool, |pool| text::addresses(pool));

    access(control, &new.control, changes);

    let Metrics { listen, real_servers_max } = metrics;
    let address =
        |at: &Option<SocketAddr>| at.map_or_else(|| "off".to_owned(), |at| at.to_string());
    changes.setting(&["metrics", "listen"], false, (listen, &new.metrics.listen), address);
    let most = |most: &Option<u32>| most.map_or_else(|| "all".to_owned(), |most| most.to_string());
    let mosts = (real_servers_max, &new.metrics.real_servers_max);
    changes.setting(&["metrics", "real_servers"], false, mosts, most);
}

/// How tools reach the daemon.
fn access(old: &Control, new: &Control, changes: &mut Changes) {
    let Control { socket, masquerading, mode, group, admins, tcp } = old;
    let path = |path: &PathBuf| path.display().to_string();
    changes.setting(&["control", "socket"], true, (socket, &new.socket), path);
    let becomes = (masquerading, &new.masquerading);
    let word = |one: &Masquerading| one.mode().as_str().to_owned();
    changes.setting(&["control", "masquerading"], false, becomes, word);
    let octal = |mode: &u32| format!("{mode:04o}");
    changes.setting(&["control", "mode"], true, (mode, &new.mode), octal);
    let name = |group: &Option<Account>| {
        group.as_ref().map_or_else(|| "the daemon's own".to_owned(), Account::to_string)
    };
    changes.setting(&["control", "group"], true, (group, &new.group), name);
    changes.setting(&["control", "admins"], true, (admins, &new.admins), |admins| list(admins));
    let describe = |tcp: &Option<Tcp>| match tcp {
        Some(Tcp { listen, tokens }) => format!("{listen} with {}", tokens.display()),
        None => "off".to_owned(),
    };
    changes.setting(&["control", "tcp"], true, (tcp, &new.tcp), describe);
}

/// Ports, by name.
pub(super) fn ports(old: &[Port], new: &[Port], changes: &mut Changes) {
    let before: HashMap<&str, &Port> = old.iter().map(|port| (port.name.as_str(), port)).collect();
    let after: HashMap<&str, &Port> = new.iter().map(|port| (port.name.as_str(), port)).collect();
    let names = |ports: &[Port], others: &HashMap<&str, &Port>| -> Vec<String> {
        let kept = ports.iter().filter(|port| others.contains_key(port.name.as_str()));
        kept.map(|port| port.name.clone()).collect()
    };
    let order = (&names(old, &after), &names(new, &before));
    changes.setting(&["ports"], true, order, |names| list(names));
    for port in new {
        match before.get(port.name.as_str()) {
            Some(old) => one_port(old, port, changes),
            None => changes.add(Subject::Port(port.name.clone()), Edit::Added, true),
        }
    }
    for port in old.iter().filter(|port| !after.contains_key(port.name.as_str())) {
        changes.add(Subject::Port(port.name.clone()), Edit::Removed, true);
    }
}

/// A port that stays: its addresses may change while it runs.
fn one_port(old: &Port, new: &Port, changes: &mut Changes) {
    let Port { name, device, addresses, mtu, rx_descriptors, tx_descriptors } = old;
    let mut setting = |key, restart, old: &str, new: &str| {
        changes.setting(&["ports", name, key], restart, (old, new), str::to_owned);
    };
    let own = |addresses: &[InterfaceAddr]| {
        list(addresses.iter().map(|own| format!("{}/{}", own.addr, own.prefix_len)))
    };
    setting("device", true, &text::device(device), &text::device(&new.device));
    setting("addresses", false, &own(addresses), &own(&new.addresses));
    for (key, old, new) in [
        ("mtu", mtu, new.mtu),
        ("rx_descriptors", rx_descriptors, new.rx_descriptors),
        ("tx_descriptors", tx_descriptors, new.tx_descriptors),
    ] {
        setting(key, true, &old.to_string(), &new.to_string());
    }
}

/// Routes, by destination.
pub(super) fn routes(old: &Config, new: &Config, changes: &mut Changes) {
    let before: HashMap<_, _> = old.routes.iter().map(|route| (route.to, route)).collect();
    let after: HashMap<_, _> = new.routes.iter().map(|route| (route.to, route)).collect();
    for route in &new.routes {
        let Some(&&Route { to, via, port }) = before.get(&route.to) else {
            changes.add(Subject::Route(route.to), Edit::Added, false);
            continue;
        };
        let mut fields = Vec::new();
        if via != route.via {
            let (old, new) = (via.to_string(), route.via.to_string());
            fields.push(Field { name: "via", old, new });
        }
        let name = |config: &Config, port: usize| {
            config.ports.get(port).map(|port| port.name.clone()).unwrap_or_default()
        };
        // The same gateway can be behind another port when the ports' addresses have changed.
        let (old, new) = (name(old, port), name(new, route.port));
        if old != new {
            fields.push(Field { name: "port", old, new });
        }
        changes.fields(Subject::Route(to), fields);
    }
    for route in old.routes.iter().filter(|route| !after.contains_key(&route.to)) {
        changes.add(Subject::Route(route.to), Edit::Removed, false);
    }
}

impl Subject {
    /// The service it is about or belongs to.
    #[must_use]
    pub const fn service(&self) -> Option<ServiceKey> {
        match self {
            Self::Service(key) | Self::RealServer(key, _) => Some(*key),
            Self::Setting(_) | Self::Port(_) | Self::Route(_) => None,
        }
    }
}
