//! The packet buffer the dataplane works on, as a trait.
//!
//! Every rewrite is written against [`PacketBuf`], so the same code runs on DPDK mbufs in
//! production and on plain memory (`TestBuf`) in tests. The trait knows nothing of headers: it
//! moves the ends of a frame and carries the few facts a NIC reports about a packet.
//!
//! A frame is normally one piece of memory. A NIC that scatters large frames may deliver several
//! segments; then [`PacketBuf::bytes`] shows the first one and [`PacketBuf::is_contiguous`] is
//! false. Headers are expected in the first segment, and the wire module's checks decide from the
//! length they are given, so a header split over two segments is refused rather than misread.

/// One packet in a buffer that has room before (headroom) and after (tailroom) it.
///
/// No method panics, whatever lengths it is given: a change that does not fit is refused and leaves
/// the buffer as it was.
pub trait PacketBuf: Sized {
    /// The frame's bytes, or those of its first segment when it has several.
    fn bytes(&self) -> &[u8];

    /// The same bytes, to be changed in place.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Whether [`bytes`](Self::bytes) is the whole frame.
    fn is_contiguous(&self) -> bool;

    /// Length of the whole frame over all its segments.
    fn len(&self) -> usize;

    /// Whether the frame has no byte at all, as a buffer fresh from [`PacketAlloc`] has.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Grows the frame at its front by `n` bytes and returns the whole first segment, new bytes
    /// first. The new bytes hold whatever the headroom held. `None` when the headroom is shorter
    /// than `n`.
    fn prepend(&mut self, n: usize) -> Option<&mut [u8]>;

    /// Removes `n` bytes from the front. False, and nothing removed, when the first segment is
    /// shorter than `n`.
    fn trim_front(&mut self, n: usize) -> bool;

    /// Grows the frame at its end by `n` bytes and returns those bytes, which hold whatever the
    /// tailroom held. `None` when the tailroom is shorter than `n` or the frame is not contiguous.
    fn append(&mut self, n: usize) -> Option<&mut [u8]>;

    /// Keeps the first `len` bytes. False, and nothing removed, when the frame is shorter than
    /// `len` or is not contiguous.
    fn truncate(&mut self, len: usize) -> bool;

    /// What the NIC found when it verified the IPv4 header checksum.
    fn rx_ipv4_checksum(&self) -> RxChecksum;

    /// Asks the NIC to fill in checksums when it sends the frame. The last request wins.
    fn request_tx_checksum(&mut self, request: TxChecksum);

    /// The RSS hash the NIC computed, if it did.
    fn rss_hash(&self) -> Option<u32>;
}

/// A source of empty packet buffers, for packets the director originates itself.
pub trait PacketAlloc<B> {
    /// An empty buffer with headroom for every header the dataplane may prepend, or `None` when
    /// the pool is exhausted.
    fn alloc(&mut self) -> Option<B>;
}

/// A NIC's verdict on a received IPv4 header checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RxChecksum {
    /// The NIC did not look; software must verify.
    #[default]
    Unknown,
    /// The NIC verified the checksum and it is right.
    Good,
    /// The NIC verified the checksum and it is wrong.
    Bad,
}

/// The checksums a NIC is asked to fill in on transmission.
///
/// `l2_len` is the number of bytes before the IPv4 header concerned, `l3_len` the length of that
/// header with its options. For every variant but [`TxChecksum::None`] the IPv4 header's checksum
/// field must be zero; for the TCP and UDP variants the transport checksum field must hold the sum
/// of the pseudo-header ([`Sum::fold`](crate::wire::checksum::Sum::fold), not inverted).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TxChecksum {
    /// Nothing: the frame is complete.
    #[default]
    None,
    /// The IPv4 header checksum only.
    Ipv4 {
        /// Bytes before the IPv4 header.
        l2_len: u8,
        /// Length of the IPv4 header.
        l3_len: u16,
    },
    /// The IPv4 header checksum and the TCP checksum.
    Ipv4Tcp {
        /// Bytes before the IPv4 header.
        l2_len: u8,
        /// Length of the IPv4 header.
        l3_len: u16,
    },
    /// The IPv4 header checksum and the UDP checksum.
    Ipv4Udp {
        /// Bytes before the IPv4 header.
        l2_len: u8,
        /// Length of the IPv4 header.
        l3_len: u16,
    },
}
