//! Edits of real servers, and the rules that each keeps.

use std::net::SocketAddrV4;
use std::sync::Arc;

use super::RealServerPatch;
use super::address::Addresses;
use super::draft::{Done, Draft, Entry, Subject};
use super::error::EditError;
use crate::config::{Service, ServiceKey};
use crate::real_server::{ForwardingMode, RealServer, WEIGHT_MAX};
use crate::tunnel::Tunnel;

impl Draft {
    pub(super) fn add_real_server(
        &mut self,
        key: ServiceKey,
        real: RealServer,
        done: &mut Done,
    ) -> Result<(), EditError> {
        let old = self.entry(key).ok_or(EditError::ServiceNotDefined(key))?;
        let address = real.address;
        if place_of(&old.service, address).is_some() {
            return Err(EditError::RealServerExists { service: key, address });
        }
        let mut entry = old.clone();
        let service = Arc::make_mut(&mut entry.service);
        if std::mem::take(&mut entry.mode_open) {
            service.mode = real.mode;
        }
        check(service, &real, &self.addresses)?;
        service.real_servers.push(real);
        self.check_pool(service)?;
        let size = self.base.limits.real_servers;
        if self.real_server_count() >= size as usize {
            return Err(EditError::NoRoom { limit: "real_servers", size, waiting: 0 });
        }
        self.replace(entry, done);
        done.added(Subject::RealServer(key, address));
        Ok(())
    }

    pub(super) fn edit_real_server(
        &mut self,
        key: ServiceKey,
        real: RealServer,
        done: &mut Done,
    ) -> Result<(), EditError> {
        let anew = |old: &mut RealServer| *old = RealServer { drain: old.drain, ..real };
        self.change_real_server(key, real.address, done, anew)
    }

    pub(super) fn patch_real_server(
        &mut self,
        key: ServiceKey,
        address: SocketAddrV4,
        patch: &RealServerPatch,
        done: &mut Done,
    ) -> Result<(), EditError> {
        self.change_real_server(key, address, done, |real| {
            real.weight = patch.weight.unwrap_or(real.weight);
            real.drain = patch.drain.unwrap_or(real.drain);
            if let Some(mode) = patch.mode.filter(|mode| *mode != real.mode) {
                (real.mode, real.tunnel) = (mode, Tunnel::Ipip);
            }
            real.tunnel = patch.tunnel.unwrap_or(real.tunnel);
            real.upper_threshold = patch.upper_threshold.unwrap_or(real.upper_threshold);
            real.lower_threshold = patch.lower_threshold.unwrap_or(real.lower_threshold);
        })
    }

    pub(super) fn remove_real_server(
        &mut self,
        key: ServiceKey,
        address: SocketAddrV4,
        done: &mut Done,
    ) -> Result<(), EditError> {
        let (mut entry, place) = self.with_real_server(key, address)?;
        Arc::make_mut(&mut entry.service).real_servers.remove(place);
        self.replace(entry, done);
        done.removed(Subject::RealServer(key, address));
        Ok(())
    }

    fn change_real_server(
        &mut self,
        key: ServiceKey,
        address: SocketAddrV4,
        done: &mut Done,
        change: impl FnOnce(&mut RealServer),
    ) -> Result<(), EditError> {
        let (mut entry, place) = self.with_real_server(key, address)?;
        let mut real = entry.service.real_servers[place];
        change(&mut real);
        check(&entry.service, &real, &self.addresses)?;
        if entry.service.real_servers[place] != real {
            Arc::make_mut(&mut entry.service).real_servers[place] = real;
            self.check_pool(&entry.service)?;
            self.replace(entry, done);
        }
        Ok(())
    }

    /// The service, and the place of its real server.
    fn with_real_server(
        &self,
        key: ServiceKey,
        address: SocketAddrV4,
    ) -> Result<(Entry, usize), EditError> {
        let entry = self.entry(key).ok_or(EditError::ServiceNotDefined(key))?;
        match place_of(&entry.service, address) {
            Some(place) => Ok((entry.clone(), place)),
            None => Err(EditError::NoSuchRealServer { service: key, address }),
        }
    }
}

/// The place of a real server in its service.
pub(super) fn place_of(service: &Service, address: SocketAddrV4) -> Option<usize> {
    service.real_servers.iter().position(|real| real.address == address)
}

/// Whether a real server can be one of a service.
pub(super) fn check(
    service: &Service,
    real: &RealServer,
    addresses: &Addresses,
) -> Result<(), EditError> {
    let RealServer { address, mode, weight, .. } = *real;
    let (upper, lower) = (real.upper_threshold, real.lower_threshold);
    if real.tunnel != Tunnel::Ipip && mode != ForwardingMode::Tunnel {
        return Err(EditError::TunnelMode(mode));
    }
    if weight > WEIGHT_MAX {
        return Err(EditError::WeightTooLarge { weight, max: WEIGHT_MAX });
    }
    if lower > upper {
        return Err(EditError::ThresholdsReversed { upper, lower });
    }
    addresses.check_real(*address.ip(), mode)?;
    check_port(service, real)
}

/// What does not rewrite ports leaves real servers the port of the service, if that has one.
fn check_port(service: &Service, real: &RealServer) -> Result<(), EditError> {
    let vport = Some(service.key.vport()).filter(|vport| *vport != 0);
    let (address, mode) = (real.address, real.mode);
    match vport.filter(|_| !mode.rewrites()) {
        Some(port) if port != address.port() => Err(EditError::PortKept { address, port, mode }),
        Some(_) | None => Ok(()),
    }
}
