//! What `rvs-gen` plays over its links: the benchmark asks, traffic is prepared and played, and the
//! answer is what came back.

use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use dpdk::PktMempool;

use super::flows::Flows;
use super::frame::Template;
use super::links::Links;
use super::protocol::{self, Answer, Ask, Kind, Measure, Tally, Traffic};
use super::requests::{self, Requests};
use super::serve::GeneratorError;
use super::sizes::Templates;
use super::tcp::Connections;
use super::{Counts, Engine, arp};
use crate::bench::site::{VIP, WAN_MAC};

/// Turns of the loop between looks at the clock and the questions.
const TURNS_PER_LOOK: u32 = 256;
/// Silence after which what is under way is taken for lost.
const SILENCE: Duration = Duration::from_millis(500);

/// The links and who asks.
#[derive(Debug)]
pub struct Player {
    links: Links,
    asks: Receiver<io::Result<Ask>>,
    /// A question that ended the traffic before.
    next: Option<Ask>,
    pool: PktMempool,
}

impl Player {
    /// Plays over `links` what is asked for through `asks`. Clients' frames come from `pool`.
    #[must_use]
    pub fn new(links: Links, asks: Receiver<io::Result<Ask>>, pool: PktMempool) -> Self {
        Self { links, asks, next: None, pool }
    }

    /// Answers questions until there are no more.
    ///
    /// # Errors
    /// If the benchmark cannot be talked to.
    pub fn serve(&mut self) -> Result<(), GeneratorError> {
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
        match self.next.take() {
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
        self.links.drop_waiting();
        answer(&Answer::Ready)?;
        loop {
            self.play_on(engine);
            match self.asks.try_recv() {
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Ok(()),
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(ask @ (Ask::Prepare(_) | Ask::Rest))) => {
                    self.next = Some(ask);
                    return Ok(());
                }
                Ok(Ok(Ask::Send(count))) => {
                    let before = *engine.counts();
                    engine.grant(count);
                    self.drain(engine);
                    answer(&Answer::Sent(tally(engine, &before)))?;
                }
                Ok(Ok(Ask::Measure(how))) => answer(&self.measure(engine, how))?,
            }
        }
    }

    fn measure(&mut self, engine: &mut impl Engine, how: Measure) -> Answer {
        engine.check(how.check);
        engine.grant(how.limit);
        let before = *engine.counts();
        self.play_for(engine, Duration::from_millis(how.warm_up_ms));
        let (start, first) = (Instant::now(), *engine.counts());
        self.play_for(engine, Duration::from_millis(how.window_ms));
        let (time, last) = (start.elapsed(), *engine.counts());
        let cut_short = engine.is_spent();
        engine.grant(0);
        self.drain(engine);
        Answer::Measured {
            nanos: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            window: last.since(&first),
            whole: tally(engine, &before),
            cut_short,
        }
    }

    fn play_for(&mut self, engine: &mut impl Engine, time: Duration) {
        let start = Instant::now();
        let mut silence = Silence::new(engine.counts());
        while start.elapsed() < time {
            self.play_on(engine);
            silence.look(engine);
        }
    }

    /// Plays until all that was granted is sent and nothing is under way.
    fn drain(&mut self, engine: &mut impl Engine) {
        let mut silence = Silence::new(engine.counts());
        while !engine.is_spent() || engine.in_flight() > 0 || self.links.is_waiting() {
            self.play_on(engine);
            silence.look(engine);
        }
    }

    #[inline]
    fn play_on(&mut self, engine: &mut impl Engine) {
        for _ in 0..TURNS_PER_LOOK {
            self.links.turn(engine);
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

fn tally(engine: &impl Engine, before: &Counts) -> Tally {
    Tally { counts: engine.counts().since(before), fault: engine.fault().map(str::to_owned) }
}

fn answer(answer: &Answer) -> io::Result<()> {
    protocol::write(&mut io::stdout(), answer)
}

/// Decides the order of the flows.
const FLOW_SEED: u64 = 0x0dde;
