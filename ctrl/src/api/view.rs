//! The daemon's state as messages.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use conf::{Config, ForwardingMode, OwnAddresses};
use dataplane::control::Report;
use dataplane::forward::LocalPortShare;
use dataplane::stats::{Counter, FtpStats, RealServerStats};
use dataplane::verdict::DropReason;
use dataplane::wire::Mac;

use super::proto::{
    API, Drop, Drops, Ended, Ftp, Generated, ListedRealServer, Neighbor, Port, Ports, RealServer,
    RealServers, Service, Services, Status, Tunnel, Worker, Workers,
};
use crate::identity::{NamedRealServer, NamedService, Usage as _};
use crate::listing::Batch;
use crate::port::RunningPort;
use crate::rates::RateTable;
use crate::select::{NoSuchService, ServiceFilter};
use crate::state::{Seat, Seats, State};

pub(super) fn status(state: &State) -> Status {
    let in_force = state.in_force.load();
    Status {
        api: API,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dpdk: state.dpdk.clone(),
        pid: std::process::id(),
        uptime_s: state.started.elapsed().as_secs(),
        config: state.file.display().to_string(),
        applied: in_force.name.clone(),
        edits: in_force.commands,
        applied_s_ago: in_force.since.elapsed().as_secs(),
        generation: in_force.generation,
        memory: state.memory.clone(),
        services: in_force.config.services.len(),
        real_servers: real_server_count(&in_force.config),
        workers: all_workers(state),
    }
}

fn real_server_count(config: &Config) -> usize {
    config.services.iter().map(|service| service.real_servers.len()).sum()
}

pub(super) fn workers(state: &State) -> Workers {
    let generation = state.in_force.load().generation;
    Workers { generation, workers: all_workers(state) }
}

fn all_workers(state: &State) -> Vec<Worker> {
    let seats = state.workers.iter().enumerate();
    seats.map(|(index, seat)| worker(seat, state.layout.worker_node(index))).collect()
}

fn worker(seat: &Seat, numa_node: Option<u32>) -> Worker {
    let stats = &seat.stats;
    Worker {
        lcore: seat.lcore,
        numa_node,
        generation: seat.running.generation(),
        flows: stats.flows.value(),
        flow_capacity: stats.flow_capacity.value(),
        turns: stats.turns.value(),
        busy_turns: stats.busy_turns.value(),
        received: stats.received.value(),
        handed_over: stats.handed_over.value(),
    }
}

/// All services.
#[cfg(test)]
pub(crate) fn services(state: &State) -> Services {
    // Without a name in the filter none can be missing.
    chosen_services(state, &ServiceFilter::default()).unwrap_or(Services { services: Vec::new() })
}

/// The services and real servers that are meant.
pub(super) fn chosen_services(
    state: &State,
    filter: &ServiceFilter,
) -> Result<Services, NoSuchService> {
    let in_force = state.in_force.load();
    let (config, own) = (&in_force.config, &OwnAddresses::of(&in_force.config));
    let counts = Counts { config, own, workers: &state.workers, rates: &state.rates.load() };
    let places = filter.places(&in_force.config.services)?.into_iter();
    let both = places
        .filter_map(|place| in_force.config.services.get(place).zip(in_force.named.get(place)));
    Ok(Services {
        services: both.map(|(conf, named)| view_service(counts, filter, conf, named)).collect(),
    })
}

/// The real servers that are meant, in one list.
pub(super) fn real_servers(
    state: &State,
    filter: &ServiceFilter,
) -> Result<RealServers, NoSuchService> {
    let listed = |service: Service| {
        let Service { name, protocol, vip, vport, mark, real_servers, .. } = service;
        real_servers.into_iter().map(move |real_server| ListedRealServer {
            service: name.clone(),
            protocol: protocol.clone(),
            vip,
            vport,
            mark,
            real_server,
        })
    };
    let services = chosen_services(state, filter)?.services.into_iter();
    Ok(RealServers { real_servers: services.flat_map(listed).collect() })
}

/// Where counters and rates are read, and what the services are part of.
#[derive(Clone, Copy)]
struct Counts<'a> {
    config: &'a Config,
    own: &'a OwnAddresses,
    workers: &'a Seats,
    rates: &'a RateTable,
}

fn view_service(
    counts: Counts<'_>,
    filter: &ServiceFilter,
    service: &conf::Service,
    named: &NamedService,
) -> Service {
    let real_servers = service.real_servers.iter().zip(&named.real_servers);
    let real_servers = real_servers.filter(|(real, _)| filter.has(real));
    let flags = service.scheduler_flags.names(service.scheduler);
    let pool = counts.config.pool_of(service);
    let key = service.key;
    Service {
        name: service.name.clone(),
        protocol: key.protocol().map(|protocol| protocol.as_str().to_owned()),
        vip: key.vip().map(|vip| *vip.ip()),
        vport: key.vip().map(|vip| vip.port()),
        mark: key.mark().map(conf::Mark::get),
        mode: service.mode.as_str().to_owned(),
        scheduler: service.scheduler.as_str().to_owned(),
        scheduler_flags: flags.into_iter().map(str::to_owned).collect(),
        helper: service.helper.map(|helper| helper.as_str().to_owned()),
        ops: service.ops,
        local_addresses: pool.to_vec(),
        traffic: counts.workers.service(named.id).since(&named.base),
        rates: counts.rates.service(named),
        real_servers: real_servers
            .map(|(real, named)| view_real_server(counts, real, *named, pool))
            .collect(),
    }
}

