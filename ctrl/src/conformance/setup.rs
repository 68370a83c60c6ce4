//! [`Setup`]: what IPVS was set to at a step, as the text of a configuration.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::script::{BESIDE, MARKED, Name, Script, Settings};

/// The VIP of all services.
pub(super) const VIP: &str = "203.0.113.1";

/// The setting that stands for three timeouts, with slashes between.
const TIMEOUTS: &str = "timeouts";

/// The service as it is now.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// With flags after commas.
    pub(super) scheduler: String,
    /// In the order of the configuration.
    pub(super) real_servers: Vec<(Name, Settings)>,
    /// Whether there is the service at all.
    pub(super) is_there: bool,
    /// Settings of all services that were changed, by IPVS' names.
    pub(super) changed: BTreeMap<String, String>,
}

impl Setup {
    /// A script's service without real servers.
    pub(super) fn of(script: &Script) -> Self {
        let scheduler = script.scheduler.clone();
        let (real_servers, changed) = (Vec::new(), BTreeMap::new());
        Self { scheduler, real_servers, is_there: true, changed }
    }

    /// The place of a real server.
    pub(super) fn place(&self, name: Name) -> Option<usize> {
        self.real_servers.iter().position(|(real, _)| *real == name)
    }

    /// The text of the configuration. Another service keeps the VIP an address of the director
    /// when the service is removed: the kernel's VIP is one of its addresses anyway.
    pub(super) fn text(&self, script: &Script) -> String {
        let mut text = format!(
            "version: 1\n\
             workers: [5]\n\
             limits: {{flows: 1024, templates: 64, services: 4, real_servers: 80}}\n\
             ports:\n\
             \x20 wan: {{device: net_null0, addresses: [192.0.2.2/24, 10.255.255.2/8]}}\n\
             routes:\n\
             \x20 - {{to: 0.0.0.0/0, via: 192.0.2.1}}\n\
             services:\n\
             \x20 other: {{vip: \"{VIP}:9\", protocol: tcp, mode: nat, scheduler: rr, \
             real_servers: []}}\n"
        );
        if script.has_many_ports() {
            Self::write_service_beside(&mut text, script);
        }
        if self.is_there {
            self.write_service(&mut text, script);
        }
        if script.is_marked {
            let number = script.number;
            let _ = writeln!(
                text,
                "marks:\n  - {{mark: {number}, protocol: tcp, destination: {VIP}, \
                 destination_ports: {MARKED:?}}}"
            );
        }
        let mut sysctls: Vec<_> =
            self.changed.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if let Some(place) = sysctls.iter().position(|line| line.starts_with(TIMEOUTS)) {
            let line = sysctls.remove(place);
            let mut seconds = line[TIMEOUTS.len() + 2..].split('/');
            let mut next = || seconds.next().unwrap();
            let (tcp, tcp_fin, udp) = (next(), next(), next());
            let _ = writeln!(text, "timeouts: {{tcp: {tcp}s, tcp_fin: {tcp_fin}s, udp: {udp}s}}");
        }
        if !sysctls.is_empty() {
            let _ = writeln!(text, "ipvs: {{{}}}", sysctls.join(", "));
        }
        text
    }

    /// The service beside one for many ports.
    fn write_service_beside(text: &mut String, script: &Script) {
        let reals = ['y', 'z']
            .map(|name| format!("{{address: \"{}:{BESIDE}\"}}", script.real(Name(name), 0).ip()));
        let (mode, reals) = (script.mode.as_str(), reals.join(", "));
        let _ = writeln!(
            text,
            "  beside: {{vip: \"{VIP}:{BESIDE}\", protocol: tcp, mode: {mode}, \
             scheduler: rr, real_servers: [{reals}]}}"
        );
    }

    fn write_service(&self, text: &mut String, script: &Script) {
        let protocol = if script.is_udp { "udp" } else { "tcp" };
        let key = if script.is_marked {
            format!("mark: {}", script.number)
        } else if script.is_for_all_ports {
            format!("vip: \"{VIP}:0\", protocol: {protocol}")
        } else {
            format!("vip: \"{VIP}:{}\", protocol: {protocol}", script.vport(0))
        };
        let mode = script.mode.as_str();
        let mut words = self.scheduler.split(',');
        let scheduler = words.next().unwrap();
        let flags: Vec<_> = words.map(|flag| format!("{scheduler}-{flag}")).collect();
        let _ = write!(
            text,
            "  one: {{{key}, mode: {mode}, \
             scheduler: {scheduler}, scheduler_flags: [{}], ops: {}, ",
            flags.join(", "),
            script.ops
        );
        if let Some((seconds, prefix_len)) = script.persistence {
            let mask = Ipv4Addr::from_bits(u32::MAX << (32 - prefix_len));
            let _ = write!(text, "persistence: {seconds}s, persistence_mask: {mask}, ");
        }
        text.push_str("real_servers: [");
        for (name, settings) in &self.real_servers {
            let Settings { weight, upper, lower, .. } = settings;
            let end = script.real(*name, 0);
            // One for many ports leaves them as they are.
            let address =
                if script.has_many_ports() { end.ip().to_string() } else { end.to_string() };
            let _ = write!(text, "{{address: \"{address}\", weight: {weight}");
            if *upper > 0 {
                let _ = write!(text, ", upper_threshold: {upper}, lower_threshold: {lower}");
            }
            text.push_str("}, ");
        }
        text.push_str("]}\n");
    }
}
