//! [`EalArgs`]: the command line that EAL is started with.

use std::collections::BTreeMap;

/// Where packet memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HugePages {
    /// Huge pages without files: no mount is needed, and the kernel takes them back when the
    /// process ends, however it ends.
    #[default]
    InMemory,
    /// Ordinary memory: slower, and of no use to most physical NICs, but always there.
    None,
}

/// Arguments that say how much memory there is, and where.
const MEMORY: &[&str] = &["-m", "--memory-size", "--socket-mem", "--numa-mem"];

/// Builder of EAL's arguments. What the user passes through [`extra`](Self::extra) wins over what
/// this crate would have passed.
#[derive(Debug, Clone)]
pub struct EalArgs {
    program: String,
    memory_mib: u32,
    memory_by_node: BTreeMap<u32, u32>,
    huge_pages: HugePages,
    main_lcore: u32,
    main_cpus: Vec<usize>,
    file_prefix: Option<String>,
    pci: Vec<String>,
    extra: Vec<String>,
}

impl EalArgs {
    /// Arguments with 256 MiB of huge pages, no PCI device, and lcore 0 as the main lcore on the
    /// CPUs the calling thread may use.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            memory_mib: 256,
            memory_by_node: BTreeMap::new(),
            huge_pages: HugePages::default(),
            main_lcore: 0,
            main_cpus: Vec::new(),
            file_prefix: None,
            pci: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Memory to reserve at start, for pools and devices.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// MiB to reserve on each of these NUMA nodes, instead of [`memory_mib`](Self::memory_mib)
    /// wherever EAL finds it. Ordinary memory has no node, so of that the sum is reserved. Empty
    /// (the default) leaves the choice to EAL.
    #[must_use]
    pub fn memory_by_node(mut self, mib: impl IntoIterator<Item = (u32, u32)>) -> Self {
        self.memory_by_node = mib.into_iter().collect();
        self
    }

    /// Where the memory comes from.
    #[must_use]
    pub fn huge_pages(mut self, huge_pages: HugePages) -> Self {
        self.huge_pages = huge_pages;
        self
    }

    /// The lcore id of the thread that initialises the EAL.
    #[must_use]
    pub fn main_lcore(mut self, id: u32) -> Self {
        self.main_lcore = id;
        self
    }

    /// The CPUs the thread that initialises the EAL stays on; EAL applies them to it. Threads
    /// started later inherit them. Empty (the default): the CPUs it may use now. EAL left to itself
    /// would narrow the thread to a single CPU.
    #[must_use]
    pub fn main_cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.main_cpus = cpus.into_iter().collect();
        self
    }

    /// Tells this process's files under the runtime directory from those of other DPDK processes.
    #[must_use]
    pub fn file_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.file_prefix = Some(prefix.into());
        self
    }

    /// Lets EAL take this PCI device, such as `0000:3b:00.0`. Without any, PCI is not scanned.
    #[must_use]
    pub fn pci_allow(mut self, address: impl Into<String>) -> Self {
        self.pci.push(address.into());
        self
    }

    /// Further arguments, word by word.
    #[must_use]
    pub fn extra<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.extra.extend(args.into_iter().map(Into::into));
        self
    }

    /// The complete argument list, program name first.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let mut args = vec![self.program.clone()];
        let mut add = |words: &[&str]| args.extend(words.iter().map(|&w| w.to_owned()));
        if !self.user_sets(&["-l", "-c", "--lcores"]) {
            let cpus =
                if self.main_cpus.is_empty() { current_cpus() } else { self.main_cpus.clone() };
            let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
            add(&["--lcores", &format!("{}@({})", self.main_lcore, cpus.join(","))]);
            add(&["--main-lcore", &self.main_lcore.to_string()]);
        }
        if !self.user_sets(MEMORY) {
            let [option, amount] = self.memory();
            add(&[&option, &amount]);
        }
        match self.huge_pages {
            // --no-huge and --in-memory exclude each other in DPDK 22.11; --no-shconf is the part
            // of --in-memory that keeps other processes out of our memory.
            HugePages::None if !self.user_sets(&["--no-huge"]) => {
                add(&["--no-huge", "--no-shconf"])
            }
            HugePages::InMemory
                if !self.user_sets(&[
                    "--in-memory",
                    "--no-huge",
                    "--huge-dir",
                    "--huge-unlink",
                ]) =>
            {
                add(&["--in-memory"]);
            }
            HugePages::None | HugePages::InMemory => {}
        }
        if let Some(prefix) = &self.file_prefix
            && !self.user_sets(&["--file-prefix"])
        {
            add(&["--file-prefix", prefix]);
        }
        for address in &self.pci {
            add(&["-a", address]);
        }
        if self.pci.is_empty() && !self.user_sets(&["-a", "--allow", "-b", "--block", "--no-pci"]) {
            add(&["--no-pci"]);
        }
        if !self.user_sets(&["--telemetry", "--no-telemetry"]) {
            add(&["--no-telemetry"]);
        }
        args.extend(self.extra.iter().cloned());
        args
    }

    /// Whether the extra arguments say how much memory is reserved, which then is all that counts.
    #[must_use]
    pub fn user_sets_memory(&self) -> bool {
        self.user_sets(MEMORY)
    }

    /// The option that reserves memory, and its value.
    fn memory(&self) -> [String; 2] {
        let by_node = &self.memory_by_node;
        let total = by_node.values().fold(0, |sum: u32, mib| sum.saturating_add(*mib));
        match by_node.last_key_value() {
            None => ["-m".to_owned(), self.memory_mib.to_string()],
            Some(_) if self.no_huge_pages() => ["-m".to_owned(), total.to_string()],
            // A list by node; those left out of it at its end get nothing.
            Some((&last, _)) => {
                let list = (0..=last).map(|node| by_node.get(&node).copied().unwrap_or(0));
                let list: Vec<String> = list.map(|mib| mib.to_string()).collect();
                ["--socket-mem".to_owned(), list.join(",")]
            }
        }
    }

    fn no_huge_pages(&self) -> bool {
        self.huge_pages == HugePages::None || self.user_sets(&["--no-huge"])
    }

    /// Whether an extra argument is one of these options, in any spelling: `--opt`, `--opt=value`,
    /// `-o value`, `-ovalue`.
    fn user_sets(&self, options: &[&str]) -> bool {
        self.extra.iter().any(|arg| {
            options.iter().any(|option| match arg.strip_prefix(option) {
                Some("") => true,
                Some(rest) if option.starts_with("--") => rest.starts_with('='),
                Some(_) => true,
                None => false,
            })
        })
    }
}

