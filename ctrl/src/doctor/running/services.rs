//! Services that no connection can be scheduled for.

use super::neighbors::failed;
use super::sample::Change;
use crate::api::proto::{RealServer, Service};
use crate::check::counted;
use crate::doctor::finding::Finding;

/// Services that are named one by one; the rest is counted.
const NAMED_MAX: usize = 10;

pub(super) fn check(change: &Change) -> Vec<Finding> {
    let services = &change.after.services.services;
    let failed = failed(&change.after);
    let why_not = |service: &Service| {
        let reals = &service.real_servers;
        if reals.is_empty() {
            return Some("has no real servers");
        }
        if reals.iter().all(|real| real.unusable.is_some()) {
            return Some("has no real server that this version can send to");
        }
        let takes = |real: &&RealServer| real.weight > 0 && !real.drain && real.unusable.is_none();
        let mut usable = reals.iter().filter(takes).peekable();
        if usable.peek().is_none() {
            return Some("has real servers of weight 0 or drained ones alone");
        }
        usable
            .all(|real| failed.contains_key(&real.rip))
            .then_some("has no real server that answers ARP")
    };
    let idle: Vec<_> =
        services.iter().filter_map(|service| Some((service, why_not(service)?))).collect();
    if idle.is_empty() {
        let count = counted(services.len(), "service");
        return vec![Finding::ok(format!("{count}, each with a usable real server"))];
    }
    let finding = |(service, why): &(&Service, &str)| {
        Finding::problem(format!("service {} {why}", service.name))
            .why("its clients are refused (`no_real_server`), or wait.")
            .now("rvs show services")
    };
    let mut findings: Vec<_> = idle.iter().take(NAMED_MAX).map(finding).collect();
    if let Some(more) = idle.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        findings.push(Finding::problem(format!("{more} more services have no usable real server")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::{idle, neighbor, real_server, service};
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Problem};
    use crate::doctor::fixture::{only, says};

    #[test]
    fn a_service_needs_one_real_server_that_can_be_reached() {
        let mut change = idle();
        let pool = |first, second| {
            vec![real_server("10.0.0.11", first, 0), real_server("10.0.0.12", second, 0)]
        };
        let mut with = |real_servers, failed: &str| {
            change.after.services.services = vec![service("web", real_servers)];
            change.after.neighbors.neighbors = vec![neighbor(failed, "failed")];
            check(&change)
        };
        only(&with(pool(1, 0), "10.0.0.12"), Fine, &["1 service, each"]);
        only(&with(pool(1, 0), "10.0.0.11"), Problem, &["service web", "answers ARP"]);
        only(&with(pool(0, 0), "10.0.0.1"), Problem, &["weight 0 or drained ones alone"]);
        let mut drained = pool(1, 0);
        drained[0].drain = true;
        only(&with(drained, "10.0.0.1"), Problem, &["drained ones alone"]);
        let mut unusable = vec![real_server("10.0.0.11", 1, 0)];
        unusable[0].unusable = Some("gre is not forwarded yet".to_owned());
        only(&with(unusable, "10.0.0.1"), Problem, &["this version can send to"]);
        only(&with(Vec::new(), "10.0.0.1"), Problem, &["has no real servers"]);
    }

    #[test]
    fn many_are_counted() {
        let mut change = idle();
        change.after.services.services =
            (0..12).map(|n| service(&format!("s{n}"), Vec::new())).collect();
        let findings = check(&change);
        assert_eq!(findings.len(), 11);
        says(&findings, Problem, &["2 more services"]);
    }
}
