//! [`Mbuf`]: one packet, owned.
//!
//! The pointer is the whole value, and dropping it frees the packet into its pool. Fields are read
//! and written natively at the byte offsets that the C compiler reported, because a call into C per
//! field would cost more than the work around it; a test compares every accessor with DPDK's own
//! macros. Packets of several segments are passed through untouched: every accessor of bytes speaks
//! of the first segment.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use dpdk_sys as sys;

use crate::offload::{RxChecksum, TxChecksum};
use crate::prefetch::{demote, prefetch_read, prefetch_write};

/// The room in front of the data of a fresh mbuf.
pub const HEADROOM: u16 = 128;

const _: () = assert!(sys::SHIM_PKTMBUF_HEADROOM == HEADROOM as u32);

/// A field of `rte_mbuf`, known to lie inside the structure and to be aligned.
struct Field<T> {
    offset: usize,
    of: PhantomData<T>,
}

impl<T> Field<T> {
    const fn at(offset: u32) -> Self {
        let size = size_of::<T>();
        let offset = offset as usize;
        assert!(offset.is_multiple_of(align_of::<T>()));
        assert!(offset + size <= sys::SHIM_MBUF_SIZE as usize);
        Self { offset, of: PhantomData }
    }
}

const BUF_ADDR: Field<*mut u8> = Field::at(sys::SHIM_MBUF_BUF_ADDR);
const DATA_OFF: Field<u16> = Field::at(sys::SHIM_MBUF_DATA_OFF);
const NB_SEGS: Field<u16> = Field::at(sys::SHIM_MBUF_NB_SEGS);
const PORT: Field<u16> = Field::at(sys::SHIM_MBUF_PORT);
const OL_FLAGS: Field<u64> = Field::at(sys::SHIM_MBUF_OL_FLAGS);
const PKT_LEN: Field<u32> = Field::at(sys::SHIM_MBUF_PKT_LEN);
const DATA_LEN: Field<u16> = Field::at(sys::SHIM_MBUF_DATA_LEN);
const HASH_RSS: Field<u32> = Field::at(sys::SHIM_MBUF_HASH_RSS);
const BUF_LEN: Field<u16> = Field::at(sys::SHIM_MBUF_BUF_LEN);
const TX_OFFLOAD: Field<u64> = Field::at(sys::SHIM_MBUF_TX_OFFLOAD);

/// One packet. Freed into its pool when dropped.
#[repr(transparent)]
pub struct Mbuf(NonNull<sys::rte_mbuf>);

