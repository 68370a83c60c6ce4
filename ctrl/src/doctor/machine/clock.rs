//! The cycle counter, by which workers measure time.

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::kernel::cpu_flags;
use crate::doctor::root::Seen;

const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let cpuinfo = case.root.text("proc/cpuinfo")?;
    let flags = cpu_flags(&cpuinfo);
    let source = case.root.text(format!("{FOLDER}/current_clocksource"))?;
    if flags.is_empty() {
        // Not x86: the counter of other architectures is constant by definition.
        return Ok(vec![Finding::ok(format!("the clock is {source}"))]);
    }
    let wanted = ["constant_tsc", "nonstop_tsc"];
    let missing: Vec<_> = wanted.into_iter().filter(|flag| !flags.contains(flag)).collect();
    if !missing.is_empty() {
        return Ok(vec![
            Finding::problem(format!("the CPU lacks {} (/proc/cpuinfo)", missing.join(" and ")))
                .why("its cycle counter changes pace, and with it the timeouts of connections.")
                .advice(
                    "Use another machine; of a virtual one, pass the host's CPU through \
                         (`-cpu host,+invtsc` of QEMU).",
                ),
        ]);
    }
    let available = case.root.text(format!("{FOLDER}/available_clocksource"))?;
    let virtual_clock = source == "kvm-clock" || source.starts_with("hyperv");
    Ok(vec![if source == "tsc" || virtual_clock {
        Finding::ok(format!("the clock is {source}, with a constant cycle counter"))
    } else if available.split(' ').any(|name| name == "tsc") {
        Finding::warning(format!("the clock is {source}, and tsc would do"))
            .why("reading it takes a hundred times as long, which the control thread does often.")
            .now(format!("echo tsc > /{FOLDER}/current_clocksource"))
            .kernel("clocksource=tsc")
    } else {
        Finding::problem(format!("the clock is {source}: the kernel does not trust tsc"))
            .why("cycle counters of CPUs differ, and with them the time of workers.")
            .advice("The kernel's log says why it gave tsc up; newer firmware often helps.")
            .now("dmesg | grep -i -e tsc -e clocksource")
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Ok as Fine, Problem, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    fn findings(flags: &str, source: &str, available: &str) -> Vec<Finding> {
        let tree = Tree::new()
            .file("proc/cpuinfo", flags)
            .file(&format!("{FOLDER}/current_clocksource"), source)
            .file(&format!("{FOLDER}/available_clocksource"), available);
        check(&tree.case(PCI)).unwrap()
    }

    #[test]
    fn the_counter_is_constant_and_the_kernel_trusts_it() {
        let good = "flags : tsc constant_tsc nonstop_tsc\n";
        only(&findings(good, "tsc\n", "tsc hpet \n"), Fine, &["tsc"]);
        only(&findings(good, "kvm-clock\n", "kvm-clock tsc\n"), Fine, &["kvm-clock"]);
        only(&findings(good, "hpet\n", "tsc hpet\n"), Warning, &["echo tsc >"]);
        only(&findings(good, "hpet\n", "hpet acpi_pm\n"), Problem, &["does not trust", "dmesg"]);
        let varying = findings("flags : tsc constant_tsc\n", "tsc\n", "tsc\n");
        only(&varying, Problem, &["lacks nonstop_tsc"]);
        only(&findings("Features : fp\n", "arch_sys_counter\n", ""), Fine, &["arch_sys_counter"]);
    }
}
