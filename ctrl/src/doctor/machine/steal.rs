//! Virtual machines: whether the host takes CPU time away.

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::kernel::cpu_flags;
use crate::doctor::root::Seen;

/// From this share on, in thousandths of all time since the boot.
const STEAL_MAX: u64 = 1;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let cpuinfo = case.root.text("proc/cpuinfo")?;
    if !cpu_flags(&cpuinfo).contains(&"hypervisor") {
        return Ok(vec![Finding::ok("no virtual machine")]);
    }
    let stat = case.root.text("proc/stat")?;
    // The line of all CPUs has no number.
    let names = case.workers().iter().map(|cpu| format!("cpu{cpu}"));
    let names = if case.workers().is_empty() { vec!["cpu".to_owned()] } else { names.collect() };
    let mut robbed = Vec::new();
    for name in &names {
        let Some((stolen, all)) = times(&stat, name) else {
            return Ok(vec![Finding::unknown(format!("/proc/stat has no steal time of {name}"))]);
        };
        let share = stolen.saturating_mul(1000) / all.max(1);
        if share >= STEAL_MAX {
            robbed.push(format!("{}.{} % of {name}", share / 10, share % 10));
        }
    }
    if robbed.is_empty() {
        let names = names.join(", ");
        let found = format!("a virtual machine; its host took no time away from {names}");
        return Ok(vec![Finding::note(found).why("rates are less steady than on real hardware.")]);
    }
    let robbed = robbed.join(", ");
    Ok(vec![
        Finding::warning(format!("the host took time away since the boot: {robbed} (/proc/stat)"))
            .why("a worker that stands still loses what arrives meanwhile.")
            .advice("Pin the machine's CPUs to CPUs of the host that nothing else uses."),
    ])
}

/// Time stolen from a CPU by its name in `/proc/stat`, and all its time. (Guests' time is in user's
/// already.)
fn times(stat: &str, name: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find(|line| line.split(' ').next() == Some(name))?;
    let times: Vec<u64> = line.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
    Some((*times.get(7)?, times.iter().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Unknown, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    #[test]
    fn stolen_time_of_workers_counts() {
        let findings = |flags: &str, steal: u32| {
            let stat = format!(
                "cpu  1\ncpu0 1 1 1 1 1 1 1 900 0 0\ncpu1 100 0 0 800 0 0 0 {steal} 50 0\n"
            );
            let tree = Tree::new().file("proc/cpuinfo", flags).file("proc/stat", &stat);
            check(&tree.case(PCI)).unwrap()
        };
        only(&findings("flags : fpu\n", 100), Fine, &["no virtual machine"]);
        only(&findings("flags : hypervisor\n", 0), Note, &["took no time"]);
        let none =
            Tree::new().file("proc/cpuinfo", "flags : hypervisor\n").file("proc/stat", "cpu 1\n");
        only(&check(&none.case(PCI)).unwrap(), Unknown, &["of cpu1"]);
        only(&findings("flags : hypervisor\n", 100), Warning, &["10.0 % of cpu1"]);
    }
}
