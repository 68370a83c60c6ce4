//! Rules about the roles of addresses (own, VIP, local, real server, gateway) and about reaching
//! them.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::mark::MarkDraft;
use super::port::{Ports, not_a_host_of};
use super::real_server::RealServerAddr;
use super::route::Routes;
use super::service::ServiceDraft;
use crate::diag::Diags;
use crate::real_server::ForwardingMode;
use crate::rule::Rule;
use crate::span::{At, Span};

/// What the director itself uses an address for, and where the file says so.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    own: Option<Span>,
    vip: Option<Span>,
    local: Option<Span>,
}

impl Use {
    /// The first use, in words.
    fn first(self) -> Option<(&'static str, Span)> {
        let own = self.own.map(|span| ("the director's own address", span));
        let vip = self.vip.map(|span| ("the VIP of a service", span));
        let local = self.local.map(|span| ("a local address", span));
        own.or(vip).or(local)
    }
}

/// Every address the director answers for.
#[derive(Debug, Default)]
pub(super) struct Uses(HashMap<Ipv4Addr, Use>);

impl Uses {
    /// Collects them; `locals` are those of no service of its own.
    pub(super) fn of(
        ports: &Ports<'_>,
        marks: &[MarkDraft],
        services: &[ServiceDraft<'_>],
        locals: &[At<Ipv4Addr>],
    ) -> Self {
        let mut uses = Self::default();
        for own in ports.list.iter().flat_map(|port| &port.addresses) {
            uses.0.entry(own.value.addr).or_default().own.get_or_insert(own.span);
        }
        for vip in marks.iter().filter_map(MarkDraft::vip) {
            uses.0.entry(vip.value).or_default().vip.get_or_insert(vip.span);
        }
        for vip in services.iter().filter_map(|service| service.vip) {
            uses.0.entry(*vip.value.ip()).or_default().vip.get_or_insert(vip.span);
        }
        for local in services.iter().flat_map(|service| &service.locals).chain(locals) {
            uses.0.entry(local.value).or_default().local.get_or_insert(local.span);
        }
        uses
    }

    /// Checks that no address has two roles that exclude each other.
    ///
    /// A VIP or a local address may be an own address of a port. Replies to an address that is both
    /// VIP and local could not be told from new requests, and an address the director answers ARP
    /// for cannot be a gateway. A real server with such an address gets nothing, which is no error
    /// ([`crate::OwnAddresses`]).
    pub(super) fn check_roles<'a>(
        &self,
        locals: impl Iterator<Item = &'a At<Ipv4Addr>>,
        routes: &Routes,
        diags: &mut Diags,
    ) {
        let mut reported = None;
        for local in locals {
            // A range is reported once, at its first wrong address.
            if reported == Some(local.span) {
                continue;
            }
            if let Some(vip) = self.0.get(&local.value).and_then(|one| one.vip) {
                let message = format!("local address {} is also the VIP of a service", local.value);
                let help = "use another local address: requests and replies to it could not be \
                            told apart";
                diags.error(Rule::AddressConflict, local.span, message, help).see(vip, "the VIP");
                reported = Some(local.span);
            }
        }
        for via in routes.list.iter().filter_map(|route| route.via) {
            if let Some((role, at)) = self.0.get(&via.value).and_then(|one| one.first()) {
                let message = format!("the gateway {} is also {role}", via.value);
                let help = "use the address of the router";
                diags.error(Rule::AddressConflict, via.span, message, help).see(at, "used here");
            }
        }
    }

    /// Checks VIPs and real servers against the subnets and routes.
    pub(super) fn check_reachable(
        &self,
        ports: &Ports<'_>,
        routes: &Routes,
        (marks, services): (&[MarkDraft], &[ServiceDraft<'_>]),
        diags: &mut Diags,
    ) {
        for At { value, span } in marks.iter().filter_map(MarkDraft::vip) {
            check_host(("VIP", value, span), ports, diags);
        }
        for vip in services.iter().filter_map(|service| service.vip) {
            check_host(("VIP", *vip.value.ip(), vip.span), ports, diags);
        }
        for real in services.iter().flat_map(|service| &service.real_servers) {
            let Some(At { value: RealServerAddr { rip, .. }, span }) = real.address else {
                continue;
            };
            check_host(("real server", rip, span), ports, diags);
            if !rip.is_loopback() {
                check_real_server(At::new(rip, span), real.mode, (ports, routes), diags);
            }
        }
    }
}

/// An address in the subnet of a port must be one that a host can have there.
fn check_host((role, addr, span): (&str, Ipv4Addr, Span), ports: &Ports<'_>, diags: &mut Diags) {
    let Some(link) = ports.on_link(addr) else { return };
    if let Some(kind) = not_a_host_of(link.subnet, addr) {
        let message = format!("{role} {addr} is the {kind} of {}", link.subnet);
        diags.error(Rule::UnusableAddress, span, message, "use a host address of this subnet");
    }
}

/// A real server is in the subnet of a port or behind a route; with DR, only the former, since DR
/// changes nothing but the MAC address and a router would send the packet back to the VIP.
fn check_real_server(
    At { value: rip, span }: At<Ipv4Addr>,
    mode: Option<At<ForwardingMode>>,
    (ports, routes): (&Ports<'_>, &Routes),
    diags: &mut Diags,
) {
    if ports.on_link(rip).is_some() || !ports.known {
        return;
    }
    let routed = routes.destinations.hold(rip);
    let dr = mode.is_some_and(|mode| mode.value == ForwardingMode::Dr);
    if dr && routed {
        let message = format!("real server {rip} is behind a gateway");
        let help = format!(
            "mode dr rewrites MAC addresses only, so the real server must be in the subnet of a \
             port ({}); use mode tun, nat or fullnat through a gateway",
            ports.subnets()
        );
        diags.error(Rule::NotOnLink, span, message, help);
    } else if !routed && routes.known {
        let message = format!("no port and no route reaches real server {rip}");
        let help = format!(
            "add a route to it, or use an address in the subnet of a port ({})",
            ports.subnets()
        );
        diags.error(Rule::Unreachable, span, message, help);
    }
}
