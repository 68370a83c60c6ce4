//! The life of `rvs-gen`: open two memif ports, play what the benchmark asks for ([`player`]), and
//! close them.
//!
//! One thread does it all, on a CPU of its own; another only waits for questions. Ports are closed
//! before the process ends: the other end of a zero-copy memif does not survive a generator that
//! vanishes.
//!
//! [`player`]: super::player

use std::io::{self, BufReader};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use dataplane::snapshot::PortIdx;
use dpdk::{
    DpdkError, Eal, EalArgs, HugePages, PktMempool, PortConfig, RxQueue, SocketId, StartedPort,
    TxQueue, mempool,
};

use super::links::Links;
use super::player::Player;
use super::protocol::{self, Answer, Ask};
use super::{LAN, WAN};

/// Memory of the generator's pools and rings.
pub const MEMORY_MIB: u32 = 64;

const POOL_COUNT: u32 = 8191;
const POOL_CACHE: u32 = 512;
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
    /// A port came up without a queue for each direction.
    #[error("{0} has no queues")]
    NoQueues(String),
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
    let open = |id| open(&eal, id, options, &received);
    let ((wan_port, wan), (lan_port, lan)) = (open(WAN)?, open(LAN)?);
    let ports = [wan_port, lan_port];
    wait_for_links(&ports, &options.socket)?;
    let mut links = Links::new(wan, lan);
    links.lend_buffers();
    let mut player = Player::new(links, listen(), requests);
    protocol::write(&mut io::stdout(), &Answer::Up)?;
    player.serve()?;
    // In this order: queues, ports, EAL.
    drop(player);
    drop(ports);
    drop(eal);
    Ok(())
}

/// Opens the port that leads to the director's `port`; buffers it receives into are of `pool`.
fn open(
    eal: &Eal,
    port: PortIdx,
    options: &Options,
    pool: &PktMempool,
) -> Result<(StartedPort, (RxQueue, TxQueue)), GeneratorError> {
    let (id, socket, ring) = (port.index(), &options.socket, options.ring_log2);
    let device = format!(
        "net_memif{id},role=client,id={id},socket={socket},socket-abstract=yes,rsize={ring},\
         zero-copy=yes"
    );
    let port = eal.probe(&device)?;
    let (port, mut rx, mut tx) = StartedPort::start(eal, port, &PortConfig::default(), pool)?;
    let queues = rx.pop().zip(tx.pop()).ok_or(GeneratorError::NoQueues(device))?;
    Ok((port, queues))
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
