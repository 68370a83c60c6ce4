//! The daemon's state as messages.

use conf::Config;
use dataplane::control::Report;
use dataplane::stats::{TrafficStats, WorkerStats};
use dataplane::verdict::DropReason;
use dataplane::wire::Mac;

use super::proto::{
    Drop, Drops, Generated, Neighbor, Port, Ports, RealServer, Service, Services, Status, Traffic,
    Worker,
};
use crate::listing::Batch;
use crate::port::RunningPort;
use crate::state::{Seat, State};

pub(super) fn status(state: &State) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dpdk: state.dpdk.clone(),
        pid: std::process::id(),
        uptime_s: state.started.elapsed().as_secs(),
        config: state.file.display().to_string(),
        memory: state.memory.clone(),
        services: state.config.services.len(),
        real_servers: real_server_count(&state.config),
        workers: state.workers.iter().map(worker).collect(),
    }
}

fn real_server_count(config: &Config) -> usize {
    config.services.iter().map(|service| service.real_servers.len()).sum()
}

fn worker(seat: &Seat) -> Worker {
    let stats = &seat.stats;
    Worker {
        lcore: seat.lcore,
        generation: seat.running.generation(),
        flows: stats.flows.value(),
        flow_capacity: stats.flow_capacity.value(),
        turns: stats.turns.value(),
        busy_turns: stats.busy_turns.value(),
    }
}

pub(super) fn services(state: &State) -> Services {
    let services = state.config.services.iter().map(|service| view_service(state, service));
    Services { services: services.collect() }
}

fn view_service(state: &State, service: &conf::Service) -> Service {
    let id = state.registry.find_service(service.protocol, service.vip);
    let real_servers = service.real_servers.iter().map(|real| {
        let id = id.and_then(|id| state.registry.find_real_server(id, real.address));
        let stats = |stats: &WorkerStats| {
            let Some(stats) = id.and_then(|id| stats.real_server(id)) else {
                return (0, 0, Traffic::default());
            };
            (stats.active.value(), stats.inactive.value(), traffic(&stats.traffic))
        };
        let (mut active, mut inactive, mut sum) = (0, 0, Traffic::default());
        for seat in &state.workers {
            let (more_active, more_inactive, more) = stats(&seat.stats);
            active += more_active;
            inactive += more_inactive;
            add(&mut sum, more);
        }
        RealServer {
            rip: *real.address.ip(),
            rport: real.address.port(),
            weight: real.weight,
            active,
            inactive,
            traffic: sum,
        }
    });
    let real_servers = real_servers.collect();
    let mut sum = Traffic::default();
    for seat in &state.workers {
        add(&mut sum, id.and_then(|id| seat.stats.service(id)).map(traffic).unwrap_or_default());
    }
    Service {
        name: service.name.clone(),
        protocol: service.protocol.as_str().to_owned(),
        vip: *service.vip.ip(),
        vport: service.vip.port(),
        mode: service.mode.as_str().to_owned(),
        scheduler: service.scheduler.as_str().to_owned(),
        local_addresses: service.local_addresses.clone(),
        traffic: sum,
        real_servers,
    }
}

fn traffic(stats: &TrafficStats) -> Traffic {
    Traffic {
        connections: stats.connections.value(),
        in_packets: stats.in_packets.value(),
        in_bytes: stats.in_bytes.value(),
        out_packets: stats.out_packets.value(),
        out_bytes: stats.out_bytes.value(),
    }
}

fn add(sum: &mut Traffic, more: Traffic) {
    sum.connections += more.connections;
    sum.in_packets += more.in_packets;
    sum.in_bytes += more.in_bytes;
    sum.out_packets += more.out_packets;
    sum.out_bytes += more.out_bytes;
}

pub(super) fn ports(state: &State) -> Ports {
    let ports = state.ports.iter().zip(&state.config.ports).enumerate();
    Ports {
        ports: ports.map(|(index, (port, conf))| view_port(state, index, port, conf)).collect(),
    }
}

fn view_port(state: &State, index: usize, port: &RunningPort, conf: &conf::Port) -> Port {
    let link = port.live.link();
    let device = port.live.stats().unwrap_or_default();
    let count = |read: fn(&dataplane::stats::PortStats) -> u64| {
        state.sum(|stats| stats.ports.get(index).map_or(0, read))
    };
    let addresses = conf.addresses.iter();
    Port {
        name: port.name.clone(),
        device: port.device.clone(),
        driver: port.driver.clone(),
        mac: Mac(port.facts.mac).to_string(),
        addresses: addresses.map(|own| format!("{}/{}", own.addr, own.prefix_len)).collect(),
        mtu: port.facts.mtu.min(conf.mtu),
        link_up: link.map(|link| link.up),
        speed_mbps: link.map_or(0, |link| link.speed_mbps),
        rx_queues: port.queues,
        tx_queues: port.queues,
        offloads: port.offloads.iter().map(|&name| name.to_owned()).collect(),
        rx_packets: count(|stats| stats.rx_packets.value()),
        rx_bytes: count(|stats| stats.rx_bytes.value()),
        tx_packets: count(|stats| stats.tx_packets.value()),
        tx_bytes: count(|stats| stats.tx_bytes.value()),
        rx_missed: device.rx_missed,
        rx_errors: device.rx_errors,
        rx_no_mbuf: device.rx_no_mbuf,
        tx_errors: device.tx_errors,
        tx_refused: count(|stats| stats.tx_refused.value()),
    }
}

pub(super) fn drops(state: &State) -> Drops {
    let drop = |reason: &DropReason| Drop {
        reason: reason.name().to_owned(),
        count: state.sum(|stats| stats.dropped(*reason).value()),
        meaning: reason.meaning().to_owned(),
    };
    let drops: Vec<Drop> = DropReason::ALL.iter().map(drop).collect();
    Drops {
        received: state.sum(|stats| stats.received.value()),
        forwarded: state.sum(|stats| stats.forwarded.value()),
        consumed: state.sum(|stats| stats.consumed.value()),
        dropped: drops.iter().map(|drop| drop.count).sum(),
        held: state.sum(|stats| stats.held.value()),
        drops,
        generated: Generated {
            arp_requests: state.sum(|stats| stats.generated.arp_requests.value()),
            icmp_errors: state.sum(|stats| stats.generated.icmp_errors.value()),
            icmp_errors_limited: state.sum(|stats| stats.generated.icmp_errors_limited.value()),
            resets: state.sum(|stats| stats.generated.resets.value()),
            fragments: state.sum(|stats| stats.generated.fragments.value()),
        },
    }
}

/// Adds the neighbours of a batch to `neighbors`.
pub(super) fn add_neighbors(state: &State, batch: Batch, neighbors: &mut Vec<Neighbor>) {
    for report in batch.reports {
        let Report::Neighbor(report) = report else { continue };
        neighbors.push(Neighbor {
            worker: batch.lcore,
            port: state.port_name(report.port.index()).to_owned(),
            address: report.address,
            mac: report.mac.map(|mac| mac.to_string()),
            state: report.state.to_owned(),
            confirmed_s_ago: report.mac.map(|_| report.confirmed_s_ago),
            waiting: report.waiting as u64,
        });
    }
}