/// A real server of a service with these local addresses.
fn view_real_server(
    Counts { workers, rates, own, .. }: Counts<'_>,
    real: &conf::RealServer,
    named: NamedRealServer,
    pool: &[Ipv4Addr],
) -> RealServer {
    let gauge = |read: fn(&RealServerStats) -> u64| {
        workers.sum(|stats| stats.real_server(named.id).map_or(0, read))
    };
    RealServer {
        rip: *real.address.ip(),
        rport: real.address.port(),
        mode: real.mode.as_str().to_owned(),
        tunnel: (real.mode == ForwardingMode::Tunnel).then(|| tunnel(real.tunnel)),
        drain: real.drain,
        unusable: own.unusable(real).map(|why| why.to_string()),
        weight: real.weight,
        upper_threshold: real.upper_threshold,
        lower_threshold: real.lower_threshold,
        active: gauge(|stats| stats.active.value()),
        inactive: gauge(|stats| stats.inactive.value()),
        persistent: gauge(|stats| stats.templates.value()),
        local_ports: (real.mode == ForwardingMode::FullNat)
            .then(|| LocalPortShare::All.capacity(pool)),
        traffic: workers.real_server(named.id).since(&named.base),
        rates: rates.real_server(&named),
    }
}

fn tunnel(tunnel: conf::Tunnel) -> Tunnel {
    Tunnel {
        r#type: tunnel.kind().to_owned(),
        port: tunnel.dst_port().map(NonZeroU16::get),
        checksum: tunnel.checksum().map(str::to_owned),
    }
}

pub(super) fn ports(state: &State) -> Ports {
    let in_force = state.in_force.load();
    let ports = state.ports.iter().zip(&in_force.config.ports).enumerate();
    Ports {
        ports: ports.map(|(index, (port, conf))| view_port(state, index, port, conf)).collect(),
    }
}

fn view_port(state: &State, index: usize, port: &RunningPort, conf: &conf::Port) -> Port {
    let link = port.live.link();
    let device = port.live.stats().unwrap_or_default();
    let count = |read: fn(&dataplane::stats::PortStats) -> u64| {
        state.workers.sum(|stats| stats.ports.get(index).map_or(0, read))
    };
    let addresses = conf.addresses.iter();
    Port {
        name: port.name.clone(),
        device: port.device.clone(),
        driver: port.driver.clone(),
        numa_node: state.layout.port_node(index),
        mac: Mac(port.facts.mac).to_string(),
        addresses: addresses.map(ToString::to_string).collect(),
        mtu: port.facts.mtu.min(conf.mtu),
        link_up: link.map(|link| link.up),
        speed_mbps: link.map_or(0, |link| link.speed_mbps),
        rx_queues: port.queues,
        tx_queues: port.queues,
        steering: port.steering.method.name().to_owned(),
        steering_notes: port.steering.why.clone(),
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
        handed_over: count(|stats| stats.handed_over.value()),
    }
}

pub(super) fn drops(state: &State) -> Drops {
    let drop = |reason: &DropReason| Drop {
        reason: reason.name().to_owned(),
        count: state.workers.sum(|stats| stats.dropped(*reason).value()),
        meaning: reason.meaning().to_owned(),
    };
    let drops: Vec<Drop> = DropReason::ALL.iter().map(drop).collect();
    Drops {
        received: state.workers.sum(|stats| stats.received.value()),
        forwarded: state.workers.sum(|stats| stats.forwarded.value()),
        consumed: state.workers.sum(|stats| stats.consumed.value()),
        dropped: drops.iter().map(|drop| drop.count).sum(),
        held: state.workers.sum(|stats| stats.held.value()),
        handed_over: state.workers.sum(|stats| stats.handed_over.value()),
        stateless: state.workers.sum(|stats| stats.stateless.value()),
        templates_full: state.workers.sum(|stats| stats.templates_full.value()),
        ended: Ended {
            half_open: state.workers.sum(|stats| stats.ended.half_open.value()),
            idle: state.workers.sum(|stats| stats.ended.idle.value()),
            on_request: state.workers.sum(|stats| stats.ended.on_request.value()),
            real_server_removed: state.workers.sum(|stats| stats.ended.real_server_removed.value()),
        },
        drops,
        generated: Generated {
            arp_requests: state.workers.sum(|stats| stats.generated.arp_requests.value()),
            icmp_errors: state.workers.sum(|stats| stats.generated.icmp_errors.value()),
            icmp_errors_limited: state
                .workers
                .sum(|stats| stats.generated.icmp_errors_limited.value()),
            resets: state.workers.sum(|stats| stats.generated.resets.value()),
            fragments: state.workers.sum(|stats| stats.generated.fragments.value()),
        },
        ftp: ftp(state),
    }
}

fn ftp(state: &State) -> Ftp {
    let sum = |read: fn(&FtpStats) -> &Counter| state.workers.sum(|stats| read(&stats.ftp).value());
    Ftp {
        announced: sum(|ftp| &ftp.announced),
        data_flows: sum(|ftp| &ftp.data_flows),
        edited: sum(|ftp| &ftp.edited),
        split: sum(|ftp| &ftp.split),
        garbled: sum(|ftp| &ftp.garbled),
        refused: sum(|ftp| &ftp.refused),
        unfit: sum(|ftp| &ftp.unfit),
        controls_full: sum(|ftp| &ftp.controls_full),
        no_flow: sum(|ftp| &ftp.no_flow),
        given_up: sum(|ftp| &ftp.given_up),
        notes_lost: sum(|ftp| &ftp.notes_lost),
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
