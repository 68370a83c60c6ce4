//! Edits of services, and the rules that a service keeps by itself.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::address::Addresses;
use super::draft::{Done, Draft, Entry};
use super::error::{EditError, Role};
use super::{ServiceOptions, ServiceSettings, real_server};
use crate::check::{LOCAL_ADDRESSES_MAX, is_netmask};
use crate::config::{ForwardingMode, Persistence, Protocol, Service, ServiceKey};
use crate::helper::Helper;
use crate::read::is_name;
use crate::value::SECONDS_MAX;

impl Draft {
    pub(super) fn add_service(
        &mut self,
        key: ServiceKey,
        settings: &ServiceSettings,
        options: &ServiceOptions,
        done: &mut Done,
    ) -> Result<(), EditError> {
        if self.service(key).is_some() {
            return Err(EditError::ServiceExists(key));
        }
        if let Some(vip) = key.vip() {
            self.addresses.check_vip(*vip.ip())?;
        }
        let name = match &options.name {
            Some(name) => self.checked_name(key, name)?,
            None => self.made_name(key),
        };
        let mode = options.mode.unwrap_or(ForwardingMode::Dr);
        let blank = Service {
            name,
            key,
            mode,
            scheduler: settings.scheduler,
            scheduler_flags: settings.scheduler_flags,
            ops: settings.ops,
            persistence: settings.persistence,
            timeouts: options.timeouts,
            local_addresses: options.local_addresses.clone(),
            real_servers: Vec::new(),
            helper: options.helper.unwrap_or_else(|| Helper::of_port(key, mode)),
        };
        check(&blank, &self.addresses)?;
        let size = self.base.limits.services;
        if self.service_count() >= size as usize {
            return Err(EditError::NoRoom { limit: "services", size, waiting: 0 });
        }
        let (mode_open, helper_open) = (options.mode.is_none(), options.helper.is_none());
        self.insert(Entry { service: Arc::new(blank), mode_open, helper_open }, done);
        Ok(())
    }

    pub(super) fn edit_service(
        &mut self,
        key: ServiceKey,
        settings: &ServiceSettings,
        options: Option<&ServiceOptions>,
        done: &mut Done,
    ) -> Result<(), EditError> {
        let old = self.entry(key).ok_or(EditError::NoSuchService(key))?;
        let mut service = Service::clone(&old.service);
        let (mut mode_open, mut helper_open) = (old.mode_open, old.helper_open);
        service.scheduler = settings.scheduler;
        service.scheduler_flags = settings.scheduler_flags;
        service.ops = settings.ops;
        service.persistence = settings.persistence;
        if let Some(options) = options {
            if let Some(name) = options.name.as_ref().filter(|name| **name != service.name) {
                service.name = self.checked_name(key, name)?;
            }
            if let Some(mode) = options.mode {
                service.mode = mode;
                mode_open = false;
            }
            service.timeouts = options.timeouts;
            service.local_addresses.clone_from(&options.local_addresses);
            service.helper = options.helper.unwrap_or_else(|| Helper::of_port(key, service.mode));
            helper_open = options.helper.is_none();
        }
        check(&service, &self.addresses)?;
        self.replace(Entry { service: Arc::new(service), mode_open, helper_open }, done);
        Ok(())
    }

    pub(super) fn remove_service(
        &mut self,
        key: ServiceKey,
        done: &mut Done,
    ) -> Result<(), EditError> {
        if self.remove(key, done) { Ok(()) } else { Err(EditError::NoSuchService(key)) }
    }

    fn checked_name(&self, key: ServiceKey, name: &str) -> Result<String, EditError> {
        if !is_name(name) {
            return Err(EditError::BadName(name.to_owned()));
        }
        match self.named(name).filter(|owner| *owner != key) {
            Some(owner) => Err(EditError::NameTaken { name: name.to_owned(), owner }),
            None => Ok(name.to_owned()),
        }
    }
}

