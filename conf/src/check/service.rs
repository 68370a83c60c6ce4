//! Virtual services and their real servers, each by itself and against each other.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::config::{
    ForwardingMode, Persistence, Protocol, RealServer, Service, ServiceKey, ServiceTimeouts,
};
use crate::diag::Diags;
use crate::helper::Helper;
use crate::mark::Mark;
use crate::raw::{RawConfig, RawRealServer, RawService};
use crate::read::Text;
use crate::rule::Rule;
use crate::scheduler::{Scheduler, SchedulerFlags};
use crate::span::{At, Span};
use crate::value;

use super::{helper, mark, persistence, scheduler, timeouts};

/// Most local addresses of one service.
pub(crate) const LOCAL_ADDRESSES_MAX: u32 = 1024;

pub(super) const PROTOCOLS: &[(&str, Protocol)] = &[
    (Protocol::Tcp.as_str(), Protocol::Tcp),
    (Protocol::Udp.as_str(), Protocol::Udp),
    (Protocol::Sctp.as_str(), Protocol::Sctp),
];
const MODES: &[(&str, ForwardingMode)] = &[
    (ForwardingMode::Dr.as_str(), ForwardingMode::Dr),
    (ForwardingMode::Nat.as_str(), ForwardingMode::Nat),
    (ForwardingMode::Tunnel.as_str(), ForwardingMode::Tunnel),
    (ForwardingMode::FullNat.as_str(), ForwardingMode::FullNat),
];

/// A service of which some values may have been wrong.
#[derive(Debug)]
pub(super) struct ServiceDraft<'a> {
    pub(super) name: At<&'a str>,
    protocol: Option<At<Protocol>>,
    pub(super) vip: Option<At<SocketAddrV4>>,
    pub(super) mark: Option<At<Mark>>,
    /// Whether the mark could be read, if there is one.
    pub(super) mark_known: bool,
    ops: Option<bool>,
    persistence: Option<Option<Persistence>>,
    pub(super) mode: Option<At<ForwardingMode>>,
    scheduler: Option<(Scheduler, SchedulerFlags)>,
    timeouts: Option<ServiceTimeouts>,
    pub(super) locals: Vec<At<Ipv4Addr>>,
    pub(super) real_servers: Vec<RealServerDraft>,
    helper: Option<Option<Helper>>,
}

/// A real server of which some values may have been wrong.
#[derive(Debug)]
pub(super) struct RealServerDraft {
    pub(super) address: Option<At<RealServerAddr>>,
    weight: Option<u32>,
    /// Upper and lower.
    thresholds: Option<(u32, u32)>,
}

/// The address of a real server as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RealServerAddr {
    pub(super) rip: Ipv4Addr,
    /// 0 for that of the packet; `None` if it is left out and the service's port is not known.
    pub(super) rport: Option<u16>,
}

impl ServiceDraft<'_> {
    /// The checked service, if all of it was right.
    pub(super) fn finish(self) -> Option<Service> {
        let finish = |real: RealServerDraft| {
            let address = real.address?.value;
            let address = SocketAddrV4::new(address.rip, address.rport?);
            let (upper_threshold, lower_threshold) = real.thresholds?;
            Some(RealServer { address, weight: real.weight?, upper_threshold, lower_threshold })
        };
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
            real_servers: self.real_servers.into_iter().map(finish).collect::<Option<_>>()?,
            helper: self.helper?,
        })
    }
}

/// Checks each service by itself.
pub(super) fn services<'a>(raw: &RawConfig<'a>, diags: &mut Diags) -> Vec<ServiceDraft<'a>> {
    let services = raw.services.as_ref().map_or(&[][..], |services| &services.items);
    services.iter().map(|(name, service)| draft(*name, service, diags)).collect()
}

fn draft<'a>(name: At<&'a str>, raw: &RawService<'a>, diags: &mut Diags) -> ServiceDraft<'a> {
    let vip = raw.vip.as_ref().and_then(|text| value::endpoint_or_any_port(text, None, diags));
    let locals = raw.local_addresses.as_ref().map_or(&[][..], |list| &list.items);
    let real_servers = raw.real_servers.as_ref().map_or(&[][..], |list| &list.items);
    let mark = mark::of_service(raw, diags);
    // Packets with a mark may have any port, and keep it.
    let vport = match raw.mark {
        Some(_) => Some(0),
        None => vip.map(|vip| vip.value.port()),
    };
    let protocol = raw.protocol.as_ref().and_then(|text| value::word(text, PROTOCOLS, diags));
    let mode = raw.mode.as_ref().and_then(|text| value::word(text, MODES, diags));
    let draft = ServiceDraft {
        name,
        protocol,
        mode,
        vip,
        mark,
        mark_known: raw.mark.is_none() || mark.is_some(),
        ops: raw.ops.as_ref().map_or(Some(false), |text| value::boolean(text, diags)),
        persistence: persistence::of_service(raw, protocol, vip, diags),
        scheduler: scheduler::choice(raw, diags),
        timeouts: timeouts::own(raw.timeouts.as_ref(), protocol, diags),
        locals: local_addresses(locals, diags),
        real_servers: real_servers.iter().map(|raw| real_server(raw, vport, diags)).collect(),
        helper: helper::choice(raw, protocol, mode, vip, diags),
    };
    check_real_servers(&draft, diags);
    check_mode(&draft, raw, diags);
    check_ops(&draft, raw, diags);
    draft
}

