//! [`Eal`]: DPDK's environment abstraction layer, started once per process.

use std::ffi::{CString, c_char, c_int};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpdk_sys as sys;

use crate::eal_args::EalArgs;
use crate::error::{DpdkError, check, join, rte_errno};
use crate::log;
use crate::mempool::PoolPtr;
use crate::{LcoreId, PortId};

/// Set by the first attempt: DPDK cannot be initialised twice, not even after a failure.
static ATTEMPTED: AtomicBool = AtomicBool::new(false);

/// The initialised library.
///
/// Pools, ports, queues and thread registrations refer to it, and the last of them to go cleans up
/// with `rte_eal_cleanup`. That is left out if an [`Mbuf`](crate::Mbuf) is still held somewhere, or
/// if the last reference is dropped on another thread than the one that initialised: in both cases
/// someone could still touch DPDK's memory. The kernel takes that memory back, huge pages included,
/// when the process ends; `rte_eal_cleanup` itself unmaps it only without
/// [`HugePages::InMemory`](crate::HugePages::InMemory).
pub struct Eal {
    shared: Arc<EalShared>,
}

/// What everything that depends on the EAL refers to.
#[derive(Debug)]
pub(crate) struct EalShared {
    main_lcore: Option<LcoreId>,
    state: Mutex<State>,
}

/// What must be known across objects. Its lock also serialises calls of DPDK's control functions,
/// most of which may not run at the same time.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) pools: Vec<PoolPtr>,
    /// Ports in use, by id.
    pub(crate) started: Vec<u16>,
}

impl Eal {
    /// Starts the EAL. The calling thread becomes the main lcore. A process has one attempt: a
    /// second one fails with `EALREADY`, whatever became of the first.
    pub fn init(args: &EalArgs) -> Result<Self, DpdkError> {
        const OP: &str = "rte_eal_init";
        let args = args.to_args();
        let mut argv = Vec::with_capacity(args.len() + 1);
        for arg in &args {
            let arg = CString::new(arg.as_str()).map_err(|_| {
                let detail = format!("the argument {arg:?} contains a nul byte");
                DpdkError::new(OP, libc::EINVAL).with_detail(detail)
            })?;
            argv.push(arg);
        }
        if ATTEMPTED.swap(true, Ordering::SeqCst) {
            let detail = "the EAL can be initialised only once per process";
            return Err(DpdkError::new(OP, libc::EALREADY).with_detail(detail));
        }
        log::open()?;

        // EAL keeps pointers to its arguments and reorders them, so both are leaked.
        let argc = c_int::try_from(argv.len()).unwrap_or(c_int::MAX);
        let mut argv: Vec<*mut c_char> = argv.into_iter().map(CString::into_raw).collect();
        argv.push(std::ptr::null_mut());
        let argv = Vec::leak(argv).as_mut_ptr();
        let mark = log::mark();
        // SAFETY: argv holds argc terminated, writable, never freed strings and a final null; this
        // is the only call in this process.
        let ret = unsafe { sys::rte_eal_init(argc, argv) };
        if ret < 0 {
            return Err(rte_errno(OP).with_detail(log::since(mark)));
        }
        // Depending on release and options, EAL may have put a log stream of its own in place.
        log::open()?;
        let shared = EalShared { main_lcore: LcoreId::current(), state: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes a device usable as a port and returns its id.
    ///
    /// A virtual device is created: `net_af_packet0,iface=wan0`. Its name, up to the first comma,
    /// starts with a driver's name and is unique. A PCI device, named `0000:3b:00.0` or `3b:00.0`,
    /// was found at start if it was [allowed](EalArgs::pci_allow), and is attached now otherwise.
    /// The name of an existing device without arguments stands for that device. Of a device with
    /// several ports, the first is meant.
    ///
    /// The error of a device that cannot be used carries what its driver printed.
    pub fn probe(&self, devargs: &str) -> Result<PortId, DpdkError> {
        const OP: &str = "rte_dev_probe";
        let fail = |errno, detail| Err(DpdkError::new(OP, errno).with_detail(detail));
        let (given, arguments) = match devargs.split_once(',') {
            Some((name, arguments)) => (name, Some(arguments)),
            None => (devargs, None),
        };
        let pci = pci_address(given);
        let name = pci.as_deref().unwrap_or(given);
        if name.is_empty() {
            return fail(libc::EINVAL, format!("{devargs:?} names no device"));
        }

        let guard = self.shared.lock();
        if let Some(port) = find_port(name) {
            // DPDK would take the arguments of a second virtual device for those of the first.
            if pci.is_none() && arguments.is_some() {
                return fail(libc::EEXIST, format!("there is a device named {name:?} already"));
            }
            return Ok(port);
        }
        let full = arguments.map_or_else(|| name.to_owned(), |args| format!("{name},{args}"));
        let Ok(full_c) = CString::new(full.as_str()) else {
            return fail(libc::EINVAL, format!("{full:?} contains a nul byte"));
        };
        let mark = log::mark();
        // SAFETY: the EAL is initialised and the string terminated; the lock is held.
        let ret = unsafe { sys::rte_dev_probe(full_c.as_ptr()) };
        let said = log::since(mark);
        drop(guard);
        check(OP, ret).map_err(|e| {
            // EAL's answer to a name that no bus and no driver claims.
            let hint = if e.errno == libc::EFAULT { UNKNOWN_NAME } else { "" };
            e.with_detail(join(&[&full, hint, &said]))
        })?;
        find_port(name).map_or_else(
            || {
                fail(
                    libc::ENODEV,
                    join(&[&full, "the device has no port, or had one before", &said]),
                )
            },
            Ok,
        )
    }

    /// The port of a device, or the port itself, with this name, if there is one.
    #[must_use]
    pub fn port_by_name(&self, name: &str) -> Option<PortId> {
        let _guard = self.shared.lock();
        find_port(name)
    }

    pub(crate) fn shared(&self) -> &Arc<EalShared> {
        &self.shared
    }
}

impl fmt::Debug for Eal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eal").field("version", &crate::version()).finish_non_exhaustive()
    }
}

