//! The workers' CPUs: whether they are there, and whether this process may use them.

use super::cpus;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::Seen;
use crate::machine::{cpu_list, cpu_ranges};

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let workers = case.workers();
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let online = cpus::online(case)?;
    let mut findings = Vec::new();
    for cpu in workers.iter().filter(|cpu| !online.contains(cpu)) {
        let there = case.root.has(format!("{}/cpu{cpu}", cpus::FOLDER))?;
        let finding = if there {
            let switch = format!("echo 1 > /{}/cpu{cpu}/online", cpus::FOLDER);
            Finding::problem(format!("CPU {cpu} is switched off")).now(switch)
        } else {
            Finding::problem(format!("there is no CPU {cpu}")).advice(format!(
                "Correct `workers`; this machine has the CPUs {}.",
                cpu_ranges(&online)
            ))
        };
        findings.push(finding.why("the daemon does not start: it is in `workers`."));
    }
    // The daemon keeps its own thread off the workers' CPUs, and this process may have less.
    if case.daemon.is_none() {
        findings.extend(forbidden(case, workers)?);
    }
    if online.iter().all(|cpu| workers.contains(cpu)) {
        findings.push(
            Finding::warning(format!("the workers take all CPUs ({})", cpu_ranges(&online)))
                .why("they never rest: the kernel, the control thread and logins share with them.")
                .advice("Leave at least one CPU out of `workers`."),
        );
    }
    if findings.is_empty() {
        let list = cpu_ranges(workers);
        findings.push(Finding::ok(format!("workers on CPU {list}, of {}", cpu_ranges(&online))));
    }
    Ok(findings)
}

/// Workers that are outside the CPU set of this process.
fn forbidden(case: &Case, workers: &[u32]) -> Seen<Option<Finding>> {
    const KEY: &str = "Cpus_allowed_list:";
    let status = case.root.text("proc/self/status")?;
    let allowed = status.lines().find_map(|line| line.strip_prefix(KEY));
    let Some(allowed) = allowed.and_then(|list| cpu_list(list.trim())) else {
        return Ok(Some(Finding::unknown(format!("/proc/self/status has no {KEY} line"))));
    };
    let outside: Vec<_> = workers.iter().copied().filter(|cpu| !allowed.contains(cpu)).collect();
    let finding = || {
        Finding::problem(format!(
            "this process may use the CPUs {} only, and {} is in `workers`",
            cpu_ranges(&allowed),
            cpu_ranges(&outside)
        ))
        .why("a daemon with the same CPU set does not start.")
        .advice(
            "Widen the CPU set: AllowedCPUs= and CPUAffinity= of the systemd unit, --cpuset-cpus \
             of a container, taskset.",
        )
    };
    Ok((!outside.is_empty()).then(finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Problem, Unknown, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    fn findings(online: &str, allowed: &str) -> Vec<Finding> {
        let tree = Tree::new()
            .file("sys/devices/system/cpu/online", online)
            .files("sys/devices/system/cpu/cpu{}/topology/core_id", &[0, 1, 2], "0")
            .file("proc/self/status", &format!("Name: x\n{allowed}\n"));
        check(&tree.case(&PCI.replace("[1]", "[1, 2]"))).unwrap()
    }

    #[test]
    fn workers_are_there_and_allowed() {
        let all = "Cpus_allowed_list:\t0-3";
        only(&findings("0-3", all), Fine, &["CPU 1-2, of 0-3"]);
        only(&findings("0-1,3", all), Problem, &["CPU 2 is switched off", "cpu2/online"]);
        only(&findings("1-2", all), Warning, &["take all CPUs (1-2)"]);
        let outside = findings("0-3", "Cpus_allowed_list:\t0-1");
        only(&outside, Problem, &["the CPUs 0-1 only, and 2 is", "AllowedCPUs="]);
        only(&findings("0-3", ""), Unknown, &["Cpus_allowed_list"]);
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_named() {
        let tree = Tree::new()
            .file("sys/devices/system/cpu/online", "0-3")
            .file("proc/self/status", "Cpus_allowed_list: 0-3");
        let findings = check(&tree.case(&PCI.replace("[1]", "[7]"))).unwrap();
        assert_eq!(findings.len(), 2);
        crate::doctor::fixture::says(
            &findings,
            Problem,
            &["there is no CPU 7", "has the CPUs 0-3"],
        );
    }

    #[test]
    fn the_own_cpu_set_does_not_matter_while_a_daemon_runs() {
        let tree = Tree::new().file("sys/devices/system/cpu/online", "0-3");
        only(&check(&tree.case(PCI).running("huge pages")).unwrap(), Fine, &[]);
    }
}