/// The addresses of all items, ranges written out.
fn local_addresses(items: &[Text<'_>], diags: &mut Diags) -> Vec<At<Ipv4Addr>> {
    let mut locals = Vec::new();
    for item in items {
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

fn real_server(raw: &RawRealServer<'_>, vport: Option<u16>, diags: &mut Diags) -> RealServerDraft {
    let address = raw.address.as_ref().and_then(|text| {
        // Port 0 stands for "not written and not known", which no endpoint can have.
        let endpoint = if vport == Some(0) { value::endpoint_or_any_port } else { value::endpoint };
        let At { value, span } = endpoint(text, vport.or(Some(0)), diags)?;
        let rport = Some(value.port()).filter(|rport| *rport != 0 || vport.is_some());
        Some(At::new(RealServerAddr { rip: *value.ip(), rport }, span))
    });
    let weight = match &raw.weight {
        Some(text) => value::number(text, 0..=value::WEIGHT_MAX, diags).map(|weight| weight.value),
        None => Some(1),
    };
    RealServerDraft { address, weight, thresholds: scheduler::thresholds(raw, diags) }
}

/// Rules between a service and its real servers.
fn check_real_servers(service: &ServiceDraft<'_>, diags: &mut Diags) {
    let mut seen: HashMap<(Ipv4Addr, u16), Span> = HashMap::new();
    for At { value, span } in service.real_servers.iter().filter_map(|real| real.address) {
        let Some(rport) = value.rport else { continue };
        if let Some(first) = seen.get(&(value.rip, rport)) {
            let end = SocketAddrV4::new(value.rip, rport);
            let end = if rport == 0 { value.rip.to_string() } else { end.to_string() };
            let message = format!("real server {end} stands twice");
            let help = "name it once; for a larger share raise its weight";
            diags.error(Rule::Duplicate, span, message, help).see(*first, "first here");
        } else {
            seen.insert((value.rip, rport), span);
        }
        check_rport(service, (value.rip, rport), span, diags);
    }
}

/// Modes that do not rewrite ports leave real servers the port of the service.
fn check_rport(
    service: &ServiceDraft<'_>,
    (rip, rport): (Ipv4Addr, u16),
    span: Span,
    diags: &mut Diags,
) {
    let all_ports = service.vip.filter(|vip| vip.value.port() == 0).map(|vip| vip.span);
    let is_persistent = matches!(service.persistence, Some(Some(_)));
    let by_mark = service.mark.filter(|_| is_persistent).map(|mark| mark.span);
    if let Some(place) = all_ports.or(by_mark).filter(|_| rport != 0) {
        let message =
            format!("port {rport} for packets of a persistent service, which keep theirs");
        let help = format!("write `address: {rip}`");
        diags.error(Rule::PortMismatch, span, message, help).see(place, "for all ports");
        return;
    }
    let Some(At { value: mode @ (ForwardingMode::Dr | ForwardingMode::Tunnel), .. }) = service.mode
    else {
        return;
    };
    let mode = mode.as_str();
    if let Some(mark) = service.mark.filter(|_| rport != 0) {
        let message = format!("port {rport} for packets with a mark, which have any port");
        let help = format!(
            "mode {mode} does not rewrite ports: write `address: {rip}`, or use mode nat or fullnat"
        );
        diags.error(Rule::PortMismatch, span, message, help).see(mark.span, "the mark");
    } else if let Some(vip) = service.vip.filter(|vip| rport != vip.value.port()) {
        let vport = vip.value.port();
        let message = format!("port {rport} differs from the service's port {vport}");
        let help = format!(
            "mode {mode} does not rewrite ports: write `address: {rip}:{vport}`, \
             or use mode nat or fullnat"
        );
        diags.error(Rule::PortMismatch, span, message, help).see(vip.span, "the service");
    }
}

/// One-packet scheduling is for UDP, and for modes in which replies need no flow.
fn check_ops(service: &ServiceDraft<'_>, raw: &RawService<'_>, diags: &mut Diags) {
    let Some(text) = raw.ops.as_ref().filter(|_| service.ops == Some(true)) else { return };
    if let Some(protocol) = service.protocol.filter(|protocol| protocol.value != Protocol::Udp) {
        let name = protocol.value.as_str();
        let message = format!("one-packet scheduling of {name}, which has connections");
        let help = "write `ops: false`, or remove it; it is for udp and for services by mark";
        diags.error(Rule::OnePacket, text.span, message, help).see(protocol.span, "the protocol");
    }
    if let Some(mode) = service.mode.filter(|mode| mode.value == ForwardingMode::FullNat) {
        let message = "one-packet scheduling in mode fullnat, whose replies need a flow";
        let help = "use mode dr, tun or nat; with nat, replies reach the client from the real \
                    server's address";
        diags.error(Rule::OnePacket, text.span, message, help).see(mode.span, "the mode");
    }
}

/// Local addresses belong to mode fullnat, and there they are needed.
fn check_mode(service: &ServiceDraft<'_>, raw: &RawService<'_>, diags: &mut Diags) {
    let Some(mode) = service.mode else { return };
    match (mode.value, raw.local_addresses.as_ref()) {
        (ForwardingMode::FullNat, written) if written.is_none_or(|list| list.written == 0) => {
            let help = "add `local_addresses: [10.0.0.100]`, with unused addresses in the subnet \
                        of the real servers";
            let message = "mode fullnat needs local addresses";
            let span = written.map_or(service.name.span, |list| list.span);
            diags.error(Rule::MissingKey, span, message, help);
        }
        (ForwardingMode::FullNat, _) => {}
        (ForwardingMode::Dr | ForwardingMode::Nat | ForwardingMode::Tunnel, None) => {}
        (ForwardingMode::Dr | ForwardingMode::Nat | ForwardingMode::Tunnel, Some(list)) => {
            let message = format!("mode {} does not use local addresses", mode.value.as_str());
            let help = "remove `local_addresses`, or write `mode: fullnat`";
            diags
                .error(Rule::LocalAddressMode, list.span, message, help)
                .see(mode.span, "the mode");
        }
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
