//! Where the cycles of an established flow's packet go: the same packets through more and more of
//! the way.
//!
//! Four loops over the same ports in every round: the MAC swap alone, the MAC swap after parsing,
//! the MAC swap after parsing and looking up, and the worker. What a stage costs is the difference
//! of the medians of a loop and the one before, so the stages add up to the worker. The way is cut
//! where the director's steps end: parsing and looking up call what it calls for a burst, and
//! looking up ends with the records of the flows beginning to load. Whoever reads them there waits
//! for memory; the director waits less, since it handles one packet while those of others load. So
//! what is left of that wait belongs to the last stage, with all that cannot run without a record.

use std::hint::black_box;

use dataplane::dpdk_io;
use dataplane::flow::{Flow, FlowKey, FlowState, FlowTable, KeyHash};
use dataplane::forward::ForwardingMode;
use dataplane::io::Burst;
use dataplane::limits::BURST_LEN_MAX;
use dataplane::parse::Slip;
use dataplane::service::ServiceId;
use dataplane::time::{TIMEOUT_S_MAX, Ticks};
use dataplane::wire::IpProto;
use dpdk::{Mbuf, PktMempool};

use super::effort::Effort;
use super::in_memory::{self, MemoryScenario, mhz};
use super::loop_ports::Feed;
use super::mac_swap;
use super::outcome::{Invalid, Outcome, Remark, Spread, Unit};
use super::site::{self, RPORT, VIP, WAN_MAC};
use super::traffic;

/// The stages in their order, as they stand among an outcome's remarks: rx, buffers, MAC swap and
/// tx; headers checked and read; hash, and bucket with the flow's tag; and the rest: record, state,
/// counters, rewrite, next hop, tx buffer, and the worker's loop.
pub const STAGES: [&str; 4] = ["ports", "parse", "look up", "forward"];

/// Measures requests of `flows` established flows with buffers from `pool`.
///
/// # Errors
/// [`Invalid`] if not every packet was forwarded, or not every flow was found.
pub fn run(
    mode: ForwardingMode,
    flows: u32,
    effort: Effort,
    pool: &PktMempool,
) -> Result<Outcome, Invalid> {
    let scenario = MemoryScenario { mode, flows, feed: Feed::Requests };
    let (mut site, _) = in_memory::establish(scenario, effort, pool)?;
    let mut way = Way::new(mode, flows, scenario.table())?;
    let (feed, packets) = (scenario.feed, effort.packets);
    let mut cycles: [Vec<f64>; STAGES.len()] = Default::default();
    for _ in 0..effort.rounds {
        let [ports, parse, look_up, worker] = &mut cycles;
        let swap = |burst: &mut Burst<Mbuf>| mac_swap::swap(burst);
        ports.push(in_memory::loop_round(&mut site, feed, packets, swap));
        parse.push(in_memory::loop_round(&mut site, feed, packets, |burst| {
            way.parse(burst);
            mac_swap::swap(burst);
        }));
        way.found = 0;
        look_up.push(in_memory::loop_round(&mut site, feed, packets, |burst| {
            way.parse(burst);
            way.look_up(burst.len());
            mac_swap::swap(burst);
        }));
        if way.found != packets {
            let text = format!("the flows of {} of {packets} packets were found", way.found);
            return Err(Invalid::Broken(text));
        }
        worker.push(in_memory::worker_round(&mut site, feed, packets, "in a round")?);
    }
    outcome(cycles)
}

/// Rates, and the cycles of each stage.
fn outcome(cycles: [Vec<f64>; STAGES.len()]) -> Result<Outcome, Invalid> {
    let spreads = cycles.map(Spread::of);
    let [Some(ports), _, _, Some(worker)] = spreads else { return Err(Invalid::Nothing) };
    let mut before = 0.0;
    let mut remarks = Vec::new();
    for (what, spread) in STAGES.into_iter().zip(spreads.into_iter().flatten()) {
        remarks.push(Remark { what, value: spread.median - before, unit: "cycles" });
        before = spread.median;
    }
    Ok(Outcome {
        unit: Unit::Packets,
        ceiling: Some(ports.per(mhz())),
        rate: worker.per(mhz()),
        remarks,
    })
}

