//! The life of `rvs-gen`: prepare traffic, play it over two memif ports, and say what came back.
//!
//! One thread does it all, on a CPU of its own; another only waits for questions. Ports are closed
//! before the process ends: the other end of a zero-copy memif does not survive a generator that
//! vanishes.

use std::io::{self, BufReader};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use dataplane::dpdk_io::DpdkPorts;
use dataplane::io::{Burst, Ports};
use dpdk::{
    DpdkError, Eal, EalArgs, HugePages, Mbuf, PktMempool, PortConfig, SocketId, StartedPort,
    mempool,
};

use super::flows::Flows;
use super::frame::Template;
use super::protocol::{self, Answer, Ask, Kind, Measure, Tally, Traffic};
use super::requests::{self, Requests};
use super::sizes::Templates;
use super::tcp::Connections;
use super::{Counts, Engine, LAN, WAN, arp};
use crate::bench::site::{VIP, WAN_MAC};

/// Memory of the generator's pools and rings.
pub const MEMORY_MIB: u32 = 64;

const POOL_COUNT: u32 = 8191;
const POOL_CACHE: u32 = 512;
/// Turns of the loop between looks at the clock and the questions.
const TURNS_PER_LOOK: u32 = 256;
/// Silence after which what is under way is taken for lost.
const SILENCE: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the generator runs and what it is joined to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Name of the abstract socket of both memif ports.
    pub socket: String,
    /// The CPU it keeps to itself.
    pub cpu: usize,
    /// Base-two logarithm of the descriptors of a ring.
    pub ring_log2: u8,
}

