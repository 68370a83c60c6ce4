//! Counters of one worker, written by it alone and read by the control thread at any time.
//!
//! A [`Counter`] is written with a plain load and store, never with an atomic read-modify-write:
//! one worker owns it. Readers on other cores see each counter whole, perhaps a moment late.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

use crate::flow::Direction;
use crate::limits::{BURST_LEN_MAX, PORT_COUNT_MAX};
use crate::service::{RealId, ServiceId};
use crate::verdict::{DROP_REASON_COUNT, DropReason};

/// A number that one worker writes and anyone reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. To be called by the owning worker only: a second writer would lose counts.
    #[inline]
    pub fn add(&self, n: u64) {
        self.set(self.value().wrapping_add(n));
    }

    /// Takes `n` away from a gauge. To be called by the owning worker only.
    #[inline]
    pub fn subtract(&self, n: u64) {
        self.set(self.value().wrapping_sub(n));
    }

    /// Sets a gauge. To be called by the owning worker only.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value now.
    #[inline]
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What IPVS counts for a service or real server (`ipvsadm -L --stats`): packets and
/// bytes of the IP layer, towards the real server (in) and back (out).
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct TrafficStats {
    /// Connections scheduled; those that a helper announced, such as data connections of FTP, are
    /// not among them.
    pub connections: Counter,
    /// Packets from clients.
    pub in_packets: Counter,
    /// Bytes from clients, IP header included, before any encapsulation.
    pub in_bytes: Counter,
    /// Packets from real servers; none in DR and TUN, whose replies do not come past here.
    pub out_packets: Counter,
    /// Bytes from real servers, IP header included.
    pub out_bytes: Counter,
    /// Flows that have ended, whoever began them, and datagrams of services without flows (`ops`).
    /// So `connections` less these are not the flows that are there.
    pub closed: Counter,
}

impl TrafficStats {
    /// Counts one packet of `ip_len` bytes. To be called by the owning worker only.
    #[inline]
    pub fn count(&self, direction: Direction, ip_len: u16) {
        let (packets, bytes) = match direction {
            Direction::Request => (&self.in_packets, &self.in_bytes),
            Direction::Reply => (&self.out_packets, &self.out_bytes),
        };
        packets.add(1);
        bytes.add(u64::from(ip_len));
    }
}

/// Counters of one real server of one service.
#[derive(Debug, Default)]
pub struct RealServerStats {
    /// Packets, bytes and connections.
    pub traffic: TrafficStats,
    /// Flows in an active state now (ESTABLISHED, SYN_SENT, SYN_RECV, SYNACK).
    pub active: Counter,
    /// Other flows now; UDP flows are always among these.
    pub inactive: Counter,
    /// Persistence templates now that are this worker's (IPVS' PersistConn, over all workers).
    pub templates: Counter,
    /// Copies of other workers' persistence templates now.
    pub template_copies: Counter,
}

/// Counters of one port as this worker used it.
#[derive(Debug, Default)]
pub struct PortStats {
    /// Frames received.
    pub rx_packets: Counter,
    /// Bytes received, Ethernet header included.
    pub rx_bytes: Counter,
    /// Frames that the port took.
    pub tx_packets: Counter,
    /// Bytes that the port took, Ethernet header included.
    pub tx_bytes: Counter,
    /// Frames that the port refused, freed here.
    pub tx_refused: Counter,
    /// Frames received here and handed over to their owner.
    pub handed_over: Counter,
}

/// Classes of burst sizes: 1, 2, to 4, to 8 ... to [`BURST_LEN_MAX`] packets.
pub const BURST_CLASS_COUNT: usize = BURST_LEN_MAX.ilog2() as usize + 1;

/// How many packets ports gave at once, bursts counted by powers of two.
#[derive(Debug, Default)]
pub struct BurstStats([Counter; BURST_CLASS_COUNT]);

impl BurstStats {
    /// Counts a burst of `len` packets, 1 to [`BURST_LEN_MAX`]. To be called by the owning worker
    /// only.
    #[inline]
    pub fn count(&self, len: usize) {
        let class = usize::BITS - len.wrapping_sub(1).leading_zeros();
        if let Some(counter) = self.0.get(class as usize) {
            counter.add(1);
        }
    }

    /// Most packets of a burst of each class.
    pub const BOUNDS: [u64; BURST_CLASS_COUNT] = {
        let mut bounds = [1; BURST_CLASS_COUNT];
        let mut class = 0;
        while class < BURST_CLASS_COUNT {
            bounds[class] <<= class;
            class += 1;
        }
        bounds
    };

    /// Bursts so far, by class.
    #[must_use]
    pub fn values(&self) -> [u64; BURST_CLASS_COUNT] {
        std::array::from_fn(|class| self.0[class].value())
    }
}

