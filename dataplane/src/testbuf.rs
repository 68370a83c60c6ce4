//! [`TestBuf`]: a packet buffer on the heap, for tests, miri and fuzzing.
//!
//! It behaves like an mbuf where the dataplane can tell (headroom, tailroom, segments, checksum
//! flags) and is stricter where that finds mistakes: every byte outside the frame is filled with
//! [`POISON`], also after the frame shrinks, so reading stale bytes shows in the output.
//! [`TestAlloc`] hands out such buffers, counts them while they live, and can be told to run dry.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::buf::{PacketAlloc, PacketBuf, RxChecksum, TxChecksum};

/// What unused bytes of a [`TestBuf`] hold.
pub const POISON: u8 = 0xA5;

/// Headroom of a buffer unless another is asked for; the same as DPDK's default.
pub const DEFAULT_HEADROOM: usize = 128;

/// Tailroom of a buffer unless another is asked for.
pub const DEFAULT_TAILROOM: usize = 128;

/// Bytes of an empty buffer from [`TestAlloc`] behind its headroom; the same as a DPDK mbuf's.
pub const DEFAULT_DATA_ROOM: usize = 2048;

/// A packet buffer on the heap.
#[derive(Clone)]
pub struct TestBuf {
    storage: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the frame beyond the first segment.
    second_segment: Vec<u8>,
    rx_ipv4_checksum: RxChecksum,
    tx_checksum: TxChecksum,
    rss_hash: Option<u32>,
    live: Option<LiveCount>,
}

impl TestBuf {
    /// A buffer holding `frame`, with the default headroom and tailroom.
    #[must_use]
    pub fn new(frame: &[u8]) -> Self {
        Self::with_room(frame, DEFAULT_HEADROOM, DEFAULT_TAILROOM)
    }

    /// A buffer holding `frame`, with this much room before and after it.
    #[must_use]
    pub fn with_room(frame: &[u8], headroom: usize, tailroom: usize) -> Self {
        let end = headroom + frame.len();
        let mut storage = vec![POISON; end + tailroom];
        storage[headroom..end].copy_from_slice(frame);
        Self {
            storage,
            start: headroom,
            end,
            second_segment: Vec::new(),
            rx_ipv4_checksum: RxChecksum::Unknown,
            tx_checksum: TxChecksum::None,
            rss_hash: None,
            live: None,
        }
    }

    /// Sets what [`PacketBuf::rx_ipv4_checksum`] reports.
    #[must_use]
    pub fn with_rx_ipv4_checksum(mut self, verdict: RxChecksum) -> Self {
        self.rx_ipv4_checksum = verdict;
        self
    }

    /// Sets what [`PacketBuf::rss_hash`] reports.
    #[must_use]
    pub fn with_rss_hash(mut self, hash: u32) -> Self {
        self.rss_hash = Some(hash);
        self
    }

    /// Puts `bytes` in a second segment behind the frame; with a non-empty slice the buffer is no
    /// longer contiguous.
    #[must_use]
    pub fn with_second_segment(mut self, bytes: &[u8]) -> Self {
        self.second_segment = bytes.to_vec();
        self
    }

    /// The checksums last asked of the NIC.
    #[must_use]
    pub fn tx_checksum(&self) -> TxChecksum {
        self.tx_checksum
    }

    /// Bytes free before the frame.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// Bytes free behind the frame.
    #[must_use]
    pub fn tailroom(&self) -> usize {
        self.storage.len() - self.end
    }

    /// The whole frame over all segments, copied.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        [self.bytes(), &self.second_segment].concat()
    }

    /// Whether everything outside the frame still holds [`POISON`]: nothing wrote past its ends.
    #[must_use]
    pub fn poison_intact(&self) -> bool {
        let outside = self.storage[..self.start].iter().chain(&self.storage[self.end..]);
        outside.copied().all(|byte| byte == POISON)
    }
}

impl PacketBuf for TestBuf {
    fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    fn is_contiguous(&self) -> bool {
        self.second_segment.is_empty()
    }

    fn len(&self) -> usize {
        self.end - self.start + self.second_segment.len()
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(n)?;
        Some(self.bytes_mut())
    }

    fn trim_front(&mut self, n: usize) -> bool {
        if n > self.end - self.start {
            return false;
        }
        self.storage[self.start..self.start + n].fill(POISON);
        self.start += n;
        true
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        if !self.is_contiguous() || n > self.tailroom() {
            return None;
        }
        let from = self.end;
        self.end += n;
        Some(&mut self.storage[from..self.end])
    }

    fn truncate(&mut self, len: usize) -> bool {
        if !self.is_contiguous() || len > self.len() {
            return false;
        }
        let new_end = self.start + len;
        self.storage[new_end..self.end].fill(POISON);
        self.end = new_end;
        true
    }

    fn rx_ipv4_checksum(&self) -> RxChecksum {
        self.rx_ipv4_checksum
    }

    fn request_tx_checksum(&mut self, request: TxChecksum) {
        self.tx_checksum = request;
    }

    fn rss_hash(&self) -> Option<u32> {
        self.rss_hash
    }
}

impl fmt::Debug for TestBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBuf")
            .field("frame", &crate::testing::describe(&self.to_vec()))
            .field("headroom", &self.headroom())
            .field("tailroom", &self.tailroom())
            .field("second_segment_len", &self.second_segment.len())
            .field("rx_ipv4_checksum", &self.rx_ipv4_checksum)
            .field("tx_checksum", &self.tx_checksum)
            .field("rss_hash", &self.rss_hash)
            .finish_non_exhaustive()
    }
}

