//! CPUs that share a core with a worker's.

use super::cpus;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::{Root, Seen, if_there};
use crate::machine::cpu_ranges;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let workers = case.workers();
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let online = cpus::online(case)?;
    let isolated = cpus::isolated(case)?;
    let mut findings = Vec::new();
    let mut shared = Vec::new();
    for cpu in workers.iter().filter(|cpu| online.contains(cpu)) {
        let Some(threads) = threads(&case.root, *cpu)? else { continue };
        let others = threads.into_iter().filter(|other| other != cpu && online.contains(other));
        for other in others {
            if workers.contains(&other) {
                shared.push((*cpu.min(&other), *cpu.max(&other)));
            } else if !isolated.contains(&other) {
                findings.push(
                    Finding::warning(format!(
                        "CPU {other}, which other programs use, shares a core with worker CPU {cpu}"
                    ))
                    .why("whatever runs there takes up to half of the worker's rate.")
                    .advice("Switch it off, or isolate it, too.")
                    .now(format!("echo 0 > /{}/cpu{other}/online", cpus::FOLDER))
                    .kernel(&format!("isolcpus={}", cpu_ranges(&[workers, &[other]].concat()))),
                );
            }
        }
    }
    shared.sort_unstable();
    shared.dedup();
    findings.extend(shared.iter().map(|(one, other)| {
        Finding::warning(format!("the workers on CPU {one} and {other} share one core"))
            .why("two threads of a core together forward little more than one alone.")
            .advice("Name one CPU of each core in `workers`:")
            .now("lscpu --extended=CPU,NODE,CORE")
    }));
    if findings.is_empty() {
        findings.push(Finding::ok("every worker has a core to itself"));
    }
    Ok(findings)
}

/// The CPUs of a core; `None` where the kernel knows no cores.
fn threads(root: &Root, cpu: u32) -> Seen<Option<Vec<u32>>> {
    if_there(root.cpus(format!("{}/cpu{cpu}/topology/thread_siblings_list", cpus::FOLDER)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    fn findings(workers: &str, online: &str, isolated: &str) -> Vec<Finding> {
        let list = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list";
        let tree = Tree::new()
            .file("sys/devices/system/cpu/online", online)
            .file("sys/devices/system/cpu/isolated", isolated)
            .files(list, &[0, 4], "0,4\n")
            .files(list, &[1, 5], "1,5\n");
        check(&tree.case(&PCI.replace("[1]", workers))).unwrap()
    }

    #[test]
    fn a_core_belongs_to_one_worker() {
        only(&findings("[1]", "0-5", ""), Warning, &["CPU 5", "cpu5/online", "isolcpus=1,5"]);
        only(&findings("[1]", "0-5", "1,5"), Fine, &["a core to itself"]);
        only(&findings("[1]", "0-4", ""), Fine, &[]);
        only(&findings("[5, 1]", "0-5", ""), Warning, &["CPU 1 and 5 share one core", "lscpu"]);
        only(&findings("[2]", "0-5", ""), Fine, &[]);
    }
}