/// Neighbours in each state when the table was last gone through, some ticks ago (gauges).
#[derive(Debug, Default)]
pub struct NeighborStats {
    /// Those that have answered.
    pub reachable: Counter,
    /// Those that have answered and are asked again.
    pub probing: Counter,
    /// Those that are asked and have not answered.
    pub incomplete: Counter,
    /// Those that do not answer.
    pub failed: Counter,
}

/// Packets that this worker made itself.
#[derive(Debug, Default)]
pub struct GeneratedStats {
    /// ARP requests: resolution, refresh, gratuitous.
    pub arp_requests: Counter,
    /// ICMP errors sent to clients and real servers.
    pub icmp_errors: Counter,
    /// ICMP errors not sent because of the rate limit.
    pub icmp_errors_limited: Counter,
    /// TCP RSTs sent for segments without service or flow.
    pub resets: Counter,
    /// Further fragments of packets that had to be fragmented.
    pub fragments: Counter,
}

/// What the FTP helper did, and what it had to leave as it was.
#[derive(Debug, Default)]
pub struct FtpStats {
    /// Data connections that control connections announced.
    pub announced: Counter,
    /// Data connections that have got a flow.
    pub data_flows: Counter,
    /// Texts with an address that were replaced.
    pub edited: Counter,
    /// Commands and answers over two segments, left as they were.
    pub split: Counter,
    /// Commands and answers whose address or port could not be understood, left as they were.
    pub garbled: Counter,
    /// Addresses of others than client and real server, and ports below 1024, left as they were.
    pub refused: Counter,
    /// Texts that would not have fitted into packet or buffer, left as they were.
    pub unfit: Counter,
    /// Commands of control connections that there was no room to remember anything of.
    pub controls_full: Counter,
    /// Data connections for which there was no flow or no local port.
    pub no_flow: Counter,
    /// Expected data connections that were given up because too many others were expected.
    pub given_up: Counter,
    /// Notes about data connections that found no room on their way to another worker.
    pub notes_lost: Counter,
}

/// Flows that ended before their time.
#[derive(Debug, Default)]
pub struct EndedStats {
    /// Half-open ones, by `drop_entry`.
    pub half_open: Counter,
    /// Idle ones that had few packets, by `drop_entry`.
    pub idle: Counter,
    /// Those whose real server was removed, by `expire_nodest_conn`.
    pub real_server_removed: Counter,
    /// Those that an operator ended.
    pub on_request: Counter,
}

/// All counters of one worker.
#[derive(Debug)]
pub struct WorkerStats {
    /// Packets received from ports. With [`Self::taken_over`] it equals the sum of the packets
    /// forwarded, consumed, dropped, held and handed over.
    pub received: CachePadded<Counter>,
    /// Packets that other workers handed over to this one.
    pub taken_over: Counter,
    /// Packets handed over to other workers.
    pub handed_over: Counter,
    /// Packets forwarded and taken by a port.
    pub forwarded: Counter,
    /// Packets that were sent on without a flow, for want of room; most are among the forwarded.
    pub stateless: Counter,
    /// Packets used up by the director itself.
    pub consumed: Counter,
    /// Packets dropped, by [`DropReason`].
    dropped: [Counter; DROP_REASON_COUNT],
    /// Packets held now (gauge).
    pub held: Counter,
    /// Packets of our own.
    pub generated: GeneratedStats,
    /// The FTP helper.
    pub ftp: FtpStats,
    /// Flows in the table now (gauge).
    pub flows: Counter,
    /// Flows the table can hold.
    pub flow_capacity: Counter,
    /// Persistence templates and copies of other workers' in the table now (gauge).
    pub templates: Counter,
    /// Persistence templates the table can hold.
    pub template_capacity: Counter,
    /// Connections of persistent services that got no template, as the table was full.
    pub templates_full: Counter,
    /// Flows that ended before their time.
    pub ended: EndedStats,
    /// Turns of the poll loop.
    pub turns: Counter,
    /// Turns that found at least one packet, at a port or handed over.
    pub busy_turns: Counter,
    /// Cycles that these turns took, by the counter that tells the time.
    pub busy_cycles: Counter,
    /// Sizes of the bursts that ports gave.
    pub rx_bursts: BurstStats,
    /// Neighbours by state.
    pub neighbors: NeighborStats,
    /// By port.
    pub ports: [PortStats; PORT_COUNT_MAX],
    services: Box<[TrafficStats]>,
    real_servers: Box<[RealServerStats]>,
}

// What one worker counts into begins and ends with a cache line, wherever it is allocated.
const _: () = assert!(align_of::<WorkerStats>() >= align_of::<CachePadded<u8>>());
const _: () = assert!(size_of::<TrafficStats>() == 64 && align_of::<TrafficStats>() == 64);
const _: () = assert!(size_of::<RealServerStats>() == 128 && align_of::<RealServerStats>() == 64);

