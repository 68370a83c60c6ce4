//! A daemon without DPDK for unit tests: a configuration, ports in memory, and a worker that can
//! be left standing or kept turning on a thread.

mod by_hand;
mod fake_daemon;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use conf::{Config, Machine};
use dataplane::buf::{PacketAlloc, PacketBuf as _};
use dataplane::control;
use dataplane::director::Director;
use dataplane::io::{Burst, Io, Ports};
use dataplane::publish::Publisher;
use dataplane::snapshot::PortIdx;
use dataplane::stats::WorkerStats;
use dataplane::testbuf::TestBuf;
use dataplane::testing::{DIRECTOR_MAC, PacketSpec};
use dataplane::time::{TICKS_PER_SECOND, Tick};
use dataplane::worker::Worker;
use dpdk::{DpdkError, FlowMatch, Link, PortStats, RssConfig};
use tokio::sync::Mutex;

pub(crate) use fake_daemon::{FakeDaemon, answer_all, response};

use crate::apply::Applier;
use crate::edit::{Desk, Replacement};
use crate::identity::{Registry, Unused};
use crate::listing::Ring;
use crate::metrics::Exporter;
use crate::numa::{Layout, two_nodes};
use crate::port::{LivePort, RunningPort};
use crate::serve::{self, Access, Admins};
use crate::snapshot::{self, PortFacts};
use crate::startup::{self, FIRST_GENERATION};
use crate::state::{InForce, Seat, Seats, State};
use crate::steering::{Method, PortPlan, Rule, Rules, Steerable, choose};

/// Cycles in a second of the rig's clock.
const CYCLES_PER_S: u64 = 1_000_000_000;

/// What a port of the rig tells about itself.
#[derive(Debug)]
struct FakePort {
    link_up: Arc<AtomicBool>,
}

impl Steerable for FakePort {
    fn set_rss(&self, _: &RssConfig, _: &[u16]) -> Result<(), DpdkError> {
        Err(DpdkError::new("rte_eth_dev_rss_hash_update", 95))
    }

    fn check_rule(&self, _: &FlowMatch, _: u16) -> Result<(), DpdkError> {
        Err(DpdkError::new("rte_flow_validate", 95))
    }

    fn add_rule(&self, _: &FlowMatch, _: u16) -> Result<Box<dyn Rule>, DpdkError> {
        Err(DpdkError::new("rte_flow_create", 95))
    }
}

impl LivePort for FakePort {
    fn link(&self) -> Option<Link> {
        let up = self.link_up.load(Ordering::Relaxed);
        Some(Link { up, speed_mbps: 25_000, full_duplex: true })
    }

    fn stats(&self) -> Option<PortStats> {
        Some(PortStats { rx_missed: 3, ..PortStats::default() })
    }
}

/// Frames that the first port is to receive; everything sent is lost unless it is asked for.
#[derive(Clone, Debug, Default)]
struct Wire {
    arriving: Arc<StdMutex<VecDeque<Vec<u8>>>>,
    /// Gratuitous ARP among what was sent.
    announcements: Arc<AtomicU64>,
    /// What was sent, where somebody wants it.
    sent: Option<Arc<StdMutex<Vec<Vec<u8>>>>>,
    ports: usize,
}

impl PacketAlloc<TestBuf> for Wire {
    fn alloc(&mut self) -> Option<TestBuf> {
        Some(TestBuf::new(&[]))
    }
}

impl Ports<TestBuf> for Wire {
    fn port_count(&self) -> usize {
        self.ports
    }

    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<TestBuf>) {
        if port.index() == 0 {
            let mut arriving = self.arriving.lock().unwrap();
            let count = arriving.len().min(burst.remaining_capacity());
            burst.extend(arriving.drain(..count).map(|frame| TestBuf::new(&frame)));
        }
    }

    fn tx_burst(&mut self, _: PortIdx, burst: &mut Burst<TestBuf>) {
        for frame in burst.drain(..) {
            if is_announcement(frame.bytes()) {
                self.announcements.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(sent) = &self.sent {
                sent.lock().unwrap().push(frame.bytes().to_vec());
            }
        }
    }
}

/// Whether a frame is ARP from and about the same address (RFC 826: type, sender, target).
fn is_announcement(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 6]) && frame.get(28..32) == frame.get(38..42)
}