/// Why the generator gave up.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// DPDK refused.
    #[error(transparent)]
    Dpdk(#[from] DpdkError),
    /// The benchmark cannot be talked to.
    #[error("the benchmark cannot be talked to: {0}")]
    Talk(#[from] io::Error),
    /// The other end did not come up.
    #[error("nobody answers at the memif socket {0:?}")]
    NoPeer(String),
    /// There is no such CPU, or it may not be used.
    #[error("CPU {0} cannot be used")]
    NoCpu(usize),
}

/// Runs until standard input ends.
///
/// # Errors
/// What kept it from running.
pub fn run(options: &Options) -> Result<(), GeneratorError> {
    if !core_affinity::set_for_current(CoreId { id: options.cpu }) {
        return Err(GeneratorError::NoCpu(options.cpu));
    }
    let args = EalArgs::new("rvs-gen")
        .memory_mib(MEMORY_MIB)
        .huge_pages(HugePages::InMemory)
        .main_cpus([options.cpu])
        .file_prefix(format!("rvs-gen-{}", std::process::id()))
        // Zero-copy memif shares the memory by its files, and there shall be few.
        .extra(["--single-file-segments"]);
    let eal = Eal::init(&args)?;
    let pool = |name: &str| {
        PktMempool::create(&eal, name, POOL_COUNT, POOL_CACHE, mempool::DATA_ROOM, SocketId::ANY)
    };
    let (requests, received) = (pool("requests")?, pool("received")?);
    let (mut ports, mut queues) = (Vec::new(), Vec::new());
    for id in 0..super::PORT_COUNT {
        let (socket, ring) = (&options.socket, options.ring_log2);
        let device = format!(
            "net_memif{id},role=client,id={id},socket={socket},socket-abstract=yes,rsize={ring},\
             zero-copy=yes"
        );
        let port = eal.probe(&device)?;
        let (port, mut rx, mut tx) =
            StartedPort::start(&eal, port, &PortConfig::default(), &received)?;
        ports.push(port);
        queues.extend(rx.pop().zip(tx.pop()));
    }
    wait_for_links(&ports, &options.socket)?;
    let mut ports_in_use = DpdkPorts::new(queues.into_iter().map(Some).collect(), received);
    // The other end can send only into buffers that the first poll hands to it.
    for port in [LAN, WAN] {
        ports_in_use.rx_burst(port, &mut Burst::new());
    }
    let mut player = Player { ports: ports_in_use, asks: listen(), idle: None, pool: requests };
    protocol::write(&mut io::stdout(), &Answer::Up)?;
    player.serve()?;
    // In this order: queues, ports, EAL.
    drop(player);
    drop(ports);
    drop(eal);
    Ok(())
}

fn wait_for_links(ports: &[StartedPort], socket: &str) -> Result<(), GeneratorError> {
    let start = Instant::now();
    while start.elapsed() < CONNECT_TIMEOUT {
        let mut all_up = true;
        for port in ports {
            all_up &= port.link()?.up;
        }
        if all_up {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(GeneratorError::NoPeer(socket.to_owned()))
}

/// Starts the thread that reads questions. It ends with the process.
fn listen() -> Receiver<io::Result<Ask>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut input = BufReader::new(io::stdin());
        loop {
            let ask = match protocol::read(&mut input) {
                Ok(Some(ask)) => Ok(ask),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let failed = ask.is_err();
            if send.send(ask).is_err() || failed {
                return;
            }
        }
    });
    receive
}

/// The ports and who asks.
struct Player {
    ports: DpdkPorts,
    asks: Receiver<io::Result<Ask>>,
    idle: Option<Ask>,
    pool: PktMempool,
}

impl Player {
    /// Answers questions until there are no more.
    fn serve(&mut self) -> Result<(), GeneratorError> {
        while let Some(ask) = self.next_ask()? {
            let traffic = match ask {
                Ask::Prepare(traffic) => traffic,
                Ask::Rest => {
                    answer(&Answer::Ready)?;
                    continue;
                }
                Ask::Send(_) | Ask::Measure(_) => {
                    answer(&Answer::Failed("no traffic is prepared".to_owned()))?;
                    continue;
                }
            };
            if traffic.kind == Kind::Connections {
                let pool = self.pool.clone();
                self.play(&mut Connections::new(WAN_MAC, VIP, traffic.window, pool))?;
                continue;
            }
            match self.requests(traffic) {
                Ok(mut engine) => self.play(&mut engine)?,
                Err(why) => answer(&Answer::Failed(why))?,
            }
        }
        Ok(())
    }

    /// Waits for a question without playing anything.
    fn next_ask(&mut self) -> Result<Option<Ask>, GeneratorError> {
        match self.idle.take() {
            Some(ask) => Ok(Some(ask)),
            None => Ok(self.asks.recv().ok().transpose()?),
        }
    }

    fn requests(&self, traffic: Traffic) -> Result<Requests, String> {
        let Traffic { kind, mode, flows, frame_sizes, window } = traffic;
        let mode =
            protocol::mode_named(&mode).ok_or_else(|| format!("there is no mode {mode:?}"))?;
        let plan = requests::Plan {
            templates: Templates::new(frame_sizes, |frame_len| {
                Template::udp((arp::NEIGHBOR, WAN_MAC), VIP, frame_len)
            }),
            flows: flows.map_or_else(Flows::fresh, |count| Flows::known(count, FLOW_SEED)),
            mode,
            answered: kind == Kind::Both,
            window: Some(window),
        };
        Ok(Requests::new(plan, self.pool.clone()))
    }

    /// Plays one traffic until another is to be prepared, or it is to rest, or all ends.
    fn play(&mut self, engine: &mut impl Engine) -> Result<(), GeneratorError> {
        answer(&Answer::Ready)?;
        let mut tx = [Burst::new(), Burst::new()];
        loop {
            for _ in 0..TURNS_PER_LOOK {
                turn(&mut self.ports, engine, &mut tx);
            }
            match self.asks.try_recv() {
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Ok(()),
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(ask @ (Ask::Prepare(_) | Ask::Rest))) => {
                    self.idle = Some(ask);
                    return Ok(());
                }
                Ok(Ok(Ask::Send(count))) => {
                    let before = *engine.counts();
                    engine.grant(count);
                    self.drain(engine, &mut tx);
                    answer(&Answer::Sent(tally(engine, &before)))?;
                }
                Ok(Ok(Ask::Measure(how))) => answer(&self.measure(engine, &mut tx, how))?,
            }
        }
    }

    fn measure(
        &mut self,
        engine: &mut impl Engine,
        tx: &mut [Burst<Mbuf>; 2],
        how: Measure,
    ) -> Answer {
        engine.check(how.check);
        engine.grant(how.limit);
        let before = *engine.counts();
        self.play_for(engine, tx, Duration::from_millis(how.warm_up_ms));
        let (start, first) = (Instant::now(), *engine.counts());
        self.play_for(engine, tx, Duration::from_millis(how.window_ms));
        let (time, last) = (start.elapsed(), *engine.counts());
        let cut_short = engine.is_spent();
        engine.grant(0);
        self.drain(engine, tx);
        Answer::Measured {
            nanos: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            window: last.since(&first),
            whole: tally(engine, &before),
            cut_short,
        }
    }

    fn play_for(&mut self, engine: &mut impl Engine, tx: &mut [Burst<Mbuf>; 2], time: Duration) {
        let start = Instant::now();
        let mut silence = Silence::new(engine.counts());
        while start.elapsed() < time {
            for _ in 0..TURNS_PER_LOOK {
                turn(&mut self.ports, engine, tx);
            }
            silence.look(engine);
        }
    }

    /// Plays until all that was granted is sent and nothing is under way.
    fn drain(&mut self, engine: &mut impl Engine, tx: &mut [Burst<Mbuf>; 2]) {
        let mut silence = Silence::new(engine.counts());
        while !engine.is_spent() || engine.in_flight() > 0 || tx.iter().any(|tx| !tx.is_empty()) {
            turn(&mut self.ports, engine, tx);
            silence.look(engine);
        }
    }
}

/// Notices that nothing comes back any more.
struct Silence {
    since: Instant,
    last: Counts,
}

impl Silence {
    fn new(counts: &Counts) -> Self {
        Self { since: Instant::now(), last: *counts }
    }

    fn look(&mut self, engine: &mut impl Engine) {
        if *engine.counts() != self.last {
            *self = Self::new(engine.counts());
        } else if self.since.elapsed() > SILENCE {
            engine.write_off();
            *self = Self::new(engine.counts());
        }
    }
}

/// One turn of the loop: what came back, then what is to be sent.
#[inline]
fn turn(ports: &mut DpdkPorts, engine: &mut impl Engine, tx: &mut [Burst<Mbuf>; 2]) {
    for (port, tx) in [LAN, WAN].into_iter().zip(tx) {
        let mut burst = Burst::new();
        ports.rx_burst(port, &mut burst);
        if !burst.is_empty() {
            engine.take(port, &mut burst);
        }
        if tx.is_empty() {
            engine.fill(port, tx);
        }
        if !tx.is_empty() {
            ports.tx_burst(port, tx);
        }
    }
}

fn tally(engine: &impl Engine, before: &Counts) -> Tally {
    Tally { counts: engine.counts().since(before), fault: engine.fault().map(str::to_owned) }
}

fn answer(answer: &Answer) -> io::Result<()> {
    protocol::write(&mut io::stdout(), answer)
}

/// Decides the order of the flows.
const FLOW_SEED: u64 = 0x0dde;
