//! Whether interrupts of devices come to the workers' CPUs.

use super::cpus;
use crate::check::counted;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::{Seen, if_there};
use crate::machine::cpu_ranges;

/// Interrupts that are named where there is no room for all of them.
const NAMED_MAX: usize = 4;

/// An interrupt, as a line of `/proc/interrupts` has it.
#[derive(Debug)]
struct Interrupt<'a> {
    number: u32,
    /// The last word: a device, or a queue of one.
    name: &'a str,
    /// The CPUs that it has come to since the boot.
    came_to: Vec<u32>,
}

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    // Without other CPUs they have to come to the workers'.
    let Some((workers, others)) = cpus::divided(case)? else { return Ok(Vec::new()) };
    let table = case.root.text("proc/interrupts")?;
    let (mut come, mut may) = (Vec::new(), 0);
    for interrupt in interrupts(&table) {
        let folder = format!("proc/irq/{}", interrupt.number);
        // One that has ended meanwhile may go nowhere.
        let allowed = if_there(case.root.cpus(format!("{folder}/smp_affinity_list")))?;
        let allowed = allowed.unwrap_or_default();
        // Of those that are allowed, the kernel may have chosen.
        let chosen = if_there(case.root.cpus(format!("{folder}/effective_affinity_list")))?;
        let chosen = chosen.as_ref().unwrap_or(&allowed);
        let is_met = |cpu: &u32| chosen.contains(cpu) && interrupt.came_to.contains(cpu);
        if workers.iter().any(is_met) {
            come.push(interrupt);
        } else if workers.iter().any(|cpu| allowed.contains(cpu)) {
            may += 1;
        }
    }
    let (list, others) = (cpu_ranges(workers), cpu_ranges(&others));
    let banned = format!(
        "Where irqbalance runs, it moves them as it likes, unless /etc/default/irqbalance has \
         IRQBALANCE_BANNED_CPULIST={list}."
    );
    let keep_off = format!("irqaffinity={others}");
    if come.is_empty() {
        return Ok(vec![match may {
            0 => Finding::ok(format!("no interrupt of a device may come to CPU {list}")),
            may => Finding::note(format!(
                "{} of devices may come to CPU {list} of the workers, and none does",
                counted(may, "interrupt")
            ))
            .advice(banned)
            .kernel(&keep_off),
        }]);
    }
    let numbers = come.iter().map(|it| it.number.to_string()).collect::<Vec<_>>().join(" ");
    Ok(vec![
        Finding::warning(format!(
            "{} of devices come to CPU {list} of the workers: {}",
            counted(come.len(), "interrupt"),
            named(&come)
        ))
        .why("a worker stands still while the kernel works one off, and what it brought.")
        .advice(banned)
        .now(format!(
            "for irq in {numbers}; do echo {others} > /proc/irq/$irq/smp_affinity_list; done"
        ))
        .kernel(&keep_off),
    ])
}

/// The interrupts of devices; others, such as the timers of CPUs, have no number.
fn interrupts(table: &str) -> impl Iterator<Item = Interrupt<'_>> {
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default().split_whitespace();
    let cpus: Vec<u32> = header.filter_map(|cpu| cpu.strip_prefix("CPU")?.parse().ok()).collect();
    lines.filter_map(move |line| {
        let (number, rest) = line.split_once(':')?;
        let number = number.trim().parse().ok()?;
        let counts = cpus.iter().zip(rest.split_whitespace());
        let came_to = counts.filter(|(_, count)| *count != "0").map(|(cpu, _)| *cpu).collect();
        let name = rest.split_whitespace().last().unwrap_or_default();
        Some(Interrupt { number, name, came_to })
    })
}

/// The first of them with their numbers.
fn named(interrupts: &[Interrupt<'_>]) -> String {
    let shown = interrupts.iter().take(NAMED_MAX);
    let mut words: Vec<_> = shown.map(|it| format!("{} ({})", it.number, it.name)).collect();
    let more = interrupts.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    const TABLE: &str = "           CPU0       CPU1       CPU2
  24:          9          4          0  IR-PCI-MSIX-0000:00:01.0   1-edge      eth0-rx-0
  25:          0          0          7  IR-PCI-MSIX-0000:00:01.0   2-edge      eth0-rx-1
  26:          0          0          0  IR-PCI-MSIX-0000:00:02.0   3-edge      nvme0q2
 LOC:       5000       5000       5000   Local timer interrupts
";

    fn tree() -> Tree {
        Tree::new().file("sys/devices/system/cpu/online", "0-2\n").file("proc/interrupts", TABLE)
    }

    fn findings(tree: &Tree) -> Vec<Finding> {
        check(&tree.case(&PCI.replace("[1]", "[1, 2]"))).unwrap()
    }

    #[test]
    fn interrupts_that_come_to_a_worker_are_named() {
        let tree = tree().files("proc/irq/{}/smp_affinity_list", &[24, 25, 26], "0-2\n");
        let words =
            ["2 interrupts", "1-2 of", ": 24 (eth0-rx-0), 25 (eth0-rx-1)", "for irq in 24 25;"];
        only(&findings(&tree), Warning, &words);
        let tree = tree.file("proc/irq/24/effective_affinity_list", "0\n");
        let words = ["1 interrupt of", "25 (eth0-rx-1)", "echo 0 > /proc", "irqaffinity=0"];
        only(&findings(&tree), Warning, &words);
        only(&findings(&tree), Warning, &["IRQBALANCE_BANNED_CPULIST=1-2"]);
    }

    #[test]
    fn what_may_come_and_does_not_is_a_note() {
        let tree = tree().files("proc/irq/{}/smp_affinity_list", &[24, 25, 26], "0\n");
        only(&findings(&tree), Fine, &["may come to CPU 1-2"]);
        // As queues of NVMe do, which cannot be moved.
        let tree = tree.file("proc/irq/26/smp_affinity_list", "2\n");
        only(&findings(&tree), Note, &["1 interrupt of", "none does", "irqaffinity=0"]);
    }

    #[test]
    fn there_must_be_other_cpus_to_take_them() {
        let tree = Tree::new().file("sys/devices/system/cpu/online", "1\n");
        assert_eq!(check(&tree.case(PCI)).unwrap(), []);
    }

    #[test]
    fn many_are_summed_up() {
        let one = |number| Interrupt { number, name: "x", came_to: Vec::new() };
        let many: Vec<_> = (1..=6).map(one).collect();
        assert_eq!(named(&many), "1 (x), 2 (x), 3 (x), 4 (x), 2 more");
    }
}