impl WorkerStats {
    /// Counters for identifiers below `service_count` and `real_server_count`.
    #[must_use]
    pub fn new(service_count: usize, real_server_count: usize) -> Self {
        Self {
            received: CachePadded::default(),
            taken_over: Counter::default(),
            handed_over: Counter::default(),
            forwarded: Counter::default(),
            stateless: Counter::default(),
            consumed: Counter::default(),
            dropped: std::array::from_fn(|_| Counter::default()),
            held: Counter::default(),
            generated: GeneratedStats::default(),
            ftp: FtpStats::default(),
            flows: Counter::default(),
            flow_capacity: Counter::default(),
            templates: Counter::default(),
            template_capacity: Counter::default(),
            templates_full: Counter::default(),
            ended: EndedStats::default(),
            turns: Counter::default(),
            busy_turns: Counter::default(),
            busy_cycles: Counter::default(),
            rx_bursts: BurstStats::default(),
            neighbors: NeighborStats::default(),
            ports: std::array::from_fn(|_| PortStats::default()),
            services: (0..service_count).map(|_| TrafficStats::default()).collect(),
            real_servers: (0..real_server_count).map(|_| RealServerStats::default()).collect(),
        }
    }

    /// Packets dropped for `reason`.
    #[inline]
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> &Counter {
        &self.dropped[reason as usize]
    }

    /// Packets dropped for any reason.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.dropped.iter().map(Counter::value).sum()
    }

    /// Counts a packet of `ip_len` bytes for its service and its real server. To be called by the
    /// owning worker only.
    #[inline]
    pub fn count_packet(&self, ids: (ServiceId, RealId), direction: Direction, ip_len: u16) {
        self.traffic(ids).for_each(|traffic| traffic.count(direction, ip_len));
    }

    /// Counts a connection for its service and its real server. To be called by the owning worker
    /// only.
    #[inline]
    pub fn count_connection(&self, ids: (ServiceId, RealId)) {
        self.traffic(ids).for_each(|traffic| traffic.connections.add(1));
    }

    /// Counts the end of a connection for its service and its real server. To be called by the
    /// owning worker only.
    #[inline]
    pub fn count_closed(&self, ids: (ServiceId, RealId)) {
        self.traffic(ids).for_each(|traffic| traffic.closed.add(1));
    }

    /// The counters of a real server and of its service.
    #[inline(always)]
    fn traffic(&self, (service, real): (ServiceId, RealId)) -> impl Iterator<Item = &TrafficStats> {
        let real = self.real_server(real).map(|real| &real.traffic);
        [real, self.service(service)].into_iter().flatten()
    }

    /// Counters of a service; `None` for an identifier beyond those made at start.
    #[inline]
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<&TrafficStats> {
        self.services.get(id.index())
    }

    /// Counters of a real server; `None` for an identifier beyond those made at start.
    #[inline]
    #[must_use]
    pub fn real_server(&self, id: RealId) -> Option<&RealServerStats> {
        self.real_servers.get(id.index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_disjoint, cache_lines};

    #[test]
    fn counters_add_and_reasons_do_not_mix() {
        let stats = WorkerStats::new(1, 2);
        stats.dropped(DropReason::NoRoute).add(2);
        stats.dropped(DropReason::NoFlow).add(1);
        assert_eq!(stats.dropped(DropReason::NoRoute).value(), 2);
        assert_eq!(stats.dropped_total(), 3);
        assert!(stats.service(ServiceId(1)).is_none());
        assert!(stats.real_server(RealId(1)).is_some());
    }

    #[test]
    fn every_burst_is_counted_in_the_class_that_holds_its_size() {
        let bursts = BurstStats::default();
        for len in 1..=BURST_LEN_MAX {
            bursts.count(len);
        }
        assert_eq!(BurstStats::BOUNDS, [1, 2, 4, 8, 16, 32]);
        assert_eq!(bursts.values(), [1, 1, 2, 4, 8, 16]);
        bursts.count(0);
        bursts.count(BURST_LEN_MAX + 1);
        assert_eq!(bursts.values(), [1, 1, 2, 4, 8, 16], "there are no such bursts");
    }

    #[test]
    fn no_two_workers_write_to_a_cache_line() {
        let stats: Vec<_> = (0..4).map(|_| Box::new(WorkerStats::new(1, 3))).collect();
        assert_disjoint(stats.iter().map(|stats| {
            let services = stats.services.iter().flat_map(cache_lines);
            let real_servers = stats.real_servers.iter().flat_map(cache_lines);
            cache_lines(&**stats).chain(services).chain(real_servers).collect()
        }));
    }
}
