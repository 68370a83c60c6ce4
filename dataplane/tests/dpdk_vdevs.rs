//! The worker on real DPDK: frames from capture files through the director into capture files, and
//! ports that loop, swallow and refuse, with every mbuf back in its pool at the end.
//!
//! One process has one EAL, so all of this is one test binary.

#[cfg(test)]
#[path = "director/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "these tests need the site and the packets only")]
mod support;

#[cfg(test)]
mod vdevs {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use dpdk::testing::{self, read_pcap, write_pcap};
    use dpdk::{Mbuf, PktMempool, PortConfig, PortId, StartedPort};
    use rvs_dataplane::buf::{PacketAlloc, PacketBuf, RxChecksum, TxChecksum};
    use rvs_dataplane::control;
    use rvs_dataplane::director::{Director, Sizes};
    use rvs_dataplane::dpdk_io::{self, DpdkPorts};
    use rvs_dataplane::forward::ForwardingMode;
    use rvs_dataplane::io::{Burst, Io, Ports};
    use rvs_dataplane::publish::Publisher;
    use rvs_dataplane::snapshot::PortIdx;
    use rvs_dataplane::stats::WorkerStats;
    use rvs_dataplane::testing::{Endpoint, PacketSpec, arp_frame, describe};
    use rvs_dataplane::time::{Tick, Ticks};
    use rvs_dataplane::verdict::DropReason;
    use rvs_dataplane::wire::{ArpPacket, TcpFlags};
    use rvs_dataplane::worker::Worker;

    use crate::support::{
        CLIENT, GATEWAY, LAN, LAN_IP, LAN_MAC, RS1, Setup, VIP, WAN, WAN_IP, WAN_MAC, from_real,
        mac_of, one_hop_on, to_client, to_real,
    };

    /// A worker with its ports, which are closed with it.
    struct Rig {
        worker: Worker<Mbuf, DpdkPorts>,
        ports: Vec<StartedPort>,
        stats: Arc<WorkerStats>,
        pool: PktMempool,
        now: Tick,
        _publisher: Publisher,
    }

    fn start(ports: [PortId; 2], pool: &PktMempool) -> (Vec<StartedPort>, DpdkPorts) {
        let mut started = Vec::new();
        let mut queues = Vec::new();
        for id in ports {
            let config = PortConfig::default();
            let (port, mut rx, mut tx) =
                StartedPort::start(testing::eal(), id, &config, pool).unwrap();
            started.push(port);
            queues.push(Some((rx.remove(0), tx.remove(0))));
        }
        (started, DpdkPorts::new(queues, pool.clone()))
    }

    impl Rig {
        fn new(setup: &Setup, ports: [PortId; 2]) -> Self {
            let pool = testing::pool(4095).unwrap();
            let stats = Arc::new(WorkerStats::new(Setup::SERVICES, Setup::REAL_SERVERS));
            let (ports, queues) = start(ports, &pool);
            let io = Io::new(queues, Arc::clone(&stats));
            let sizes = Sizes {
                flows: setup.flows,
                templates: setup.templates,
                services: Setup::SERVICES,
                real_servers: Setup::REAL_SERVERS,
            };
            let now = Tick(7);
            let director = Director::new(sizes, 7, now, Arc::clone(&stats));
            let publisher = Publisher::new(setup.snapshot());
            let (_, end) = control::rings();
            let worker = Worker::new(director, io, publisher.reader(), end, Arc::clone(&stats));
            Self { worker, ports, stats, pool, now, _publisher: publisher }
        }

        fn turn(&mut self, turns: usize) {
            for _ in 0..turns {
                self.now = self.now.after(Ticks(1));
                self.worker.turn(self.now);
                let stats = &self.stats;
                let concluded = stats.forwarded.value()
                    + stats.consumed.value()
                    + stats.dropped_total()
                    + stats.held.value();
                assert_eq!(stats.received.value(), concluded);
            }
        }

