//! What a worker goes through while another CPU does something: the same load without a pause,
//! looked at in moments that the other side begins.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use core_affinity::CoreId;
use dataplane::dpdk_io;
use dataplane::forward::ForwardingMode;
use dpdk::{PktMempool, tsc};

use super::in_memory::{mhz, per_packet};
use super::outcome::{Invalid, Spread};
use super::site::{self, Site};
use crate::generator::Engine;
use crate::generator::flows::Flows;
use crate::generator::memory::MemoryPorts;
use crate::generator::requests::{Plan, Requests};
use crate::generator::sizes::Templates;

/// Services.
pub const SERVICES: u32 = 10_000;
/// Real servers of all services together.
pub const REAL_SERVERS: u32 = 100_000;
/// How long a moment is.
const MOMENT: Duration = Duration::from_millis(20);

/// A director with many services under load.
pub(super) type Loaded = Site<MemoryPorts<Requests>>;

/// What the worker measured, by moment.
#[derive(Default)]
pub(super) struct Watched {
    /// The longest turn, in microseconds.
    longest: Vec<f64>,
    /// Packets of all turns, in millions a second.
    rates: Vec<f64>,
}

impl Watched {
    pub(super) fn longest(&self) -> Result<Spread, Invalid> {
        Spread::of(self.longest.clone()).ok_or(Invalid::Nothing)
    }

    pub(super) fn rate(&self) -> Result<Spread, Invalid> {
        Spread::of(self.rates.clone()).ok_or(Invalid::Nothing)
    }
}

/// Says when something to look at began: counts that, and tells the time.
#[derive(Default)]
pub(super) struct Moments {
    count: AtomicU64,
    began: AtomicU64,
}

impl Moments {
    pub(super) fn begin(&self) {
        self.began.store(tsc::now(), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
    }
}

/// The director, with so many flows open to the services that `templates` are for.
pub(super) fn loaded(templates: Templates, flows: u32, pool: &PktMempool) -> Loaded {
    let plan = Plan {
        templates,
        flows: Flows::known(flows, 0x0dde),
        mode: ForwardingMode::FullNat,
        answered: false,
        window: None,
    };
    let mut engine = Requests::new(plan, pool.clone());
    // Its checks know another site.
    engine.check(false);
    let first = site::large_snapshot(1, SERVICES, REAL_SERVERS);
    let counts = (SERVICES as usize, REAL_SERVERS as usize);
    let ports = MemoryPorts::new(engine, pool.clone());
    let mut site = Site::with(first, flows + flows / 8, counts, ports);
    site.settle();
    play(&mut site, &Moments::default(), |sent| sent < u64::from(flows));
    site
}

/// Runs `work` on another CPU and the worker on this one meanwhile. No packet may be lost.
pub(super) fn beside<T: Send>(
    site: &mut Loaded,
    (cpu, during): (usize, &'static str),
    work: impl FnOnce(&Moments) -> T + Send,
) -> Result<(Watched, T), Invalid> {
    let (moments, done) = (Moments::default(), AtomicBool::new(false));
    let (watched, result) = thread::scope(|scope| {
        let control = scope.spawn(|| {
            core_affinity::set_for_current(CoreId { id: cpu });
            let result = work(&moments);
            done.store(true, Ordering::Release);
            result
        });
        let watched = play(site, &moments, |_| !done.load(Ordering::Acquire));
        (watched, control.join())
    });
    let ended = |_| Invalid::Broken("the thread on the other CPU ended".to_owned());
    let result = result.map_err(ended)?;
    let sent = site.worker.ports_mut().engine().counts().requests;
    let lost = sent - site.stats.forwarded.value().min(sent);
    if lost > 0 {
        return Err(Invalid::lost((lost, sent), "packets", during, &site.stats));
    }
    Ok((watched, result))
}

/// The same while nothing is done but that so many moments begin, so far apart: how long a turn
/// takes by what the machine does by itself.
pub(super) fn calm(
    site: &mut Loaded,
    (cpu, during): (usize, &'static str),
    (moments, apart): (usize, Duration),
) -> Result<Watched, Invalid> {
    let (watched, ()) = beside(site, (cpu, during), |begun| {
        for _ in 0..moments {
            begun.begin();
            thread::sleep(apart);
        }
    })?;
    Ok(watched)
}

/// A moment that goes on.
struct Open {
    end: u64,
    packets: u64,
    /// Of the turns so far, without the engine's.
    cycles: u64,
    longest: u64,
}

/// Turns while `go_on` says so of the packets sent, without a pause between.
fn play(site: &mut Loaded, moments: &Moments, mut go_on: impl FnMut(u64) -> bool) -> Watched {
    let mut watched = Watched::default();
    let before = site.worker.ports_mut().engine().counts().requests;
    site.worker.ports_mut().engine().grant(u64::MAX);
    let moment = u64::try_from(MOMENT.as_micros()).unwrap_or(u64::MAX) * tsc::hz() / 1_000_000;
    let (mut seen, mut packets) = (moments.count.load(Ordering::Acquire), 0);
    let mut open: Option<Open> = None;
    while go_on(packets) {
        let (engine, start) = (site.worker.ports_mut().engine_cycles(), tsc::now());
        site.worker.turn(dpdk_io::clock());
        let now = tsc::now();
        let engine = site.worker.ports_mut().engine_cycles() - engine;
        packets = site.worker.ports_mut().engine().counts().requests - before;
        let count = moments.count.load(Ordering::Acquire);
        if count != seen {
            seen = count;
            let end = moments.began.load(Ordering::Relaxed) + moment;
            open = Some(Open { end, packets, cycles: 0, longest: 0 });
        } else if let Some(open) = &mut open {
            open.cycles += (now - start).saturating_sub(engine);
        }
        if let Some(ongoing) = &mut open {
            ongoing.longest = ongoing.longest.max((now - start).saturating_sub(engine));
            if now > ongoing.end {
                let cycles = per_packet(ongoing.cycles, packets - ongoing.packets);
                watched.rates.push(mhz() / cycles);
                watched.longest.push(per_packet(ongoing.longest * 1_000_000, tsc::hz()));
                open = None;
            }
        }
    }
    site.worker.ports_mut().engine().grant(0);
    watched
}