/// The CPUs the calling thread may run on; CPU 0 if the kernel will not say.
fn current_cpus() -> Vec<usize> {
    // SAFETY: a cpu_set_t is an array of integers, for which all zeros is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and size describe `set`.
    let ret = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    let limit = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: every index is below CPU_SETSIZE.
    let cpus: Vec<usize> =
        (0..limit).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect();
    if ret != 0 || cpus.is_empty() { vec![0] } else { cpus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_command_line() {
        let args = EalArgs::new("rvs")
            .memory_mib(1024)
            .main_lcore(3)
            .main_cpus([0, 2])
            .file_prefix("p")
            .pci_allow("0000:3b:00.0")
            .extra(["--log-level=8"]);
        let expected = "rvs --lcores 3@(0,2) --main-lcore 3 -m 1024 --in-memory --file-prefix p \
                        -a 0000:3b:00.0 --no-telemetry --log-level=8";
        assert_eq!(args.to_args().join(" "), expected);
    }

    #[test]
    fn ordinary_memory_and_no_pci() {
        let args = EalArgs::new("rvs").main_cpus([1]).huge_pages(HugePages::None).to_args();
        let expected = "rvs --lcores 0@(1) --main-lcore 0 -m 256 --no-huge --no-shconf --no-pci \
                        --no-telemetry";
        assert_eq!(args.join(" "), expected);
    }

    #[test]
    fn memory_by_node() {
        let args =
            |pages| EalArgs::new("rvs").memory_by_node([(3, 96), (1, 160)]).huge_pages(pages);
        let text = |args: EalArgs| args.to_args().join(" ");
        let huge = text(args(HugePages::InMemory));
        assert!(huge.contains(" --socket-mem 0,160,0,96 ") && !huge.contains("-m "), "{huge}");
        // EAL refuses nodes without huge pages.
        let ordinary = text(args(HugePages::None));
        assert!(ordinary.contains(" -m 256 ") && !ordinary.contains("--socket-mem"), "{ordinary}");
        let forgone = text(args(HugePages::InMemory).extra(["--no-huge"]));
        assert!(forgone.contains(" -m 256 ") && !forgone.contains("--socket-mem"), "{forgone}");
        let own = args(HugePages::InMemory).extra(["--socket-mem=1,2"]);
        assert!(own.user_sets_memory() && !text(own).contains("--socket-mem 0"));
        assert!(!args(HugePages::InMemory).user_sets_memory());
    }

    #[test]
    fn the_user_wins() {
        let args = EalArgs::new("rvs").file_prefix("p").extra([
            "-l1-2",
            "--socket-mem=512",
            "--huge-dir=/mnt",
            "--file-prefix=q",
            "-b0000:00:01.0",
        ]);
        let expected = "rvs --no-telemetry -l1-2 --socket-mem=512 --huge-dir=/mnt --file-prefix=q \
                        -b0000:00:01.0";
        assert_eq!(args.to_args().join(" "), expected);
    }

    #[test]
    fn long_options_are_told_apart_by_their_whole_name() {
        let args = EalArgs::new("rvs").main_cpus([0]).extra(["--no-huge-something"]).to_args();
        assert!(args.contains(&"--in-memory".to_owned()));
    }

    #[test]
    fn the_main_thread_stays_where_it_is_by_default() {
        let cpus: Vec<String> = current_cpus().iter().map(ToString::to_string).collect();
        assert!(!cpus.is_empty());
        let args = EalArgs::new("rvs").to_args();
        assert!(args.contains(&format!("0@({})", cpus.join(","))), "{args:?}");
    }
}
