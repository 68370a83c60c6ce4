//! Metrics of workers, read in their counters when the text is made.

use std::sync::Arc;

use dataplane::stats::{BurstStats, Counter, PortStats, WorkerStats};
use dataplane::verdict::DropReason;

use super::encode::Encoder;
use super::sheet::{CLASSES_MAX, Column, Sheet, Table, Value};
use crate::state::{Seat, Seats};

/// A worker.
#[derive(Debug)]
struct Row {
    stats: Arc<WorkerStats>,
    generation: u64,
    cycles_per_s: u64,
}

impl Row {
    fn count(&self, of: Pick) -> Value {
        Value::Int(of(&self.stats).value())
    }
}

static WORKERS: Sheet<Row> = Sheet {
    title: "Workers",
    labels: &["worker"],
    columns: &[
        Column::gauge(
            "rvs_worker_generation",
            "Number of the configuration that the worker runs.",
            |row| Value::Int(row.generation),
        ),
        Column::counter("rvs_worker_turns", "Turns of the worker's loop.", |row| {
            row.count(|stats| &stats.turns)
        }),
        Column::counter(
            "rvs_worker_busy_turns",
            "Turns that found packets, at a port or handed over.",
            |row| row.count(|stats| &stats.busy_turns),
        ),
        Column::counter("rvs_worker_busy_cycles", "CPU cycles that these turns took.", |row| {
            row.count(|stats| &stats.busy_cycles)
        }),
        Column::counter("rvs_worker_busy_seconds", "Time that these turns took.", busy_seconds),
        Column::counter(
            "rvs_worker_received_packets",
            "Packets that the worker received from ports.",
            |row| row.count(|stats| &stats.received),
        ),
        Column::histogram(
            "rvs_worker_rx_burst_packets",
            "Packets that a port gave at once, up to 32; polls that found none are not counted.",
            bursts,
        ),
        Column::counter(
            "rvs_worker_handed_over_packets",
            "Packets received that were handed over to other workers, of whose flows they are.",
            |row| Value::Int(handed_over(&row.stats)),
        ),
        Column::counter(
            "rvs_worker_taken_over_packets",
            "Packets that other workers handed over to this one.",
            |row| row.count(|stats| &stats.taken_over),
        ),
        Column::counter(
            "rvs_worker_forwarded_packets",
            "Packets sent on that a port has taken.",
            |row| row.count(|stats| &stats.forwarded),
        ),
        Column::counter(
            "rvs_worker_stateless_packets",
            "Packets of services of mode dr and tun that were sent on without a flow, for want of \
             room for one.",
            |row| row.count(|stats| &stats.stateless),
        ),
        Column::counter(
            "rvs_worker_consumed_packets",
            "Packets for the director itself: ARP, echo.",
            |row| row.count(|stats| &stats.consumed),
        ),
        Column::gauge(
            "rvs_worker_held_packets",
            "Packets that wait for a neighbour or for their first fragment.",
            |row| row.count(|stats| &stats.held),
        ),
        Column::gauge("rvs_worker_flows", "Flows in the table.", |row| {
            row.count(|stats| &stats.flows)
        }),
        Column::gauge("rvs_worker_flows_max", "Flows the table has room for.", |row| {
            row.count(|stats| &stats.flow_capacity)
        }),
        Column::gauge(
            "rvs_worker_templates",
            "Persistence templates in their table, copies of other workers' included.",
            |row| row.count(|stats| &stats.templates),
        ),
        Column::gauge(
            "rvs_worker_templates_max",
            "Persistence templates their table has room for.",
            |row| row.count(|stats| &stats.template_capacity),
        ),
        Column::counter(
            "rvs_worker_templates_full",
            "Connections of persistent services that got no template, for want of room for one.",
            |row| row.count(|stats| &stats.templates_full),
        ),
        Column::counter(
            "rvs_worker_icmp_errors_limited",
            "ICMP errors that were not sent because of the rate limit.",
            |row| row.count(|stats| &stats.generated.icmp_errors_limited),
        ),
    ],
};

fn busy_seconds(row: &Row) -> Value {
    let (cycles, per_s) = (row.stats.busy_cycles.value(), row.cycles_per_s.max(1));
    // In two parts, each of which a float holds exactly enough.
    #[expect(clippy::cast_precision_loss, reason = "whole seconds are far below 2^52")]
    let seconds = (cycles / per_s) as f64 + (cycles % per_s) as f64 / per_s as f64;
    Value::Real(seconds)
}

fn bursts(row: &Row) -> Value {
    let mut counts = [0; CLASSES_MAX];
    for (count, value) in counts.iter_mut().zip(row.stats.rx_bursts.values()) {
        *count = value;
    }
    Value::Histogram { bounds: &BurstStats::BOUNDS, counts, sum: row.stats.received.value() }
}

/// Of all ports. The worker's own count takes back those that found no room on their way, which a
/// counter must not.
fn handed_over(stats: &WorkerStats) -> u64 {
    let of_port = |port: &PortStats| port.handed_over.value();
    stats.ports.iter().map(of_port).sum()
}

/// One of several counters of a worker that are told apart by a label.
#[derive(Debug)]
struct Part {
    stats: Arc<WorkerStats>,
    read: Read,
}

