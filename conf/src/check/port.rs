//! Ports: device, addresses and sizes of each, and what they must not share.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::config::{Device, InterfaceAddr, Port};
use crate::diag::Diags;
use crate::raw::{RawConfig, RawPort};
use crate::read::Text;
use crate::rule::Rule;
use crate::span::{At, Span};
use crate::value;

/// A port of which some values may have been wrong.
#[derive(Debug)]
pub(super) struct PortDraft<'a> {
    pub(super) name: &'a str,
    device: Option<At<Device>>,
    pub(super) addresses: Vec<At<InterfaceAddr>>,
    mtu: Option<u16>,
    rx_descriptors: Option<u16>,
    tx_descriptors: Option<u16>,
    /// Whether every address written could be read.
    addresses_known: bool,
}

/// All ports of the file.
#[derive(Debug)]
pub(super) struct Ports<'a> {
    pub(super) list: Vec<PortDraft<'a>>,
    /// Whether every address written could be read. If not, nothing can be said about addresses
    /// that no port seems to reach.
    pub(super) known: bool,
}

impl Ports<'_> {
    /// The most specific subnet of a port that holds `addr`.
    pub(super) fn on_link(&self, addr: Ipv4Addr) -> Option<OnLink> {
        let subnets = self.list.iter().enumerate().flat_map(|(port, draft)| {
            draft.addresses.iter().map(move |own| OnLink { port, subnet: own.value.subnet() })
        });
        subnets
            .filter(|link| link.subnet.contains(&addr))
            .max_by_key(|link| link.subnet.prefix_len())
    }

    /// The subnets of all ports, for help texts.
    pub(super) fn subnets(&self) -> String {
        let subnets = self.list.iter().flat_map(|port| &port.addresses);
        let subnets: Vec<String> = subnets.map(|own| own.value.subnet().to_string()).collect();
        if subnets.is_empty() { "no port has an address".to_owned() } else { subnets.join(", ") }
    }
}

impl PortDraft<'_> {
    /// The checked port, if all of it was right.
    pub(super) fn finish(self) -> Option<Port> {
        Some(Port {
            name: self.name.to_owned(),
            device: self.device?.value,
            addresses: self.addresses.into_iter().map(|addr| addr.value).collect(),
            mtu: self.mtu?,
            rx_descriptors: self.rx_descriptors?,
            tx_descriptors: self.tx_descriptors?,
        })
    }
}

/// Where in the ports an address falls.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnLink {
    /// Index of the port.
    pub(super) port: usize,
    /// The subnet that holds the address.
    pub(super) subnet: Ipv4Net,
}

/// Why `addr` cannot belong to a host of `subnet`, if it cannot.
pub(crate) fn not_a_host_of(subnet: Ipv4Net, addr: Ipv4Addr) -> Option<&'static str> {
    if subnet.prefix_len() >= 31 {
        None
    } else if addr == subnet.network() {
        Some("network address")
    } else if addr == subnet.broadcast() {
        Some("broadcast address")
    } else {
        None
    }
}

/// Checks each port by itself.
pub(super) fn ports<'a>(raw: &RawConfig<'a>, diags: &mut Diags) -> Ports<'a> {
    let Some(ports) = &raw.ports else { return Ports { list: Vec::new(), known: false } };
    if ports.written == 0 {
        let help = "add one: `ports: {wan: {device: \"net_af_packet0,iface=eth0\"}}`";
        diags.error(Rule::OutOfRange, ports.span, "no port: at least one is needed", help);
    }
    let list: Vec<PortDraft<'_>> =
        ports.items.iter().map(|(name, port)| draft(name.value, port, diags)).collect();
    let known = list.len() == ports.written && list.iter().all(|port| port.addresses_known);
    Ports { list, known }
}

fn draft<'a>(name: &'a str, raw: &RawPort<'a>, diags: &mut Diags) -> PortDraft<'a> {
    let device = raw.device.as_ref().and_then(|text| device(text, diags));
    let (texts, written) =
        raw.addresses.as_ref().map_or((&[][..], 0), |list| (&list.items, list.written));
    let addresses: Vec<_> = texts.iter().filter_map(|text| interface_addr(text, diags)).collect();
    PortDraft {
        name,
        device,
        addresses_known: addresses.len() == written,
        addresses,
        mtu: size(raw.mtu.as_ref(), Port::MTU_DEFAULT, 576..=9000, diags),
        rx_descriptors: descriptors(raw.rx_descriptors.as_ref(), diags),
        tx_descriptors: descriptors(raw.tx_descriptors.as_ref(), diags),
    }
}

/// A 16-bit number with a default.
fn size(
    text: Option<&Text<'_>>,
    default: u16,
    range: std::ops::RangeInclusive<u32>,
    diags: &mut Diags,
) -> Option<u16> {
    let Some(text) = text else { return Some(default) };
    u16::try_from(value::number(text, range, diags)?.value).ok()
}

fn descriptors(text: Option<&Text<'_>>, diags: &mut Diags) -> Option<u16> {
    let count = size(text, Port::DESCRIPTORS_DEFAULT, 64..=8192, diags)?;
    if let Some(text) = text.filter(|_| !count.is_power_of_two()) {
        let message = format!("`{}` is not a power of two: `{count}`", text.key);
        let help = format!("write `{}: {}`", text.key, count.next_power_of_two());
        diags.error(Rule::OutOfRange, text.span, message, help);
        return None;
    }
    Some(count)
}

