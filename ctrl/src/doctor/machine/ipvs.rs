//! A second director on this machine: the kernel's IPVS.

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::{Seen, if_there};

const TABLE: &str = "proc/net/ip_vs";

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let Some(table) = if_there(case.root.text(TABLE))? else {
        return Ok(vec![Finding::ok("the kernel's IPVS is not loaded")]);
    };
    let kinds = ["TCP ", "UDP ", "SCTP ", "FWM "];
    let is_service = |line: &&str| kinds.iter().any(|kind| line.starts_with(kind));
    let count = table.lines().filter(is_service).count();
    Ok(vec![if count == 0 {
        Finding::note("the kernel's IPVS is loaded, without services")
            .why("an ipvsadm or keepalived that is not told of RVS would configure it instead.")
            .now("modprobe -r ip_vs")
    } else {
        Finding::warning(format!("the kernel's IPVS has {count} services (/{TABLE})"))
            .why("two directors on one machine: what reaches the kernel is balanced by IPVS.")
            .advice("Stop the keepalived that fills it, or let it work through RVS; then clear it.")
            .now("ipvsadm --save --numeric > /root/ipvs.saved && ipvsadm --clear")
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    #[test]
    fn the_kernels_services_are_counted() {
        only(&check(&Tree::new().case(PCI)).unwrap(), Fine, &["not loaded"]);
        let head =
            "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler\n";
        let findings = |text: &str| check(&Tree::new().file(TABLE, text).case(PCI)).unwrap();
        only(&findings(head), Note, &["without services"]);
        let full = format!(
            "{head}TCP  C000020A:0050 wlc\n  -> C0000214:0050 Route 1 0 0\nFWM  00000001 rr\n"
        );
        only(&findings(&full), Warning, &["has 2 services", "ipvsadm --clear"]);
    }
}
