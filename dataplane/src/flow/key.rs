//! What a packet is looked up by: family, protocol, addresses and transport ports.

use std::fmt;
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Address family of a key; part of it, so that no IPv4 key equals an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// Addresses use the first 4 of the 16 bytes; the others are zero.
    Ipv4 = 4,
    /// Addresses use all 16 bytes.
    Ipv6 = 6,
}

/// The 5-tuple of a packet as it is on the wire, in 40 bytes for both families.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct FlowKey {
    src: [u8; 16],
    dst: [u8; 16],
    src_port: u16,
    dst_port: u16,
    family: u8,
    protocol: u8,
    zero: u16,
}

const _: () = assert!(size_of::<FlowKey>() == 40);

impl FlowKey {
    /// The key of an IPv4 packet; ports in host order.
    #[inline]
    #[must_use]
    pub fn ipv4(protocol: u8, src: Ipv4Addr, src_port: u16, dst: Ipv4Addr, dst_port: u16) -> Self {
        let wide = |address: Ipv4Addr| {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        };
        let (src, dst) = (wide(src), wide(dst));
        Self { src, dst, src_port, dst_port, family: Family::Ipv4 as u8, protocol, zero: 0 }
    }

    /// The key of an IPv6 packet; ports in host order.
    #[must_use]
    pub fn ipv6(protocol: u8, src: Ipv6Addr, src_port: u16, dst: Ipv6Addr, dst_port: u16) -> Self {
        let (src, dst) = (src.octets(), dst.octets());
        Self { src, dst, src_port, dst_port, family: Family::Ipv6 as u8, protocol, zero: 0 }
    }

    /// The key of a packet going the other way.
    #[inline]
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
            ..*self
        }
    }

    /// Feeds all that tells keys apart to a hasher: two words for IPv4, five for IPv6.
    #[inline]
    pub fn feed(&self, hasher: &mut impl Hasher) {
        let ([a, b], [c, d]) = (halves(&self.src), halves(&self.dst));
        let rest = u64::from(self.src_port)
            | u64::from(self.dst_port) << 16
            | u64::from(self.protocol) << 32
            | u64::from(self.family) << 40;
        if self.family == Family::Ipv4 as u8 {
            // Only the first four bytes of each address are in use.
            hasher.write_u64(a ^ c.rotate_left(32));
        } else {
            [a, b, c, d].into_iter().for_each(|word| hasher.write_u64(word));
        }
        hasher.write_u64(rest);
    }

    /// Source address of an IPv4 key; meaningless for IPv6.
    #[inline]
    #[must_use]
    pub fn src_ipv4(&self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.src;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Destination address of an IPv4 key; meaningless for IPv6.
    #[inline]
    #[must_use]
    pub fn dst_ipv4(&self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.dst;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Source transport port.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        self.src_port
    }

    /// Destination transport port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        self.dst_port
    }

    /// IP protocol number.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Source address of either family.
    #[must_use]
    pub fn src(&self) -> IpAddr {
        self.address(self.src, self.src_ipv4())
    }

    /// Destination address of either family.
    #[must_use]
    pub fn dst(&self) -> IpAddr {
        self.address(self.dst, self.dst_ipv4())
    }

    fn address(&self, wide: [u8; 16], narrow: Ipv4Addr) -> IpAddr {
        if self.family == Family::Ipv4 as u8 { narrow.into() } else { Ipv6Addr::from(wide).into() }
    }
}

/// The two words of an address.
#[inline]
fn halves(address: &[u8; 16]) -> [u64; 2] {
    let wide = u128::from_le_bytes(*address);
    #[expect(clippy::cast_possible_truncation, reason = "one half each")]
    let halves = [wide as u64, (wide >> 64) as u64];
    halves
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (src, dst) = (self.src(), self.dst());
        write!(f, "{} {src}:{} -> {dst}:{}", self.protocol, self.src_port, self.dst_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_never_compare_equal() {
        let v4 = FlowKey::ipv4(6, Ipv4Addr::UNSPECIFIED, 1, Ipv4Addr::UNSPECIFIED, 2);
        let v6 = FlowKey::ipv6(6, Ipv6Addr::UNSPECIFIED, 1, Ipv6Addr::UNSPECIFIED, 2);
        assert_ne!(v4, v6);
        assert_eq!(v6.src(), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    }

    #[test]
    fn reversed_twice_is_the_same_key() {
        let key =
            FlowKey::ipv4(17, Ipv4Addr::new(10, 0, 0, 1), 5000, Ipv4Addr::new(192, 0, 2, 9), 53);
        assert_eq!(key.reversed().dst_ipv4(), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(key.reversed().src_port(), 53);
        assert_eq!(key.reversed().reversed(), key);
    }
}
