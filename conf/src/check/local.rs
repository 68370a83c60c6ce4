//! Local addresses of full NAT.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::port::{Ports, not_a_host_of};
use crate::diag::Diags;
use crate::rule::Rule;
use crate::span::At;

/// A local address is a host address in the subnet of a port, because replies of the real servers
/// come to it; a pool has each once.
///
/// Several services may share local addresses: ports are given out per flow. A range is reported
/// once, at its first wrong address.
pub(super) fn check_pool(pool: &[At<Ipv4Addr>], ports: &Ports<'_>, diags: &mut Diags) {
    let mut seen = HashMap::new();
    let mut reported = None;
    for local in pool {
        if reported == Some(local.span) {
            continue;
        }
        let addr = local.value;
        if let Some(first) = seen.insert(addr, local.span) {
            let message = format!("local address {addr} stands twice");
            let help = "name each local address once; ranges must not overlap";
            diags.error(Rule::Duplicate, local.span, message, help).see(first, "first here");
        } else if let Some(link) = ports.on_link(addr) {
            let Some(kind) = not_a_host_of(link.subnet, addr) else { continue };
            let message = format!("local address {addr} is the {kind} of {}", link.subnet);
            let help = "use unused host addresses of this subnet";
            diags.error(Rule::UnusableAddress, local.span, message, help);
        } else if ports.known {
            let message = format!("local address {addr} is in no port's subnet");
            let help = format!(
                "replies must come back to it: use addresses of a port's subnet ({})",
                ports.subnets()
            );
            diags.error(Rule::Unreachable, local.span, message, help);
        } else {
            continue;
        }
        reported = Some(local.span);
    }
}
