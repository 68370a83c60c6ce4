//! Kernel interfaces that ports attach to through net_af_packet or net_af_xdp.

use std::net::Ipv4Addr;

use conf::{Config, Device, Port};

use crate::device;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::network::Network;
use crate::doctor::root::{Seen, if_there};

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let mut findings = Vec::new();
    for (port, interface) in attached(case.config.as_ref()) {
        match about(case, port, interface) {
            Ok(found) => findings.extend(found),
            Err(unseen) => findings.push(unseen.into()),
        }
    }
    Ok(findings)
}

fn attached(config: Option<&Config>) -> impl Iterator<Item = (&Port, &str)> {
    config.into_iter().flat_map(|config| &config.ports).filter_map(|port| match &port.device {
        Device::Vdev(devargs) => Some((port, device::interface(devargs)?)),
        Device::Pci(_) => None,
    })
}

fn about(case: &Case, port: &Port, interface: &str) -> Seen<Vec<Finding>> {
    let folder = format!("sys/class/net/{interface}");
    let text = format!("port {}: the interface {interface}", port.name);
    let path = format!("{folder}/flags");
    let Some(flags) = if_there(case.root.text(&path))? else {
        return Ok(vec![
            Finding::problem(format!("{text} is not there"))
                .why("the daemon does not start without it.")
                .advice("Correct `iface=`; every network namespace has its own interfaces:")
                .now("ip -brief link"),
        ]);
    };
    let is_up = device::is_up(&flags);
    let is_up = is_up.ok_or_else(|| case.root.garbled(path, flags, "set of flags"))?;
    let mut findings = Vec::new();
    if !is_up {
        findings.push(
            Finding::problem(format!("{text} is down"))
                .why("it receives nothing.")
                .now(format!("ip link set {interface} up")),
        );
    } else if case.root.value::<u32>(format!("{folder}/carrier")) == Ok(0) {
        // Of an interface that is down, the kernel does not tell.
        findings.push(
            Finding::warning(format!("{text} has no link"))
                .why("nothing arrives until cable and peer are there.")
                .now(format!("ethtool {interface}")),
        );
    }
    let mtu: u32 = case.root.value(format!("{folder}/mtu"))?;
    if mtu < u32::from(port.mtu) {
        findings.push(
            Finding::problem(format!("{text} has MTU {mtu}, the port {}", port.mtu))
                .why("longer packets than the interface's are dropped on sending.")
                .now(format!("ip link set {interface} mtu {}", port.mtu)),
        );
    }
    let network = Network::read(&case.root, case.login.as_deref())?;
    findings.extend(shared_use(&network, interface, &text));
    if findings.is_empty() {
        findings.push(Finding::ok(format!("{text} is up, and the kernel has no address on it")));
    }
    Ok(findings)
}

/// What the kernel itself does with the interface.
fn shared_use(network: &Network, interface: &str, text: &str) -> Option<Finding> {
    let lost = network.depends_on(interface);
    let addresses = network.addresses_of(interface);
    if addresses.is_empty() && lost.is_empty() {
        return None;
    }
    let list = addresses.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ");
    let finding = if lost.is_empty() {
        Finding::warning(format!("{text} has addresses of the kernel's: {list}"))
            .now(format!("ip -4 address flush dev {interface}"))
    } else {
        let lost = lost.join(" and ");
        Finding::warning(format!("{text} has {lost} ({list})")).advice(
            "Use another interface: without its addresses the machine is cut off, and you with it.",
        )
    };
    Some(finding.why(
        "the kernel gets a copy of every packet and answers those for it: resets and ICMP errors \
         beside the answers of RVS.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Problem, Unknown, Warning};
    use crate::doctor::fixture::{PACKET, PCI, Tree, only, says};
    use crate::doctor::network::tests::with_network;

    fn findings(name: &str, flags: &str, carrier: &str, mtu: &str) -> Vec<Finding> {
        let file = |what: &str| format!("sys/class/net/{name}/{what}");
        let tree = with_network(Tree::new())
            .file(&file("flags"), flags)
            .file(&file("carrier"), carrier)
            .file(&file("mtu"), mtu);
        check(&tree.case(&PACKET.replace("eth1", name))).unwrap()
    }

    #[test]
    fn an_interface_is_up_wide_enough_and_without_addresses() {
        let findings = |flags, carrier, mtu| findings("eth9", flags, carrier, mtu);
        only(&findings("0x1003\n", "1\n", "1500\n"), Fine, &["eth9 is up"]);
        only(&findings("0x1002\n", "", "1500\n"), Problem, &["ip link set eth9 up"]);
        only(&findings("up\n", "1\n", "1500\n"), Unknown, &["\"up\", which is no set of flags"]);
        only(&findings("0x1003\n", "0\n", "1500\n"), Warning, &["no link"]);
        only(&findings("0x1003\n", "1\n", "1400\n"), Problem, &["MTU 1400", "mtu 1500"]);
    }

    #[test]
    fn the_kernel_should_have_no_addresses_there() {
        let findings = |name| findings(name, "0x1003\n", "1\n", "1500\n");
        only(&findings("eth1"), Warning, &["192.0.2.2, 192.0.2.10", "address flush dev eth1"]);
        let login = findings("eth0");
        only(&login, Warning, &["the default route", "Use another interface"]);
        assert_eq!(login[0].fix.now, [""; 0]);
    }

    #[test]
    fn interfaces_must_be_there_and_other_devices_are_not_looked_at() {
        says(&check(&Tree::new().case(PACKET)).unwrap(), Problem, &["eth1 is not there"]);
        assert_eq!(check(&Tree::new().case(PCI)).unwrap(), []);
    }
}
