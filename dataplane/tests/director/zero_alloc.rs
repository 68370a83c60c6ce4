//! The packet path allocates nothing: mixed traffic over a pool of buffers, with every allocation
//! counted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rvs_dataplane::buf::{PacketAlloc, PacketBuf, RxChecksum, TxChecksum};
use rvs_dataplane::control::{self, Command, Selection};
use rvs_dataplane::director::{Director, Sizes};
use rvs_dataplane::flow::Timeouts;
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::io::{Burst, Io, Ports};
use rvs_dataplane::publish::Publisher;
use rvs_dataplane::snapshot::PortIdx;
use rvs_dataplane::stats::WorkerStats;
use rvs_dataplane::testing::{Endpoint, PacketSpec, arp_frame};
use rvs_dataplane::time::{Tick, Ticks};
use rvs_dataplane::verdict::DropReason;
use rvs_dataplane::wire::{
    ArpOperation, ArpPacket, ChunkType, EtherType, EthernetHeader, Ipv4Header, Mac, TcpFlags, ipv4,
    tcp,
};
use rvs_dataplane::worker::Worker;

use crate::support::{
    CLIENT, FIN_ACK, GATEWAY, LAN, RS1, ServiceSpec, Setup, VIP, WAN, WAN_IP, from_real, mac_of,
};

const ROOM: usize = 2304;
const HEADROOM: usize = 128;
const FTP: &str = "192.0.2.14:21";
const FTP_SERVER: &str = "10.0.0.11:21";

type Memory = Box<[u8; ROOM]>;
type FreeList = Rc<RefCell<Vec<Memory>>>;

/// A buffer that goes back to its pool when it is dropped.
struct PoolBuf {
    /// `None` only while it is being dropped.
    memory: Option<Memory>,
    start: usize,
    end: usize,
    free: FreeList,
}

impl Drop for PoolBuf {
    fn drop(&mut self) {
        self.free.borrow_mut().extend(self.memory.take());
    }
}

impl PacketBuf for PoolBuf {
    fn bytes(&self) -> &[u8] {
        self.memory.as_ref().map_or(&[], |memory| &memory[self.start..self.end])
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_mut().map_or(&mut [], |memory| &mut memory[self.start..self.end])
    }

    fn is_contiguous(&self) -> bool {
        true
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(n)?;
        Some(self.bytes_mut())
    }

    fn trim_front(&mut self, n: usize) -> bool {
        let fits = n <= self.len();
        self.start += if fits { n } else { 0 };
        fits
    }

    fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        let from = self.len();
        self.end = self.end.checked_add(n).filter(|end| *end <= ROOM)?;
        Some(&mut self.bytes_mut()[from..])
    }

    fn truncate(&mut self, len: usize) -> bool {
        let fits = len <= self.len();
        self.end = if fits { self.start + len } else { self.end };
        fits
    }

    fn rx_ipv4_checksum(&self) -> RxChecksum {
        RxChecksum::Unknown
    }

    fn request_tx_checksum(&mut self, _: TxChecksum) {}

    fn rss_hash(&self) -> Option<u32> {
        None
    }
}

/// Ports whose frames come from and go back to the pool.
struct PoolPorts {
    free: FreeList,
    rx: [VecDeque<PoolBuf>; 2],
    /// ARP requests that were sent, to be answered.
    asked: Vec<(PortIdx, ArpPacket)>,
}

#[derive(Clone)]
struct Shared(Rc<RefCell<PoolPorts>>);

impl Shared {
    fn new(buffers: usize) -> Self {
        let free = (0..buffers).map(|_| Box::new([0; ROOM])).collect::<Vec<Memory>>();
        let rx = [VecDeque::with_capacity(buffers), VecDeque::with_capacity(buffers)];
        let free = Rc::new(RefCell::new(free));
        Self(Rc::new(RefCell::new(PoolPorts { free, rx, asked: Vec::with_capacity(4096) })))
    }

