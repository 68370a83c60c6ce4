//! What a port tells about itself while it runs: [`Link`], [`PortStats`].

/// The state of a port's link at the time of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Link {
    /// Whether there is a link.
    pub up: bool,
    /// Megabits per second; 0 when the port does not know.
    pub speed_mbps: u32,
    /// Whether both ends may send at the same time.
    pub full_duplex: bool,
}

/// The counters every port keeps, since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PortStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets the port dropped because its receive queues were full.
    pub rx_missed: u64,
    /// Packets received with an error.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Times a received packet found no free mbuf.
    pub rx_no_mbuf: u64,
}

impl From<dpdk_sys::shim_port_stats> for PortStats {
    fn from(s: dpdk_sys::shim_port_stats) -> Self {
        Self {
            rx_packets: s.rx_packets,
            tx_packets: s.tx_packets,
            rx_bytes: s.rx_bytes,
            tx_bytes: s.tx_bytes,
            rx_missed: s.rx_missed,
            rx_errors: s.rx_errors,
            tx_errors: s.tx_errors,
            rx_no_mbuf: s.rx_no_mbuf,
        }
    }
}
