//! Virtual services, each by itself and against each other.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::config::{Persistence, Protocol, Service, ServiceKey, ServiceTimeouts};
use crate::diag::Diags;
use crate::helper::Helper;
use crate::mark::Mark;
use crate::raw::{RawConfig, RawService};
use crate::read::{List, Text};
use crate::real_server::ForwardingMode;
use crate::rule::Rule;
use crate::scheduler::{Scheduler, SchedulerFlags};
use crate::span::At;
use crate::value;

use super::real_server::{self, RealServerDraft};
use super::{helper, mark, persistence, scheduler, timeouts};

/// Most local addresses of one service.
pub(crate) const LOCAL_ADDRESSES_MAX: u32 = 1024;

/// A service of which some values may have been wrong.
#[derive(Debug)]
pub(super) struct ServiceDraft<'a> {
    pub(super) name: At<&'a str>,
    protocol: Option<At<Protocol>>,
    pub(super) vip: Option<At<SocketAddrV4>>,
    pub(super) mark: Option<At<Mark>>,
    ops: Option<bool>,
    persistence: Option<Option<Persistence>>,
    pub(super) mode: Option<At<ForwardingMode>>,
    scheduler: Option<(Scheduler, SchedulerFlags)>,
    timeouts: Option<ServiceTimeouts>,
    pub(super) locals: Vec<At<Ipv4Addr>>,
    pub(super) real_servers: Vec<RealServerDraft>,
    helper: Option<Option<Helper>>,
}

impl ServiceDraft<'_> {
    /// The checked service, if all of it was right.
    pub(super) fn finish(self) -> Option<Service> {
        let real_servers = self.real_servers.into_iter().map(RealServerDraft::finish);
        let key = match self.mark {
            Some(mark) => ServiceKey::Mark(mark.value),
            None => ServiceKey::Endpoint { protocol: self.protocol?.value, vip: self.vip?.value },
        };
        Some(Service {
            name: self.name.value.to_owned(),
            key,
            mode: self.mode?.value,
            scheduler: self.scheduler?.0,
            scheduler_flags: self.scheduler?.1,
            ops: self.ops?,
            persistence: self.persistence?,
            timeouts: self.timeouts?,
            local_addresses: self.locals.into_iter().map(|addr| addr.value).collect(),
            real_servers: real_servers.collect::<Option<_>>()?,
            helper: self.helper?,
        })
    }
}

/// A protocol by its word.
pub(super) fn protocol(text: &Text<'_>, diags: &mut Diags) -> Option<At<Protocol>> {
    value::word(text, &Protocol::ALL.map(|one| (one.as_str(), one)), diags)
}

/// A mode by its word.
pub(super) fn mode(text: &Text<'_>, diags: &mut Diags) -> Option<At<ForwardingMode>> {
    value::word(text, &ForwardingMode::ALL.map(|one| (one.as_str(), one)), diags)
}

/// Checks each service by itself. `has_pool` says whether there are local addresses for all.
pub(super) fn services<'a>(
    raw: &RawConfig<'a>,
    has_pool: bool,
    diags: &mut Diags,
) -> Vec<ServiceDraft<'a>> {
    let services = raw.services.as_ref().map_or(&[][..], |services| &services.items);
    services.iter().map(|(name, service)| draft(*name, service, has_pool, diags)).collect()
}

