//! What DPDK programs have left behind: files that hold huge pages, and runtime directories.
//!
//! A DPDK program keeps its files locked, which shows whether it still runs.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::sys::stat::{major, minor};

use crate::check::counted;
use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::root::{Root, Seen, Unseen, if_there};

/// Where DPDK programs of root have their runtime directories.
const RUNTIME: &str = "var/run/dpdk";
/// DPDK's files in hugetlbfs are called `rtemap_0`, or another prefix in place of `rte`.
const MARK: &str = "map_";

pub(super) fn check(case: &Case) -> Seen<Vec<Finding>> {
    let root = &case.root;
    let mounts = root.text("proc/mounts")?;
    let locks = locks(&root.text("proc/locks")?);
    let mut findings = Vec::new();
    for mount in mounts.lines().filter_map(hugetlbfs) {
        match pages(root, mount, &locks) {
            Ok(finding) => findings.extend(finding),
            Err(unseen) => findings.push(unseen.into()),
        }
    }
    findings.extend(directories(root, &locks)?);
    if findings.is_empty() {
        findings.push(Finding::ok("no files of ended DPDK programs"));
    }
    Ok(findings)
}

/// Where a line of `/proc/mounts` mounts huge pages.
fn hugetlbfs(line: &str) -> Option<&str> {
    let mut fields = line.split(' ').skip(1);
    let (place, kind) = (fields.next()?, fields.next()?);
    (kind == "hugetlbfs").then_some(place)
}

/// A file: the two numbers of its device, and its own.
type FileId = (u64, u64, u64);

/// The files that somebody holds locked, from `/proc/locks`.
fn locks(text: &str) -> BTreeSet<FileId> {
    let file = |field: &str| -> Option<FileId> {
        let mut parts = field.split(':');
        let mut hex = || u64::from_str_radix(parts.next()?, 16).ok();
        let device = (hex()?, hex()?);
        Some((device.0, device.1, parts.next()?.parse().ok()?))
    };
    text.lines().filter_map(|line| line.split_whitespace().find_map(file)).collect()
}

/// A file's numbers and size.
fn look(root: &Root, path: &str) -> Seen<(FileId, u64)> {
    let path = root.path(path);
    let found = fs::metadata(&path).map_err(Unseen::at(&path))?;
    Ok(((major(found.dev()), minor(found.dev()), found.ino()), found.size()))
}

/// The files of a mount that nobody holds locked.
fn pages(root: &Root, mount: &str, locks: &BTreeSet<FileId>) -> Seen<Option<Finding>> {
    let names = root.names(mount)?.into_iter();
    let (mut count, mut bytes) = (0, 0);
    for name in names.filter(|name| name.contains(MARK)) {
        let Some((id, size)) = if_there(look(root, &format!("{mount}/{name}")))? else { continue };
        if !locks.contains(&id) {
            (count, bytes) = (count + 1, bytes + size);
        }
    }
    let finding = || {
        let (files, mib) = (counted(count, "file"), bytes >> 20);
        Finding::warning(format!("{mount} has {files} of ended DPDK programs, {mib} MiB in all"))
            .why("a program that was killed left them; their pages are not free for others.")
            .now(format!("rm {mount}/*{MARK}*     # while no other DPDK program runs"))
    };
    Ok((count > 0).then(finding))
}

/// Directories of programs that have ended.
fn directories(root: &Root, locks: &BTreeSet<FileId>) -> Seen<Option<Finding>> {
    let mut left = 0;
    for name in if_there(root.names(RUNTIME))?.unwrap_or_default() {
        let config = if_there(look(root, &format!("{RUNTIME}/{name}/config")))?;
        left += usize::from(config.is_none_or(|(id, _)| !locks.contains(&id)));
    }
    let finding = || {
        let directories = left;
        Finding::note(format!("/{RUNTIME} has {directories} directories of ended DPDK programs"))
            .why("they do no harm, but each start of a DPDK program looks through them.")
            .now(format!("find /{RUNTIME} -mindepth 1 -maxdepth 1 -type d -empty -delete"))
    };
    Ok((left > 0).then(finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity::{Note, Ok as Fine, Unknown, Warning};
    use crate::doctor::fixture::{PCI, Tree, only};

    fn tree() -> Tree {
        Tree::new()
            .file(
                "proc/mounts",
                "sysfs /sys sysfs rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw 0 0\n",
            )
            .file("proc/locks", "1: POSIX  ADVISORY  WRITE 17 00:00:1 0 EOF\n")
            .dir("dev/hugepages")
    }

    /// With a lock on a file, as somebody who waits for it has it.
    fn locked(tree: Tree, path: &str) -> Tree {
        let ((major, minor, inode), _) = look(&tree.root(), path).unwrap();
        let line = format!("2: -> FLOCK  ADVISORY  READ 9 {major:02x}:{minor:02x}:{inode} 0 EOF\n");
        tree.file("proc/locks", &line)
    }

    fn findings(tree: &Tree) -> Vec<Finding> {
        check(&tree.case(PCI)).unwrap()
    }

    #[test]
    fn files_that_nobody_has_locked_are_leftovers() {
        let files = tree().file("dev/hugepages/other", "x");
        only(&findings(&files), Fine, &["no files"]);
        let files = files.file("dev/hugepages/rtemap_0", &"x".repeat(2 << 20));
        let words = ["/dev/hugepages has 1 file of", "2 MiB", "rm /dev/hugepages/*map_*"];
        only(&findings(&files), Warning, &words);
        only(&findings(&locked(files, "dev/hugepages/rtemap_0")), Fine, &[]);
    }

    #[test]
    fn directories_of_ended_programs_are_counted() {
        let files = tree().file("var/run/dpdk/pktgen/config", "x");
        let files = locked(files, "var/run/dpdk/pktgen/config");
        only(&findings(&files), Fine, &[]);
        let files = files.dir("var/run/dpdk/rvs-1").file("var/run/dpdk/rvs-2/config", "x");
        only(&findings(&files), Note, &["2 directories", "-empty -delete"]);
    }

    #[test]
    fn a_mount_that_is_elsewhere_is_unknown() {
        let files = tree().file("proc/mounts", "none /gone hugetlbfs rw 0 0\n");
        only(&findings(&files), Unknown, &["/gone"]);
    }
}
