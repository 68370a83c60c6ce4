//! How deep CPUs sleep. A worker never does, but what wakes the others up waits.

use super::cpus;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::{Seen, if_there};

/// Waking up may take this long before it is worth a word, in microseconds.
const LATENCY_MAX_US: u32 = 50;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let others = cpus::others(case)?;
    let Some(cpu) = others.first() else {
        return Ok(Vec::new());
    };
    let folder = format!("{}/cpu{cpu}/cpuidle", cpus::FOLDER);
    let Some(states) = if_there(case.root.names(&folder))? else {
        return Ok(vec![Finding::ok("CPUs have no idle states")]);
    };
    let mut deepest = (0, String::from("none"));
    for state in states.iter().filter(|name| name.starts_with("state")) {
        let fact = |name: &str| format!("{folder}/{state}/{name}");
        if if_there(case.root.value::<u32>(fact("disable")))? == Some(1) {
            continue;
        }
        let latency: u32 = case.root.value(fact("latency"))?;
        if latency >= deepest.0 {
            deepest = (latency, case.root.text(fact("name"))?);
        }
    }
    let (latency, name) = deepest;
    let found = format!("CPU {cpu} sleeps as deep as {name} ({latency} us to wake up)");
    Ok(vec![if latency <= LATENCY_MAX_US {
        Finding::ok(found)
    } else {
        Finding::note(found)
            .why("workers never sleep; commands and `rvs apply` answer that much later.")
            .now("cpupower idle-set --disable-by-latency 50")
            .kernel("intel_idle.max_cstate=1 processor.max_cstate=1")
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine};
    use crate::doctor::fixture::{PCI, Tree, only};

    #[test]
    fn the_deepest_state_in_use_counts() {
        let state = |tree: Tree, number: u32, name: &str, latency: &str, disabled: &str| {
            let folder = format!("sys/devices/system/cpu/cpu0/cpuidle/state{number}");
            tree.file(&format!("{folder}/name"), name)
                .file(&format!("{folder}/latency"), latency)
                .file(&format!("{folder}/disable"), disabled)
        };
        let tree = || Tree::new().file("sys/devices/system/cpu/online", "0-1\n");
        only(&check(&tree().case(PCI)).unwrap(), Fine, &["no idle states"]);
        let light = state(state(tree(), 0, "POLL\n", "0\n", "0\n"), 1, "C1\n", "2\n", "0\n");
        only(&check(&light.case(PCI)).unwrap(), Fine, &["CPU 0", "C1 (2 us"]);
        let deep = state(light, 2, "C6\n", "133\n", "0\n");
        only(&check(&deep.case(PCI)).unwrap(), Note, &["C6 (133 us", "max_cstate=1"]);
        let deep = state(deep, 2, "C6\n", "133\n", "1\n");
        only(&check(&deep.case(PCI)).unwrap(), Fine, &["C1"]);
    }
}