fn draft<'a>(
    name: At<&'a str>,
    raw: &RawService<'a>,
    has_pool: bool,
    diags: &mut Diags,
) -> ServiceDraft<'a> {
    let vip = raw.vip.as_ref().and_then(|text| value::endpoint(text, None, diags));
    let real_servers = raw.real_servers.as_ref().map_or(&[][..], |list| &list.items);
    let mark = mark::of_service(raw, diags);
    // Packets with a mark may have any port, and keep it.
    let vport = match raw.mark {
        Some(_) => Some(0),
        None => vip.map(|vip| vip.value.port()),
    };
    let protocol = raw.protocol.as_ref().and_then(|text| protocol(text, diags));
    let mode = raw.mode.as_ref().and_then(|text| mode(text, diags));
    let real_servers: Vec<_> =
        real_servers.iter().map(|raw| real_server::draft(raw, vport, mode, diags)).collect();
    let draft = ServiceDraft {
        name,
        protocol,
        mode,
        vip,
        mark,
        ops: raw.ops.as_ref().map_or(Some(false), |text| value::boolean(text, diags)),
        persistence: persistence::of_service(raw, vip, diags),
        scheduler: scheduler::choice(raw, diags),
        timeouts: timeouts::own(raw.timeouts.as_ref(), protocol, diags),
        locals: local_addresses(raw.local_addresses.as_ref(), diags),
        helper: helper::choice(raw, protocol, vip, diags),
        real_servers,
    };
    real_server::check_between(&draft, diags);
    check_ops(&draft, raw, diags);
    let modes = draft.mode.into_iter().chain(draft.real_servers.iter().filter_map(|one| one.mode));
    let fullnat = modes.into_iter().find(|mode| mode.value == ForwardingMode::FullNat);
    let has_own = raw.local_addresses.as_ref().is_some_and(|list| list.written > 0);
    if let Some(fullnat) = fullnat.filter(|_| !has_own && !has_pool) {
        let help = "add `local_addresses: [10.0.0.100]` to the service or at the top of the file, \
                    with unused addresses in the subnet of the real servers";
        let error =
            diags.error(Rule::MissingKey, name.span, "mode fullnat needs local addresses", help);
        error.see(fullnat.span, "the mode");
    }
    draft
}

/// The addresses of all items, ranges written out.
pub(super) fn local_addresses(
    list: Option<&List<Text<'_>>>,
    diags: &mut Diags,
) -> Vec<At<Ipv4Addr>> {
    let mut locals = Vec::new();
    for item in list.map_or(&[][..], |list| &list.items) {
        let Some(range) = value::host_range(item, LOCAL_ADDRESSES_MAX, diags) else { continue };
        let (first, len) = range.value;
        if locals.len() + len as usize > LOCAL_ADDRESSES_MAX as usize {
            let message = format!("more than {LOCAL_ADDRESSES_MAX} local addresses");
            let help = "remove some; each has 64,000 ports";
            diags.error(Rule::OutOfRange, item.span, message, help);
            break;
        }
        let addrs = (0..len).map(|index| Ipv4Addr::from(u32::from(first) + index));
        locals.extend(addrs.map(|addr| At::new(addr, range.span)));
    }
    locals
}

/// One-packet scheduling is for UDP.
fn check_ops(service: &ServiceDraft<'_>, raw: &RawService<'_>, diags: &mut Diags) {
    let Some(text) = raw.ops.as_ref().filter(|_| service.ops == Some(true)) else { return };
    if let Some(protocol) = service.protocol.filter(|protocol| protocol.value != Protocol::Udp) {
        let name = protocol.value.as_str();
        let message = format!("one-packet scheduling of {name}, which has connections");
        let help = "write `ops: false`, or remove it; it is for udp and for services by mark";
        diags.error(Rule::OnePacket, text.span, message, help).see(protocol.span, "the protocol");
    }
}

/// Rules between services: no two may claim the same protocol, address and port.
pub(super) fn check_between(services: &[ServiceDraft<'_>], diags: &mut Diags) {
    let mut seen: HashMap<(Protocol, SocketAddrV4), &ServiceDraft<'_>> = HashMap::new();
    for service in services {
        let (Some(protocol), Some(vip)) = (service.protocol, service.vip) else { continue };
        let Some(first) = seen.get(&(protocol.value, vip.value)) else {
            seen.insert((protocol.value, vip.value), service);
            continue;
        };
        let protocol = protocol.value.as_str();
        let name = first.name.value;
        let message = format!("{protocol} {} already belongs to service {name}", vip.value);
        let help = "give one of the two another port or address, or merge them";
        let first = first.vip.map_or(first.name.span, |vip| vip.span);
        diags.error(Rule::ServiceOverlap, vip.span, message, help).see(first, "first here");
    }
}
