//! [`Toeplitz`]: the hash of RSS, by tables instead of bit by bit.
//!
//! Each bit of the input that is set contributes the 32 bits of the key that begin at its position;
//! the hash is the exclusive or of all contributions. So the contribution of a byte depends on its
//! value and position alone, and 256 values of it are kept for each position. The hash of parts is
//! the exclusive or of their hashes, which is what steering replies rests on.
//!
//! The input is what Microsoft's "RSS Hashing Types" defines: source address, destination address,
//! source port, destination port, in network order.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::RssKey;

/// Bytes of the longest input: two IPv6 addresses and two ports.
const INPUT_LEN_MAX: usize = 36;

/// Where the parts of an IPv4 input with ports begin.
pub(super) const SRC_AT: usize = 0;
pub(super) const DST_AT: usize = 4;
pub(super) const SRC_PORT_AT: usize = 8;
pub(super) const DST_PORT_AT: usize = 10;

/// The hash under one key; 36 KiB, of which IPv4 uses 12.
pub struct Toeplitz {
    by_byte: Box<[[u32; 256]; INPUT_LEN_MAX]>,
}

impl Toeplitz {
    /// The hash under `key`.
    #[must_use]
    pub fn new(key: &RssKey) -> Self {
        let mut by_byte = Box::new([[0; 256]; INPUT_LEN_MAX]);
        for (at, table) in by_byte.iter_mut().enumerate() {
            // The five bytes that the windows of this byte's eight bits lie in.
            let bits = key.bytes()[at..at + 5].iter().fold(0, |all, &b| all << 8 | u64::from(b));
            for bit in 0..8 {
                #[expect(clippy::cast_possible_truncation, reason = "the window's 32 bits")]
                let window = (bits >> (1 + bit)) as u32;
                // The values below `1 << bit` are done; those above them have this bit, too.
                for value in 0..1 << bit {
                    table[value | 1 << bit] = table[value] ^ window;
                }
            }
        }
        Self { by_byte }
    }

    /// The hash of a packet with ports (`IPv4` with TCP or UDP).
    #[inline]
    #[must_use]
    pub fn ipv4_ports(&self, src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16)) -> u32 {
        self.part(SRC_AT, src.0.octets())
            ^ self.part(DST_AT, dst.0.octets())
            ^ self.part(SRC_PORT_AT, src.1.to_be_bytes())
            ^ self.part(DST_PORT_AT, dst.1.to_be_bytes())
    }

    /// The hash of a packet by its addresses alone (`IPv4`).
    #[inline]
    #[must_use]
    pub fn ipv4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> u32 {
        self.part(SRC_AT, src.octets()) ^ self.part(DST_AT, dst.octets())
    }

    /// The hash of a packet with ports (`IPv6` with TCP or UDP).
    #[must_use]
    pub fn ipv6_ports(&self, src: (Ipv6Addr, u16), dst: (Ipv6Addr, u16)) -> u32 {
        self.ipv6(src.0, dst.0)
            ^ self.part(32, src.1.to_be_bytes())
            ^ self.part(34, dst.1.to_be_bytes())
    }

    /// The hash of a packet by its addresses alone (`IPv6`).
    #[must_use]
    pub fn ipv6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> u32 {
        self.part(0, src.octets()) ^ self.part(16, dst.octets())
    }

    /// What `bytes` at byte `at` of the input contribute to the hash.
    #[inline]
    pub(super) fn part<const N: usize>(&self, at: usize, bytes: [u8; N]) -> u32 {
        let tables = self.by_byte.iter().skip(at);
        tables.zip(bytes).fold(0, |hash, (table, byte)| hash ^ table[usize::from(byte)])
    }
}

impl fmt::Debug for Toeplitz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toeplitz").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of Microsoft's "Verifying the RSS Hash Calculation".
    const MICROSOFT: [u8; 40] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f,
        0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
        0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    /// Source, destination, hash of the addresses, hash with ports.
    const IPV4: [(&str, &str, u32, u32); 5] = [
        ("66.9.149.187:2794", "161.142.100.80:1766", 0x323e_8fc2, 0x51cc_c178),
        ("199.92.111.2:14230", "65.69.140.83:4739", 0xd718_262a, 0xc626_b0ea),
        ("24.19.198.95:12898", "12.22.207.184:38024", 0xd2d0_a5de, 0x5c2b_394a),
        ("38.27.205.30:48228", "209.142.163.6:2217", 0x8298_9176, 0xafc7_327f),
        ("153.39.163.191:44251", "202.188.127.2:1303", 0x5d18_09c5, 0x10e8_28a2),
    ];

    const IPV6: [(&str, &str, u32, u32); 3] = [
        ("[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x2cc1_8cd5, 0x4020_7d3d),
        ("[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0x0f0c_461c, 0xdde5_1bbf),
        (
            "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251",
            "[fe80::200:f8ff:fe21:67cf]:38024",
            0x4b61_e985,
            0x02d1_feef,
        ),
    ];

    #[test]
    fn microsofts_vectors_for_ipv4() {
        let hash = Toeplitz::new(&RssKey::new(&MICROSOFT).unwrap());
        for (src, dst, addresses, ports) in IPV4 {
            let src: std::net::SocketAddrV4 = src.parse().unwrap();
            let dst: std::net::SocketAddrV4 = dst.parse().unwrap();
            assert_eq!(hash.ipv4(*src.ip(), *dst.ip()), addresses, "{src} -> {dst}");
            let (src, dst) = ((*src.ip(), src.port()), (*dst.ip(), dst.port()));
            assert_eq!(hash.ipv4_ports(src, dst), ports, "{src:?} -> {dst:?}");
        }
    }

    #[test]
    fn microsofts_vectors_for_ipv6() {
        let hash = Toeplitz::new(&RssKey::new(&MICROSOFT).unwrap());
        for (src, dst, addresses, ports) in IPV6 {
            let src: std::net::SocketAddrV6 = src.parse().unwrap();
            let dst: std::net::SocketAddrV6 = dst.parse().unwrap();
            assert_eq!(hash.ipv6(*src.ip(), *dst.ip()), addresses, "{src} -> {dst}");
            let (src, dst) = ((*src.ip(), src.port()), (*dst.ip(), dst.port()));
            assert_eq!(hash.ipv6_ports(src, dst), ports, "{src:?} -> {dst:?}");
        }
    }
}