/// A daemon's state with a worker behind it.
pub(crate) struct Rig {
    pub(crate) state: Arc<State>,
    wire: Wire,
    worker: Option<Worker<TestBuf, Wire>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    now: Arc<AtomicU32>,
    link_up: Arc<AtomicBool>,
}

/// A checked configuration with two ports and this list of services.
pub(crate) fn config(services: &str) -> Config {
    parse(&text(services))
}

fn parse(text: &str) -> Config {
    conf::parse("test.yaml", text, &Machine::default()).unwrap()
}

/// The text of that configuration.
pub(crate) fn text(services: &str) -> String {
    format!(
        "version: 1\n\
         workers: [5]\n\
         limits: {{flows: 10000, services: 8, real_servers: 16}}\n\
         ports:\n\
         \x20 wan: {{device: net_null0, addresses: [192.0.2.2/24]}}\n\
         \x20 lan: {{device: net_null1, addresses: [10.0.0.2/24], mtu: 1400}}\n\
         routes:\n\
         \x20 - {{to: 0.0.0.0/0, via: 192.0.2.1}}\n\
         \x20 - {{to: 10.9.0.0/16, via: 10.0.0.9}}\n\
         services:\n{services}"
    )
}

/// A UDP service in DR mode, so that every client port makes a flow at once.
pub(crate) const ECHO: &str = "  echo: {vip: \"192.0.2.10:7\", protocol: udp, mode: dr, \
                               scheduler: rr, real_servers: [{address: 10.0.0.11}, \
                               {address: 10.0.0.12, weight: 4}]}\n";

/// After so many turns without a packet a worker leaves the CPU to the other tests, since they are
/// many and would starve each other.
const IDLE_TURNS: u32 = 32;
/// How long it does so, and those do who wait for it.
const REST: Duration = Duration::from_micros(20);

/// The facts of every port of the rig.
pub(crate) const FACTS: PortFacts =
    PortFacts { mac: DIRECTOR_MAC.0, mtu: 1500, tx_ipv4_checksum: true, tx_udp_checksum: false };

impl Rig {
    /// A rig whose worker stands still.
    pub(crate) fn standing(services: &str) -> Self {
        Self::of(&text(services))
    }

    /// A rig with this file, whose worker turns by hand and keeps what it sends.
    pub(crate) fn standing_on(text: &str) -> Self {
        Self::with(text, Some(Arc::default()))
    }

    /// A rig with this file, whose worker stands still.
    fn of(text: &str) -> Self {
        Self::with(text, None)
    }

    fn with(text: &str, sent: Option<Arc<StdMutex<Vec<Vec<u8>>>>>) -> Self {
        let config = parse(text);
        let mut registry = Registry::new(&config.limits, config.workers.len());
        let named = registry.assign(&config, FIRST_GENERATION, &Unused);
        let facts = vec![FACTS; config.ports.len()];
        let first = snapshot::build(&config, &facts, &named, &mut registry, FIRST_GENERATION);
        let publisher = Publisher::new(first);
        let sizes = startup::sizes(&config.limits);
        let stats = Arc::new(WorkerStats::new(sizes.services, sizes.real_servers));
        let (here, there) = control::rings();
        let wire = Wire { ports: config.ports.len(), sent, ..Wire::default() };
        let director = Director::new(sizes, 1, Tick(0), Arc::clone(&stats));
        let io = Io::new(wire.clone(), Arc::clone(&stats));
        let reader = publisher.reader();
        let running = reader.running();
        let worker = Worker::new(director, io, reader, there, Arc::clone(&stats));
        let name = "test.yaml".to_owned();
        let initial = Replacement::new(config.clone(), &registry);
        let ring = Mutex::new(Ring::new(here));
        let link_up = Arc::new(AtomicBool::new(true));
        let state = State {
            file: PathBuf::from("test.yaml"),
            memory: "1024 MiB of ordinary memory".to_owned(),
            layout: Layout::new(&two_nodes(), &[5], vec![Some(0), None], 1024, |_| 1),
            dpdk: "DPDK 22.11.0".to_owned(),
            started: Instant::now(),
            machine: Machine::default(),
            access: Arc::new(Access::only(Admins::default())),
            ports: config.ports.iter().map(|port| running_port(port, &link_up)).collect(),
            workers: Seats(Arc::new([Seat { lcore: 5, running, stats, ring }])),
            rates: ArcSwap::default(),
            from_file: ArcSwap::from_pointee(initial.desired()),
            metrics: Exporter::new(CYCLES_PER_S),
            desk: Desk::new(initial, name.clone()),
            in_force: ArcSwap::from_pointee(InForce::new(config, named, name, FIRST_GENERATION)),
            applier: Mutex::new(Applier::new(
                publisher,
                registry,
                Rules::new(&choose(&[], 1).unwrap()),
            )),
        };
        let (stop, thread) = (Arc::default(), None);
        let (state, worker) = (Arc::new(state), Some(worker));
        Self { state, wire, worker, stop, thread, now: Arc::default(), link_up }
    }