/// A virtual device or a PCI address.
fn device(text: &Text<'_>, diags: &mut Diags) -> Option<At<Device>> {
    let spec = text.text;
    if let Some(pci) = pci_address(spec) {
        return Some(At::new(Device::Pci(pci), text.span));
    }
    let name = vdev_name(spec);
    let driver = ["net_", "eth_", "virtio_user"].iter().any(|start| name.starts_with(start));
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (what, help) = if spec.chars().any(|c| c.is_whitespace() || c.is_control()) {
        ("has blanks", "write the arguments without blanks: `net_af_packet0,iface=eth0`".to_owned())
    } else if driver && name.chars().all(word) && name.len() < 64 {
        return Some(At::new(Device::Vdev(spec.to_owned()), text.span));
    } else if !name.is_empty() && name.len() < 16 && spec == name && !spec.contains(':') {
        let help = format!(
            "for the kernel's interface {name} write \"net_af_packet0,iface={name}\"; \
             for a NIC bound to vfio-pci write its PCI address, such as \"0000:3b:00.0\""
        );
        ("is neither a DPDK virtual device nor a PCI address", help)
    } else {
        let help = "write a virtual device, such as \"net_af_packet0,iface=eth0\", \
                    or a PCI address, such as \"0000:3b:00.0\"";
        ("is neither a DPDK virtual device nor a PCI address", help.to_owned())
    };
    diags.error(Rule::BadValue, text.span, format!("`device` {what}: `{spec}`"), help);
    None
}

/// The name of a virtual device, without its arguments.
fn vdev_name(spec: &str) -> &str {
    spec.split(',').next().unwrap_or(spec)
}

/// `spec` as a full PCI address in lower case, if it is one; the domain may be left out.
fn pci_address(spec: &str) -> Option<String> {
    let (address, function) = spec.split_once('.')?;
    let parts: Vec<&str> = address.split(':').collect();
    let (domain, bus, slot) = match parts[..] {
        [domain, bus, slot] => (domain, bus, slot),
        [bus, slot] => ("0000", bus, slot),
        _ => return None,
    };
    let hex = |part: &str, min: usize, max: usize| {
        (min..=max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let valid = hex(domain, 4, 8)
        && hex(bus, 2, 2)
        && hex(slot, 2, 2)
        && matches!(function.as_bytes(), [b'0'..=b'7'])
        && u8::from_str_radix(slot, 16).is_ok_and(|slot| slot < 32);
    valid.then(|| format!("{domain}:{bus}:{slot}.{function}").to_lowercase())
}

/// An own address, which must be one that a host of its subnet can have.
fn interface_addr(text: &Text<'_>, diags: &mut Diags) -> Option<At<InterfaceAddr>> {
    let At { value: (addr, prefix_len), span } = value::host_prefix(text, diags)?;
    let own = InterfaceAddr { addr, prefix_len };
    if let Some(kind) = not_a_host_of(own.subnet(), addr) {
        let message = format!("{addr} is the {kind} of {}", own.subnet());
        let help = "use the director's own address in this subnet";
        diags.error(Rule::UnusableAddress, span, message, help);
        return None;
    }
    Some(At::new(own, span))
}

/// Checks what ports must not share: devices, addresses and subnets.
pub(super) fn check_between(ports: &Ports<'_>, diags: &mut Diags) {
    let ports = &ports.list[..];
    let mut devices: HashMap<String, (usize, Span)> = HashMap::new();
    for (index, port) in ports.iter().enumerate() {
        let Some(device) = &port.device else { continue };
        for handle in handles(&device.value) {
            let first = devices.entry(handle).or_insert((index, device.span));
            if first.0 != index {
                let (a, b) = (ports[first.0].name, port.name);
                let message = format!("ports {a} and {b} use the same device");
                let help = "give each port a device of its own: another PCI address, or another \
                            virtual device name and interface";
                diags.error(Rule::Duplicate, device.span, message, help).see(first.1, "used here");
                break;
            }
        }
    }
    let own: Vec<(usize, &At<InterfaceAddr>)> = ports
        .iter()
        .enumerate()
        .flat_map(|(index, port)| port.addresses.iter().map(move |addr| (index, addr)))
        .collect();
    for (later, (port, addr)) in own.iter().enumerate() {
        for (first_port, first) in &own[..later] {
            if check_addresses(ports, (*first_port, first), (*port, addr), diags) {
                break;
            }
        }
    }
}

/// What a device occupies: its name and, for drivers on top of the kernel, the interface.
fn handles(device: &Device) -> Vec<String> {
    match device {
        Device::Pci(address) => vec![address.clone()],
        Device::Vdev(spec) => {
            let interface = spec.split(',').find(|arg| arg.starts_with("iface="));
            [Some(vdev_name(spec)), interface].into_iter().flatten().map(str::to_owned).collect()
        }
    }
}

/// Checks two own addresses against each other; whether something was wrong.
fn check_addresses(
    ports: &[PortDraft<'_>],
    (first_port, first): (usize, &At<InterfaceAddr>),
    (port, addr): (usize, &At<InterfaceAddr>),
    diags: &mut Diags,
) -> bool {
    let (a, b) = (first.value.subnet(), addr.value.subnet());
    if first.value.addr == addr.value.addr {
        let message = format!("address {} stands twice", addr.value.addr);
        let help = "remove one of the two, or change it";
        diags.error(Rule::Duplicate, addr.span, message, help).see(first.span, "first here");
    } else if first_port != port && (a.contains(&b) || b.contains(&a)) {
        let (name, first_name) = (ports[port].name, ports[first_port].name);
        let message = format!("subnet {b} of port {name} overlaps subnet {a} of port {first_name}");
        let help = "put each subnet on one port, or use longer prefixes";
        diags.error(Rule::SubnetOverlap, addr.span, message, help).see(first.span, "other subnet");
    } else {
        return false;
    }
    true
}
