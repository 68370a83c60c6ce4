//! Next hops that do not answer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::sample::{Change, Sample};
use crate::doctor::finding::Finding;

pub(super) fn check(change: &Change) -> Vec<Finding> {
    let sample = &change.after;
    let failed = failed(sample);
    if failed.is_empty() {
        let count = sample.neighbors.neighbors.len();
        return vec![Finding::ok(format!("no next hop has failed, of {count} entries"))];
    }
    let about = |(address, port): (&Ipv4Addr, &&str)| {
        let services = services_of(sample, *address);
        let what = if services.is_empty() {
            "a gateway, or a real server that was removed".to_owned()
        } else {
            format!("real server of {}", services.join(", "))
        };
        Finding::warning(format!("{address} on port {port} does not answer ARP ({what})"))
            .why("packets for it are dropped as `neighbor_unresolved`.")
            .advice("It is down, in another VLAN, or its address is wrong.")
            .now("rvs show neighbors")
    };
    failed.iter().map(about).collect()
}

/// The next hops that failed for some worker, with their ports.
pub(super) fn failed(sample: &Sample) -> BTreeMap<Ipv4Addr, &str> {
    let entries = sample.neighbors.neighbors.iter();
    let failed = entries.filter(|neighbor| neighbor.state == "failed");
    failed.map(|neighbor| (neighbor.address, neighbor.port.as_str())).collect()
}

fn services_of(sample: &Sample, address: Ipv4Addr) -> Vec<&str> {
    let services = sample.services.services.iter();
    let with = services.filter(|it| it.real_servers.iter().any(|real| real.rip == address));
    // A real server of hundreds of services is one all the same.
    with.map(|service| service.name.as_str()).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::{idle, neighbor, real_server, service};
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Warning};
    use crate::doctor::fixture::{only, says};

    #[test]
    fn who_does_not_answer_is_named_once_with_what_it_is() {
        let mut change = idle();
        let after = &mut change.after;
        after.services.services = vec![service("web", vec![real_server("10.0.0.11", 1, 0)])];
        after.neighbors.neighbors = vec![neighbor("10.0.0.11", "reachable")];
        only(&check(&change), Fine, &["of 1 entries"]);
        let states = [("10.0.0.11", "failed"), ("10.0.0.11", "failed"), ("10.0.0.1", "failed")];
        change.after.neighbors.neighbors =
            states.iter().map(|(address, state)| neighbor(address, state)).collect();
        let findings = check(&change);
        assert_eq!(findings.len(), 2, "{findings:#?}");
        says(&findings, Warning, &["10.0.0.11 on port lan", "real server of web"]);
        says(&findings, Warning, &["10.0.0.1 on port lan", "a gateway"]);
    }
}
