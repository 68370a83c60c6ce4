//! The director's configuration file, written as an operator would write it.

use std::fmt::Write as _;
use std::net::SocketAddrV4;
use std::path::Path;
use std::thread;

use super::addresses::{self as at, LAN_DEVICE, WAN_DEVICE};
use super::mode::Mode;

/// What a service listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// One virtual service on the lab's VIP.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name in the file.
    pub name: &'static str,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port on the VIP.
    pub vport: u16,
    /// How packets reach the real servers.
    pub mode: Mode,
    /// A scheduler by its IPVS name.
    pub scheduler: &'static str,
    /// Seconds for which a client keeps its real server; none if it may change.
    pub persistence: Option<u32>,
    /// RIP and port of each real server, with its weight.
    pub real_servers: Vec<(SocketAddrV4, u32)>,
}

impl Service {
    /// The web service of the lab in `mode`; `weights` in the order of the real servers.
    #[must_use]
    pub fn web(mode: Mode, scheduler: &'static str, weights: [u32; 2]) -> Self {
        Self {
            name: "web",
            protocol: Protocol::Tcp,
            vport: at::HTTP_VPORT,
            mode,
            scheduler,
            persistence: None,
            real_servers: real_servers(mode.http_rport(), weights),
        }
    }

    /// The FTP service of the lab in `mode`; `weights` in the order of the real servers.
    #[must_use]
    pub fn ftp(mode: Mode, scheduler: &'static str, weights: [u32; 2]) -> Self {
        Self {
            name: "ftp",
            protocol: Protocol::Tcp,
            vport: at::FTP_VPORT,
            mode,
            scheduler,
            persistence: None,
            real_servers: real_servers(mode.ftp_rport(), weights),
        }
    }

    /// The UDP echo service of the lab in `mode`; `weights` in the order of the real servers.
    #[must_use]
    pub fn echo(mode: Mode, scheduler: &'static str, weights: [u32; 2]) -> Self {
        Self {
            name: "echo",
            protocol: Protocol::Udp,
            vport: at::ECHO_VPORT,
            mode,
            scheduler,
            persistence: None,
            real_servers: real_servers(mode.echo_rport(), weights),
        }
    }
}

fn real_servers(rport: u16, weights: [u32; 2]) -> Vec<(SocketAddrV4, u32)> {
    let addresses = at::REAL_SERVERS.map(|address| SocketAddrV4::new(address, rport));
    addresses.into_iter().zip(weights).collect()
}

/// Who forwards, and how packets get there.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    /// CPUs.
    pub lcores: &'static [usize],
    /// Queues of the wan device; the lan device has one. With several, the kernel chooses one by
    /// a hash of the packet.
    pub wan_queues: usize,
}

impl Workers {
    /// One worker, on a CPU of its own where there are two.
    #[must_use]
    pub fn one() -> Self {
        Self { lcores: if worker_lcore() == 1 { &[1] } else { &[0] }, wan_queues: 1 }
    }
}

/// The text of a configuration file with `services`, whose daemon answers at `socket`.
#[must_use]
pub fn write(services: &[Service], socket: &Path, workers: Workers) -> String {
    let mut text = head(&format!("{{socket: {}}}", socket.display()), workers);
    text.push_str("services:\n");
    for service in services {
        write_service(&mut text, service);
    }
    text
}

/// The text of a configuration file without services, for commands to make some; masquerading real
/// servers become those of mode fullnat if `fullnat`.
#[must_use]
pub fn write_empty(socket: &Path, workers: Workers, fullnat: bool) -> String {
    let masquerading = if fullnat { "fullnat" } else { "nat" };
    let control = format!("{{socket: {}, masquerading: {masquerading}}}", socket.display());
    let mut text = head(&control, workers);
    if fullnat {
        let _ = writeln!(text, "local_addresses: [{}-{}]", at::LOCAL_FIRST, at::LOCAL_LAST);
    }
    text.push_str("services: {}\n");
    text
}

/// All but services.
fn head(control: &str, workers: Workers) -> String {
    format!(
        "version: 1\n\
         dpdk: {{memory: 512M}}\n\
         control: {control}\n\
         workers: {lcores:?}\n\
         ports:\n\
         \x20 wan: {{device: \"net_af_packet0,iface={WAN_DEVICE},qpairs={queues}\", \
         addresses: [{wan}/24]}}\n\
         \x20 lan: {{device: \"net_af_packet1,iface={LAN_DEVICE}\", addresses: [{lan}/24]}}\n\
         routes:\n\
         \x20 - {{to: 0.0.0.0/0, via: {gateway}}}\n",
        lcores = workers.lcores,
        queues = workers.wan_queues,
        wan = at::DIRECTOR_WAN,
        lan = at::DIRECTOR_LAN,
        gateway = at::ROUTER_WAN,
    )
}

fn write_service(text: &mut String, service: &Service) {
    let mut lines = vec![
        format!("  {}:", service.name),
        format!("    vip: {}:{}", at::VIP, service.vport),
        format!("    protocol: {}", service.protocol.name()),
        format!("    mode: {}", service.mode.name()),
    ];
    if service.mode == Mode::FullNat {
        lines.push(format!("    local_addresses: [{}-{}]", at::LOCAL_FIRST, at::LOCAL_LAST));
    }
    lines.push(format!("    scheduler: {}", service.scheduler));
    if let Some(seconds) = service.persistence {
        lines.push(format!("    persistence: {seconds}s"));
    }
    lines.push("    real_servers:".into());
    for (address, weight) in &service.real_servers {
        let weight = if *weight == 1 { String::new() } else { format!(", weight: {weight}") };
        lines.push(format!("      - {{address: {address}{weight}}}"));
    }
    for line in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
}

/// The lcore that forwards. It polls without a pause, so it gets CPU 1 where there is one, and
/// leaves CPU 0 to everything else in the lab.
fn worker_lcore() -> usize {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    usize::from(cpus >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_reads_like_the_manual() {
        let mut text = String::new();
        write_service(&mut text, &Service::web(Mode::FullNat, "wrr", [3, 1]));
        let expected = "  web:\n\
                        \x20   vip: 192.0.2.10:80\n\
                        \x20   protocol: tcp\n\
                        \x20   mode: fullnat\n\
                        \x20   local_addresses: [10.0.0.100-10.0.0.103]\n\
                        \x20   scheduler: wrr\n\
                        \x20   real_servers:\n\
                        \x20     - {address: 10.0.0.11:8080, weight: 3}\n\
                        \x20     - {address: 10.0.0.12:8080}\n";
        assert_eq!(text, expected);
    }
}
