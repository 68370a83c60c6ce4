//! What runs out: flow tables, persistence templates, local ports.

use std::net::SocketAddrV4;

use dataplane::forward::LocalPortLevel;

use super::sample::{Change, percent};
use crate::doctor::finding::Finding;
use crate::local_ports;

/// A flow table this full, in percent, is worth a word, and this full a problem.
const FULL: u64 = 80;
const OVERFULL: u64 = 95;

pub(super) fn check(change: &Change) -> Vec<Finding> {
    let mut findings = flows(change);
    findings.extend(shed(change));
    findings.extend(ports(change));
    if findings.is_empty() {
        findings.push(Finding::ok("there is room for flows and local ports"));
    }
    findings
}

fn flows(change: &Change) -> Vec<Finding> {
    let about = |worker: &crate::api::proto::Worker| {
        let share = percent(worker.flows, worker.flow_capacity);
        let found = format!(
            "the flow table of the worker on CPU {} is {share} % full ({} of {})",
            worker.lcore, worker.flows, worker.flow_capacity
        );
        let finding = match share {
            OVERFULL.. => Finding::problem(found),
            FULL.. => Finding::warning(found),
            _ => return None,
        };
        Some(
            finding
                .why("when it is full, new connections of nat and fullnat are refused.")
                .advice("Raise `limits.flows` and restart, or lower `timeouts`, which is at once."),
        )
    };
    change.after.workers.workers.iter().filter_map(about).collect()
}

/// What is done without, since there is no room.
fn shed(change: &Change) -> Vec<Finding> {
    let (was, is) = (&change.before.drops, &change.after.drops);
    let mut findings = Vec::new();
    if let Some(rate) = change.rate(was.stateless, is.stateless) {
        findings.push(
            Finding::warning(format!("{rate} packets are sent on without a flow"))
                .why("a flow table is full; real servers of dr and tun are computed meanwhile.")
                .advice("Raise `limits.flows` and restart."),
        );
    }
    if let Some(rate) = change.rate(was.templates_full, is.templates_full) {
        findings.push(
            Finding::warning(format!("{rate} connections get no persistence template"))
                .why("their clients may reach another real server the next time.")
                .advice("Raise `limits.templates` and restart, or shorten `persistence`."),
        );
    }
    let ended = |of: &crate::api::proto::Ended| of.half_open + of.idle;
    if let Some(rate) = change.rate(ended(&was.ended), ended(&is.ended)) {
        findings.push(
            Finding::warning(format!("{rate} half-open and idle flows are ended early"))
                .why("`ipvs.drop_entry` makes room: this is a flood, or too small a table.")
                .advice("Raise `limits.flows` and restart, if this is no flood."),
        );
    }
    findings
}

fn ports(change: &Change) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &change.after.services.services {
        for real in &service.real_servers {
            let Some(usage) = local_ports::usage(real) else { continue };
            let real = SocketAddrV4::new(real.rip, real.rport);
            let found = local_ports::words(&local_ports::name(&service.name, real), usage);
            let finding = match usage.level() {
                LocalPortLevel::Ample => continue,
                LocalPortLevel::Scarce => Finding::warning(found),
                LocalPortLevel::Critical => Finding::problem(found),
            };
            findings.push(
                finding
                    .why("without a free one, new connections to this real server are refused.")
                    .advice("Add `local_addresses`: each has 64512 ports towards a real server."),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::{idle, real_server, service};
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::only;

    #[test]
    fn tables_that_fill_up_are_found() {
        let mut change = idle();
        only(&check(&change), Fine, &["there is room"]);
        change.after.workers.workers[0].flows = 800;
        only(&check(&change), Warning, &["CPU 2 is 80 % full (800 of 1000)", "limits.flows"]);
        change.after.workers.workers[0].flows = 950;
        only(&check(&change), Problem, &["95 %"]);
    }

    #[test]
    fn what_is_shed_meanwhile_is_found() {
        let mut change = idle();
        change.after.drops.stateless = 7;
        only(&check(&change), Warning, &["7/s packets", "without a flow"]);
        let mut change = idle();
        change.after.drops.templates_full = 7;
        only(&check(&change), Warning, &["limits.templates"]);
        let mut change = idle();
        (change.after.drops.ended.idle, change.after.drops.ended.half_open) = (3, 4);
        only(&check(&change), Warning, &["7/s half-open", "drop_entry"]);
        change.before.drops = change.after.drops.clone();
        only(&check(&change), Fine, &[]);
    }

    #[test]
    fn local_ports_that_run_out_are_found() {
        let mut change = idle();
        let mut with = |active| {
            change.after.services.services =
                vec![service("web", vec![real_server("10.0.0.11", 1, active)])];
            check(&change)
        };
        only(&with(700), Fine, &[]);
        only(&with(800), Warning, &["service web, 10.0.0.11:80: 800 of 1000", "local_addresses"]);
        only(&with(990), Problem, &["99 %"]);
    }
}
