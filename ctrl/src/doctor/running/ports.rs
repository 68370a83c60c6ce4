//! Ports: links, packets that the device lost, and how packets reach their workers.

use super::sample::{Change, percent};
use crate::api::proto::Port;
use crate::doctor::finding::{Finding, Severity};

/// A port that steers should not hand over more than this share, in percent.
const HANDED_OVER_MAX: u64 = 10;
/// Of fewer packets, shares say nothing.
const PACKETS_MIN: u64 = 1000;

pub(super) fn check(change: &Change) -> Vec<Finding> {
    let pairs = change.before.ports.ports.iter().zip(&change.after.ports.ports);
    pairs.flat_map(|(was, is)| about(change, was, is)).collect()
}

fn about(change: &Change, was: &Port, is: &Port) -> Vec<Finding> {
    let name = &is.name;
    let mut findings = Vec::new();
    if is.link_up == Some(false) {
        findings.push(
            Finding::problem(format!("port {name}: the link is down"))
                .why("nothing is received or sent there.")
                .advice("Check cable, transceiver and the switch's port."),
        );
    }
    findings.extend(losses(change, was, is));
    findings.push(steering(was, is));
    if is.offloads.iter().all(|offload| !offload.ends_with("-checksum")) {
        findings.push(
            Finding::note(format!("port {name}: {} computes no checksums", is.driver))
                .why("workers do it, at some ten cycles for each packet that is changed."),
        );
    }
    findings
}

/// Counters of lost packets that rise.
fn losses(change: &Change, was: &Port, is: &Port) -> Vec<Finding> {
    let counters = [
        (
            (was.rx_missed, is.rx_missed, "rx_missed"),
            (Severity::Problem, "the workers do not fetch packets in time"),
            "Add workers, raise `rx_descriptors`, and see what else runs on the workers' CPUs.",
        ),
        (
            (was.rx_no_mbuf, is.rx_no_mbuf, "rx_no_mbuf"),
            (Severity::Problem, "received packets find no free buffer"),
            "Raise `dpdk.memory` and restart.",
        ),
        (
            (was.rx_errors, is.rx_errors, "rx_errors"),
            (Severity::Warning, "frames arrive damaged, or longer than the MTU"),
            "Check cable, transceiver, and the MTU at both ends.",
        ),
        (
            (was.tx_errors, is.tx_errors, "tx_errors"),
            (Severity::Warning, "the device does not send what it took"),
            "Check cable and transceiver; `rvs run --log-level debug` shows the driver's words.",
        ),
        (
            (was.tx_refused, is.tx_refused, "tx_refused"),
            (Severity::Warning, "the device does not keep up with what is to be sent"),
            "Raise `tx_descriptors`, or spread the traffic over more ports.",
        ),
    ];
    let finding = |(counter, verdict, advice): ((u64, u64, &str), (Severity, &str), &str)| {
        let rate = change.rate(counter.0, counter.1)?;
        let found = format!("port {}: {} rises by {rate}", is.name, counter.2);
        Some(Finding::new(verdict.0, found).why(format!("{}.", verdict.1)).advice(advice))
    };
    counters.into_iter().filter_map(finding).collect()
}

fn steering(was: &Port, is: &Port) -> Finding {
    let received = is.rx_packets.saturating_sub(was.rx_packets);
    let share = percent(is.handed_over.saturating_sub(was.handed_over), received);
    let share = if received < PACKETS_MIN { 0 } else { share };
    let found = format!("port {}: steering {}", is.name, is.steering);
    let notes = is.steering_notes.join("; ");
    if is.steering == "hand-over" {
        let found = format!("{found}, {share} % of its packets went to another worker");
        return Finding::note(found)
            .why(format!("{notes}."))
            .advice("A card that can be told which packets go where saves the workers this.");
    }
    if share > HANDED_OVER_MAX {
        let found = format!("{found}, yet {share} % of its packets went to another worker");
        let why =
            if notes.is_empty() { "the card does not do as it was told".into() } else { notes };
        return Finding::warning(found)
            .why(format!("{why}."))
            .advice("docs/BENCHMARKING.md says how to see where a card puts packets.")
            .now("rvs show ports");
    }
    Finding::ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::idle;
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::{only, says};

    fn with(set: impl Fn(&mut Port)) -> Vec<Finding> {
        let mut change = idle();
        let port = &mut change.after.ports.ports[0];
        port.offloads = vec!["rx-ipv4-checksum".to_owned()];
        port.rx_packets = 10_000;
        set(port);
        check(&change)
    }

    #[test]
    fn lost_packets_and_links_are_found() {
        only(&with(|_| {}), Fine, &["port wan: steering rss"]);
        says(&with(|port| port.link_up = Some(false)), Problem, &["the link is down"]);
        only(&with(|port| port.link_up = None), Fine, &[]);
        says(&with(|port| port.rx_missed = 9), Problem, &["rx_missed rises by 9/s", "in time"]);
        says(&with(|port| port.rx_no_mbuf = 9), Problem, &["dpdk.memory"]);
        says(&with(|port| port.rx_errors = 9), Warning, &["cable"]);
        says(&with(|port| port.tx_errors = 9), Warning, &["tx_errors"]);
        says(&with(|port| port.tx_refused = 9), Warning, &["tx_descriptors"]);
    }

    #[test]
    fn packets_that_are_handed_over_against_the_plan_are_found() {
        only(&with(|port| port.handed_over = 1000), Fine, &[]);
        only(&with(|port| port.handed_over = 2000), Warning, &["20 %", "does not do as it was"]);
        let by_hand = |port: &mut Port| {
            port.steering = "hand-over".to_owned();
            port.steering_notes = vec!["no RSS: it cannot".to_owned()];
            port.handed_over = 5000;
        };
        only(&with(by_hand), Note, &["50 %", "no RSS: it cannot"]);
        let few = |port: &mut Port| (port.rx_packets, port.handed_over) = (10, 9);
        only(&with(few), Fine, &[]);
    }

    #[test]
    fn checksums_by_the_workers_are_said() {
        says(&with(|port| port.offloads.clear()), Note, &["net_i40e computes no checksums"]);
    }
}
