//! Facts about huge pages, read from `/sys`: how many there are and how many are free.
//!
//! [`Eal`](crate::Eal) does not decide by itself whether to use them; its user asks here and
//! chooses [`HugePages`](crate::HugePages).

use std::fs;
use std::io;
use std::path::Path;

/// The huge pages of one size on one NUMA node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HugePagePool {
    /// The size of one page.
    pub size_kib: u64,
    /// The NUMA node, or `None` on a kernel that does not tell nodes apart.
    pub node: Option<u32>,
    /// Pages reserved by the kernel.
    pub total: u64,
    /// Pages nobody uses.
    pub free: u64,
}

impl HugePagePool {
    /// What the free pages hold.
    #[must_use]
    pub fn free_mib(&self) -> u64 {
        self.free.saturating_mul(self.size_kib) / 1024
    }
}

/// Every size of huge page on every NUMA node, sorted by node and size, also where there are none.
pub fn list() -> io::Result<Vec<HugePagePool>> {
    list_below(Path::new("/sys"))
}

/// What all free huge pages hold.
#[must_use]
pub fn free_mib(pools: &[HugePagePool]) -> u64 {
    pools.iter().map(HugePagePool::free_mib).sum()
}

/// The same from another directory than `/sys`.
pub fn list_below(sys: &Path) -> io::Result<Vec<HugePagePool>> {
    let mut pools = Vec::new();
    let nodes = sys.join("devices/system/node");
    if nodes.is_dir() {
        for (node, dir) in numbered(&nodes, "node", "")? {
            let node = u32::try_from(node).ok();
            pools.extend(sizes(&dir.join("hugepages"), node)?);
        }
    }
    if pools.is_empty() {
        pools = sizes(&sys.join("kernel/mm/hugepages"), None)?;
    }
    pools.sort_by_key(|p| (p.node, p.size_kib));
    Ok(pools)
}

fn sizes(dir: &Path, node: Option<u32>) -> io::Result<Vec<HugePagePool>> {
    // A kernel without huge pages has no such directory.
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    numbered(dir, "hugepages-", "kB")?
        .into_iter()
        .map(|(size_kib, dir)| {
            let total = number(&dir.join("nr_hugepages"))?;
            let free = number(&dir.join("free_hugepages"))?;
            Ok(HugePagePool { size_kib, node, total, free })
        })
        .collect()
}

/// The entries of a directory whose name is a number between a prefix and a suffix.
fn numbered(dir: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<(u64, std::path::PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|n| n.strip_prefix(prefix)?.strip_suffix(suffix)?.parse::<u64>().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    Ok(found)
}

fn number(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(|e| {
        let what = format!("{}: {:?} is not a number: {e}", path.display(), text.trim());
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(dir: &Path, name: &str, total: &str, free: &str) {
        let dir = dir.join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("nr_hugepages"), total).unwrap();
        fs::write(dir.join("free_hugepages"), free).unwrap();
    }

    #[test]
    fn nodes_and_sizes() {
        let sys = tempfile::tempdir().unwrap();
        let node = |n: u32| sys.path().join(format!("devices/system/node/node{n}/hugepages"));
        pool(&node(1), "hugepages-2048kB", "64\n", "3\n");
        pool(&node(0), "hugepages-1048576kB", "2\n", "1\n");
        pool(&node(0), "hugepages-2048kB", "0\n", "0\n");
        fs::create_dir_all(sys.path().join("devices/system/node/power")).unwrap();
        let pools = list_below(sys.path()).unwrap();
        let expected = [(Some(0), 2048, 0, 0), (Some(0), 1_048_576, 2, 1), (Some(1), 2048, 64, 3)];
        let expected = expected.map(|(node, size_kib, total, free)| HugePagePool {
            size_kib,
            node,
            total,
            free,
        });
        assert_eq!(pools, expected);
        assert_eq!(free_mib(&pools), 1024 + 6);
    }

    #[test]
    fn without_nodes_the_global_counters_are_used() {
        let sys = tempfile::tempdir().unwrap();
        pool(&sys.path().join("kernel/mm/hugepages"), "hugepages-2048kB", "5\n", "4\n");
        let pools = list_below(sys.path()).unwrap();
        assert_eq!(pools, [HugePagePool { size_kib: 2048, node: None, total: 5, free: 4 }]);
    }

    #[test]
    fn a_kernel_without_huge_pages_has_none_and_garbage_is_an_error() {
        let sys = tempfile::tempdir().unwrap();
        assert_eq!(list_below(sys.path()).unwrap(), []);
        pool(&sys.path().join("kernel/mm/hugepages"), "hugepages-2048kB", "many\n", "0\n");
        let error = list_below(sys.path()).unwrap_err();
        assert!(error.to_string().contains("\"many\" is not a number"), "{error}");
    }
}
