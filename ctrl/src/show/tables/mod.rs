//! One table per question, in the spirit of `ipvsadm -Ln`.

mod rates;
mod reach;
mod real_servers;

pub(super) use rates::rates;
pub(super) use reach::{local_ports, routes};
pub(super) use real_servers::real_servers;

use crate::api::proto::{
    Drops, Flow, Flows, Neighbors, Port, Ports, RealServer, Service, Services, Status, Traffic,
    Worker, Workers,
};
use crate::check::counted;
use crate::local_ports::usage;

use super::ftp;
use super::table::Column::{Left, Right};
use super::table::render;

pub(super) fn services(answer: &Services) -> String {
    let columns = [
        Left("SERVICE"),
        Left("PROTO"),
        Left("ADDRESS"),
        Left("MODE"),
        Left("SCHED"),
        Right("WEIGHT"),
        Right("ACTIVE"),
        Right("INACTIVE"),
        Right("PERSIST"),
        Right("CONNS"),
        Right("IN-PKTS"),
        Right("OUT-PKTS"),
        Right("IN-BYTES"),
        Right("OUT-BYTES"),
        Right("LPORTS"),
    ];
    render(&columns, answer.services.iter().flat_map(service_rows))
}

/// A service's own row and those of its real servers.
fn service_rows(service: &Service) -> Vec<Vec<String>> {
    let real_servers = &service.real_servers;
    let active: u64 = real_servers.iter().map(|real| real.active).sum();
    let inactive: u64 = real_servers.iter().map(|real| real.inactive).sum();
    let persistent: u64 = real_servers.iter().map(|real| real.persistent).sum();
    let mut head = vec![
        service.name.clone(),
        service.protocol.clone().unwrap_or_else(|| "mark".to_owned()),
        address(service),
        service.mode.clone(),
        scheduler_with_flags(service),
        String::new(),
        active.to_string(),
        inactive.to_string(),
        persistent.to_string(),
    ];
    head.extend(traffic_cells(&service.traffic));
    head.push(String::new());
    let mut rows = vec![head];
    for real in real_servers {
        let mut row = vec![
            String::new(),
            String::new(),
            real_address(real),
            if real.mode == service.mode { String::new() } else { real.mode.clone() },
            if real.unusable.is_some() { "unusable".to_owned() } else { String::new() },
            weight(real),
            real.active.to_string(),
            real.inactive.to_string(),
            real.persistent.to_string(),
        ];
        row.extend(traffic_cells(&real.traffic));
        let used = usage(real).map(|usage| format!("{} %", usage.percent()));
        row.push(used.unwrap_or_else(|| "-".to_owned()));
        rows.push(row);
    }
    rows
}

fn traffic_cells(traffic: &Traffic) -> [String; 5] {
    [
        traffic.connections,
        traffic.in_packets,
        traffic.out_packets,
        traffic.in_bytes,
        traffic.out_bytes,
    ]
    .map(|count| count.to_string())
}

/// VIP and vport, or the mark.
pub(crate) fn address(service: &Service) -> String {
    match (service.vip, service.vport, service.mark) {
        (Some(vip), Some(vport), _) => format!("{vip}:{vport}"),
        (_, _, Some(mark)) => mark.to_string(),
        _ => String::new(),
    }
}

/// RIP, and rport if it has one of its own, behind an arrow.
pub(crate) fn real_address(real: &RealServer) -> String {
    format!("-> {}", end_of(real))
}

/// RIP, and rport if it has one of its own.
pub(crate) fn end_of(real: &RealServer) -> String {
    match real.rport {
        0 => real.rip.to_string(),
        rport => format!("{}:{rport}", real.rip),
    }
}

/// Its weight, and whether that counts.
fn weight(real: &RealServer) -> String {
    if real.drain { format!("{} drain", real.weight) } else { real.weight.to_string() }
}

/// As ipvsadm lists it: `mh (mh-fallback,mh-port)`, and `ops` where it applies.
fn scheduler_with_flags(service: &Service) -> String {
    let mut text = service.scheduler.clone();
    if !service.scheduler_flags.is_empty() {
        text.push_str(&format!(" ({})", service.scheduler_flags.join(",")));
    }
    if service.ops {
        text.push_str(" ops");
    }
    text
}