// SAFETY: an Mbuf is the only owner of its packet (bursts and pools hand out each pointer once),
// its memory belongs to no thread, and freeing it is allowed on every thread: pools are
// multi-producer, and a thread without an lcore id bypasses the per-lcore caches.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Takes ownership of a packet.
    ///
    /// # Safety
    ///
    /// * `raw` is an mbuf that came from a pool of this process and that nobody else owns.
    /// * Its segments carry `data_off + data_len <= buf_len`, as DPDK guarantees.
    /// * Its reference count and that of its segments is 1.
    #[must_use]
    pub unsafe fn from_raw(raw: NonNull<sys::rte_mbuf>) -> Self {
        Self(raw)
    }

    /// Gives ownership of the packet away.
    #[must_use]
    pub fn into_raw(self) -> NonNull<sys::rte_mbuf> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    /// The bytes of the first segment: the whole packet if [`is_contiguous`](Self::is_contiguous).
    #[inline]
    #[must_use]
    pub fn data(&self) -> &[u8] {
        let (start, len) = (self.data_start(), self.segment_len());
        // SAFETY: data_off + data_len <= buf_len (kept by every method here and by DPDK), so the
        // bytes lie in the segment's buffer, which is ours alone while `self` is borrowed. They are
        // initialised as far as Rust is concerned: pool memory comes from the kernel zeroed.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Like [`data`](Self::data), to be changed.
    #[inline]
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let (start, len) = (self.data_start(), self.segment_len());
        // SAFETY: as in `data`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// The length of the packet, all segments together.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.get(PKT_LEN) as usize
    }

    /// Whether the packet has no bytes.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the packet is one segment.
    #[inline]
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.get(NB_SEGS) == 1
    }

    /// Bytes that [`prepend`](Self::prepend) can add.
    #[inline]
    #[must_use]
    pub fn headroom(&self) -> usize {
        usize::from(self.get(DATA_OFF))
    }

    /// Bytes that [`append`](Self::append) can add to a packet of one segment.
    #[inline]
    #[must_use]
    pub fn tailroom(&self) -> usize {
        usize::from(self.get(BUF_LEN)).saturating_sub(self.headroom() + self.segment_len())
    }

    /// Adds `n` bytes in front and returns them, or `None` if the headroom is too small. Their
    /// content is whatever was there before.
    #[inline]
    pub fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        let add = u16::try_from(n).ok()?;
        let data_off = self.get(DATA_OFF).checked_sub(add)?;
        let data_len = self.get(DATA_LEN).checked_add(add)?;
        let pkt_len = self.get(PKT_LEN).checked_add(u32::from(add))?;
        self.set(DATA_OFF, data_off);
        self.set(DATA_LEN, data_len);
        self.set(PKT_LEN, pkt_len);
        self.data_mut().get_mut(..n)
    }

    /// Adds `n` bytes at the end and returns them, or `None` if the tailroom is too small or the
    /// packet has several segments. Their content is whatever was there before.
    #[inline]
    pub fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        if !self.is_contiguous() || n > self.tailroom() {
            return None;
        }
        let old_len = self.segment_len();
        let add = u16::try_from(n).ok()?;
        let data_len = self.get(DATA_LEN).checked_add(add)?;
        self.set(DATA_LEN, data_len);
        self.set(PKT_LEN, u32::from(data_len));
        self.data_mut().get_mut(old_len..)
    }

    /// Removes `n` bytes in front; does nothing and returns false if the first segment has fewer.
    #[inline]
    #[must_use]
    pub fn adj(&mut self, n: usize) -> bool {
        let Some((cut, left)) = self.shorter_by(n) else { return false };
        self.set(DATA_OFF, self.get(DATA_OFF) + cut);
        self.set(DATA_LEN, left);
        self.set(PKT_LEN, self.get(PKT_LEN) - u32::from(cut));
        true
    }

    /// Removes `n` bytes at the end; does nothing and returns false if there are fewer or the
    /// packet has several segments.
    #[inline]
    #[must_use]
    pub fn trim(&mut self, n: usize) -> bool {
        if !self.is_contiguous() {
            return false;
        }
        let Some((_, left)) = self.shorter_by(n) else { return false };
        self.set(DATA_LEN, left);
        self.set(PKT_LEN, u32::from(left));
        true
    }

    /// The hash by which the port chose the receive queue, if it computed one.
    #[inline]
    #[must_use]
    pub fn rss_hash(&self) -> Option<u32> {
        (self.get(OL_FLAGS) & sys::SHIM_MBUF_RX_RSS_HASH != 0).then(|| self.get(HASH_RSS))
    }

    /// The id of the port the packet came in on; `u16::MAX` for one that was allocated here.
    #[inline]
    #[must_use]
    pub fn rx_port(&self) -> u16 {
        self.get(PORT)
    }

    /// What the port says about the checksum of the IPv4 header.
    #[inline]
    #[must_use]
    pub fn rx_ipv4_checksum(&self) -> RxChecksum {
        RxChecksum::ipv4_from_flags(self.get(OL_FLAGS))
    }

    /// What the port says about the TCP or UDP checksum.
    #[inline]
    #[must_use]
    pub fn rx_l4_checksum(&self) -> RxChecksum {
        RxChecksum::l4_from_flags(self.get(OL_FLAGS))
    }

    /// Asks the port to fill in checksums of an IPv4 packet when it is sent, replacing an earlier
    /// request. `l2_len` and `l3_len` are the lengths of the Ethernet and of the IPv4 header with
    /// options. Returns false, and asks for nothing, if a length does not fit its field (127 and
    /// 511 bytes). Only what [`Offloads`](crate::Offloads) of the sending port lists may be asked
    /// for.
    #[inline]
    #[must_use]
    pub fn set_tx_offload(&mut self, l2_len: usize, l3_len: usize, what: TxChecksum) -> bool {
        self.clear_tx_offload();
        if l2_len >> sys::SHIM_MBUF_L2_LEN_BITS != 0 || l3_len >> sys::SHIM_MBUF_L3_LEN_BITS != 0 {
            return false;
        }
        self.set(TX_OFFLOAD, tx_offload_word(l2_len as u64, l3_len as u64));
        self.set(OL_FLAGS, self.get(OL_FLAGS) | what.flags());
        true
    }

    /// Withdraws every request made with [`set_tx_offload`](Self::set_tx_offload).
    #[inline]
    pub fn clear_tx_offload(&mut self) {
        self.set(OL_FLAGS, self.get(OL_FLAGS) & !sys::SHIM_MBUF_TX_OFFLOAD_MASK);
        self.set(TX_OFFLOAD, 0);
    }

    /// Hints that the packet's bookkeeping is needed soon.
    #[inline]
    pub fn prefetch(&self) {
        prefetch_read(self.0.as_ptr());
    }

    /// Hints that the first bytes of the packet are needed soon. Reads the bookkeeping.
    #[inline]
    pub fn prefetch_data(&self) {
        prefetch_read(self.data_start());
    }

    /// Hints that the first bytes of the packet are written soon. Reads the bookkeeping.
    #[inline]
    pub fn prefetch_data_write(&mut self) {
        prefetch_write(self.data_start());
    }

    /// Hints that another CPU reads the first bytes of the packet next. Reads the bookkeeping.
    #[inline]
    pub fn demote_data(&self) {
        demote(self.data_start());
    }

    #[inline]
    fn data_start(&self) -> *mut u8 {
        self.get(BUF_ADDR).wrapping_add(self.headroom())
    }

    #[inline]
    fn segment_len(&self) -> usize {
        usize::from(self.get(DATA_LEN))
    }

    /// `n` as a field value and the first segment's length without it, if it has that many bytes.
    #[inline]
    fn shorter_by(&self, n: usize) -> Option<(u16, u16)> {
        let cut = u16::try_from(n).ok()?;
        Some((cut, self.get(DATA_LEN).checked_sub(cut)?))
    }

    #[inline]
    fn get<T: Copy>(&self, field: Field<T>) -> T {
        let at = self.0.as_ptr().wrapping_byte_add(field.offset).cast::<T>();
        // SAFETY: a Field lies inside the structure, aligned, and holds a plain integer or pointer;
        // the structure is ours and initialised.
        unsafe { at.read() }
    }

    #[inline]
    #[allow(clippy::needless_pass_by_ref_mut, reason = "writes through the owned pointer")]
    fn set<T: Copy>(&mut self, field: Field<T>, value: T) {
        let at = self.0.as_ptr().wrapping_byte_add(field.offset).cast::<T>();
        // SAFETY: as in `get`, and `self` is borrowed exclusively.
        unsafe { at.write(value) }
    }
}

/// The word of `rte_mbuf` that holds l2_len and l3_len, in the order of the C bit fields.
#[inline]
fn tx_offload_word(l2_len: u64, l3_len: u64) -> u64 {
    const { assert!(cfg!(target_endian = "little"), "bit fields are laid out for little-endian") };
    l2_len | l3_len << sys::SHIM_MBUF_L2_LEN_BITS
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the packet is ours alone, and its pool lives as long as any of its mbufs.
        unsafe { sys::rte_pktmbuf_free_(self.0.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("len", &self.len())
            .field("headroom", &self.headroom())
            .field("tailroom", &self.tailroom())
            .field("segments", &self.get(NB_SEGS))
            .finish()
    }
}
