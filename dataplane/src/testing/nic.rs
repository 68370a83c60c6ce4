//! [`Nic`]: a software model of how a NIC chooses the queue of a packet.
//!
//! Rules first, as `rte_flow` has them, then RSS: the Toeplitz hash bit by bit as Microsoft's
//! specification words it, then the redirection table. It shares no code with [`crate::rss`], and
//! reads frames with the `etherparse` crate, so that tests which compare the two mean something.

use std::net::Ipv4Addr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// What goes into the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashFields {
    /// The source address.
    pub src: bool,
    /// The destination address.
    pub dst: bool,
    /// The source port of TCP and UDP.
    pub src_port: bool,
    /// The destination port of TCP and UDP.
    pub dst_port: bool,
}

impl HashFields {
    /// Both ends, the usual.
    pub const BOTH: Self = Self { src: true, dst: true, src_port: true, dst_port: true };
    /// `RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L4_SRC_ONLY`.
    pub const SOURCE: Self = Self { dst: false, dst_port: false, ..Self::BOTH };
    /// `RTE_ETH_RSS_L3_DST_ONLY | RTE_ETH_RSS_L4_DST_ONLY`.
    pub const DESTINATION: Self = Self { src: false, src_port: false, ..Self::BOTH };
}

/// Where the fields stand in the hash's input when some are left out. NICs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Where they always stand, with zeros for the others.
    InPlace,
    /// One after the other from the front.
    Packed,
}

/// A rule: matching packets go to a queue, whatever their hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// IP protocol.
    pub protocol: u8,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Destination port: the bits that `dst_port_mask` has.
    pub dst_port: u16,
    /// Bits of the destination port that matter.
    pub dst_port_mask: u16,
    /// Where matching packets go.
    pub queue: u16,
}

/// A NIC with several receive queues.
#[derive(Debug, Clone)]
pub struct Nic {
    /// The hash key, at least 16 bytes.
    pub key: Vec<u8>,
    /// What is hashed.
    pub fields: HashFields,
    /// How.
    pub placement: Placement,
    /// The redirection table.
    pub table: Vec<u16>,
    /// Rules, of which the first that matches decides.
    pub rules: Vec<Rule>,
}

impl Nic {
    /// The queue of a frame. Frames that are not IPv4 go to queue 0.
    #[must_use]
    pub fn queue_of(&self, frame: &[u8]) -> u16 {
        let Some(header) = Header::of(frame) else { return 0 };
        match self.rules.iter().find(|rule| header.matches(rule)) {
            Some(rule) => rule.queue,
            None => self.table[self.hash_of(&header) as usize % self.table.len()],
        }
    }

    /// The hash of a frame; `None` if it is not IPv4.
    #[must_use]
    pub fn hash(&self, frame: &[u8]) -> Option<u32> {
        Header::of(frame).map(|header| self.hash_of(&header))
    }

    fn hash_of(&self, header: &Header) -> u32 {
        let (src_port, dst_port) = header.ports.unwrap_or_default();
        let has_ports = header.ports.is_some();
        let fields = [
            (true, self.fields.src, header.src.octets().to_vec()),
            (true, self.fields.dst, header.dst.octets().to_vec()),
            (has_ports, self.fields.src_port, src_port.to_be_bytes().to_vec()),
            (has_ports, self.fields.dst_port, dst_port.to_be_bytes().to_vec()),
        ];
        let mut input = Vec::new();
        for (present, hashed, bytes) in fields {
            match self.placement {
                _ if !present => {}
                _ if hashed => input.extend(bytes),
                Placement::InPlace => input.extend(vec![0; bytes.len()]),
                Placement::Packed => {}
            }
        }
        toeplitz(&self.key, &input)
    }
}

/// Microsoft's pseudocode: for each bit of the input from left to right, if it is 1, the leftmost
/// 32 bits of the key go into the result; then the key is shifted left by one.
fn toeplitz(key: &[u8], input: &[u8]) -> u32 {
    let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (7 - at % 8) & 1 == 1;
    let mut result = 0;
    for at in 0..input.len() * 8 {
        if bit(input, at) {
            let leftmost = (at..at + 32).fold(0, |all, at| all << 1 | u32::from(bit(key, at)));
            result ^= leftmost;
        }
    }
    result
}

struct Header {
    protocol: u8,
    src: Ipv4Addr,
    dst: Ipv4Addr,
    /// Source and destination port, unless the packet is a fragment or has none.
    ports: Option<(u16, u16)>,
}

impl Header {
    fn of(frame: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ethernet(frame).ok()?;
        let Some(NetSlice::Ipv4(ip)) = sliced.net else { return None };
        let ports = match sliced.transport {
            _ if ip.header().is_fragmenting_payload() => None,
            Some(TransportSlice::Tcp(tcp)) => Some((tcp.source_port(), tcp.destination_port())),
            Some(TransportSlice::Udp(udp)) => Some((udp.source_port(), udp.destination_port())),
            _ => None,
        };
        let ip = ip.header();
        Some(Self {
            protocol: ip.protocol().0,
            src: ip.source_addr(),
            dst: ip.destination_addr(),
            ports,
        })
    }

    fn matches(&self, rule: &Rule) -> bool {
        self.protocol == rule.protocol
            && self.dst == rule.dst
            && self.ports.is_some_and(|(_, dst_port)| {
                dst_port & rule.dst_port_mask == rule.dst_port & rule.dst_port_mask
            })
    }
}
