//! Conformance to IPVS: what RVS chooses and counts against what a real IPVS did with the same
//! connections, segment by segment.
//!
//! The answers of Linux were recorded once (`perf/oracle`) and lie in `recorded/`, in the notation
//! that [`script`] reads; [`replay`] gives the same steps to a worker in memory. What is compared
//! and how to record anew is in docs/IPVS-COMPATIBILITY.md.

mod replay;
mod script;

use replay::Replay;

/// Plays all scripts of a file; fails with all that differ.
#[track_caller]
fn conforms(recorded: &str, scripts_min: usize) {
    let scripts = script::parse(recorded);
    assert!(scripts.len() >= scripts_min, "only {} scripts", scripts.len());
    let differences: Vec<String> =
        scripts.iter().filter_map(|script| Replay::new(script).play().err()).collect();
    let (count, all) = (differences.len(), differences.join("\n\n"));
    assert!(count == 0, "{count} of {} scripts differ from IPVS:\n\n{all}\n", scripts.len());
}

/// A test for each recorded file.
macro_rules! recorded {
    ($($name:ident: $scripts_min:literal,)*) => {$(
        #[test]
        fn $name() {
            conforms(include_str!(concat!("recorded/", stringify!($name), ".txt")), $scripts_min);
        }
    )*};
}

recorded! {
    rr: 12, wrr: 12, lc: 12, wlc: 12, sed: 12, nq: 12, fo: 12, ovf: 12, lblc: 12,
    lblcr: 12, dh: 12, sh: 48, mh: 48,
}