/// Whether a service keeps all rules but those about its VIP.
fn check(service: &Service, addresses: &Addresses) -> Result<(), EditError> {
    check_persistence(service)?;
    check_ops(service)?;
    check_timeouts(service)?;
    check_local_addresses(service, addresses)?;
    check_helper(service)?;
    service.real_servers.iter().try_for_each(|real| real_server::check(service, real, addresses))
}

fn check_persistence(service: &Service) -> Result<(), EditError> {
    let key = service.key;
    let Some(Persistence { timeout_s, mask, engine }) = service.persistence else {
        return match key.vip() {
            Some(vip) if vip.port() == 0 => Err(EditError::AllPortsNotPersistent(key)),
            Some(_) | None => Ok(()),
        };
    };
    if !(1..=SECONDS_MAX).contains(&timeout_s) {
        let what = "a persistence timeout";
        return Err(EditError::TimeOutOfRange { what, seconds: timeout_s, max: SECONDS_MAX });
    }
    if !is_netmask(mask) {
        return Err(EditError::BadMask(mask));
    }
    match key.protocol().filter(|protocol| engine.is_some() && *protocol != Protocol::Udp) {
        Some(protocol) => Err(EditError::EngineProtocol(protocol)),
        None => Ok(()),
    }
}

fn check_ops(service: &Service) -> Result<(), EditError> {
    if !service.ops {
        return Ok(());
    }
    match service.key.protocol() {
        Some(protocol) if protocol != Protocol::Udp => Err(EditError::OnePacketProtocol(protocol)),
        _ if service.mode == ForwardingMode::FullNat => Err(EditError::OnePacketFullNat),
        _ => Ok(()),
    }
}

fn check_timeouts(service: &Service) -> Result<(), EditError> {
    for (key, seconds) in service.timeouts.by_key() {
        let Some(seconds) = seconds else { continue };
        let of = if key == "udp" { Protocol::Udp } else { Protocol::Tcp };
        if service.key.protocol().is_some_and(|protocol| protocol != of) {
            return Err(EditError::TimeoutProtocol { service: service.key, key });
        }
        if !(1..=SECONDS_MAX).contains(&seconds) {
            let what = "an idle time";
            return Err(EditError::TimeOutOfRange { what, seconds, max: SECONDS_MAX });
        }
    }
    Ok(())
}

/// Local addresses belong to mode fullnat, and there they are needed.
fn check_local_addresses(service: &Service, addresses: &Addresses) -> Result<(), EditError> {
    let locals = &service.local_addresses;
    match (service.mode, locals.is_empty()) {
        (ForwardingMode::FullNat, true) => return Err(EditError::NoLocalAddresses(service.key)),
        (ForwardingMode::FullNat, false) | (_, true) => {}
        (mode, false) => return Err(EditError::LocalAddressMode(mode)),
    }
    if locals.len() > LOCAL_ADDRESSES_MAX as usize {
        return Err(EditError::TooManyLocalAddresses(LOCAL_ADDRESSES_MAX));
    }
    let mut seen: HashSet<Ipv4Addr> = HashSet::new();
    for local in locals {
        if !seen.insert(*local) {
            return Err(EditError::LocalAddressTwice(*local));
        }
        if service.key.vip().is_some_and(|vip| vip.ip() == local) {
            let (role, address, other) = (Role::Local, *local, Role::Vip);
            return Err(EditError::AddressConflict { role, address, other });
        }
        addresses.check_local(*local)?;
    }
    Ok(())
}

fn check_helper(service: &Service) -> Result<(), EditError> {
    if service.helper.is_none() {
        return Ok(());
    }
    let ServiceKey::Endpoint { protocol, vip } = service.key else {
        return Err(EditError::Helper("needs an address and port, which a mark has not"));
    };
    if protocol != Protocol::Tcp {
        return Err(EditError::Helper("is for tcp"));
    }
    if !matches!(service.mode, ForwardingMode::Nat | ForwardingMode::FullNat) {
        return Err(EditError::Helper("reads what only modes nat and fullnat rewrite"));
    }
    if vip.port() == 1 {
        return Err(EditError::Helper("needs a port below the service's, for data connections"));
    }
    Ok(())
}
