//! [`PktMempool`]: a pool of packet buffers.
//!
//! A pool is never freed before the EAL is: mbufs carry no reference to their pool, so its memory
//! must be there for as long as one of them may exist. Creating pools again and again therefore
//! uses up the EAL's memory; create them at start.

use std::ffi::CString;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use dpdk_sys as sys;

use crate::eal::{Eal, EalShared};
use crate::error::{DpdkError, join, rte_errno};
use crate::{Burst, Mbuf, SocketId};

/// The usual bytes per buffer: 2048 for the packet behind a headroom of 128.
pub const DATA_ROOM: u16 = 2048 + crate::mbuf::HEADROOM;

/// The largest per-lcore cache a pool may have.
pub const CACHE_MAX: u32 = sys::SHIM_MEMPOOL_CACHE_MAX;

/// A handle to a pool of packet buffers; a clone is the same pool.
#[derive(Clone)]
pub struct PktMempool {
    inner: Arc<Pool>,
}

/// A pool's address, kept by the EAL until it is cleaned up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolPtr(pub(crate) NonNull<sys::rte_mempool>);

// SAFETY: an rte_mempool is shared memory that every thread may allocate from, free into and count
// (pools are created multi-producer and multi-consumer); only EalShared frees it, once.
unsafe impl Send for PoolPtr {}
// SAFETY: as for Send; the pointer itself is never changed.
unsafe impl Sync for PoolPtr {}

struct Pool {
    ptr: PoolPtr,
    name: String,
    count: u32,
    data_room: u16,
    /// Keeps the EAL, and with it the pool, alive.
    _eal: Arc<EalShared>,
}

impl PktMempool {
    /// Creates a pool of `count` buffers with `data_room` bytes each, headroom included, near the
    /// given NUMA node. `cache` buffers are kept per registered thread (see
    /// [`ThreadRegistration`](crate::ThreadRegistration)); 0 is allowed. A `count` of `2^n - 1`
    /// uses memory best. Names are at most 25 bytes and unique in the process.
    pub fn create(
        eal: &Eal,
        name: &str,
        count: u32,
        cache: u32,
        data_room: u16,
        socket: SocketId,
    ) -> Result<Self, DpdkError> {
        const OP: &str = "rte_pktmbuf_pool_create";
        let invalid = |detail: String| DpdkError::new(OP, libc::EINVAL).with_detail(detail);
        // DPDK flushes a cache at one and a half times its size, so that much must exist.
        if cache > CACHE_MAX || u64::from(cache) * 3 / 2 > u64::from(count) {
            return Err(invalid(format!(
                "a cache of {cache} needs a pool of at least {} buffers, and {CACHE_MAX} is the \
                 largest cache; the pool {name:?} was to have {count} buffers",
                u64::from(cache) * 3 / 2
            )));
        }
        if data_room < crate::mbuf::HEADROOM {
            return Err(invalid(format!("{data_room} bytes are less than the headroom")));
        }
        let c_name = CString::new(name)
            .map_err(|_| invalid(format!("the name {name:?} contains a nul byte")))?;

        let mut state = eal.shared().lock();
        let mark = crate::log::mark();
        // SAFETY: the EAL is initialised (`eal` is alive); the name is terminated and copied.
        let raw = unsafe {
            sys::rte_pktmbuf_pool_create(c_name.as_ptr(), count, cache, 0, data_room, socket.raw())
        };
        let Some(raw) = NonNull::new(raw) else {
            let about = format!("pool {name:?} of {count} buffers of {data_room} bytes");
            return Err(rte_errno(OP).with_detail(join(&[&about, &crate::log::since(mark)])));
        };
        let ptr = PoolPtr(raw);
        state.pools.push(ptr);
        drop(state);
        let eal = Arc::clone(eal.shared());
        let inner = Pool { ptr, name: name.to_owned(), count, data_room, _eal: eal };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The name it was created with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How many buffers it has in all.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.inner.count
    }

