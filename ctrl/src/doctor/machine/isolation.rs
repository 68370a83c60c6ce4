//! Whether the kernel keeps other work off the workers' CPUs.

use super::cpus;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::kernel::CommandLine;
use crate::doctor::root::{Seen, if_there};
use crate::machine::{cpu_list, cpu_ranges};

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    // That there is no other CPU to run the rest is a finding of its own.
    let Some((workers, others)) = cpus::divided(case)? else { return Ok(Vec::new()) };
    let line = CommandLine::read(&case.root)?;
    let isolated = cpus::isolated(case)?;
    let ticks = if_there(case.root.cpus(format!("{}/nohz_full", cpus::FOLDER)))?;
    let ticks = ticks.unwrap_or_default();
    // CPUs without ticks need no word of their own to be without callbacks.
    let mut callbacks = ticks.clone();
    match line.argument("rcu_nocbs") {
        Some("all") => callbacks.extend(workers),
        Some(list) => callbacks.extend(cpu_list(list).unwrap_or_default()),
        None => {}
    }
    let list = cpu_ranges(workers);
    let arguments = format!("isolcpus={list} nohz_full={list} rcu_nocbs={list}");
    let lacking = |having: &[u32]| -> Vec<u32> {
        workers.iter().copied().filter(|cpu| !having.contains(cpu)).collect()
    };
    let open = lacking(&isolated);
    if !open.is_empty() {
        let open = cpu_ranges(&open);
        let keep = |slice| {
            let others = cpu_ranges(&others);
            format!("systemctl set-property --runtime {slice} AllowedCPUs={others}")
        };
        return Ok(vec![
            Finding::warning(format!("other programs may run on CPU {open} of the workers"))
                .why(
                    "each time one does, a worker stands still for milliseconds and loses packets.",
                )
                .advice("Until the next boot, systemd can keep its units off:")
                .now(keep("system.slice"))
                .now(keep("user.slice"))
                .kernel(&arguments),
        ]);
    }
    let missing = [("nohz_full", lacking(&ticks)), ("rcu_nocbs", lacking(&callbacks))];
    let missing: Vec<_> = missing.iter().filter(|(_, cpus)| !cpus.is_empty()).collect();
    if missing.is_empty() {
        return Ok(vec![Finding::ok(format!("the kernel leaves CPU {list} alone"))]);
    }
    let names = missing.iter().map(|(name, cpus)| format!("{name} ({})", cpu_ranges(cpus)));
    let names = names.collect::<Vec<_>>().join(" and ");
    Ok(vec![
        Finding::note(format!("CPU {list}: isolated, but without {names}"))
            .why(
                "the kernel's tick interrupts a worker up to a thousand times a second, for a \
                  microsecond or two.",
            )
            .kernel(&arguments),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    fn findings(isolated: &str, ticks: &str, line: &str) -> Vec<Finding> {
        let tree = Tree::new()
            .file("sys/devices/system/cpu/online", "0-3\n")
            .file("sys/devices/system/cpu/isolated", isolated)
            .file("sys/devices/system/cpu/nohz_full", ticks)
            .file("proc/cmdline", line);
        check(&tree.case(&PCI.replace("[1]", "[2, 3]"))).unwrap()
    }

    #[test]
    fn isolated_cpus_are_fine() {
        only(&findings("2-3\n", "2-3\n", "quiet"), Fine, &["CPU 2-3"]);
        let words = ["CPU 3 of the workers", "AllowedCPUs=0-1", "isolcpus=2-3 nohz_full=2-3"];
        only(&findings("2\n", "(null)\n", "quiet"), Warning, &words);
    }

    #[test]
    fn where_workers_have_all_cpus_nothing_can_be_isolated() {
        let tree = Tree::new().file("sys/devices/system/cpu/online", "1\n");
        assert_eq!(check(&tree.case(PCI)).unwrap(), []);
    }

    #[test]
    fn ticks_and_callbacks_are_looked_at_by_themselves() {
        let none = findings("2-3\n", "(null)\n", "quiet");
        only(&none, Note, &["nohz_full (2-3) and rcu_nocbs (2-3)"]);
        only(&findings("2-3\n", "\n", "rcu_nocbs=2-3"), Note, &["without nohz_full (2-3)"]);
        only(&findings("2-3\n", "2\n", "rcu_nocbs=all"), Note, &["nohz_full (3)"]);
    }
}