impl EalShared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Lists of ids are valid after every statement, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EalShared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // No handle of a pool or queue is left, so nothing can be allocated any more, and a packet
        // that is being freed at this moment counts as in use until that is over.
        let busy = state.pools.iter().any(|pool| pool.in_use() != 0);
        // The main thread uses a cache without a registration; only on it is that surely over.
        if busy || LcoreId::current() != self.main_lcore {
            return;
        }
        // SAFETY: the EAL is initialised, this runs once, and no object that uses it is left.
        unsafe { sys::rte_eal_cleanup() };
    }
}

/// What is wrong with a device name that nobody claims.
const UNKNOWN_NAME: &str = "no driver has this name; virtual devices are named after their \
                            driver, such as net_af_packet0, and PCI devices by address, such as \
                            0000:3b:00.0";

/// The caller holds the lock.
fn find_port(name: &str) -> Option<PortId> {
    let name = CString::new(name).ok()?;
    let mut id = 0;
    // SAFETY: the string is terminated and `id` outlives the call.
    if unsafe { sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut id) } == 0 {
        return Some(PortId::from_raw(id));
    }
    // SAFETY: the string is terminated and `id` outlives the call.
    let ret = unsafe { sys::shim_port_by_device(name.as_ptr(), &raw mut id) };
    (ret == 0).then(|| PortId::from_raw(id))
}

/// The full form of a PCI address, with its domain, or `None` for any other name.
fn pci_address(name: &str) -> Option<String> {
    let hex = |s: &str, len| s.len() == len && s.bytes().all(|b| b.is_ascii_hexdigit());
    let (rest, function) = name.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0000", rest));
    let valid = hex(function, 1)
        && hex(device, 2)
        && hex(bus, 2)
        && (4..=8).contains(&domain.len())
        && hex(domain, domain.len());
    valid.then(|| format!("{domain}:{bus}:{device}.{function}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses() {
        assert_eq!(pci_address("0000:3b:00.0").as_deref(), Some("0000:3b:00.0"));
        assert_eq!(pci_address("3B:00.1").as_deref(), Some("0000:3b:00.1"));
        assert_eq!(pci_address("10000:e1:00.0").as_deref(), Some("10000:e1:00.0"));
        for other in ["net_null0", "", "3b:00", "3b:00.", "x:00.0", "0:3b:00.0", "3b:0.0"] {
            assert_eq!(pci_address(other), None, "{other}");
        }
    }
}
