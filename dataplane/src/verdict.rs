//! What became of a packet: every received packet ends in exactly one [`Verdict`].
//!
//! The counts of verdicts, plus the packets held at the moment (waiting for a neighbour or for
//! their first fragment), add up to the packets received and taken over from other workers.

/// The one outcome of a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sent on, rewritten by its flow's forwarding mode or routed unchanged.
    Forwarded,
    /// Meant for the director itself and used up: ARP, ICMP echo.
    Consumed,
    /// Given to the worker that owns its flow, where it gets its final verdict.
    HandedOver,
    /// Kept until its next hop or its first fragment is known; gets its final verdict later.
    Held,
    /// Not sent on. Whether the sender was told (RST, ICMP error) depends on the reason.
    Dropped(DropReason),
}

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a packet was not sent on. One counter each, under [`DropReason::name`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum DropReason { $($(#[doc = $doc])+ $name,)+ }

        impl DropReason {
            /// All reasons, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name operators see in `rvs show drops`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// One sentence for operators: what happened.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                let text = match self { $(Self::$name => concat!($($doc),+),)+ };
                text.trim_ascii_start()
            }
        }
    };
}

drop_reasons! {
    /// The frame is shorter than its headers say, or not contiguous where they are.
    Truncated = "truncated",
    /// The frame is for another station's MAC address.
    NotOurMac = "not_our_mac",
    /// The EtherType is neither IPv4 nor ARP (IPv6, LLDP, VLAN-tagged frames ...).
    UnknownEtherType = "unknown_ether_type",
    /// The ARP packet is not a well-formed request or reply for IPv4 over Ethernet.
    BadArp = "bad_arp",
    /// The ARP packet asks for an address that is not ours.
    ArpNotForUs = "arp_not_for_us",
    /// The IPv4 header is malformed: version, header length or total length.
    BadIpv4Header = "bad_ipv4_header",
    /// The IPv4 header checksum is wrong.
    BadIpv4Checksum = "bad_ipv4_checksum",
    /// The source address is not one a host can have: zero, loopback, multicast, broadcast.
    BadSourceAddress = "bad_source_address",
    /// The TCP, UDP or SCTP header is malformed, or SCTP's first chunk.
    BadTransportHeader = "bad_transport_header",
    /// The ICMP message is malformed or its checksum is wrong.
    BadIcmp = "bad_icmp",
    /// The destination is a broadcast or multicast address.
    Broadcast = "broadcast",
    /// The destination is neither ours nor behind a NAT real server.
    NotForUs = "not_for_us",
    /// The packet is for an address of ours in a protocol that RVS does not speak.
    UnknownProtocol = "unknown_protocol",
    /// No service has this address, port and protocol; the sender got RST or ICMP unreachable.
    NoService = "no_service",
    /// The service has no real server that may take a new connection; the sender got ICMP 3/3.
    NoRealServer = "no_real_server",
    /// A TCP segment other than SYN that belongs to no flow, or an SCTP packet other than INIT; the
    /// sender got RST or ICMP 3/2.
    NoFlow = "no_flow",
    /// The flow's real server is not configured any more.
    RealServerRemoved = "real_server_removed",
    /// A packet of a new connection without the Call-ID that `persistence_engine: sip` asks for.
    NoCallId = "no_call_id",
    /// The flow table is full, so a new connection to a service without real servers of mode dr or
    /// tun was refused.
    FlowTableFull = "flow_table_full",
    /// The option `drop_packet` refused a new connection.
    DropPacket = "drop_packet",
    /// No local address and port is free for this real server, so a new connection was refused.
    LocalPortsExhausted = "local_ports_exhausted",
    /// The TTL ran out here; the sender got ICMP 11/0.
    TtlExceeded = "ttl_exceeded",
    /// The packet has DF and exceeds the MTU of its way out; the sender got ICMP 3/4.
    FragmentationNeeded = "fragmentation_needed",
    /// The packet had to be fragmented and no packet buffer was free.
    NoBuffer = "no_buffer",
    /// The buffer has no room in front for a tunnel header.
    NoHeadroom = "no_headroom",
    /// No route leads to the destination.
    NoRoute = "no_route",
    /// The next hop did not answer ARP.
    NeighborUnresolved = "neighbor_unresolved",
    /// Too many packets wait for the next hop to answer ARP.
    NeighborQueueFull = "neighbor_queue_full",
    /// A fragment whose first fragment was never seen, or too late.
    FragmentOrphaned = "fragment_orphaned",
    /// A fragment of an SCTP packet whose ports would change: its checksum needs all of the packet.
    SctpFragmented = "sctp_fragmented",
    /// Too many fragments wait for their first fragment.
    FragmentQueueFull = "fragment_queue_full",
    /// A fragment of a packet for the director itself.
    FragmentForUs = "fragment_for_us",
    /// An ICMP error or other message that belongs to no flow.
    IcmpNoFlow = "icmp_no_flow",
    /// The ring to the worker that owns the packet's flow, or sends from its port, is full.
    HandoverRingFull = "handover_ring_full",
    /// The port's tx queue refused the packet.
    TxRefused = "tx_refused",
}

/// Number of drop reasons, the size of their counter array.
pub const DROP_REASON_COUNT: usize = DropReason::ALL.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_index_their_counter() {
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            let same = DropReason::ALL.iter().filter(|other| other.name() == reason.name()).count();
            assert_eq!(same, 1, "{}", reason.name());
            assert!(reason.meaning().ends_with('.'));
        }
    }
}
