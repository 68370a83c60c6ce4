//! Addresses of RVS that the kernel has, too.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use conf::{Config, MarkRule};

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::network::Network;
use crate::doctor::root::Seen;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let Some(config) = &case.config else { return Ok(Vec::new()) };
    let network = Network::read(&case.root, case.login.as_deref())?;
    let ours = addresses(config);
    let both = network.local.iter().filter_map(|address| Some((address, ours.get(address)?)));
    let findings: Vec<_> = both
        .map(|(address, what)| {
            let interface = network.interface_of(*address);
            let place = interface.map(|name| format!(", on {name}")).unwrap_or_default();
            Finding::warning(format!(
                "{address} ({what}) is also an address of the kernel's{place}"
            ))
            .why(
                "the kernel answers ARP for it on any interface of that network, and clients \
                     may end there.",
            )
            .advice("See where it is, and remove it there (`ip address del`).")
            .now(format!("ip -4 address show to {address}"))
        })
        .collect();
    if findings.is_empty() {
        let count = ours.len();
        return Ok(vec![Finding::ok(format!("the kernel has none of the {count} addresses"))]);
    }
    Ok(findings)
}

/// The addresses that RVS answers for, with what each is.
fn addresses(config: &Config) -> BTreeMap<Ipv4Addr, String> {
    let mut found = BTreeMap::new();
    for service in &config.services {
        let name = &service.name;
        for local in config.pool_of(service) {
            found.insert(*local, format!("local address of service {name}"));
        }
        if let Some(vip) = service.key.vip() {
            found.insert(*vip.ip(), format!("VIP of service {name}"));
        }
    }
    for vip in config.marks.iter().filter_map(MarkRule::vip) {
        found.entry(vip).or_insert_with(|| "VIP of a mark rule".to_owned());
    }
    for port in &config.ports {
        found.extend(port.addresses.iter().map(|own| (own.addr, format!("port {}", port.name))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only, says};
    use crate::doctor::network::tests::with_network;

    #[test]
    fn addresses_are_either_ours_or_the_kernels() {
        let services = "services: {web: {vip: 192.0.2.10:80, protocol: tcp, mode: fullnat,
            local_addresses: [192.0.2.100-192.0.2.101], real_servers: [{address: 192.0.2.20:80}]}}";
        let config = PCI.replace("services: {}", services);
        let tree = with_network(Tree::new());
        let findings = check(&tree.case(&config)).unwrap();
        assert_eq!(findings.len(), 2, "{findings:#?}");
        says(&findings, Warning, &["192.0.2.2 (port wan)", "on eth1", "show to 192.0.2.2"]);
        says(&findings, Warning, &["192.0.2.10 (VIP of service web)"]);
        let elsewhere = config.replace("192.0.2.", "203.0.113.");
        only(&check(&tree.case(&elsewhere)).unwrap(), Fine, &["none of the 4 addresses"]);
    }

    #[test]
    fn local_addresses_for_all_services_and_vips_of_marks_are_ours_too() {
        let services = "local_addresses: [192.0.2.10]
marks: [{mark: 1, protocol: tcp, destination: 198.51.100.7}]
services: {web: {mark: 1, mode: fullnat, real_servers: [{address: 192.0.2.20:80}]}}";
        let tree = with_network(Tree::new());
        let findings = check(&tree.case(&PCI.replace("services: {}", services))).unwrap();
        assert_eq!(findings.len(), 3, "{findings:#?}");
        says(&findings, Warning, &["192.0.2.10 (local address of service web)"]);
        says(&findings, Warning, &["198.51.100.7 (VIP of a mark rule)", "on eth0"]);
    }
}
