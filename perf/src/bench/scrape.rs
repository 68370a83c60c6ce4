//! Scrapes under load: all counters of ten thousand services and a hundred thousand real servers
//! are read and made into text, again and again, while packets flow to some of the services.
//!
//! The worker and its engine have one CPU; scrapes are made on another, by the daemon's own code.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dpdk::PktMempool;
use rvs_ctrl::metrics_bench::Many;

use super::beside::{self, Moments, REAL_SERVERS, SERVICES};
use super::effort::Effort;
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit};
use super::site::{self, WAN_MAC};
use super::traffic::FRAME_LEN;
use crate::generator::arp::NEIGHBOR;
use crate::generator::frame::Template;
use crate::generator::sizes::Templates;

/// Services that packets flow to; each flow stays with one.
const BUSY: u32 = 256;
const FLOWS: u32 = BUSY * 400;
/// Scrapes for each round that others have, and the time from one's end to the next.
const PER_ROUND: usize = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// Measures scrapes, made on `control_cpu`.
///
/// # Errors
/// [`Invalid`] if a packet was lost.
pub fn run(control_cpu: usize, effort: Effort, pool: &PktMempool) -> Result<Outcome, Invalid> {
    let to_service =
        |number| Template::udp((NEIGHBOR, WAN_MAC), site::large_vip(number), FRAME_LEN);
    let templates = Templates::in_turn((0..BUSY).map(to_service)).ok_or(Invalid::Nothing)?;
    let mut site = beside::loaded(templates, FLOWS, pool);
    let scrapes = effort.rounds * PER_ROUND;
    let calm = beside::calm(&mut site, (control_cpu, "without a scrape"), (scrapes, PAUSE))?;
    let counted = vec![Arc::clone(&site.stats)];
    let many = Many::at(counted, SERVICES, REAL_SERVERS / SERVICES, "all");
    let (scraping, took) = beside::beside(&mut site, (control_cpu, "under scrapes"), |moments| {
        (0..scrapes).map(|_| scrape(&many, moments)).collect::<Result<Vec<_>, _>>()
    })?;
    let took = Spread::of(took?).ok_or(Invalid::Nothing)?;
    let (calm_turn, turn) = (calm.longest()?, scraping.longest()?);
    let remark = |what, value, unit| Remark { what, value, unit };
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: None,
        rate: scraping.rate()?,
        remarks: vec![
            remark("without scrape", calm.rate()?.median, "Mpps"),
            remark("longest turn in a scrape, median", turn.median, "us"),
            remark("most", turn.most, "us"),
            remark("without scrape, median", calm_turn.median, "us"),
            remark("most", calm_turn.most, "us"),
            remark("scrape, median", took.median, "ms"),
            remark("most", took.most, "ms"),
        ],
    })
}

/// Makes one scrape; how long it took, in ms.
fn scrape(many: &Many, moments: &Moments) -> Result<f64, Invalid> {
    moments.begin();
    let start = Instant::now();
    let scraped = many.scrape();
    let took = start.elapsed().as_secs_f64() * 1e3;
    if scraped.lines < (REAL_SERVERS + SERVICES) as usize {
        return Err(Invalid::Broken(format!("a scrape has {} lines", scraped.lines)));
    }
    thread::sleep(PAUSE);
    Ok(took)
}