        /// Stops everything; all buffers must be back.
        fn stop(self) {
            let pool = self.pool;
            drop((self.worker, self.ports));
            assert_eq!(pool.in_use(), 0, "mbufs left");
        }
    }

    /// What a site's worker makes of frames from the wan and from the lan: the IPv4 frames it
    /// sends, by port.
    fn through_pcap(setup: &Setup, wan: &[Vec<u8>], lan: &[Vec<u8>]) -> [Vec<Vec<u8>>; 2] {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        write_pcap(&file("wan-in"), wan).unwrap();
        write_pcap(&file("lan-in"), lan).unwrap();
        let port = |name: &str| {
            let (rx, tx) = (file(&format!("{name}-in")), file(&format!("{name}-out")));
            testing::pcap_port(Some(&rx), Some(&tx)).unwrap()
        };
        let mut rig = Rig::new(setup, [port("wan"), port("lan")]);
        rig.turn(10);
        assert_eq!(rig.stats.received.value(), (wan.len() + lan.len()) as u64);
        assert_eq!(rig.stats.held.value(), 0);
        for (port, stats) in rig.ports.iter().zip(&rig.stats.ports) {
            let nic = port.stats().unwrap();
            assert_eq!(nic.rx_packets, stats.rx_packets.value(), "{}", port.name());
            assert_eq!(nic.tx_packets, stats.tx_packets.value(), "{}", port.name());
        }
        rig.stop();
        ["wan-out", "lan-out"].map(|name| {
            let is_ipv4 = |frame: &Vec<u8>| frame[12..14] == [8, 0];
            read_pcap(&file(name)).unwrap().into_iter().filter(is_ipv4).collect()
        })
    }

    /// Everybody's answers to the director's questions.
    fn arp_answers() -> [Vec<u8>; 2] {
        let answer = |own_mac, own_ip, ip| {
            let reply = ArpPacket::reply(mac_of(ip), ip, own_mac, own_ip);
            arp_frame(own_mac, mac_of(ip), &reply)
        };
        let real = *RS1.endpoint().ip();
        [answer(WAN_MAC, WAN_IP, GATEWAY), answer(LAN_MAC, LAN_IP, real)]
    }

    fn lines(frames: &[Vec<u8>]) -> Vec<String> {
        frames.iter().map(|frame| describe(frame)).collect()
    }

    #[test]
    fn captured_requests_and_replies_come_out_translated() {
        let [gateway, real] = arp_answers();
        let request = |number: u16, flags| {
            let client = format!("198.51.100.7:{}", 10_000 + number);
            PacketSpec::tcp(client.as_str(), VIP).flags(flags).payload(vec![7; usize::from(number)])
        };
        // More than two bursts; the neighbours answer when they have been asked.
        let mut wan: Vec<_> = (0..100).map(|number| request(number, TcpFlags::SYN)).collect();
        wan.push(PacketSpec::udp(CLIENT, VIP).no_udp_checksum().payload("q"));
        let lan: Vec<_> = wan
            .iter()
            .map(|packet| {
                let bytes = packet.packet();
                let cport = u16::from_be_bytes([bytes[20], bytes[21]]);
                let client = format!("198.51.100.7:{cport}");
                let reply = match bytes[9] {
                    6 => PacketSpec::tcp(RS1, client.as_str()).payload("answer"),
                    _ => PacketSpec::udp(RS1, client.as_str()).payload("answer"),
                };
                from_real(&reply, RS1)
            })
            .collect();
        let mut wan_frames: Vec<_> = wan.iter().map(PacketSpec::frame).collect();
        wan_frames.insert(40, gateway);
        // Strangers' frames keep the replies waiting until the requests are through.
        let stranger = PacketSpec::udp("10.0.0.99:1", "203.0.113.5:1");
        let filler = vec![from_real(&stranger, "10.0.0.99").frame(); 200];
        let replies = lan.iter().map(PacketSpec::frame).collect();
        let lan_frames = [vec![real], filler, replies].concat();
        let setup = Setup::one_real(ForwardingMode::Nat);
        let [wan_out, lan_out] = through_pcap(&setup, &wan_frames, &lan_frames);

        let forwarded = |packet: &PacketSpec| {
            // Without checksum it came, with checksum it leaves.
            let with_checksum = if packet.packet()[9] == 17 {
                PacketSpec::udp(CLIENT, RS1).payload("q")
            } else {
                packet.clone().dst(RS1)
            };
            one_hop_on(&to_real(&with_checksum, RS1)).frame()
        };
        let expected: Vec<_> = wan.iter().map(forwarded).collect();
        assert_eq!(lines(&lan_out), lines(&expected));
        assert_eq!(lan_out, expected);
        let returned =
            |packet: &PacketSpec| one_hop_on(&to_client(&packet.clone().src(VIP))).frame();
        let expected: Vec<_> = lan.iter().map(returned).collect();
        assert_eq!(lines(&wan_out), lines(&expected));
        assert_eq!(wan_out, expected);
    }

