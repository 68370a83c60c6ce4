//! Edits of services, and the rules that a service keeps by itself.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::address::Addresses;
use super::draft::{Done, Draft, Entry};
use super::error::{EditError, Role, in_range};
use super::{ServiceOptions, ServiceSettings, real_server};
use crate::check::{LOCAL_ADDRESSES_MAX, is_netmask};
use crate::config::{Persistence, Protocol, Service, ServiceKey};
use crate::helper::Helper;
use crate::read::is_name;
use crate::real_server::ForwardingMode;
use crate::tunnel::Tunnel;

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
            helper: options.helper.unwrap_or_else(|| Helper::of_port(key)),
        };
        check(&blank, &self.addresses)?;
        self.check_pool(&blank)?;
        let size = self.base.limits.services;
        if self.service_count() >= size as usize {
            return Err(EditError::NoRoom { limit: "services", size, waiting: 0 });
        }
        let mode_open = options.mode.is_none();
        self.insert(Entry { service: Arc::new(blank), mode_open }, done);
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
        let mut mode_open = old.mode_open;
        service.scheduler = settings.scheduler;
        service.scheduler_flags = settings.scheduler_flags;
        service.ops = settings.ops;
        service.persistence = settings.persistence;
        if let Some(options) = options {
            if let Some(name) = options.name.as_ref().filter(|name| **name != service.name) {
                service.name = self.checked_name(key, name)?;
            }
            if let Some(mode) = options.mode {
                set_mode(&mut service, mode);
                mode_open = false;
            }
            service.timeouts = options.timeouts;
            service.local_addresses.clone_from(&options.local_addresses);
            service.helper = options.helper.unwrap_or_else(|| Helper::of_port(key));
        }
        check(&service, &self.addresses)?;
        self.check_pool(&service)?;
        self.replace(Entry { service: Arc::new(service), mode_open }, done);
        Ok(())
    }

    pub(super) fn remove_service(
        &mut self,
        key: ServiceKey,
        done: &mut Done,
    ) -> Result<(), EditError> {
        if self.remove(key, done) { Ok(()) } else { Err(EditError::NoSuchService(key)) }
    }

    /// Mode fullnat needs local addresses, of the service or of all.
    pub(super) fn check_pool(&self, service: &Service) -> Result<(), EditError> {
        let is_empty = service.local_addresses.is_empty() && self.base.local_addresses.is_empty();
        if is_empty && service.has_mode(ForwardingMode::FullNat) {
            return Err(EditError::NoLocalAddresses(service.key));
        }
        Ok(())
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

/// Gives a service another mode, and with it the real servers that had the same.
pub(super) fn set_mode(service: &mut Service, mode: ForwardingMode) {
    let old = std::mem::replace(&mut service.mode, mode);
    for real in service.real_servers.iter_mut().filter(|real| real.mode == old && old != mode) {
        (real.mode, real.tunnel) = (mode, Tunnel::Ipip);
    }
}

/// Whether a service keeps all rules but those about its VIP, and about local addresses that it
/// does not have itself.
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
    let Some(Persistence { timeout_s, mask, engine: _ }) = service.persistence else {
        return match key.vip() {
            Some(vip) if vip.port() == 0 => Err(EditError::AllPortsNotPersistent(key)),
            Some(_) | None => Ok(()),
        };
    };
    in_range("a persistence timeout", timeout_s)?;
    if !is_netmask(mask) {
        return Err(EditError::BadMask(mask));
    }
    Ok(())
}

fn check_ops(service: &Service) -> Result<(), EditError> {
    if !service.ops {
        return Ok(());
    }
    match service.key.protocol() {
        Some(protocol) if protocol != Protocol::Udp => Err(EditError::OnePacketProtocol(protocol)),
        Some(_) | None => Ok(()),
    }
}

fn check_timeouts(service: &Service) -> Result<(), EditError> {
    for (key, seconds) in service.timeouts.by_key() {
        let Some(seconds) = seconds else { continue };
        let of = if key == "udp" { Protocol::Udp } else { Protocol::Tcp };
        if service.key.protocol().is_some_and(|protocol| protocol != of) {
            return Err(EditError::TimeoutProtocol { service: service.key, key });
        }
        in_range("an idle time", seconds)?;
    }
    Ok(())
}

fn check_local_addresses(service: &Service, addresses: &Addresses) -> Result<(), EditError> {
    let locals = &service.local_addresses;
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
    if vip.port() == 1 {
        return Err(EditError::Helper("needs a port below the service's, for data connections"));
    }
    Ok(())
}