    /// Bytes per buffer, headroom included.
    #[must_use]
    pub fn data_room(&self) -> u16 {
        self.inner.data_room
    }

    /// How many buffers are free, those in thread caches included. Exact while no other thread
    /// allocates or frees; not for the packet path.
    #[must_use]
    pub fn available(&self) -> u32 {
        // SAFETY: the pool is alive as long as `self`.
        unsafe { sys::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// How many buffers are taken: by mbufs, by the queues of ports, by packets in flight.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.inner.ptr.in_use()
    }

    /// Takes a buffer: an empty packet with [`HEADROOM`](crate::mbuf::HEADROOM). `None` if the pool
    /// is exhausted.
    #[inline]
    #[must_use]
    pub fn alloc(&self) -> Option<Mbuf> {
        // SAFETY: the pool is alive as long as `self`, and pools may be used by every thread.
        let raw = unsafe { sys::rte_pktmbuf_alloc_(self.as_ptr()) };
        let raw = NonNull::new(raw)?;
        // SAFETY: a fresh mbuf is owned by the caller alone and consistent.
        Some(unsafe { Mbuf::from_raw(raw) })
    }

    /// Takes a buffer and copies a packet into it. `None` if the pool is exhausted or the packet is
    /// longer than a buffer.
    #[must_use]
    pub fn alloc_from(&self, bytes: &[u8]) -> Option<Mbuf> {
        let mut mbuf = self.alloc()?;
        mbuf.append(bytes.len())?.copy_from_slice(bytes);
        Some(mbuf)
    }

    /// Fills the burst up with empty packets, which is cheaper than one by one. Returns false, and
    /// leaves the burst as it was, if the pool has fewer buffers than there is room.
    #[inline]
    pub fn alloc_burst<const N: usize>(&self, burst: &mut Burst<N>) -> bool {
        self.alloc_some(burst, N - burst.len())
    }

    /// Adds `count` empty packets to the burst, likewise. Returns false, and leaves the burst as it
    /// was, if the pool has fewer buffers or the burst less room.
    #[inline]
    pub fn alloc_some<const N: usize>(&self, burst: &mut Burst<N>, count: usize) -> bool {
        let len = burst.len();
        let Some(wanted) = u32::try_from(count).ok().filter(|_| count <= N - len) else {
            return false;
        };
        let end = burst.as_mut_ptr().wrapping_add(len).cast::<*mut sys::rte_mbuf>();
        // SAFETY: the pool is alive as long as `self`, and pools may be used by every thread; `end`
        // has room for `wanted` pointers, and Mbuf is a transparent wrapper of one.
        let ret = unsafe { sys::rte_pktmbuf_alloc_bulk_(self.as_ptr(), end, wanted) };
        if ret != 0 {
            return false;
        }
        // SAFETY: that many fresh mbufs were written, which are ours alone and consistent.
        unsafe { burst.set_len(len + count) };
        true
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::rte_mempool {
        self.inner.ptr.0.as_ptr()
    }

    /// Whether this pool belongs to that EAL; there is one per process, so this is a formality that
    /// keeps `unsafe` code from relying on it.
    pub(crate) fn belongs_to(&self, eal: &Arc<EalShared>) -> bool {
        Arc::ptr_eq(&self.inner._eal, eal)
    }
}

impl PoolPtr {
    pub(crate) fn in_use(self) -> u32 {
        // SAFETY: the EAL frees a pool after forgetting its PoolPtr, so the pool is alive.
        unsafe { sys::rte_mempool_in_use_count(self.0.as_ptr()) }
    }
}

impl fmt::Debug for PktMempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PktMempool")
            .field("name", &self.inner.name)
            .field("capacity", &self.inner.count)
            .field("data_room", &self.inner.data_room)
            .field("available", &self.available())
            .finish()
    }
}