    #[test]
    fn captured_requests_come_out_in_tunnels_and_in_fragments() {
        let [gateway, real] = arp_answers();
        let small = PacketSpec::udp(CLIENT, VIP).payload("small");
        let large = PacketSpec::udp(CLIENT, VIP).payload([7; 1472]).dont_fragment(false);
        let wan = [small.frame(), large.frame(), gateway];
        let setup = Setup::one_real(ForwardingMode::Tunnel);
        let [wan_out, lan_out] = through_pcap(&setup, &wan, &[real]);
        assert_eq!(wan_out, Vec::<Vec<u8>>::new());
        let outer = |packet: &PacketSpec| {
            let outer = PacketSpec::ipip(LAN_IP, *RS1.endpoint().ip(), &one_hop_on(packet));
            to_real(&outer.ttl(63), RS1)
        };
        let fragments = outer(&large).dont_fragment(false).id(2).fragments(1480);
        let expected = [vec![outer(&small).frame()], fragments].concat();
        assert_eq!(lines(&lan_out), lines(&expected));
        assert_eq!(lan_out, expected);
    }

    #[test]
    fn frames_without_end_and_without_sense_leak_nothing() {
        let ports = [testing::null_port().unwrap(), testing::silent_port().unwrap()];
        let mut rig = Rig::new(&Setup::one_real(ForwardingMode::Dr), ports);
        rig.turn(1000);
        assert_eq!(rig.stats.received.value(), 32_000);
        // The frames hold what was in their buffers before: zeroes, or ARP requests of our own.
        assert!(rig.stats.dropped(DropReason::NotOurMac).value() > 30_000);
        assert_eq!(rig.stats.forwarded.value(), 0);
        rig.stop();
    }

    #[test]
    fn a_director_that_hears_itself_comes_to_rest() {
        let ports = [testing::ring_port().unwrap(), testing::ring_port().unwrap()];
        let mut rig = Rig::new(&Setup::one_real(ForwardingMode::Dr), ports);
        rig.turn(5000);
        let received = rig.stats.received.value();
        assert!((1..1000).contains(&received), "{received} frames in 50 seconds");
        rig.stop();
    }

