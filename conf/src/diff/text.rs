//! Values in words of the file.

use std::fmt::Display;
use std::net::Ipv4Addr;

use crate::config::{Device, Persistence, PersistenceEngine, ServiceTimeouts};

/// `[a, b]`.
pub(super) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// Addresses as the file has them, with ranges.
pub(super) fn addresses(addresses: &[Ipv4Addr]) -> String {
    let runs = addresses.chunk_by(|a, b| a.to_bits().checked_add(1) == Some(b.to_bits()));
    list(runs.filter_map(|run| match run {
        [] => None,
        [only] => Some(only.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    }))
}

/// What `persistence`, `persistence_mask` and `persistence_engine` say.
pub(super) fn persistence_texts(persistence: Option<Persistence>) -> [String; 3] {
    let none = || "none".to_owned();
    let Some(Persistence { timeout_s, mask, engine }) = persistence else {
        return [none(), none(), none()];
    };
    let engine = engine.map_or("none", PersistenceEngine::as_str);
    [format!("{timeout_s}s"), mask.to_string(), engine.to_owned()]
}

/// What the key `device` says.
pub(super) fn device(device: &Device) -> String {
    match device {
        Device::Vdev(text) | Device::Pci(text) => text.clone(),
    }
}

/// `{tcp: 30s}`; only those that a service has itself.
pub(super) fn timeouts(timeouts: &ServiceTimeouts) -> String {
    let named = timeouts.by_key().into_iter();
    let written = named.filter_map(|(key, seconds)| Some(format!("{key}: {}s", seconds?)));
    format!("{{{}}}", written.collect::<Vec<_>>().join(", "))
}