    /// A rig whose worker turns on a thread, as it does in a daemon.
    pub(crate) fn turning(services: &str) -> Self {
        Self::standing(services).turn_on()
    }

    /// The same with another file.
    pub(crate) fn turning_on(text: &str) -> Self {
        Self::of(text).turn_on()
    }

    fn turn_on(mut self) -> Self {
        let rig = &mut self;
        let stop = Arc::clone(&rig.stop);
        let now = Arc::clone(&rig.now);
        let mut worker = rig.worker.take().unwrap();
        rig.thread = Some(thread::spawn(move || {
            let mut idle = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let busy = worker.turn(Tick(now.load(Ordering::Relaxed)));
                idle = if busy { 0 } else { idle + 1 };
                if idle == IDLE_TURNS {
                    idle = 0;
                    thread::sleep(REST);
                }
            }
        }));
        self
    }

    /// Lets `count` clients send a datagram to `vip`, and waits until they are worked off.
    pub(crate) fn datagrams(&self, vip: &str, count: u16) {
        let vip: SocketAddrV4 = vip.parse().unwrap();
        let frames = (0..count).map(|n| {
            let client = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 2), 10_000 + n);
            PacketSpec::udp(client, vip).frame()
        });
        let before = self.received();
        self.wire.arriving.lock().unwrap().extend(frames);
        while self.received() < before + u64::from(count) {
            thread::sleep(REST);
        }
        // What was received last is worked off by the end of that turn.
        self.turns(2);
    }

    /// Announcements of VIPs so far.
    pub(crate) fn announcements(&self) -> u64 {
        self.wire.announcements.load(Ordering::Relaxed)
    }

    /// Takes the links of all ports up or down.
    pub(crate) fn set_link(&self, up: bool) {
        self.link_up.store(up, Ordering::Relaxed);
    }

    /// Lets the worker's clock go on, second by second, and the worker turn meanwhile.
    pub(crate) fn pass_s(&self, seconds: u32) {
        for _ in 0..seconds {
            self.now.fetch_add(TICKS_PER_SECOND, Ordering::Relaxed);
            self.turns(8);
        }
    }

    /// Waits until the worker has turned so many times.
    pub(crate) fn turns(&self, count: u64) {
        let turns = || self.state.workers.sum(|stats| stats.turns.value());
        let begun = turns();
        while turns() < begun + count {
            thread::sleep(REST);
        }
    }

    fn received(&self) -> u64 {
        self.state.workers.sum(|stats| stats.received.value())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn running_port(port: &conf::Port, link_up: &Arc<AtomicBool>) -> RunningPort {
    RunningPort {
        name: port.name.clone(),
        device: crate::device::text(&port.device).to_owned(),
        driver: "net_null".to_owned(),
        facts: FACTS,
        queues: 1,
        steering: PortPlan { method: Method::OneWorker, why: Vec::new() },
        offloads: vec!["tx-ipv4-checksum"],
        live: Box::new(FakePort { link_up: Arc::clone(link_up) }),
    }
}

/// A control socket that is served on a thread until it is dropped.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Serves `state` to the user that tests run as, an admin.
    pub(crate) fn start(state: &Arc<State>) -> Self {
        Self::start_for(state, Admins::new(vec![nix::unistd::geteuid().as_raw()], Vec::new()))
    }

    /// Serves `state` to clients of whom these are admins.
    pub(crate) fn start_for(state: &Arc<State>, admins: Admins) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(directory.path().join("s")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let router = crate::api::router(Arc::clone(state));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                let server = serve::Server::new(router, Arc::new(Access::only(admins)));
                tokio::select! {
                    never = server.serve_socket(&listener) => match never {},
                    _ = stopped => Ok(()),
                }
            })
        });
        Self { directory, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        Path::join(self.directory.path(), "s")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