    fn put(&self, port: PortIdx, frame: &[u8]) {
        let mut buf = self.clone().alloc().expect("the pool is large enough");
        buf.append(frame.len()).expect("a frame of usual length").copy_from_slice(frame);
        self.0.borrow_mut().rx[port.index()].push_back(buf);
    }

    fn answer_arp(&self) {
        let asked = std::mem::take(&mut self.0.borrow_mut().asked);
        for (port, request) in &asked {
            let (ip, mac) = (request.target_ip(), mac_of(request.target_ip()));
            let reply = ArpPacket::reply(mac, ip, request.sender_mac(), request.sender_ip());
            self.put(*port, &arp_frame(request.sender_mac(), mac, &reply));
        }
        self.0.borrow_mut().asked = asked;
        self.0.borrow_mut().asked.clear();
    }
}

impl PacketAlloc<PoolBuf> for Shared {
    fn alloc(&mut self) -> Option<PoolBuf> {
        let free = Rc::clone(&self.0.borrow().free);
        let memory = Some(free.borrow_mut().pop()?);
        Some(PoolBuf { memory, start: HEADROOM, end: HEADROOM, free })
    }
}

impl Ports<PoolBuf> for Shared {
    fn port_count(&self) -> usize {
        2
    }

    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<PoolBuf>) {
        let queue = &mut self.0.borrow_mut().rx[port.index()];
        let count = queue.len().min(burst.remaining_capacity());
        burst.extend(queue.drain(..count));
    }

    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<PoolBuf>) {
        for frame in burst.drain(..) {
            let Some((header, payload)) = EthernetHeader::split(frame.bytes()) else { continue };
            if header.ether_type() == EtherType::ARP
                && let Some(packet) = ArpPacket::checked(payload)
                && packet.operation() == ArpOperation::Request
                && !packet.is_gratuitous()
            {
                self.0.borrow_mut().asked.push((port, *packet));
            }
        }
    }
}

/// Frames of every kind; `number` makes their flows, identifications and neighbours new ones.
fn mix() -> Vec<(PortIdx, Vec<u8>)> {
    let cip = *CLIENT.endpoint().ip();
    let mut frames = Vec::new();
    for vip in ["192.0.2.10:80", "192.0.2.11:80", "192.0.2.12:80", "192.0.2.13:80"] {
        let tcp = |flags| PacketSpec::tcp(CLIENT, vip).flags(flags).frame();
        let udp = PacketSpec::udp(CLIENT, vip).payload([1; 1472]).dont_fragment(false);
        for flags in [TcpFlags::SYN, TcpFlags::ACK, TcpFlags::ACK, FIN_ACK, TcpFlags::RST] {
            frames.push((WAN, tcp(flags)));
        }
        for chunk in [ChunkType::INIT, ChunkType::COOKIE_ECHO, ChunkType::DATA, ChunkType::ABORT] {
            let packet = PacketSpec::sctp(CLIENT, vip).chunk(chunk, [7; 40]);
            frames.push((WAN, packet.dont_fragment(false).frame()));
        }
        frames.push((WAN, udp.frame()));
        let [first, second, third] = &udp.fragments(520)[..] else { panic!("three fragments") };
        frames.extend([third, first, second].map(|frame| (WAN, frame.clone())));
        let error = PacketSpec::icmp(cip, *vip.endpoint().ip(), 3, 3, [0; 4]);
        frames.push((WAN, error.payload(PacketSpec::tcp(vip, CLIENT).packet()).frame()));
        frames.push((WAN, PacketSpec::echo_request(cip, *vip.endpoint().ip(), 1, 1).frame()));
        frames.push((WAN, PacketSpec::tcp(CLIENT, vip).ttl(1).flags(TcpFlags::SYN).frame()));
    }
    frames.push((WAN, PacketSpec::udp(CLIENT, "192.0.2.10:81").frame()));
    frames.push((WAN, PacketSpec::tcp(CLIENT, "192.0.2.10:81").flags(TcpFlags::SYN).frame()));
    let lone = PacketSpec::udp("198.51.100.8:1", VIP).payload([1; 900]).dont_fragment(false);
    frames.push((WAN, lone.fragments(520)[1].clone()));
    let request = ArpPacket::request(mac_of(GATEWAY), GATEWAY, WAN_IP);
    frames.push((WAN, arp_frame(Mac::BROADCAST, mac_of(GATEWAY), &request)));
    // A control connection of FTP, in both directions, and a data connection.
    let says = |text: &str| PacketSpec::tcp(CLIENT, FTP).payload(text).frame();
    frames.push((WAN, PacketSpec::tcp(CLIENT, FTP).flags(TcpFlags::SYN).frame()));
    frames.extend(["", "PASV\r\n"].map(|text| (WAN, says(text))));
    let answer = PacketSpec::tcp(FTP_SERVER, CLIENT).payload("227 (10,0,0,11,195,80)\r\n");
    frames.push((LAN, from_real(&answer, FTP_SERVER).frame()));
    let data = PacketSpec::tcp(CLIENT, "192.0.2.14:50000").flags(TcpFlags::SYN);
    frames.push((WAN, data.frame()));
    frames.push((WAN, says("PORT 198,51,100,7,168,202\r\n")));
    // A NAT real server's own traffic goes to ever other neighbours.
    frames.push((LAN, from_real(&PacketSpec::udp(RS1, "192.0.2.55:53"), RS1).frame()));
    frames
}

