//! Checksum work a port does: what it found on receive, what it is asked for on transmit, and which
//! of it is switched on.

use dpdk_sys as sys;

use crate::Rss;

/// What the port says about a checksum of a received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RxChecksum {
    /// The port did not look; software must.
    Unknown,
    /// The checksum is right.
    Good,
    /// The checksum is wrong.
    Bad,
    /// The checksum in the packet is not right, but the data is intact: a virtual device left it to
    /// be filled in later.
    NotPresent,
}

impl RxChecksum {
    pub(crate) fn ipv4_from_flags(flags: u64) -> Self {
        match flags & sys::SHIM_MBUF_RX_IP_CKSUM_MASK {
            sys::SHIM_MBUF_RX_IP_CKSUM_GOOD => Self::Good,
            sys::SHIM_MBUF_RX_IP_CKSUM_BAD => Self::Bad,
            sys::SHIM_MBUF_RX_IP_CKSUM_NONE => Self::NotPresent,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn l4_from_flags(flags: u64) -> Self {
        match flags & sys::SHIM_MBUF_RX_L4_CKSUM_MASK {
            sys::SHIM_MBUF_RX_L4_CKSUM_GOOD => Self::Good,
            sys::SHIM_MBUF_RX_L4_CKSUM_BAD => Self::Bad,
            sys::SHIM_MBUF_RX_L4_CKSUM_NONE => Self::NotPresent,
            _ => Self::Unknown,
        }
    }
}

/// The layer-4 checksum a port is asked to fill in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum L4Checksum {
    /// None: the one in the packet is right already.
    #[default]
    None,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Which checksums of an IPv4 packet the port is asked to fill in on transmit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TxChecksum {
    /// The checksum of the IPv4 header.
    pub ipv4: bool,
    /// The checksum of the layer-4 header.
    pub l4: L4Checksum,
}

impl TxChecksum {
    pub(crate) fn flags(self) -> u64 {
        let ip = if self.ipv4 { sys::SHIM_MBUF_TX_IP_CKSUM } else { 0 };
        let l4 = match self.l4 {
            L4Checksum::None => 0,
            L4Checksum::Tcp => sys::SHIM_MBUF_TX_TCP_CKSUM,
            L4Checksum::Udp => sys::SHIM_MBUF_TX_UDP_CKSUM,
        };
        // The port must know the IP version whenever it is asked for anything.
        if ip | l4 == 0 { 0 } else { ip | l4 | sys::SHIM_MBUF_TX_IPV4 }
    }
}

/// The hardware help that is switched on for a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Offloads {
    /// Received packets say whether their IPv4 header checksum is right.
    pub rx_ipv4_checksum: bool,
    /// Received packets say whether their TCP checksum is right.
    pub rx_tcp_checksum: bool,
    /// Received packets say whether their UDP checksum is right.
    pub rx_udp_checksum: bool,
    /// The port can fill in the IPv4 header checksum.
    pub tx_ipv4_checksum: bool,
    /// The port can fill in the TCP checksum.
    pub tx_tcp_checksum: bool,
    /// The port can fill in the UDP checksum.
    pub tx_udp_checksum: bool,
    /// The port spreads packets over its receive queues by addresses and L4 ports.
    pub rss: bool,
    /// Received packets carry the hash they were spread by.
    pub rss_hash: bool,
}

impl Offloads {
    /// What a port with these capabilities gets of what was wanted.
    pub(crate) fn choose(
        wanted: &crate::PortConfig,
        rx_capa: u64,
        tx_capa: u64,
        rss_capa: u64,
    ) -> Self {
        let rx = |bit| wanted.rx_checksum && rx_capa & bit != 0;
        let tx = |bit| wanted.tx_checksum && tx_capa & bit != 0;
        let rss = wanted.rss != Rss::Off
            && wanted.rx_queues > 1
            && rss_capa & sys::SHIM_RSS_IP_TCP_UDP != 0;
        Self {
            rx_ipv4_checksum: rx(sys::SHIM_RX_OFFLOAD_IPV4_CKSUM),
            rx_tcp_checksum: rx(sys::SHIM_RX_OFFLOAD_TCP_CKSUM),
            rx_udp_checksum: rx(sys::SHIM_RX_OFFLOAD_UDP_CKSUM),
            tx_ipv4_checksum: tx(sys::SHIM_TX_OFFLOAD_IPV4_CKSUM),
            tx_tcp_checksum: tx(sys::SHIM_TX_OFFLOAD_TCP_CKSUM),
            tx_udp_checksum: tx(sys::SHIM_TX_OFFLOAD_UDP_CKSUM),
            rss,
            rss_hash: rss && rx_capa & sys::SHIM_RX_OFFLOAD_RSS_HASH != 0,
        }
    }

    pub(crate) fn rx_flags(self) -> u64 {
        bit(self.rx_ipv4_checksum, sys::SHIM_RX_OFFLOAD_IPV4_CKSUM)
            | bit(self.rx_tcp_checksum, sys::SHIM_RX_OFFLOAD_TCP_CKSUM)
            | bit(self.rx_udp_checksum, sys::SHIM_RX_OFFLOAD_UDP_CKSUM)
            | bit(self.rss_hash, sys::SHIM_RX_OFFLOAD_RSS_HASH)
    }

    pub(crate) fn tx_flags(self) -> u64 {
        bit(self.tx_ipv4_checksum, sys::SHIM_TX_OFFLOAD_IPV4_CKSUM)
            | bit(self.tx_tcp_checksum, sys::SHIM_TX_OFFLOAD_TCP_CKSUM)
            | bit(self.tx_udp_checksum, sys::SHIM_TX_OFFLOAD_UDP_CKSUM)
    }
}

fn bit(on: bool, flag: u64) -> u64 {
    if on { flag } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PortConfig;

    #[test]
    fn nothing_is_switched_on_that_the_port_lacks_or_nobody_wants() {
        let config = PortConfig { rx_queues: 2, ..PortConfig::default() };
        assert_eq!(Offloads::choose(&config, 0, 0, 0), Offloads::default());
        let all = Offloads::choose(&config, u64::MAX, u64::MAX, u64::MAX);
        assert!(all.rx_ipv4_checksum && all.tx_udp_checksum && all.rss && all.rss_hash);
        let unwanted =
            PortConfig { rx_checksum: false, tx_checksum: false, rss: Rss::Off, ..config };
        let none = Offloads::choose(&unwanted, u64::MAX, u64::MAX, u64::MAX);
        assert_eq!((none.rx_flags(), none.tx_flags(), none.rss), (0, 0, false));
        let single = PortConfig { rx_queues: 1, ..PortConfig::default() };
        assert!(!Offloads::choose(&single, u64::MAX, u64::MAX, u64::MAX).rss);
    }

    #[test]
    fn asking_for_nothing_sets_no_flag() {
        assert_eq!(TxChecksum::default().flags(), 0);
        let tcp = TxChecksum { ipv4: true, l4: L4Checksum::Tcp }.flags();
        let wanted =
            sys::SHIM_MBUF_TX_IPV4 | sys::SHIM_MBUF_TX_IP_CKSUM | sys::SHIM_MBUF_TX_TCP_CKSUM;
        assert_eq!(tcp, wanted);
    }
}
