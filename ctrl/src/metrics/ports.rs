//! Metrics of ports: what the device tells, and what each worker counted there.

use std::sync::Arc;

use dataplane::stats::{PortStats, WorkerStats};
use dataplane::wire::Mac;
use dpdk::Link;

use super::encode::Encoder;
use super::sheet::{Column, Sheet, Table, Value};
use crate::state::State;

/// What a device tells; nothing if it cannot at the moment, which is not 0.
#[derive(Debug)]
struct Device {
    link: Option<Link>,
    stats: Option<dpdk::PortStats>,
}

impl Device {
    fn count(&self, read: fn(&dpdk::PortStats) -> u64) -> Value {
        self.stats.as_ref().map(read).into()
    }
}

static PORT_INFO: Sheet<()> = Sheet {
    title: "Ports",
    labels: &["port", "device", "driver", "mac", "steering"],
    columns: &[Column::info(
        "rvs_port",
        "What the port is, and how packets get to the workers that own their flows.",
    )],
};

static DEVICES: Sheet<Device> = Sheet {
    title: "Ports",
    labels: &["port"],
    columns: &[
        Column::gauge(
            "rvs_port_up",
            "Whether the link is up (1 or 0); virtual devices may always say so.",
            |device| device.link.map(|link| u64::from(link.up)).into(),
        ),
        Column::gauge(
            "rvs_port_speed_bytes",
            "Speed of the link, in bytes a second; there is none if it is not known.",
            |device| {
                let mbps = device.link.map(|link| u64::from(link.speed_mbps));
                let known = mbps.filter(|mbps| (1..u64::from(u32::MAX)).contains(mbps));
                known.map(|mbps| mbps * 125_000).into()
            },
        ),
        Column::counter(
            "rvs_port_rx_missed_packets",
            "Frames the device dropped because the workers did not fetch them in time.",
            |device| device.count(|stats| stats.rx_missed),
        ),
        Column::counter(
            "rvs_port_rx_errors",
            "Frames the device received with an error.",
            |device| device.count(|stats| stats.rx_errors),
        ),
        Column::counter(
            "rvs_port_rx_no_mbuf",
            "Times a received frame found no free packet buffer.",
            |device| device.count(|stats| stats.rx_no_mbuf),
        ),
        Column::counter("rvs_port_tx_errors", "Frames the device could not send.", |device| {
            device.count(|stats| stats.tx_errors)
        }),
    ],
};

/// A worker's counters of one of its ports.
#[derive(Debug)]
struct Share {
    stats: Arc<WorkerStats>,
    port: usize,
}

impl Share {
    fn count(&self, read: fn(&PortStats) -> u64) -> Value {
        self.stats.ports.get(self.port).map(read).into()
    }
}

static SHARES: Sheet<Share> = Sheet {
    title: "Ports, by worker",
    labels: &["port", "worker"],
    columns: &[
        Column::counter("rvs_port_received_packets", "Frames that the worker received.", |share| {
            share.count(|stats| stats.rx_packets.value())
        }),
        Column::counter(
            "rvs_port_received_bytes",
            "Bytes that the worker received, with Ethernet headers.",
            |share| share.count(|stats| stats.rx_bytes.value()),
        ),
        Column::counter(
            "rvs_port_sent_packets",
            "Frames that the port took from the worker.",
            |share| share.count(|stats| stats.tx_packets.value()),
        ),
        Column::counter(
            "rvs_port_sent_bytes",
            "Bytes that the port took from the worker, with Ethernet headers.",
            |share| share.count(|stats| stats.tx_bytes.value()),
        ),
        Column::counter(
            "rvs_port_refused_packets",
            "Frames that the port refused to take, which were dropped.",
            |share| share.count(|stats| stats.tx_refused.value()),
        ),
        Column::counter(
            "rvs_port_handed_over_packets",
            "Frames received here that were handed over to another worker, of whose flow they are.",
            |share| share.count(|stats| stats.handed_over.value()),
        ),
    ],
};

/// Adds what there is to tell of ports.
pub(super) fn add(state: &State, encoder: &mut Encoder) {
    let (mut info, mut devices, mut shares) =
        (Table::new(&PORT_INFO), Table::new(&DEVICES), Table::new(&SHARES));
    for (index, port) in state.ports.iter().enumerate() {
        let mut labels = info.push(());
        labels.add("port", &port.name).add("device", &port.device).add("driver", &port.driver);
        labels.show("mac", Mac(port.facts.mac)).add("steering", port.steering.method.name());
        let device = Device { link: port.live.link(), stats: port.live.stats() };
        devices.push(device).add("port", &port.name);
        for seat in state.workers.iter() {
            let share = Share { stats: Arc::clone(&seat.stats), port: index };
            shares.push(share).add("port", &port.name).show("worker", seat.lcore);
        }
    }
    encoder.add(info);
    encoder.add(devices);
    encoder.add(shares);
}