/// Makes a frame of the mix one of another flow, train and neighbour.
fn renumber(frame: &mut [u8], number: u32) {
    if frame[12..14] != [8, 0] {
        return;
    }
    let [.., high, low] = number.to_be_bytes();
    frame[18..20].copy_from_slice(&[high, low]);
    if frame[30..34] == [192, 0, 2, 55] {
        frame[33] = 20 + low % 200;
    } else if matches!(frame[23], 6 | 17 | 132) && (frame[20] & 0x1F, frame[21]) == (0, 0) {
        let client = if frame[34..36] == [0, 21] { 36 } else { 34 };
        frame[client..client + 2].copy_from_slice(&[0x80 | high, low]);
    }
    ipv4::fill_checksum(&mut frame[14..]);
    let ports = [&frame[34..36], &frame[36..38]];
    if frame[23] == 6 && ports.contains(&&[0, 21][..]) {
        // The helper reads only what is undamaged.
        let header = Ipv4Header::read(&frame[14..]).unwrap();
        let (src, dst) = (header.src(), header.dst());
        tcp::fill_checksum(&mut frame[34..], src, dst);
    }
}

fn site() -> Setup {
    let service = |vip, mode| {
        let rport =
            if matches!(mode, ForwardingMode::Nat | ForwardingMode::FullNat) { 8080 } else { 80 };
        let real = (*RS1.endpoint().ip(), rport);
        [ServiceSpec::tcp, ServiceSpec::udp, ServiceSpec::sctp]
            .map(|service| service(vip, mode).real(real, 1))
    };
    let modes = [
        (VIP, ForwardingMode::Nat),
        ("192.0.2.11:80", ForwardingMode::Dr),
        ("192.0.2.12:80", ForwardingMode::Tunnel),
        ("192.0.2.13:80", ForwardingMode::FullNat),
    ];
    let ftp = ServiceSpec::tcp(FTP, ForwardingMode::Nat).ftp().real(FTP_SERVER, 1);
    let services = modes.into_iter().flat_map(|(vip, mode)| service(vip, mode));
    let mut setup = Setup::new(services.chain([ftp]));
    (setup.lan_mtu, setup.flows) = (1300, 1200);
    setup.timeouts = Timeouts::with_seconds(5, 3, 2);
    setup
}