pub(super) fn flows(answer: &Flows) -> String {
    let columns = [
        Left("PROTO"),
        Right("EXPIRES"),
        Right("IDLE"),
        Right("AGE"),
        Right("PKTS"),
        Left("STATE"),
        Left("CLIENT"),
        Left("VIRTUAL"),
        Left("LOCAL"),
        Left("REAL SERVER"),
        Left("MODE"),
        Left("SERVICE"),
    ];
    let mut text = render(&columns, answer.flows.iter().map(flow_row));
    if answer.more > 0 {
        let more = answer.more;
        text.push_str(&format!("... {more} more; --limit N shows more of them, --json all\n"));
    }
    text
}

fn flow_row(flow: &Flow) -> Vec<String> {
    let local = match (&flow.lip, flow.lport) {
        (Some(address), Some(l4_port)) => format!("{address}:{l4_port}"),
        _ => "-".to_owned(),
    };
    vec![
        flow.protocol.clone(),
        clock(flow.expires_s),
        clock(flow.idle_s),
        flow.age_s.map_or_else(|| "-".to_owned(), clock),
        flow.packets.map_or_else(|| "-".to_owned(), |packets| packets.to_string()),
        flow.state.clone(),
        format!("{}:{}", flow.cip, flow.cport),
        format!("{}:{}", flow.vip, flow.vport),
        local,
        format!("{}:{}", flow.rip, flow.rport),
        flow.mode.clone(),
        flow.service.clone(),
    ]
}

/// Minutes and seconds.
fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

pub(super) fn ports(answer: &Ports) -> String {
    let what = [
        Left("PORT"),
        Left("DEVICE"),
        Left("DRIVER"),
        Right("NUMA"),
        Left("MAC"),
        Left("ADDRESSES"),
        Left("LINK"),
        Right("MTU"),
        Right("QUEUES"),
        Left("STEERING"),
        Left("OFFLOADS"),
    ];
    let counters = [
        Left("PORT"),
        Right("RX-PKTS"),
        Right("RX-BYTES"),
        Right("TX-PKTS"),
        Right("TX-BYTES"),
        Right("RX-MISSED"),
        Right("RX-ERRORS"),
        Right("RX-NOMBUF"),
        Right("TX-ERRORS"),
        Right("TX-REFUSED"),
        Right("HANDED-OVER"),
    ];
    let first = render(&what, answer.ports.iter().map(port_row));
    let second = render(&counters, answer.ports.iter().map(port_counters));
    let notes: Vec<_> = answer.ports.iter().flat_map(steering_notes).collect();
    if notes.is_empty() {
        return format!("{first}\n{second}");
    }
    format!("{first}\n{second}\n{}\n", notes.join("\n"))
}

fn steering_notes(port: &Port) -> impl Iterator<Item = String> {
    port.steering_notes.iter().map(|note| format!("{}: {note}", port.name))
}

fn port_row(port: &Port) -> Vec<String> {
    let link = match (port.link_up, port.speed_mbps) {
        (None, _) => "unknown".to_owned(),
        (Some(false), _) => "down".to_owned(),
        (Some(true), 0 | u32::MAX) => "up".to_owned(),
        (Some(true), speed) => format!("up {speed} Mbit/s"),
    };
    let or_dash = |words: &[String]| match words {
        [] => "-".to_owned(),
        words => words.join(" "),
    };
    vec![
        port.name.clone(),
        port.device.clone(),
        port.driver.clone(),
        node(port.numa_node),
        port.mac.clone(),
        or_dash(&port.addresses),
        link,
        port.mtu.to_string(),
        format!("{}+{}", port.rx_queues, port.tx_queues),
        port.steering.clone(),
        or_dash(&port.offloads),
    ]
}

fn port_counters(port: &Port) -> Vec<String> {
    let counters = [
        port.rx_packets,
        port.rx_bytes,
        port.tx_packets,
        port.tx_bytes,
        port.rx_missed,
        port.rx_errors,
        port.rx_no_mbuf,
        port.tx_errors,
        port.tx_refused,
        port.handed_over,
    ];
    let mut row = vec![port.name.clone()];
    row.extend(counters.map(|count| count.to_string()));
    row
}

