//! Packets that are dropped now, by reason, with advice.

use super::sample::Change;
use crate::doctor::finding::{Finding, Severity};

/// What to do about a reason, by its name. Those that are not here are everyday: other stations'
/// traffic, and what nobody could forward.
const ADVICE: &[(&str, Severity, &str)] = &[
    (
        "flow_table_full",
        Severity::Problem,
        "Raise `limits.flows` and restart, or lower `timeouts`; see whether it is a flood.",
    ),
    ("local_ports_exhausted", Severity::Problem, "Add `local_addresses` to the service."),
    (
        "no_real_server",
        Severity::Problem,
        "Give the service a real server whose weight is not 0, below its upper threshold.",
    ),
    ("no_buffer", Severity::Problem, "Raise `dpdk.memory` and restart."),
    ("no_headroom", Severity::Problem, "Tell the developers: buffers are made with enough of it."),
    ("no_route", Severity::Problem, "Add a route to `routes`: without one, answers go nowhere."),
    (
        "neighbor_unresolved",
        Severity::Warning,
        "See which next hop is `failed` in `rvs show neighbors`: it is down or elsewhere.",
    ),
    (
        "neighbor_queue_full",
        Severity::Warning,
        "See which next hop is `failed` in `rvs show neighbors`: packets wait for it.",
    ),
    (
        "handover_ring_full",
        Severity::Warning,
        "A worker does not keep up with what others hand it: see steering in `rvs show ports`.",
    ),
    ("tx_refused", Severity::Warning, "Raise `tx_descriptors`, or use more ports."),
    (
        "fragmentation_needed",
        Severity::Warning,
        "With tun, let real servers announce a smaller MSS (1440), or raise the MTU towards them.",
    ),
    (
        "fragment_queue_full",
        Severity::Warning,
        "Too many fragments: raise the MTU on their way, or see whether it is a flood.",
    ),
    ("sctp_fragmented", Severity::Warning, "Lower the SCTP peers' path MTU, or use mode dr."),
    ("drop_packet", Severity::Note, "That is `ipvs.drop_packet` at work, as it was asked to."),
    (
        "real_server_removed",
        Severity::Note,
        "Next time drain a real server before it is removed; `expire_nodest_conn` ends its flows.",
    ),
    (
        "no_flow",
        Severity::Note,
        "Connections from before the start, or longer idle than `timeouts`.",
    ),
    ("no_service", Severity::Note, "Clients use a port without a service, or a scan is under way."),
    (
        "bad_ipv4_checksum",
        Severity::Warning,
        "Damaged on the way; or a virtual machine sends with checksum offload: switch that off.",
    ),
    ("no_call_id", Severity::Note, "They are no SIP: `persistence_engine: sip` needs a Call-ID."),
];

pub(super) fn check(change: &Change) -> Vec<Finding> {
    let (was, is) = (&change.before.drops, &change.after.drops);
    let mut findings = Vec::new();
    let mut everyday = Vec::new();
    for drop in &is.drops {
        let before = was.drops.iter().find(|it| it.reason == drop.reason);
        let rate = change.rate(before.map_or(0, |it| it.count), drop.count);
        let advice = ADVICE.iter().find(|(reason, ..)| *reason == drop.reason);
        match (rate, advice) {
            (Some(rate), Some((reason, severity, advice))) => findings.push(
                Finding::new(*severity, format!("packets are dropped: {reason}, {rate}"))
                    .why(&drop.meaning)
                    .advice(*advice),
            ),
            (Some(rate), None) => everyday.push(format!("{} {rate}", drop.reason)),
            (None, Some((reason, Severity::Problem, advice))) if drop.count > 0 => findings.push(
                Finding::note(format!("{} packets were dropped before: {reason}", drop.count))
                    .why(&drop.meaning)
                    .advice(*advice),
            ),
            (None, _) => {}
        }
    }
    if !everyday.is_empty() {
        let list = everyday.join(", ");
        findings.push(
            Finding::ok(format!("nothing to do about: {list}"))
                .why("`rvs show drops` explains each."),
        );
    }
    if findings.is_empty() {
        findings.push(Finding::ok("nothing is dropped"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use dataplane::verdict::DropReason;

    use super::super::sample::tests::{drops, idle};
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::{only, says};

    #[test]
    fn advice_is_about_reasons_there_are() {
        for (reason, ..) in ADVICE {
            assert!(DropReason::ALL.iter().any(|known| known.name() == *reason), "{reason}");
        }
    }

    #[test]
    fn drops_that_rise_are_told_from_old_ones() {
        let mut change = idle();
        only(&check(&change), Fine, &["nothing is dropped"]);
        change.after.drops = drops(&[("flow_table_full", 50), ("broadcast", 3), ("no_route", 2)]);
        change.before.drops = drops(&[("flow_table_full", 10), ("broadcast", 1), ("no_route", 2)]);
        let findings = check(&change);
        says(&findings, Problem, &["flow_table_full, 40/s", "Meaning of", "limits.flows"]);
        says(&findings, Note, &["2 packets were dropped before: no_route"]);
        says(&findings, Fine, &["broadcast 2/s"]);
        assert_eq!(findings.len(), 3);
        change.after.drops = drops(&[("tx_refused", 1)]);
        only(&check(&change), Warning, &["tx_refused, 1/s"]);
    }
}
