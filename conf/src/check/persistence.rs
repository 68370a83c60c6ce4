//! Persistence of a service, and what a service for all ports asks of it.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::config::{Persistence, PersistenceEngine};
use crate::diag::Diags;
use crate::raw::RawService;
use crate::read::Text;
use crate::rule::Rule;
use crate::span::At;
use crate::value;

const ENGINES: &[(&str, PersistenceEngine)] =
    &[(PersistenceEngine::Sip.as_str(), PersistenceEngine::Sip)];

/// The persistence of a service, if it has one; `None` if what is written is wrong.
pub(super) fn of_service(
    raw: &RawService<'_>,
    vip: Option<At<SocketAddrV4>>,
    diags: &mut Diags,
) -> Option<Option<Persistence>> {
    let mask = match &raw.persistence_mask {
        Some(text) => mask(text, diags),
        None => Some(Persistence::WHOLE_ADDRESS),
    };
    let engine = engine(raw, diags);
    let Some(text) = &raw.persistence else {
        return (without(raw, vip, diags) && engine.is_some()).then_some(None);
    };
    let timeout_s = value::seconds(text, diags)?.value;
    Some(Some(Persistence { timeout_s, mask: mask?, engine: engine? }))
}

/// The engine, if there is one; `None` if what is written is wrong.
fn engine(raw: &RawService<'_>, diags: &mut Diags) -> Option<Option<PersistenceEngine>> {
    let Some(text) = &raw.persistence_engine else { return Some(None) };
    Some(Some(value::word(text, ENGINES, diags)?.value))
}

/// What does not go without persistence; whether there is nothing.
fn without(raw: &RawService<'_>, vip: Option<At<SocketAddrV4>>, diags: &mut Diags) -> bool {
    if let Some(mask) = &raw.persistence_mask {
        let message = "a mask for persistence, which the service does not have";
        let help = "add `persistence: 5m`, or remove `persistence_mask`";
        diags.error(Rule::Persistence, mask.span, message, help);
        return false;
    }
    if let Some(engine) = &raw.persistence_engine {
        let message = "an engine for persistence, which the service does not have";
        let help = "add `persistence: 5m`, or remove `persistence_engine`";
        diags.error(Rule::Persistence, engine.span, message, help);
        return false;
    }
    if let Some(vip) = vip.filter(|vip| vip.value.port() == 0) {
        let message = "port 0 stands for all ports, and that takes persistence";
        let help = format!("add `persistence: 5m`, or write a port: `vip: {}:80`", vip.value.ip());
        diags.error(Rule::Persistence, vip.span, message, help);
        return false;
    }
    true
}

/// A netmask.
fn mask(text: &Text<'_>, diags: &mut Diags) -> Option<Ipv4Addr> {
    let key = text.key;
    let prefix_len = text.text.trim_start_matches('/').parse::<u8>().ok();
    if let Some(prefix_len @ 0..=32) = prefix_len.filter(|_| !text.text.contains('.')) {
        let mask = netmask(prefix_len);
        let message = format!("`{key}` is a prefix length: `{}`", text.text);
        diags.error(Rule::BadValue, text.span, message, format!("write `{key}: {mask}`"));
        return None;
    }
    let mask = value::ipv4(text, text.text, "255.255.255.0", diags)?;
    if is_netmask(mask) {
        return Some(mask);
    }
    let message = format!("`{key}` is not a netmask: `{mask}`");
    let help = format!(
        "a netmask is ones and then zeros; the nearest is `{}`",
        netmask(prefix_len_of(mask))
    );
    diags.error(Rule::BadValue, text.span, message, help);
    None
}

/// Whether a mask is ones and then zeros.
pub(crate) fn is_netmask(mask: Ipv4Addr) -> bool {
    netmask(prefix_len_of(mask)) == mask
}

/// Ones at the beginning, as a count of at most 32.
fn prefix_len_of(mask: Ipv4Addr) -> u8 {
    u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32)
}

fn netmask(prefix_len: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0))
}
