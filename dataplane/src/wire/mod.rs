//! Packet headers as typed views over bytes: one protocol per file.
//!
//! # Contract
//!
//! * A header type is a `#[repr(C)]` struct whose fields are bytes or big-endian integers, so its
//!   memory layout is its wire layout and it may lie at any address. Byte order lives in the type:
//!   getters return native integers and [`std::net::Ipv4Addr`].
//! * `read`, `read_mut`, `split` and `split_mut` check one thing only: that the slice is at least
//!   `LEN` bytes long. They do not look at the contents.
//! * `check` (or `checked`) also verifies every length field against the bytes at hand. What it
//!   returns may be sliced by the lengths it reports without further tests. It does not verify
//!   checksums; that is `checksum_ok`, because a NIC may have done it already.
//! * Setters keep a checksum that was right, right: they apply the incremental update of RFC 1624
//!   to the checksum field of their own header and, where another header's checksum covers the
//!   field too (addresses and the pseudo-header), return the [`Delta`] to apply there. A wrong
//!   checksum stays wrong, so damage done upstream remains visible to the receiver.
//!   `set_checksum` and `fill_checksum` are the exceptions, as their names say.
//! * `emit` writes a complete header at the front of a slice and returns the rest of it.
//! * Nothing here allocates, and no input makes anything here panic.
//!
//! `mod.rs` also keeps the macro that gives each header those accessors.

pub mod arp;
pub mod checksum;
pub mod crc32c;
pub mod ethernet;
pub mod icmpv4;
pub mod ipv4;
pub mod l4_ports;
pub mod sctp;
pub mod tcp;
pub mod udp;

pub use arp::{ArpOperation, ArpPacket};
pub use checksum::{Delta, Sum};
pub use ethernet::{EtherType, EthernetHeader, Mac};
pub use icmpv4::{EmbeddedIpv4, IcmpCode, IcmpHeader, IcmpType};
pub use ipv4::{IpProto, Ipv4Checked, Ipv4Error, Ipv4Fields, Ipv4Header};
pub use l4_ports::L4Ports;
pub use sctp::{ChunkHeader, ChunkType, SctpChecked, SctpError, SctpHeader};
pub use tcp::{TcpChecked, TcpError, TcpFields, TcpFlags, TcpHeader, TcpReset};
pub use udp::{UdpChecked, UdpError, UdpHeader};

/// Gives a header struct its length and its length-checked views.
macro_rules! header_views {
    ($header:ty, $len:literal) => {
        const _: () = assert!(size_of::<$header>() == $len && align_of::<$header>() == 1);

        impl $header {
            /// Length of the header in bytes, without options.
            pub const LEN: usize = $len;

            /// The header at the front of `bytes`; `None` when they are too few.
            #[inline]
            #[must_use]
            pub fn read(bytes: &[u8]) -> Option<&Self> {
                Self::split(bytes).map(|(header, _)| header)
            }

            /// The header at the front of `bytes`, to be changed; `None` when they are too few.
            #[inline]
            #[must_use]
            pub fn read_mut(bytes: &mut [u8]) -> Option<&mut Self> {
                Self::split_mut(bytes).map(|(header, _)| header)
            }

            /// The header at the front of `bytes` and the bytes behind it.
            #[inline]
            #[must_use]
            pub fn split(bytes: &[u8]) -> Option<(&Self, &[u8])> {
                <Self as zerocopy::FromBytes>::ref_from_prefix(bytes).ok()
            }

            /// The header at the front of `bytes`, to be changed, and the bytes behind it.
            #[inline]
            #[must_use]
            pub fn split_mut(bytes: &mut [u8]) -> Option<(&mut Self, &mut [u8])> {
                <Self as zerocopy::FromBytes>::mut_from_prefix(bytes).ok()
            }

            /// The header's bytes as they go on the wire.
            #[inline]
            #[must_use]
            pub fn as_wire(&self) -> &[u8] {
                zerocopy::IntoBytes::as_bytes(self)
            }

            /// Writes the header at the front of `bytes` and returns what is behind it; `None`,
            /// and nothing written, when they are too few.
            #[inline]
            #[must_use = "a header that did not fit was not written"]
            pub fn emit<'a>(&self, bytes: &'a mut [u8]) -> Option<&'a mut [u8]> {
                let (place, rest) = Self::split_mut(bytes)?;
                *place = *self;
                Some(rest)
            }
        }
    };
}
use header_views;

#[cfg(test)]
mod tests;
