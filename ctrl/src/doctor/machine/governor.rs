//! Whether the workers' CPUs run at their full frequency.

use super::cpus;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::kernel::cpu_flags;
use crate::doctor::root::{Seen, if_there};
use crate::machine::cpu_ranges;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let workers = case.workers();
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let mut slow = Vec::new();
    let mut untold = 0;
    for cpu in workers {
        let path = format!("{}/cpu{cpu}/cpufreq/scaling_governor", cpus::FOLDER);
        match if_there(case.root.text(path))? {
            None => untold += 1,
            Some(governor) if governor == "performance" => {}
            Some(governor) => slow.push((*cpu, governor)),
        }
    }
    if let Some((_, governor)) = slow.first() {
        let cpus: Vec<_> = slow.iter().map(|(cpu, _)| *cpu).collect();
        let list = cpu_ranges(&cpus);
        return Ok(vec![
            Finding::warning(format!("CPU {list}: the frequency governor is {governor}"))
                .why("the first packets after a quiet time meet a slow CPU.")
                .now(format!("cpupower --cpu {list} frequency-set --governor performance"))
                .kernel("cpufreq.default_governor=performance"),
        ]);
    }
    if untold == 0 {
        return Ok(vec![Finding::ok("the frequency governor of the workers is performance")]);
    }
    let cpuinfo = case.root.text("proc/cpuinfo")?;
    let found = "the kernel does not control the workers' frequency";
    Ok(vec![if cpu_flags(&cpuinfo).contains(&"hypervisor") {
        Finding::note(format!("{found}: the host of this virtual machine does"))
            .advice("Its governor should be performance.")
    } else {
        Finding::note(format!("{found}: the firmware does, or it is fixed"))
            .advice("Choose maximum performance as power profile in the firmware.")
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    #[test]
    fn workers_run_at_full_speed() {
        let path = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor";
        let findings = |tree: Tree| check(&tree.case(&PCI.replace("[1]", "[1, 2, 3]"))).unwrap();
        let fast = || Tree::new().files(path, &[1, 2, 3], "performance\n");
        only(&findings(fast()), Fine, &["performance"]);
        let words = ["CPU 2-3", "powersave", "cpupower --cpu 2-3 frequency-set"];
        only(&findings(fast().files(path, &[2, 3], "powersave\n")), Warning, &words);
    }

    #[test]
    fn who_else_decides_is_said() {
        let findings = |info: &str| {
            let tree = Tree::new().file("proc/cpuinfo", info);
            check(&tree.case(PCI)).unwrap()
        };
        only(&findings("flags : fpu hypervisor\n"), Note, &["virtual machine"]);
        only(&findings("flags : fpu\n"), Note, &["firmware"]);
    }
}
