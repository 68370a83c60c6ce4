//! Conformance to IPVS: what RVS chooses and counts against what a real IPVS did with the same
//! connections, segment by segment.
//!
//! The answers of Linux were recorded once (`perf/oracle`) and lie in `recorded/`, in the notation
//! that [`script`] reads; [`replay`] gives the same steps to a worker in memory. What is compared
//! and how to record anew is in docs/IPVS-COMPATIBILITY.md.

mod arrived;
mod covered;
mod notation;
mod replay;
mod script;
mod setup;

use replay::Replay;

/// Plays all scripts of a file; fails with all that differ.
#[track_caller]
fn conforms(recorded: &str, scripts_min: usize) {
    let scripts = notation::parse(recorded);
    assert!(scripts.len() >= scripts_min, "only {} scripts", scripts.len());
    let differences: Vec<String> =
        scripts.iter().filter_map(|script| Replay::new(script).play().err()).collect();
    let (count, all) = (differences.len(), differences.join("\n\n"));
    assert!(count == 0, "{count} of {} scripts differ from IPVS:\n\n{all}\n", scripts.len());
}

/// A test for each recorded file.
macro_rules! recorded {
    ($($name:ident $file:literal: $scripts_min:literal,)*) => {$(
        #[test]
        fn $name() {
            conforms(include_str!(concat!("recorded/", $file, ".txt")), $scripts_min);
        }
    )*};
}

recorded! {
    rr "rr": 12,
    wrr "wrr": 12,
    lc "lc": 12,
    wlc "wlc": 12,
    sed "sed": 12,
    nq "nq": 12,
    fo "fo": 12,
    ovf "ovf": 12,
    lblc "lblc": 12,
    lblcr "lblcr": 12,
    dh "dh": 12,
    sh "sh": 48,
    mh "mh": 48,
    states_in_nat "walk-nat": 4,
    states_in_dr "walk-dr": 4,
    states_in_tun "walk-tun": 4,
    states_of_half_closed "walk-half-closed": 2,
    secured_states_in_nat "walk-secure-nat": 4,
    secured_states_in_dr "walk-secure-dr": 4,
    udp_in_nat "udp-nat": 6,
    udp_in_dr "udp-dr": 6,
    udp_in_tun "udp-tun": 6,
    changes_of_a_service "changes": 8,
    settings_in_nat "settings-nat": 4,
    settings_in_dr "settings-dr": 4,
    settings_in_tun "settings-tun": 4,
    one_packet_in_nat "ops-nat": 2,
    one_packet_in_tun "ops-tun": 2,
    marks "mark": 3,
    persistence_of_hosts "persistence-32": 6,
    persistence_of_networks "persistence-28": 6,
    persistence_of_large_networks "persistence-24": 6,
    persistence_of_hosts_in_udp "persistence-udp-32": 3,
    persistence_of_networks_in_udp "persistence-udp-28": 3,
    persistence_of_large_networks_in_udp "persistence-udp-24": 3,
    all_ports_of_hosts "any-port-32": 3,
    all_ports_of_networks "any-port-28": 3,
    all_ports_of_large_networks "any-port-24": 3,
    marks_of_hosts "mark-32": 3,
    marks_of_networks "mark-28": 3,
    marks_of_large_networks "mark-24": 3,
    drops_in_nat "drop-nat": 4,
    drops_in_tun "drop-tun": 4,
    drops_with_persistence "drop-persistence": 3,
}
