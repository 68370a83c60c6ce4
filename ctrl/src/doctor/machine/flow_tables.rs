//! What is left for flow tables: reserved huge pages, or transparent ones.

use conf::Config;
use dataplane::flow::{FlowKey, FlowTable};
use dpdk::hugepages::HugePagePool;

use super::huge_pages::pools;
use crate::check::counted;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::Seen;
use crate::memory;

/// The only reserved pages that flow tables use.
const PAGE_KIB: u64 = 2048;

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let (Some(config), None) = (&case.config, &case.daemon) else { return Ok(Vec::new()) };
    let wanted = wanted_mib(config);
    let tables = format!("{wanted} MiB of flow tables (`limits.flows` of every worker)");
    let pools = pools(case)?;
    if memory::shortages(config, &case.layout(config), &pools).is_empty()
        && left_mib(config, &pools) >= wanted
    {
        return Ok(vec![Finding::ok(format!("{tables} have huge pages beside `dpdk.memory`"))]);
    }
    let path = "sys/kernel/mm/transparent_hugepage/enabled";
    let mode = case.root.text(path)?;
    if mode.contains("[never]") {
        let found = format!("{tables} have no huge pages, and transparent ones are switched off");
        return Ok(vec![
            Finding::warning(format!("{found} ({path})"))
                .why("with small pages nearly every look-up of a flow misses the TLB.")
                .advice("Allow transparent huge pages, or reserve pages for the tables, too.")
                .now(format!("echo madvise > /{path}"))
                .kernel("transparent_hugepage=madvise"),
        ]);
    }
    let pages = usize::try_from(wanted.div_ceil(2)).unwrap_or(usize::MAX);
    Ok(vec![
        Finding::note(format!("{tables} get transparent huge pages, as far as there are any"))
            .why("reserved pages are surer: memory in use for long has few others.")
            .advice(format!("Reserve {} of 2 MiB more.", counted(pages, "page"))),
    ])
}

fn wanted_mib(config: &Config) -> u64 {
    let each = FlowTable::<FlowKey>::bytes_for(config.limits.flows) as u64;
    (each * config.workers.len() as u64).div_ceil(1 << 20)
}

/// Huge pages of the usual size that are free when packet memory has been taken, which EAL does
/// from the largest pages on.
fn left_mib(config: &Config, pools: &[HugePagePool]) -> u64 {
    let free = |usual: bool| -> u64 {
        let pools = pools.iter().filter(|pool| (pool.size_kib == PAGE_KIB) == usual);
        pools.map(HugePagePool::free_mib).sum()
    };
    let taken = u64::from(config.dpdk.memory_mib).saturating_sub(free(false));
    free(true).saturating_sub(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    fn findings(free_pages: u32, transparent: &str) -> Vec<Finding> {
        let folder = "sys/kernel/mm/hugepages/hugepages-2048kB";
        let free = free_pages.to_string();
        let tree = Tree::new()
            .file(&format!("{folder}/nr_hugepages"), &free)
            .file(&format!("{folder}/free_hugepages"), &free)
            .file("sys/kernel/mm/transparent_hugepage/enabled", transparent);
        check(&tree.case(PCI)).unwrap()
    }

    #[test]
    fn reserved_pages_are_best_and_none_at_all_is_bad() {
        // A million flows: 83 MiB beside 512.
        only(&findings(298, "always [madvise] never"), Fine, &["83 MiB"]);
        only(&findings(297, "always [madvise] never"), Note, &["Reserve 42 pages"]);
        only(
            &findings(256, "always madvise [never]"),
            Warning,
            &["switched off", "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"],
        );
        only(&findings(100, "[always] madvise never"), Note, &["transparent"]);
    }

    #[test]
    fn it_is_settled_while_a_daemon_runs() {
        assert_eq!(check(&Tree::new().case(PCI).running("huge pages")), Ok(Vec::new()));
    }
}