    #[test]
    fn what_is_sent_on_a_ring_is_received_from_it_and_what_does_not_fit_stays() {
        let pool = testing::pool(2047).unwrap();
        let ids = [testing::ring_port().unwrap(), testing::ring_port().unwrap()];
        let (started, mut ports) = start(ids, &pool);
        assert_eq!(ports.port_count(), 2);
        let frame = PacketSpec::udp(CLIENT, VIP).payload("x").frame();
        let mut sent = 0;
        let left = loop {
            let mut burst: Burst<Mbuf> = Burst::new();
            while !burst.is_full() {
                let mut mbuf = ports.alloc().expect("the ring is full before the pool is empty");
                assert!(PacketBuf::is_empty(&mbuf) && mbuf.headroom() == 128);
                PacketBuf::append(&mut mbuf, frame.len()).unwrap().copy_from_slice(&frame);
                burst.push(mbuf);
            }
            ports.tx_burst(LAN, &mut burst);
            sent += 32 - burst.len();
            if !burst.is_empty() {
                break burst.len();
            }
        };
        assert_eq!(pool.in_use() as usize, sent, "what was refused was freed with its burst");
        assert!(left > 0);
        let mut received = 0;
        loop {
            let mut burst = Burst::new();
            ports.rx_burst(WAN, &mut burst);
            assert!(burst.is_empty(), "the other port heard nothing");
            ports.rx_burst(LAN, &mut burst);
            if burst.is_empty() {
                break;
            }
            received += burst.len();
            assert!(burst.iter().all(|mbuf| PacketBuf::bytes(mbuf) == frame));
        }
        assert_eq!(received, sent);
        // A port that there is not neither gives nor takes.
        let nowhere = PortIdx(9);
        let mut burst = Burst::new();
        ports.rx_burst(nowhere, &mut burst);
        burst.push(ports.alloc().unwrap());
        ports.tx_burst(nowhere, &mut burst);
        assert_eq!(burst.len(), 1);
        drop((burst, ports, started));
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn an_empty_pool_gives_nothing_and_breaks_nothing() {
        let pool = testing::pool(2047).unwrap();
        let ids = [testing::silent_port().unwrap(), testing::silent_port().unwrap()];
        let (started, mut ports) = start(ids, &pool);
        let mut all = Vec::new();
        while let Some(mbuf) = ports.alloc() {
            all.push(mbuf);
        }
        assert!(!all.is_empty());
        drop((all, ports, started));
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn an_mbuf_is_a_packet_buffer() {
        let pool = testing::pool(63).unwrap();
        let mut mbuf = pool.alloc_from(b"0123456789").unwrap();
        assert_eq!((PacketBuf::len(&mbuf), PacketBuf::is_contiguous(&mbuf)), (10, true));
        assert!(!PacketBuf::truncate(&mut mbuf, 11) && !PacketBuf::trim_front(&mut mbuf, 11));
        assert!(PacketBuf::truncate(&mut mbuf, 8) && PacketBuf::trim_front(&mut mbuf, 2));
        assert_eq!(PacketBuf::bytes(&mbuf), b"234567");
        assert_eq!(PacketBuf::prepend(&mut mbuf, 1).map(|bytes| bytes.len()), Some(7));
        assert_eq!(PacketBuf::append(&mut mbuf, 2).map(|bytes| bytes.len()), Some(2));
        assert!(PacketBuf::prepend(&mut mbuf, 4000).is_none());
        assert!(PacketBuf::append(&mut mbuf, 4000).is_none());
        assert_eq!(PacketBuf::rx_ipv4_checksum(&mbuf), RxChecksum::Unknown);
        assert_eq!(PacketBuf::rss_hash(&mbuf), None);
        mbuf.request_tx_checksum(TxChecksum::Ipv4Udp { l2_len: 14, l3_len: 60 });
        mbuf.request_tx_checksum(TxChecksum::None);
    }

    #[test]
    fn the_loop_runs_on_the_cycle_counter() {
        let ports = [testing::silent_port().unwrap(), testing::silent_port().unwrap()];
        let mut rig = Rig::new(&Setup::one_real(ForwardingMode::Dr), ports);
        let stop = AtomicBool::new(false);
        let started = dpdk_io::now();
        let mut last = started;
        rig.worker.run(&stop, || {
            let now = dpdk_io::now();
            assert!(last.tick.is_due(now.tick), "time does not go back");
            assert!(now.cycles >= last.cycles, "nor do cycles");
            last = now;
            stop.store(now.tick.since(started.tick) >= Ticks(20), Ordering::Relaxed);
            now
        });
        assert!(rig.stats.turns.value() > 100, "{} turns", rig.stats.turns.value());
        rig.stop();
    }
}