#[test]
fn nothing_is_allocated_for_any_packet() {
    const BUFFERS: usize = 4096;
    let mut setup = site();
    let stats = Arc::new(WorkerStats::new(Setup::SERVICES, Setup::REAL_SERVERS));
    let sizes = Sizes {
        flows: setup.flows,
        templates: setup.templates,
        services: Setup::SERVICES,
        real_servers: Setup::REAL_SERVERS,
    };
    let mut now = Tick(u32::MAX - 5000);
    let ports = Shared::new(BUFFERS);
    let director = Director::new(sizes, 7, now, Arc::clone(&stats));
    let io = Io::new(ports.clone(), Arc::clone(&stats));
    let mut publisher = Publisher::new(setup.snapshot());
    let (mut control, worker_end) = control::rings();
    let reader = publisher.reader();
    let mut worker = Worker::new(director, io, reader, worker_end, Arc::clone(&stats));

    let mix = mix();
    let mut frame = Vec::with_capacity(ROOM);
    for round in 0..20_000u32 {
        if round % 1000 == 500 {
            setup.generation += 1;
            publisher.publish(setup.snapshot());
            let some = Selection { packets_min: 2, ..Selection::ALL };
            for command in [
                Command::ListFlows(Selection::ALL),
                Command::ListNeighbors,
                Command::CountFlows(some),
                Command::EndFlows(some),
            ] {
                assert!(control.request(command));
            }
        }
        for number in 0..16 {
            let (port, sample) = &mix[(round * 16 + number) as usize % mix.len()];
            frame.clone_from(sample);
            renumber(&mut frame, round / 4);
            ports.put(*port, &frame);
        }
        // Neighbours answer only now and then, so that packets wait and some wait in vain.
        if round % 1024 < 512 {
            ports.answer_arp();
        }
        now = now.after(Ticks(3));
        let counted = allocation_counter::measure(|| _ = worker.turn(now));
        assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "turn {round}");
        while control.next_report().is_some() {}
    }
    publisher.reclaim();
    let dropped = |reason| stats.dropped(reason).value();
    assert!(stats.forwarded.value() > 100_000, "{} forwarded", stats.forwarded.value());
    for (what, count) in [
        ("flows that ended", stats.received.value() - stats.flows.value()),
        ("echo and ARP", stats.consumed.value()),
        ("fragments made", stats.generated.fragments.value()),
        ("resets", stats.generated.resets.value()),
        ("ICMP errors", stats.generated.icmp_errors.value()),
        ("ARP requests", stats.generated.arp_requests.value()),
        ("packets that waited in vain", dropped(DropReason::NeighborUnresolved)),
        ("fragments that waited in vain", dropped(DropReason::FragmentOrphaned)),
        ("FTP's data connections announced", stats.ftp.announced.value()),
        ("FTP's data connections begun", stats.ftp.data_flows.value()),
        ("FTP's texts replaced", stats.ftp.edited.value()),
        ("full table", dropped(DropReason::FlowTableFull)),
    ] {
        assert!(count > 0, "none: {what}");
    }
    drop(worker);
    let at_home = ports.0.borrow().free.borrow().len();
    let queued: usize = ports.0.borrow().rx.iter().map(VecDeque::len).sum();
    assert_eq!(at_home + queued, BUFFERS, "every buffer is back");
}

#[test]
fn a_settled_reader_moves_on_without_allocating_on_its_thread() {
    let mut setup = site();
    let mut publisher = Publisher::new(setup.snapshot());
    let mut reader = publisher.reader();
    let (next, wait) = std::sync::mpsc::channel();
    let (settled, is_settled) = std::sync::mpsc::channel();
    let worker = std::thread::spawn(move || {
        reader.settle();
        settled.send(()).unwrap();
        wait.recv().unwrap();
        let counted = allocation_counter::measure(|| {
            reader.load();
        });
        (counted.count_total, reader.load().generation)
    });
    is_settled.recv().unwrap();
    setup.generation += 1;
    publisher.publish(setup.snapshot());
    next.send(()).unwrap();
    assert_eq!(worker.join().unwrap(), (0, 2));
}
