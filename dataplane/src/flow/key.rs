//! What a packet is looked up by: protocol, addresses and transport ports.
//!
//! There is one key type per address family, and tables are made for one of them ([`Key`]), so an
//! IPv4 flow pays nothing for IPv6. Both keep addresses and ports as they are on the wire: they are
//! read from a packet and written into one without a change of byte order.

use std::fmt;
use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::tally::{NoTally, PacketTally, Tally};

/// What a flow table needs of its keys.
pub trait Key: Copy + PartialEq + fmt::Debug {
    /// What a record with such keys has room to count.
    type Tally: Tally;

    /// Feeds all that tells keys apart to a hasher.
    fn feed(&self, hasher: &mut impl Hasher);

    /// Protocol, source and destination, for people.
    fn ends(&self) -> (u8, (IpAddr, u16), (IpAddr, u16));
}

/// The 5-tuple of an IPv4 packet as it is on the wire, in 13 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlowKey {
    /// Source in the first four bytes, destination in the others.
    addresses: [u8; 8],
    /// Source in the first two bytes, destination in the others.
    ports: [u8; 4],
    protocol: u8,
}

const _: () = assert!(size_of::<FlowKey>() == 13);

impl FlowKey {
    /// The key of an IPv4 packet; ports in host order.
    #[inline]
    #[must_use]
    pub fn ipv4(protocol: u8, src: Ipv4Addr, src_port: u16, dst: Ipv4Addr, dst_port: u16) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (src.octets(), dst.octets());
        let ([i, j], [k, l]) = (src_port.to_be_bytes(), dst_port.to_be_bytes());
        Self::from_wire(protocol, [a, b, c, d, e, f, g, h], [i, j, k, l])
    }

    /// The key of a packet with these bytes in its headers: source and destination of each.
    #[inline(always)]
    #[must_use]
    pub fn from_wire(protocol: u8, addresses: [u8; 8], ports: [u8; 4]) -> Self {
        Self { addresses, ports, protocol }
    }

    /// The key of a packet going the other way.
    #[inline]
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            addresses: u64::from_ne_bytes(self.addresses).rotate_left(32).to_ne_bytes(),
            ports: u32::from_ne_bytes(self.ports).rotate_left(16).to_ne_bytes(),
            protocol: self.protocol,
        }
    }

    /// Source and destination address as in an IPv4 header.
    #[inline(always)]
    #[must_use]
    pub fn wire_addresses(&self) -> [u8; 8] {
        self.addresses
    }

    /// Source and destination port as in a TCP or UDP header.
    #[inline(always)]
    #[must_use]
    pub fn wire_ports(&self) -> [u8; 4] {
        self.ports
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn src_ipv4(&self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.wire_addresses();
        Ipv4Addr::new(a, b, c, d)
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn dst_ipv4(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = self.wire_addresses();
        Ipv4Addr::new(a, b, c, d)
    }

    /// Source transport port.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        let [a, b, ..] = self.wire_ports();
        u16::from_be_bytes([a, b])
    }

    /// Destination transport port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        let [.., a, b] = self.wire_ports();
        u16::from_be_bytes([a, b])
    }

    /// IP protocol number.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }
}

impl Key for FlowKey {
    type Tally = PacketTally;

    #[inline(always)]
    fn feed(&self, hasher: &mut impl Hasher) {
        let ports = u64::from(u32::from_ne_bytes(self.ports));
        hasher.write_u64(u64::from_ne_bytes(self.addresses));
        hasher.write_u64(ports | u64::from(self.protocol) << 32);
    }

    fn ends(&self) -> (u8, (IpAddr, u16), (IpAddr, u16)) {
        let src = (self.src_ipv4().into(), self.src_port());
        let dst = (self.dst_ipv4().into(), self.dst_port());
        (self.protocol(), src, dst)
    }
}

/// The 5-tuple of an IPv6 packet as it is on the wire, in 37 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Key {
    src: [u8; 16],
    dst: [u8; 16],
    src_port: [u8; 2],
    dst_port: [u8; 2],
    protocol: u8,
}

impl Ipv6Key {
    /// The key of an IPv6 packet; ports in host order.
    #[must_use]
    pub fn new(
        protocol: u8,
        (src, src_port): (Ipv6Addr, u16),
        (dst, dst_port): (Ipv6Addr, u16),
    ) -> Self {
        Self {
            src: src.octets(),
            dst: dst.octets(),
            src_port: src_port.to_be_bytes(),
            dst_port: dst_port.to_be_bytes(),
            protocol,
        }
    }
}

impl Key for Ipv6Key {
    type Tally = NoTally;

    #[inline]
    fn feed(&self, hasher: &mut impl Hasher) {
        hasher.write_u128(u128::from_ne_bytes(self.src));
        hasher.write_u128(u128::from_ne_bytes(self.dst));
        let ([a, b], [c, d]) = (self.src_port, self.dst_port);
        hasher.write_u64(u64::from_ne_bytes([a, b, c, d, self.protocol, 0, 0, 0]));
    }

    fn ends(&self) -> (u8, (IpAddr, u16), (IpAddr, u16)) {
        let src = (Ipv6Addr::from(self.src).into(), u16::from_be_bytes(self.src_port));
        let dst = (Ipv6Addr::from(self.dst).into(), u16::from_be_bytes(self.dst_port));
        (self.protocol, src, dst)
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self, f)
    }
}

impl fmt::Debug for Ipv6Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self, f)
    }
}

fn show(key: &impl Key, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (protocol, (src, src_port), (dst, dst_port)) = key.ends();
    write!(f, "{protocol} {src}:{src_port} -> {dst}:{dst_port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_what_it_was_made_of() {
        let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 9));
        let key = FlowKey::ipv4(17, src, 5000, dst, 53);
        assert_eq!(key.ends(), (17, (src.into(), 5000), (dst.into(), 53)));
        assert_eq!((key.src_ipv4(), key.src_port(), key.protocol()), (src, 5000, 17));
        assert_eq!((key.dst_ipv4(), key.dst_port()), (dst, 53));
        assert_eq!(key, FlowKey::from_wire(17, [10, 0, 0, 1, 192, 0, 2, 9], [0x13, 0x88, 0, 53]));

        let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let key = Ipv6Key::new(6, (src, 5000), (dst, 80));
        assert_eq!(key.ends(), (6, (src.into(), 5000), (dst.into(), 80)));
        assert_eq!(format!("{key:?}"), "6 2001:db8::1:5000 -> 2001:db8::2:80");
    }

    #[test]
    fn the_reverse_swaps_both_pairs() {
        let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 9));
        let key = FlowKey::ipv4(17, src, 5000, dst, 53);
        assert_eq!(key.reversed(), FlowKey::ipv4(17, dst, 53, src, 5000));
        assert_eq!(key.reversed().reversed(), key);
    }
}
