//! A packet buffer as plain as can be, so that what is counted is the packet path.

use dataplane::buf::{PacketBuf, RxChecksum, TxChecksum};

const ROOM: usize = 256;
const HEADROOM: usize = 128;

/// A frame in a box with room in front.
#[derive(Debug)]
pub struct Frame(Box<Inner>);

#[derive(Debug)]
struct Inner {
    start: usize,
    end: usize,
    bytes: [u8; ROOM],
}

impl Frame {
    /// A frame without bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self(Box::new(Inner { start: HEADROOM, end: HEADROOM, bytes: [0; ROOM] }))
    }

    /// Makes it a frame of these bytes, of which there may be as many as fit.
    pub fn refill(&mut self, bytes: &[u8]) {
        let end = (HEADROOM + bytes.len()).min(ROOM);
        (self.0.start, self.0.end) = (HEADROOM, end);
        self.0.bytes[HEADROOM..end].copy_from_slice(&bytes[..end - HEADROOM]);
    }
}

impl PacketBuf for Frame {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.bytes.get(self.0.start..self.0.end).unwrap_or_default()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes.get_mut(self.0.start..self.0.end).unwrap_or_default()
    }

    #[inline]
    fn is_contiguous(&self) -> bool {
        true
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.end - self.0.start
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.0.start = self.0.start.checked_sub(n)?;
        Some(self.bytes_mut())
    }

    fn trim_front(&mut self, n: usize) -> bool {
        let fits = n <= self.len();
        self.0.start += if fits { n } else { 0 };
        fits
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        let old = self.len();
        self.0.end = self.0.end.checked_add(n).filter(|end| *end <= ROOM)?;
        self.bytes_mut().get_mut(old..)
    }

    #[inline]
    fn truncate(&mut self, len: usize) -> bool {
        let fits = len <= self.len();
        if fits {
            self.0.end = self.0.start + len;
        }
        fits
    }

    #[inline]
    fn rx_ipv4_checksum(&self) -> RxChecksum {
        RxChecksum::Unknown
    }

    fn request_tx_checksum(&mut self, _: TxChecksum) {}

    fn rss_hash(&self) -> Option<u32> {
        None
    }
}
