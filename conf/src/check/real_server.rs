//! Real servers of a service: each by itself, and against each other and their service.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;

use crate::diag::Diags;
use crate::raw::{RawRealServer, RawTunnel};
use crate::read::Text;
use crate::real_server::{ForwardingMode, RealServer, WEIGHT_MAX};
use crate::rule::Rule;
use crate::span::{At, Span};
use crate::tunnel::{GueChecksum, Tunnel};
use crate::value;

use super::scheduler;
use super::service::{self, ServiceDraft};

/// A real server of which some values may have been wrong.
#[derive(Debug)]
pub(super) struct RealServerDraft {
    pub(super) address: Option<At<RealServerAddr>>,
    /// Its own mode, or its service's with the place where that stands.
    pub(super) mode: Option<At<ForwardingMode>>,
    tunnel: Option<Tunnel>,
    weight: Option<u32>,
    drain: Option<bool>,
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

impl RealServerDraft {
    /// The checked real server, if all of it was right.
    pub(super) fn finish(self) -> Option<RealServer> {
        let address = self.address?.value;
        let (upper_threshold, lower_threshold) = self.thresholds?;
        Some(RealServer {
            address: SocketAddrV4::new(address.rip, address.rport?),
            mode: self.mode?.value,
            tunnel: self.tunnel?,
            weight: self.weight?,
            drain: self.drain?,
            upper_threshold,
            lower_threshold,
        })
    }
}

/// Checks one by itself; `vport` and `mode` are its service's.
pub(super) fn draft(
    raw: &RawRealServer<'_>,
    vport: Option<u16>,
    mode: Option<At<ForwardingMode>>,
    diags: &mut Diags,
) -> RealServerDraft {
    let address = raw.address.as_ref().and_then(|text| {
        // Without a port of its own or of the service it is not known.
        let At { value, span } = value::endpoint(text, vport.or(Some(0)), diags)?;
        let rport = Some(value.port()).filter(|rport| *rport != 0 || vport.is_some());
        Some(At::new(RealServerAddr { rip: *value.ip(), rport }, span))
    });
    let weight = match &raw.weight {
        Some(text) => value::number(text, 0..=WEIGHT_MAX, diags).map(|weight| weight.value),
        None => Some(1),
    };
    let mode = match &raw.mode {
        Some(text) => service::mode(text, diags),
        None => mode,
    };
    RealServerDraft {
        address,
        mode,
        tunnel: tunnel(raw.tunnel.as_ref(), mode, diags),
        weight,
        drain: raw.drain.as_ref().map_or(Some(false), |text| value::boolean(text, diags)),
        thresholds: scheduler::thresholds(raw, diags),
    }
}

/// The type of a tunnel, and what the keys beside it can say.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Ipip,
    Gue,
    Gre,
}

const KINDS: &[(&str, Kind)] =
    &[(Tunnel::IPIP, Kind::Ipip), (Tunnel::GUE, Kind::Gue), (Tunnel::GRE, Kind::Gre)];

fn tunnel(
    raw: Option<&RawTunnel<'_>>,
    mode: Option<At<ForwardingMode>>,
    diags: &mut Diags,
) -> Option<Tunnel> {
    let Some(raw) = raw else { return Some(Tunnel::Ipip) };
    let kind = value::word(raw.r#type.as_ref()?, KINDS, diags)?;
    if let Some(mode) = mode.filter(|mode| mode.value != ForwardingMode::Tunnel) {
        let message = format!("a tunnel for a real server in mode {}", mode.value.as_str());
        let help = "write `mode: tun`, or remove `tunnel`";
        diags.error(Rule::Tunnel, kind.span, message, help).see(mode.span, "the mode");
        return None;
    }
    let mut unused = |text: Option<&Text<'_>>| {
        let Some(text) = text else { return true };
        let message = format!("`{}` of a tunnel whose type has none", text.key);
        let help = format!("remove `{}`, or write another type", text.key);
        diags.error(Rule::Tunnel, text.span, message, help).see(kind.span, "the type");
        false
    };
    match kind.value {
        Kind::Ipip => {
            let (no_port, no_checksum) = (unused(raw.port.as_ref()), unused(raw.checksum.as_ref()));
            (no_port && no_checksum).then_some(Tunnel::Ipip)
        }
        Kind::Gre => {
            let no_port = unused(raw.port.as_ref());
            let choices = [GueChecksum::None, GueChecksum::Full];
            let checksum = checksum(raw.checksum.as_ref(), &choices, diags)?;
            no_port.then_some(Tunnel::Gre { checksum: checksum == GueChecksum::Full })
        }
        Kind::Gue => {
            let checksum = checksum(raw.checksum.as_ref(), &GueChecksum::ALL, diags);
            let Some(text) = raw.port.as_ref() else {
                let message = "a tunnel of type gue needs a `port`, that of the real server";
                diags.error(Rule::Tunnel, kind.span, message, "add `port: 6080`");
                return None;
            };
            let l4_port = value::number(text, 1..=65_535, diags)?.value;
            let dst_port = NonZeroU16::new(u16::try_from(l4_port).ok()?)?;
            Some(Tunnel::Gue { dst_port, checksum: checksum? })
        }
    }
}

fn checksum(
    text: Option<&Text<'_>>,
    choices: &[GueChecksum],
    diags: &mut Diags,
) -> Option<GueChecksum> {
    let Some(text) = text else { return Some(GueChecksum::None) };
    let words: Vec<_> = choices.iter().map(|one| (one.as_str(), *one)).collect();
    value::word(text, &words, diags).map(|word| word.value)
}

/// Rules between a service and its real servers.
pub(super) fn check_between(service: &ServiceDraft<'_>, diags: &mut Diags) {
    let mut seen: HashMap<(Ipv4Addr, u16), Span> = HashMap::new();
    for real in &service.real_servers {
        let Some(At { value, span }) = real.address else { continue };
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
        if let Some(mode) = real.mode {
            check_rport(service, mode.value, At::new((value.rip, rport), span), diags);
        }
    }
}

/// Modes that do not rewrite ports leave real servers the port of the service.
fn check_rport(
    service: &ServiceDraft<'_>,
    mode: ForwardingMode,
    At { value: (rip, rport), span }: At<(Ipv4Addr, u16)>,
    diags: &mut Diags,
) {
    // Where packets have any port, that of a real server means nothing.
    let has_port = service.vip.filter(|vip| vip.value.port() != 0);
    if mode.rewrites() || service.mark.is_some() {
        return;
    }
    let Some(vip) = has_port.filter(|vip| rport != vip.value.port()) else { return };
    let (vport, mode) = (vip.value.port(), mode.as_str());
    let message = format!("port {rport} differs from the service's port {vport}");
    let help = format!(
        "mode {mode} does not rewrite ports: write `address: {rip}:{vport}`, \
         or use mode nat or fullnat"
    );
    diags.error(Rule::PortMismatch, span, message, help).see(vip.span, "the service");
}
