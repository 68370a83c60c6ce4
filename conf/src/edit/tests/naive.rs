//! Edits as everybody would write them, to compare with.

use std::collections::HashSet;

use super::*;
use crate::config::Service;

/// A list of services: no index, no thought, and no rule but whether a thing is there.
#[derive(Debug, Clone)]
pub(super) struct Naive {
    pub(super) config: Config,
    /// Services whose mode is up to their first real server.
    pub(super) open: HashSet<ServiceKey>,
}

impl Naive {
    /// The configuration after an edit, whether right or wrong; `None` if what it is about is
    /// there already or is not there.
    pub(super) fn after(&self, edit: &Edit) -> Option<Self> {
        let mut next = self.clone();
        let services = &mut next.config.services;
        match edit {
            Edit::AddService { key, settings, options } => {
                if find(services, *key).is_some() {
                    return None;
                }
                let made = blank(services, *key, settings, options);
                services.push(made);
                if options.mode.is_none() {
                    next.open.insert(*key);
                }
            }
            Edit::EditService { key, settings, options } => {
                change(find(services, *key)?, settings, options.as_ref());
                if options.as_ref().is_some_and(|options| options.mode.is_some()) {
                    next.open.remove(key);
                }
            }
            Edit::RemoveService(key) => {
                find(services, *key)?;
                services.retain(|service| service.key != *key);
                next.open.remove(key);
            }
            Edit::Flush => {
                services.clear();
                next.open.clear();
            }
            Edit::AddRealServer(key, real) => {
                let service = find(services, *key)?;
                if find_real(service, real.address).is_some() {
                    return None;
                }
                service.real_servers.push(*real);
                if next.open.remove(key) {
                    service.mode = real.mode;
                }
            }
            Edit::EditRealServer(key, real) => {
                let old = find_real(find(services, *key)?, real.address)?;
                *old = RealServer { drain: old.drain, ..*real };
            }
            Edit::PatchRealServer(key, address, patch) => {
                let real = find_real(find(services, *key)?, *address)?;
                patch.weight.iter().for_each(|weight| real.weight = *weight);
                patch.drain.iter().for_each(|drain| real.drain = *drain);
                if patch.mode.is_some_and(|mode| mode != real.mode) {
                    (real.mode, real.tunnel) = (patch.mode?, Tunnel::Ipip);
                }
                patch.tunnel.iter().for_each(|tunnel| real.tunnel = *tunnel);
                patch.upper_threshold.iter().for_each(|upper| real.upper_threshold = *upper);
                patch.lower_threshold.iter().for_each(|lower| real.lower_threshold = *lower);
            }
            Edit::RemoveRealServer(key, address) => {
                let service = find(services, *key)?;
                find_real(service, *address)?;
                service.real_servers.retain(|real| real.address != *address);
            }
            Edit::SetTimeouts(timeouts) => set_timeouts(&mut next.config.timeouts, timeouts),
        }
        Some(next)
    }
}

fn set_timeouts(now: &mut Timeouts, wanted: &Timeouts) {
    for (now, wanted) in [
        (&mut now.tcp_s, wanted.tcp_s),
        (&mut now.tcp_fin_s, wanted.tcp_fin_s),
        (&mut now.udp_s, wanted.udp_s),
    ] {
        *now = if wanted == 0 { *now } else { wanted };
    }
}

fn blank(
    others: &[Service],
    key: ServiceKey,
    settings: &ServiceSettings,
    options: &ServiceOptions,
) -> Service {
    let mode = options.mode.unwrap_or(ForwardingMode::Dr);
    let is_taken = |name: &str| others.iter().any(|service| service.name == name);
    Service {
        name: options.name.clone().unwrap_or_else(|| name::made(key, is_taken)),
        key,
        mode,
        scheduler: settings.scheduler,
        scheduler_flags: settings.scheduler_flags,
        ops: settings.ops,
        persistence: settings.persistence,
        timeouts: options.timeouts,
        local_addresses: options.local_addresses.clone(),
        real_servers: Vec::new(),
        helper: options.helper.unwrap_or_else(|| Helper::of_port(key)),
    }
}

fn change(service: &mut Service, settings: &ServiceSettings, options: Option<&ServiceOptions>) {
    service.scheduler = settings.scheduler;
    service.scheduler_flags = settings.scheduler_flags;
    service.ops = settings.ops;
    service.persistence = settings.persistence;
    if let Some(options) = options {
        service.name = options.name.clone().unwrap_or_else(|| service.name.clone());
        let (old, new) = (service.mode, options.mode.unwrap_or(service.mode));
        service.mode = new;
        for real in &mut service.real_servers {
            if real.mode == old && old != new {
                (real.mode, real.tunnel) = (new, Tunnel::Ipip);
            }
        }
        service.timeouts = options.timeouts;
        service.local_addresses.clone_from(&options.local_addresses);
        let of_port = || Helper::of_port(service.key);
        service.helper = options.helper.unwrap_or_else(of_port);
    }
}

fn find(services: &mut [Service], key: ServiceKey) -> Option<&mut Service> {
    services.iter_mut().find(|service| service.key == key)
}

fn find_real(service: &mut Service, address: SocketAddrV4) -> Option<&mut RealServer> {
    service.real_servers.iter_mut().find(|real| real.address == address)
}
