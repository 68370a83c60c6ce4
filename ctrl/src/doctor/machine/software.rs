//! Programs that RVS works with: DPDK, ipvsadm and keepalived.

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::{Root, Seen};

/// Where programs are.
const PROGRAMS: &[&str] = &["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin"];
/// Where the library is, through which the others talk to RVS.
const LIBRARIES: &[&str] = &["usr/local/lib/rvs", "usr/lib/rvs"];
const LIBRARY: &str = "librvs_ipvs.so";

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let mut findings = vec![Finding::ok(dpdk::version())];
    let library = find(&case.root, LIBRARIES, LIBRARY)?;
    let mut users = Vec::new();
    for name in ["ipvsadm", "keepalived"] {
        users.extend(find(&case.root, PROGRAMS, name)?);
    }
    findings.push(match (library, users.is_empty()) {
        (Some(library), false) => {
            Finding::ok(format!("{} can work through {library}", users.join(" and ")))
        }
        (None, true) => Finding::ok("neither ipvsadm nor keepalived is installed"),
        (None, false) => Finding::note(format!("{} without {LIBRARY}", users.join(" and ")))
            .why("without that library they talk to the kernel's IPVS and not to RVS.")
            .advice("Install it with `make install`, if they are to drive RVS."),
        (Some(library), true) => Finding::note(format!("{library} without ipvsadm and keepalived"))
            .now("apt-get install ipvsadm keepalived     # if they are to drive RVS"),
    });
    Ok(findings)
}

/// The first place that has a file.
fn find(root: &Root, places: &[&str], name: &str) -> Seen<Option<String>> {
    for place in places {
        let path = format!("{place}/{name}");
        if root.has(&path)? {
            return Ok(Some(format!("/{path}")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine};
    use crate::doctor::fixture::{PCI, Tree, says};

    #[test]
    fn tools_and_library_belong_together() {
        let findings = |tree: &Tree| check(&tree.case(PCI)).unwrap();
        let tree = Tree::new();
        says(&findings(&tree), Fine, &["DPDK "]);
        says(&findings(&tree), Fine, &["neither"]);
        let tree = tree.file("usr/sbin/ipvsadm", "");
        says(&findings(&tree), Note, &["/usr/sbin/ipvsadm without librvs_ipvs.so"]);
        let tree = tree.file("usr/local/lib/rvs/librvs_ipvs.so", "");
        says(&findings(&tree), Fine, &["through /usr/local/lib/rvs/librvs_ipvs.so"]);
        let alone = Tree::new().file("usr/lib/rvs/librvs_ipvs.so", "");
        says(&findings(&alone), Note, &["apt-get install"]);
    }
}