/// Hands out empty [`TestBuf`]s and counts them.
#[derive(Debug)]
pub struct TestAlloc {
    headroom: usize,
    data_room: usize,
    allocated: usize,
    refused: usize,
    /// How many more buffers to hand out; `None` is without end.
    remaining: Option<usize>,
    live: Arc<AtomicUsize>,
}

impl TestAlloc {
    /// An allocator that never runs dry, with the default headroom and data room.
    #[must_use]
    pub fn new() -> Self {
        Self {
            headroom: DEFAULT_HEADROOM,
            data_room: DEFAULT_DATA_ROOM,
            allocated: 0,
            refused: 0,
            remaining: None,
            live: Arc::default(),
        }
    }

    /// Gives buffers this much room before and behind their (empty) frame.
    #[must_use]
    pub fn with_room(mut self, headroom: usize, data_room: usize) -> Self {
        self.headroom = headroom;
        self.data_room = data_room;
        self
    }

    /// Lets `n` more allocations succeed and every later one fail.
    pub fn run_dry_after(&mut self, n: usize) {
        self.remaining = Some(n);
    }

    /// Lets allocations succeed again, without end.
    pub fn refill(&mut self) {
        self.remaining = None;
    }

    /// Buffers handed out so far.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.allocated
    }

    /// Allocations refused so far.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Buffers handed out and not dropped yet, clones included; zero at the end of a test that
    /// leaks nothing.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }
}

impl Default for TestAlloc {
    fn default() -> Self {
        Self::new()
    }
}

impl PacketAlloc<TestBuf> for TestAlloc {
    fn alloc(&mut self) -> Option<TestBuf> {
        if let Some(remaining) = &mut self.remaining {
            let Some(left) = remaining.checked_sub(1) else {
                self.refused += 1;
                return None;
            };
            *remaining = left;
        }
        self.allocated += 1;
        let mut buf = TestBuf::with_room(&[], self.headroom, self.data_room);
        buf.live = Some(LiveCount::new(&self.live));
        Some(buf)
    }
}

/// Counts the buffers of one allocator that are still alive.
struct LiveCount(Arc<AtomicUsize>);

impl LiveCount {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Clone for LiveCount {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for LiveCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepend_returns_the_whole_frame_and_stops_at_the_headroom() {
        let mut buf = TestBuf::with_room(&[1, 2, 3], 4, 0);
        assert_eq!(buf.prepend(3).unwrap(), [POISON, POISON, POISON, 1, 2, 3]);
        assert_eq!(buf.headroom(), 1);
        assert!(buf.prepend(2).is_none());
        assert_eq!(buf.len(), 6, "a refused prepend changes nothing");
        assert!(buf.prepend(usize::MAX).is_none());
    }

    #[test]
    fn trimmed_bytes_are_poisoned_again() {
        let mut buf = TestBuf::with_room(&[1, 2, 3, 4], 0, 0);
        assert!(buf.trim_front(1));
        assert!(buf.truncate(2));
        assert_eq!(buf.bytes(), [2, 3]);
        assert!(buf.poison_intact());
        assert_eq!(buf.prepend(1).unwrap(), [POISON, 2, 3]);
        assert_eq!(buf.append(1).unwrap(), [POISON]);
    }

    #[test]
    fn changes_that_do_not_fit_are_refused() {
        let mut buf = TestBuf::with_room(&[1, 2, 3], 0, 2);
        assert!(!buf.trim_front(4));
        assert!(!buf.truncate(4));
        assert!(buf.append(3).is_none());
        assert!(buf.append(usize::MAX).is_none());
        assert_eq!(buf.bytes(), [1, 2, 3]);
        assert!(buf.append(2).is_some());
        assert_eq!(buf.len(), 5);
    }

    #[test]
    fn a_second_segment_counts_but_is_not_shown() {
        let mut buf = TestBuf::new(&[1, 2]).with_second_segment(&[3, 4, 5]);
        assert!(!buf.is_contiguous());
        assert_eq!((buf.len(), buf.bytes()), (5, &[1, 2][..]));
        assert_eq!(buf.to_vec(), [1, 2, 3, 4, 5]);
        assert!(!buf.truncate(1));
        assert!(buf.append(1).is_none());
        assert!(!buf.trim_front(3), "only the first segment can be trimmed");
        assert!(buf.trim_front(2));
        assert_eq!(buf.len(), 3);
    }

    #[test]
    fn nic_facts_are_reported_and_requests_recorded() {
        let mut buf =
            TestBuf::new(&[0]).with_rx_ipv4_checksum(RxChecksum::Bad).with_rss_hash(0xfeed);
        assert_eq!(buf.rx_ipv4_checksum(), RxChecksum::Bad);
        assert_eq!(buf.rss_hash(), Some(0xfeed));
        let request = TxChecksum::Ipv4 { l2_len: 14, l3_len: 20 };
        buf.request_tx_checksum(request);
        assert_eq!(buf.tx_checksum(), request);
    }

    #[test]
    fn the_allocator_counts_and_runs_dry() {
        let mut pool = TestAlloc::new().with_room(64, 256);
        pool.run_dry_after(1);
        let mut buf = pool.alloc().unwrap();
        assert!(buf.is_empty());
        assert_eq!((buf.headroom(), buf.tailroom()), (64, 256));
        assert!(buf.append(256).is_some());
        assert!(pool.alloc().is_none());
        assert_eq!((pool.allocated(), pool.refused(), pool.live()), (1, 1, 1));
        let copy = buf.clone();
        assert_eq!(pool.live(), 2);
        drop((buf, copy));
        assert_eq!(pool.live(), 0);
        pool.refill();
        assert!(pool.alloc().is_some());
    }
}