/// What the stages between the ports and the worker need.
struct Way {
    table: FlowTable,
    slips: Box<[Slip; BURST_LEN_MAX]>,
    /// Packets whose flow was found.
    found: u64,
}

impl Way {
    /// A way with a table for `capacity` flows that has the same keys as the director's.
    fn new(mode: ForwardingMode, flows: u32, capacity: u32) -> Result<Self, Invalid> {
        let now = dpdk_io::clock();
        let mut table = FlowTable::new(capacity, site::HASH_SEED, now);
        let times = (now, Ticks::from_secs(TIMEOUT_S_MAX));
        for number in 0..flows {
            let client = traffic::client(number);
            let (real, address) = site::real_server(number);
            let back =
                if mode == ForwardingMode::FullNat { site::local_end(number) } else { client };
            let request = FlowKey::ipv4(IpProto::UDP, client.0, client.1, VIP.0, VIP.1);
            let reply = FlowKey::ipv4(IpProto::UDP, address, RPORT, back.0, back.1);
            let ids = (ServiceId(0), real);
            let flow = Flow::new(request, reply, mode, ids, FlowState::Udp, times);
            if table.insert(flow).is_err() {
                return Err(Invalid::UsedUp(number.into()));
            }
        }
        Ok(Self { table, slips: Box::default(), found: 0 })
    }

    #[inline(always)]
    fn parse(&mut self, burst: &mut Burst<Mbuf>) {
        for (frame, slip) in burst.iter_mut().zip(&mut *self.slips) {
            slip.fill(frame, WAN_MAC);
        }
        black_box(&mut self.slips);
    }

    /// Finds the flows of the first `count` packets that were parsed.
    #[inline(always)]
    fn look_up(&mut self, count: usize) {
        let slips = &self.slips[..count.min(BURST_LEN_MAX)];
        let mut hashes = [KeyHash::default(); BURST_LEN_MAX];
        for (slip, hash) in slips.iter().zip(&mut hashes) {
            if let Some(packet) = slip.transport() {
                *hash = self.table.hash(&packet.key);
            }
            self.table.prefetch_bucket(*hash);
        }
        let mut hits = [None; BURST_LEN_MAX];
        for (hash, hit) in hashes[..slips.len()].iter().zip(&mut hits) {
            *hit = self.table.candidate(*hash);
        }
        for (hash, hit) in hashes[..slips.len()].iter().zip(&mut hits) {
            if hit.is_none() {
                *hit = self.table.second_candidate(*hash);
            }
        }
        self.found += black_box(hits).iter().flatten().count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_to_the_worker() {
        let rounds = |median: f64| vec![median - 1.0, median, median + 5.0];
        let outcome = outcome([40.0, 55.0, 80.0, 120.0].map(rounds)).unwrap();
        let cycles: Vec<f64> = outcome.remarks.iter().map(|remark| remark.value).collect();
        assert_eq!(cycles, [40.0, 15.0, 25.0, 40.0]);
        assert!(matches!(super::outcome(Default::default()), Err(Invalid::Nothing)));
    }

    #[test]
    fn the_table_has_every_flow_under_the_keys_its_mode_has() {
        for mode in [ForwardingMode::Dr, ForwardingMode::Nat, ForwardingMode::FullNat] {
            let way = Way::new(mode, 100_000, 120_000).unwrap();
            assert_eq!(way.table.len(), 100_000);
            for number in [0, 31, 32, 99_999] {
                let (address, port) = traffic::client(number);
                let key = FlowKey::ipv4(IpProto::UDP, address, port, VIP.0, VIP.1);
                let hit = way.table.lookup(way.table.hash(&key), &key).unwrap();
                let reply = way.table.flow(hit.flow()).unwrap().reply;
                let back = way.table.lookup(way.table.hash(&reply), &reply);
                assert_eq!(back.map(|hit| hit.flow()), mode.sees_replies().then_some(hit.flow()));
            }
        }
        let full = Way::new(ForwardingMode::Dr, 2, 1).err();
        assert!(matches!(full, Some(Invalid::UsedUp(1))), "{full:?}");
    }
}