pub(super) fn neighbors(answer: &Neighbors) -> String {
    let columns = [
        Left("PORT"),
        Left("ADDRESS"),
        Left("MAC"),
        Left("STATE"),
        Right("AGE"),
        Right("WAITING"),
        Right("WORKER"),
    ];
    let rows = answer.neighbors.iter().map(|neighbor| {
        vec![
            neighbor.port.clone(),
            neighbor.address.to_string(),
            neighbor.mac.clone().unwrap_or_else(|| "-".to_owned()),
            neighbor.state.clone(),
            neighbor.confirmed_s_ago.map_or_else(|| "-".to_owned(), |age| format!("{age} s")),
            neighbor.waiting.to_string(),
            neighbor.worker.to_string(),
        ]
    });
    render(&columns, rows)
}

pub(super) fn drops(answer: &Drops, all: bool) -> String {
    let columns = [Left("REASON"), Right("PACKETS"), Left("MEANING")];
    let shown = answer.drops.iter().filter(|drop| all || drop.count > 0);
    let rows: Vec<_> = shown
        .map(|drop| vec![drop.reason.clone(), drop.count.to_string(), drop.meaning.clone()])
        .collect();
    let table = if rows.is_empty() {
        "No packet was dropped.\n".to_owned()
    } else {
        render(&columns, rows)
    };
    let Drops { received, forwarded, consumed, dropped, held, .. } = answer;
    let Drops { handed_over, stateless, templates_full, ended, generated, .. } = answer;
    format!(
        "{table}\n\
         received {received} = forwarded {forwarded} + consumed {consumed} + dropped {dropped} \
         + held {held}\n\
         handed over between workers: {handed_over}\n\
         sent on without a flow, as tables were full: {stateless}\n\
         connections without a persistence template, as tables were full: {templates_full}\n\
         flows ended early: {} half-open, {} idle (drop_entry), {} of removed real servers \
         (expire_nodest_conn), {} on request\n\
         sent by the director itself: {} ARP requests, {} ICMP errors ({} not sent: rate limit), \
         {} resets, {} fragments\n{}",
        ended.half_open,
        ended.idle,
        ended.real_server_removed,
        ended.on_request,
        generated.arp_requests,
        generated.icmp_errors,
        generated.icmp_errors_limited,
        generated.resets,
        generated.fragments,
        ftp::lines(&answer.ftp),
    )
}

pub(super) fn status(answer: &Status) -> String {
    format!(
        "rvs {} ({}), process {}, up {} s, {}\n{}: {} with {}\n\
         generation {} in force for {} s, from {}\n\n{}",
        answer.version,
        answer.dpdk,
        answer.pid,
        answer.uptime_s,
        answer.memory,
        answer.config,
        counted(answer.services, "service"),
        counted(answer.real_servers, "real server"),
        answer.generation,
        answer.applied_s_ago,
        answer.applied,
        worker_table(&answer.workers)
    )
}

pub(super) fn workers(answer: &Workers) -> String {
    let generation = answer.generation;
    let behind = answer.workers.iter().filter(|worker| worker.generation < generation).count();
    let note = match behind {
        0 => String::new(),
        count => {
            let verb = if count == 1 { "does" } else { "do" };
            format!("\n{} {verb} not run generation {generation} yet\n", counted(count, "worker"))
        }
    };
    format!("{}{note}", worker_table(&answer.workers))
}

fn worker_table(workers: &[Worker]) -> String {
    let columns = [
        Left("WORKER"),
        Right("NUMA"),
        Right("GENERATION"),
        Right("FLOWS"),
        Right("CAPACITY"),
        Right("FULL"),
        Right("TURNS"),
        Right("BUSY"),
        Right("RX-PKTS"),
        Right("HANDED-OVER"),
    ];
    let rows = workers.iter().map(|worker| {
        vec![
            format!("CPU {}", worker.lcore),
            node(worker.numa_node),
            worker.generation.to_string(),
            worker.flows.to_string(),
            worker.flow_capacity.to_string(),
            share(worker.flows, worker.flow_capacity),
            worker.turns.to_string(),
            share(worker.busy_turns, worker.turns),
            worker.received.to_string(),
            worker.handed_over.to_string(),
        ]
    });
    render(&columns, rows)
}

/// A NUMA node, if it is known.
fn node(number: Option<u32>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// `part` of `whole` in percent.
fn share(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests;