/// Where it is.
#[derive(Clone, Copy, Debug)]
enum Read {
    Drops(DropReason),
    By(Pick),
}

/// A counter among all of a worker.
type Pick = fn(&WorkerStats) -> &Counter;

/// A metric of [`Part`]s, and the value of the label for each.
struct Parts {
    sheet: &'static Sheet<Part>,
    parts: &'static [(&'static str, Pick)],
}

fn part(part: &Part) -> Value {
    Value::Int(match part.read {
        Read::Drops(reason) => part.stats.dropped(reason).value(),
        Read::By(read) => read(&part.stats).value(),
    })
}

static DROPS: Sheet<Part> = Sheet {
    title: "Workers, drops",
    labels: &["worker", "reason"],
    columns: &[Column::counter(
        "rvs_worker_dropped_packets",
        "Packets not sent on, by the reasons of `rvs show drops`.",
        part,
    )],
};

static PARTS: [Parts; 4] = [
    Parts {
        sheet: &Sheet {
            title: "Workers, neighbours",
            labels: &["worker", "state"],
            columns: &[Column::gauge(
                "rvs_worker_neighbors",
                "Next hops by state, when the worker has gone through all of them last: some \
                 hundredths of a second ago.",
                part,
            )],
        },
        parts: &[
            ("reachable", |stats| &stats.neighbors.reachable),
            ("probing", |stats| &stats.neighbors.probing),
            ("incomplete", |stats| &stats.neighbors.incomplete),
            ("failed", |stats| &stats.neighbors.failed),
        ],
    },
    Parts {
        sheet: &Sheet {
            title: "Workers, early ends",
            labels: &["worker", "reason"],
            columns: &[Column::counter(
                "rvs_worker_flows_ended",
                "Flows that ended before their time: `half_open` and `idle` ones by drop_entry, \
                 those of a `real_server_removed` by expire_nodest_conn, those ended `on_request`.",
                part,
            )],
        },
        parts: &[
            ("half_open", |stats| &stats.ended.half_open),
            ("idle", |stats| &stats.ended.idle),
            ("on_request", |stats| &stats.ended.on_request),
            ("real_server_removed", |stats| &stats.ended.real_server_removed),
        ],
    },
    Parts {
        sheet: &Sheet {
            title: "Workers, own packets",
            labels: &["worker", "kind"],
            columns: &[Column::counter(
                "rvs_worker_generated_packets",
                "Packets that the director made itself.",
                part,
            )],
        },
        parts: &[
            ("arp_request", |stats| &stats.generated.arp_requests),
            ("icmp_error", |stats| &stats.generated.icmp_errors),
            ("reset", |stats| &stats.generated.resets),
            ("fragment", |stats| &stats.generated.fragments),
        ],
    },
    Parts {
        sheet: &Sheet {
            title: "Workers, FTP helper",
            labels: &["worker", "event"],
            columns: &[Column::counter(
                "rvs_worker_ftp_events",
                "What the FTP helper did, and what it left as it was; the events are those of \
                 `/v1/drops`.",
                part,
            )],
        },
        parts: &[
            ("announced", |stats| &stats.ftp.announced),
            ("data_flows", |stats| &stats.ftp.data_flows),
            ("edited", |stats| &stats.ftp.edited),
            ("split", |stats| &stats.ftp.split),
            ("garbled", |stats| &stats.ftp.garbled),
            ("refused", |stats| &stats.ftp.refused),
            ("unfit", |stats| &stats.ftp.unfit),
            ("controls_full", |stats| &stats.ftp.controls_full),
            ("no_flow", |stats| &stats.ftp.no_flow),
            ("given_up", |stats| &stats.ftp.given_up),
            ("notes_lost", |stats| &stats.ftp.notes_lost),
        ],
    },
];

/// Adds what there is to tell of workers, which count so many cycles in a second.
pub(super) fn add(workers: &Seats, cycles_per_s: u64, encoder: &mut Encoder) {
    let mut all = Table::new(&WORKERS);
    for seat in workers.iter() {
        let (stats, generation) = (Arc::clone(&seat.stats), seat.running.generation());
        let row = Row { stats, generation, cycles_per_s };
        all.push(row).show("worker", seat.lcore);
    }
    encoder.add(all);
    let reasons = DropReason::ALL.iter().map(|reason| (reason.name(), Read::Drops(*reason)));
    encoder.add(parts(workers, &DROPS, reasons));
    for Parts { sheet, parts: named } in &PARTS {
        let named = named.iter().map(|(name, read)| (*name, Read::By(*read)));
        encoder.add(parts(workers, sheet, named));
    }
}

fn parts(
    workers: &Seats,
    sheet: &'static Sheet<Part>,
    named: impl Iterator<Item = (&'static str, Read)> + Clone,
) -> Table<Part> {
    let mut table = Table::new(sheet);
    let label = sheet.labels.last().copied().unwrap_or_default();
    for Seat { lcore, stats, .. } in workers.iter() {
        for (name, read) in named.clone() {
            let row = Part { stats: Arc::clone(stats), read };
            table.push(row).show("worker", lcore).add(label, name);
        }
    }
    table
}
