//! Two memif ports of this process, and the generator process at their other ends.
//!
//! The director runs on the thread that asks the generator: it pumps packets until the answer is
//! there. The generator is told to end, and has ended, before the ports are closed.

use std::io::{self, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use dataplane::buf::PacketAlloc;
use dataplane::dpdk_io::DpdkPorts;
use dataplane::io::{Burst, Ports};
use dataplane::snapshot::PortIdx;
use dpdk::{DpdkError, Eal, Mbuf, PktMempool, PortConfig, StartedPort};

use crate::generator::PORT_COUNT;
use crate::generator::protocol::{self, Answer, Ask};

/// Base-two logarithm of the descriptors of a ring. Longer rings lend more buffers to the other
/// end, and cost more cache than they gain.
const RING_LOG2: u8 = 9;
const START_TIMEOUT: Duration = Duration::from_secs(20);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Turns between looks for the answer.
const TURNS_PER_LOOK: u32 = 64;

/// Why there is no link, or no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// DPDK refused.
    #[error(transparent)]
    Dpdk(#[from] DpdkError),
    /// The generator did not start.
    #[error("{program}: {error}")]
    Start {
        /// What was to be started.
        program: String,
        /// Why it was not.
        error: io::Error,
    },
    /// The generator ended, and has said why on standard error.
    #[error("the generator has ended")]
    Ended,
    /// The generator does not answer.
    #[error("the generator does not answer for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// The generator cannot do what it was asked.
    #[error("the generator: {0}")]
    Refused(String),
    /// The generator said something else than what it was asked.
    #[error("the generator answered {0:?}")]
    Unexpected(Box<Answer>),
}

/// The link to a generator.
#[derive(Debug)]
pub struct Link {
    child: Child,
    asks: Option<ChildStdin>,
    answers: Receiver<Answer>,
    ports: Option<DpdkPorts>,
    started: Vec<StartedPort>,
}

impl Link {
    /// Opens two ports with buffers from `pool` and starts `program` on `cpu` at their other ends.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn open(
        eal: &Eal,
        pool: &PktMempool,
        program: &Path,
        cpu: usize,
    ) -> Result<Self, LinkError> {
        let socket = format!("rvs-bench-{}", std::process::id());
        let (mut started, mut queues) = (Vec::new(), Vec::new());
        for id in 0..PORT_COUNT {
            let device = format!(
                "net_memif{id},role=server,id={id},socket={socket},socket-abstract=yes,\
                 rsize={RING_LOG2}"
            );
            let port = eal.probe(&device)?;
            let (port, mut rx, mut tx) =
                StartedPort::start(eal, port, &PortConfig::default(), pool)?;
            started.push(port);
            queues.extend(rx.pop().zip(tx.pop()));
        }
        let failed = |error| LinkError::Start { program: program.display().to_string(), error };
        let mut child = Command::new(program)
            .args(["--socket", &socket, "--cpu", &cpu.to_string()])
            .args(["--ring-log2", &RING_LOG2.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let asks = child.stdin.take();
        let answers = listen(&mut child);
        let ports = Some(DpdkPorts::new(queues.into_iter().map(Some).collect(), pool.clone()));
        let link = Self { child, asks, answers, ports, started };
        match link.answers.recv_timeout(START_TIMEOUT) {
            Ok(Answer::Up) => Ok(link),
            Ok(other) => Err(LinkError::Unexpected(Box::new(other))),
            Err(RecvTimeoutError::Disconnected) => Err(LinkError::Ended),
            Err(RecvTimeoutError::Timeout) => Err(LinkError::Silent(START_TIMEOUT)),
        }
    }

    /// Lends the ports to a director; they must be [given back](Self::give_back).
    #[must_use]
    pub fn lend(&mut self) -> LentPorts {
        LentPorts(self.ports.take())
    }

    /// Takes the ports back.
    pub fn give_back(&mut self, ports: &mut LentPorts) {
        self.ports = ports.0.take();
    }

    /// Asks the generator and calls `pump` until it has answered.
    ///
    /// # Errors
    /// [`LinkError`] if it does not, or says that it cannot.
    pub fn ask(&mut self, ask: &Ask, mut pump: impl FnMut()) -> Result<Answer, LinkError> {
        let asks = self.asks.as_mut().ok_or(LinkError::Ended)?;
        protocol::write(asks, ask).map_err(|_| LinkError::Ended)?;
        let start = Instant::now();
        while start.elapsed() < ANSWER_TIMEOUT {
            for _ in 0..TURNS_PER_LOOK {
                pump();
            }
            match self.answers.try_recv() {
                Ok(Answer::Failed(why)) => return Err(LinkError::Refused(why)),
                Ok(answer) => return Ok(answer),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(LinkError::Ended),
            }
        }
        Err(LinkError::Silent(ANSWER_TIMEOUT))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The end of its input ends the generator. Its ports are closed when it has ended, and
        // only then may ours be.
        self.asks = None;
        let start = Instant::now();
        while start.elapsed() < END_TIMEOUT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = writeln!(io::stderr(), "rvs-bench: the generator does not end; it is killed");
        self.ports = None;
        self.started.clear();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the thread that reads answers. It ends with the generator.
fn listen(child: &mut Child) -> Receiver<Answer> {
    let (send, receive) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Ok(Some(answer)) = protocol::read(&mut output) {
                if send.send(answer).is_err() {
                    return;
                }
            }
        });
    }
    receive
}

/// The ports of a [`Link`] in the hands of a director.
#[derive(Debug)]
pub struct LentPorts(Option<DpdkPorts>);

impl PacketAlloc<Mbuf> for LentPorts {
    #[inline]
    fn alloc(&mut self) -> Option<Mbuf> {
        self.0.as_mut()?.alloc()
    }
}

impl Ports<Mbuf> for LentPorts {
    fn port_count(&self) -> usize {
        PORT_COUNT
    }

    #[inline]
    fn rx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        if let Some(ports) = &mut self.0 {
            ports.rx_burst(port, burst);
        }
    }

    #[inline]
    fn tx_burst(&mut self, port: PortIdx, burst: &mut Burst<Mbuf>) {
        if let Some(ports) = &mut self.0 {
            ports.tx_burst(port, burst);
        }
    }
}
