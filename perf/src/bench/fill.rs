//! A table that fills up: what finding a flow and making one cost at a quarter, a half, three
//! quarters and all of its capacity.

use dataplane::forward::ForwardingMode;
use dataplane::verdict::DropReason;
use dpdk::PktMempool;

use super::effort::Effort;
use super::in_memory::mhz;
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit};
use super::played::{fresh, play};
use super::site::{Plan, Site, VIP, WAN_MAC};
use super::traffic::FRAME_LEN;
use crate::generator::arp::NEIGHBOR;
use crate::generator::flows::Flows;
use crate::generator::frame::Template;
use crate::generator::memory::MemoryPorts;

/// The last flows made are those whose cost is told: so many pieces, each one out of so many of
/// all.
const PIECES: u64 = 5;
const PIECE: u64 = 50;

/// Fills a table for `flows` flows to `percent` and measures packets of the flows that are in it.
/// The mode is DR, in which a flow is one entry.
///
/// # Errors
/// [`Invalid`] if packets were dropped for another reason than that the table was full.
pub fn run(
    percent: u32,
    flows: u32,
    effort: Effort,
    pool: &PktMempool,
) -> Result<Outcome, Invalid> {
    let template = Template::udp((NEIGHBOR, WAN_MAC), VIP, FRAME_LEN);
    let engine = fresh(template, ForwardingMode::Dr, pool);
    let ports = MemoryPorts::new(engine, pool.clone());
    let mut site = Site::new(Plan::udp(ForwardingMode::Dr, flows), ports);
    site.settle();

    let wanted = site.stats.flow_capacity.value() * u64::from(percent) / 100;
    let piece = wanted / PIECE;
    play(&mut site, wanted - PIECES * piece)?;
    let mut made = Vec::new();
    for _ in 0..PIECES {
        made.push(play(&mut site, piece)?.net);
    }
    let made = Spread::of(made).ok_or(Invalid::Nothing)?.median;
    let refused = site.stats.dropped(DropReason::FlowTableFull).value();
    if site.stats.dropped_total() != refused {
        return Err(Invalid::lost(
            (site.stats.dropped_total(), wanted),
            "packets",
            FILLING,
            &site.stats,
        ));
    }
    // The first half of them is in the table, whatever was refused later.
    let known = if refused == 0 { wanted } else { wanted / 2 };
    let known = u32::try_from(known).unwrap_or(u32::MAX);
    site.worker.ports_mut().engine().set_flows(Flows::again(known));
    play(&mut site, effort.packets)?;
    let mut found = Vec::new();
    for _ in 0..effort.rounds {
        found.push(play(&mut site, effort.packets)?.net);
    }
    let dropped = site.stats.dropped_total() - refused;
    if dropped > 0 {
        return Err(Invalid::lost((dropped, effort.packets), "packets", "in a round", &site.stats));
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let remark = |what, count: u64| Remark { what, value: count as f64, unit: "" };
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: None,
        rate: Spread::of(found).ok_or(Invalid::Nothing)?.per(mhz()),
        remarks: vec![
            Remark { what: "making a flow", value: made, unit: "cycles" },
            remark("flows", site.stats.flows.value()),
            remark("refused", refused),
        ],
    })
}

const FILLING: &str = "while the table was filled";
