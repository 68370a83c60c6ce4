//! Lcore ids, and how std threads get one.

use std::marker::PhantomData;
use std::sync::Arc;

use dpdk_sys as sys;

use crate::eal::{Eal, EalShared};
use crate::error::{DpdkError, rte_errno};

/// DPDK's number for a thread that may use per-lcore caches. It says nothing about which CPU the
/// thread runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LcoreId(u32);

impl LcoreId {
    /// One more than the largest id.
    pub const LIMIT: u32 = sys::SHIM_MAX_LCORE;

    /// The id with this number, or `None` if it is not below [`LcoreId::LIMIT`].
    #[must_use]
    pub fn new(id: u32) -> Option<Self> {
        (id < Self::LIMIT).then_some(Self(id))
    }

    /// The id of the calling thread: the one that initialised the EAL and registered threads have
    /// one.
    #[must_use]
    pub fn current() -> Option<Self> {
        // SAFETY: rte_lcore_id_ reads a variable of the calling thread; it has no precondition.
        Self::new(unsafe { sys::rte_lcore_id_() })
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Gives the calling thread an lcore id, and with it a cache in every pool, until dropped.
///
/// Pin the thread first: the id takes over the CPU set and NUMA node the thread has at that moment.
#[derive(Debug)]
pub struct ThreadRegistration {
    lcore: LcoreId,
    _eal: Arc<EalShared>,
    /// The registration is the thread's own: it must not be dropped by another.
    _not_send: PhantomData<*const ()>,
}

impl ThreadRegistration {
    /// Registers the calling thread. Fails with `EALREADY` if it has an lcore id, and with `ENOMEM`
    /// if all of them are taken.
    pub fn register(eal: &Eal) -> Result<Self, DpdkError> {
        const OP: &str = "rte_thread_register";
        if let Some(lcore) = LcoreId::current() {
            let detail = format!("this thread is lcore {} already", lcore.get());
            return Err(DpdkError::new(OP, libc::EALREADY).with_detail(detail));
        }
        // SAFETY: the EAL is initialised (`eal` is alive), and the thread is not registered.
        if unsafe { sys::rte_thread_register() } != 0 {
            return Err(rte_errno(OP));
        }
        match LcoreId::current() {
            Some(lcore) => {
                let eal = Arc::clone(eal.shared());
                Ok(Self { lcore, _eal: eal, _not_send: PhantomData })
            }
            None => Err(DpdkError::new(OP, libc::ENOMEM)),
        }
    }

    /// The id the thread got.
    #[must_use]
    pub fn lcore(&self) -> LcoreId {
        self.lcore
    }
}

impl Drop for ThreadRegistration {
    fn drop(&mut self) {
        // SAFETY: this thread was registered by `register`, and the EAL is still initialised.
        unsafe { sys::rte_thread_unregister() };
    }
}
