//! Checks of the machine: each looks at the kernel's files and at the configuration.

mod addresses;
mod binding;
mod clock;
mod cpus;
mod devices;
mod flow_tables;
mod governor;
mod huge_pages;
mod idle_states;
mod interfaces;
mod interrupts;
mod iommu;
mod ipvs;
mod isolation;
mod leftovers;
mod nodes;
mod pcie;
mod rights;
mod siblings;
mod socket;
mod software;
mod steal;
mod workers;

use super::case::Case;
use super::finding::{Finding, Group};
use super::report::Report;
use super::root::Seen;

/// A check: a fact that it cannot go on without ends it.
type Check = fn(&Case) -> Seen<Vec<Finding>>;

/// Every check, by its name in the JSON report.
const CHECKS: &[(Group, &str, Check)] = &[
    (Group::Memory, "huge-pages", huge_pages::check),
    (Group::Memory, "flow-tables", flow_tables::check),
    (Group::Memory, "leftovers", leftovers::check),
    (Group::Devices, "iommu", iommu::check),
    (Group::Devices, "vfio", binding::check),
    (Group::Devices, "devices", devices::check),
    (Group::Devices, "pcie", pcie::check),
    (Group::Devices, "interfaces", interfaces::check),
    (Group::Cpus, "workers", workers::check),
    (Group::Cpus, "numa", nodes::check),
    (Group::Cpus, "isolation", isolation::check),
    (Group::Cpus, "interrupts", interrupts::check),
    (Group::Cpus, "siblings", siblings::check),
    (Group::Cpus, "governor", governor::check),
    (Group::Cpus, "idle-states", idle_states::check),
    (Group::Cpus, "clock", clock::check),
    (Group::Cpus, "steal", steal::check),
    (Group::Network, "addresses", addresses::check),
    (Group::Network, "ipvs", ipvs::check),
    (Group::System, "rights", rights::check),
    (Group::System, "socket", socket::check),
    (Group::System, "software", software::check),
];

/// Makes all checks.
pub(super) fn examine(case: &Case, report: &mut Report) {
    for (group, name, check) in CHECKS {
        let findings = check(case).unwrap_or_else(|unseen| vec![Finding::from(unseen)]);
        report.add_all(*group, name, findings);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{PCI, Tree};
    use super::super::report::Colours;
    use super::*;

    /// A machine that shows nothing at all is not taken for a good one.
    #[test]
    fn nothing_is_guessed_on_a_machine_that_shows_nothing() {
        let tree = Tree::new();
        let mut report = Report::default();
        examine(&tree.case(PCI), &mut report);
        let text = report.text(Colours::Off);
        for unknown in [
            "proc/cmdline is not there",
            "proc/self/status is not there",
            "proc/cpuinfo is not there",
            "proc/net/fib_trie is not there",
            "cpu/online is not there",
        ] {
            assert!(text.contains(unknown), "{unknown}: {text}");
        }
        assert!(text.contains("there is no PCI device 0000:3b:00.0"), "{text}");
    }

    #[test]
    fn names_of_checks_are_unique() {
        let mut names: Vec<_> = CHECKS.iter().map(|(_, name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
    }
}
