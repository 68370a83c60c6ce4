//! What a configuration says that does not do what it seems to. IPVS takes all of this, so that
//! tools made for it may say it; it is in force all the same.

use std::collections::HashSet;
use std::fmt;

use crate::config::{Config, PersistenceEngine, Protocol, Service, ServiceKey};
use crate::helper::Helper;
use crate::mark::Mark;
use crate::real_server::{ForwardingMode, RealServer};
use crate::unusable::OwnAddresses;

/// Something that an operator should know about a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Keys leading to what it is about, as far as they have names.
    pub key_path: Vec<String>,
    /// What is the matter, in one sentence that names what it is about.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What is to be said about a configuration, in its order.
#[must_use]
pub fn warnings(config: &Config) -> Vec<Warning> {
    let mut found = Vec::new();
    let rules: HashSet<Mark> = config.marks.iter().map(|rule| rule.mark).collect();
    // Those of services, and those that something was said of.
    let mut known: HashSet<Mark> =
        config.services.iter().filter_map(|one| one.key.mark()).collect();
    for rule in config.marks.iter().filter(|rule| known.insert(rule.mark)) {
        let message = format!(
            "no service has the mark {}: its rules do nothing but make their destinations VIPs",
            rule.mark
        );
        found.push(Warning { key_path: vec!["marks".to_owned()], message });
    }
    let own = OwnAddresses::of(config);
    for service in &config.services {
        let mut say = |message: String| {
            let key_path = vec!["services".to_owned(), service.name.clone()];
            found.push(Warning { key_path, message: format!("{}: {message}", service.name) });
        };
        if let Some(mark) = service.key.mark().filter(|mark| !rules.contains(mark)) {
            say(format!("no rule in `marks` gives packets the mark {mark}, so it gets none"));
        }
        of_service(service, &mut say);
        for real in &service.real_servers {
            if let Some(why) = own.unusable(real) {
                say(format!("real server {} gets no packets: {why}", real.address));
            } else {
                of_real_server(service, real, &mut say);
            }
        }
    }
    found
}

fn of_service(service: &Service, say: &mut impl FnMut(String)) {
    if let ServiceKey::Endpoint { protocol, vip } = service.key {
        if vip.ip().is_loopback() {
            say(format!("packets to {} do not leave the client's machine", vip.ip()));
        }
        let engine = service.persistence.and_then(|persistence| persistence.engine);
        if let Some(PersistenceEngine::Sip) = engine.filter(|_| protocol != Protocol::Udp) {
            let protocol = protocol.as_str();
            say(format!("persistence engine sip finds no call in {protocol}: all is dropped"));
        }
    }
    let rewrites =
        service.has_mode(ForwardingMode::Nat) || service.has_mode(ForwardingMode::FullNat);
    // On FTP's own port it is there by itself.
    if service.helper.is_some_and(|_| Helper::of_port(service.key).is_none()) && !rewrites {
        say("its helper reads nothing: nothing of it is in mode nat or fullnat".to_owned());
    }
    if !service.local_addresses.is_empty() && !service.has_mode(ForwardingMode::FullNat) {
        say("its local addresses are not used: nothing of it is in mode fullnat".to_owned());
    }
}

fn of_real_server(service: &Service, real: &RealServer, say: &mut impl FnMut(String)) {
    let (address, rport) = (real.address, real.address.port());
    if service.ops && real.mode == ForwardingMode::FullNat {
        say(format!(
            "real server {address} gets flows, not single datagrams: replies in mode fullnat need \
             them"
        ));
    }
    let keeps_ports = match service.key {
        ServiceKey::Endpoint { vip, .. } => vip.port() == 0,
        ServiceKey::Mark(_) => service.persistence.is_some() || !real.mode.rewrites(),
    };
    if rport != 0 && keeps_ports {
        say(format!("packets to real server {address} keep their port: {rport} means nothing"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Machine;
    use crate::load::parse;

    fn said(services: &str) -> Vec<String> {
        let head = "version: 1\nworkers: [0]\nports:\n  lan: {device: net_null0, addresses: \
                    [10.0.0.2/24]}\n";
        let config = parse("t", &format!("{head}{services}"), &Machine::default());
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        warnings(&config).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_gets_nothing_is_said_with_its_reason() {
        let found = said(
            "services:\n  a:\n    vip: 10.0.0.9:80\n    protocol: tcp\n    mode: tun\n    \
             real_servers:\n      - {address: 10.0.0.11}\n      - {address: 10.0.0.12, tunnel: \
             {type: gue, port: 6080}}\n      - {address: 10.0.0.9}\n      - {address: 127.0.0.1, \
             mode: nat}\n      - {address: 10.0.0.2, mode: dr}\n",
        );
        let expected = [
            "10.0.0.12:80 gets no packets: tunnels of type gue are not forwarded yet",
            "10.0.0.9:80 gets no packets: 10.0.0.9 is an address of the director's own",
            "127.0.0.1:80 gets no packets: 127.0.0.1 is an address of the director's own",
            "10.0.0.2:80 gets no packets: 10.0.0.2 is an address of the director's own",
        ];
        assert_eq!(found, expected.map(|rest| format!("a: real server {rest}")));
    }

    #[test]
    fn of_a_mark_without_a_service_is_spoken_once() {
        let rules = [3, 4, 3].map(|mark| format!("{{mark: {mark}, destination: 10.0.0.10}}"));
        let found = said(&format!("marks: [{}]\nservices: {{}}\n", rules.join(", ")));
        let expected = [3, 4].map(|mark| {
            format!(
                "no service has the mark {mark}: its rules do nothing but make their destinations \
                 VIPs"
            )
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn what_means_nothing_is_said() {
        let found = said(
            "marks: [{mark: 3, destination: 10.0.0.10}, {mark: 3, destination: 10.0.0.11}]\n\
             services:\n  marked: {mark: 7, mode: dr, real_servers: [{address: \
             \"10.0.0.12:80\"}]}\n  here: {vip: \"127.0.0.1:80\", protocol: tcp, mode: nat, \
             persistence: 1m, persistence_engine: sip, local_addresses: [10.0.0.100], \
             real_servers: []}\n  ftp: {vip: \"10.0.0.9:2121\", protocol: tcp, mode: dr, helper: \
             ftp, real_servers: []}\n  ftp_port: {vip: \"10.0.0.9:21\", protocol: tcp, mode: dr, \
             real_servers: []}\n  all: {vip: \"10.0.0.9:0\", protocol: udp, mode: nat, \
             persistence: 1m, ops: true, local_addresses: [10.0.0.100], real_servers: \
             [{address: \"10.0.0.12:80\"}, {address: 10.0.0.13, mode: fullnat}]}\n",
        );
        let expected = [
            "no service has the mark 3: its rules do nothing but make their destinations VIPs",
            "marked: no rule in `marks` gives packets the mark 7, so it gets none",
            "marked: packets to real server 10.0.0.12:80 keep their port: 80 means nothing",
            "here: packets to 127.0.0.1 do not leave the client's machine",
            "here: persistence engine sip finds no call in tcp: all is dropped",
            "here: its local addresses are not used: nothing of it is in mode fullnat",
            "ftp: its helper reads nothing: nothing of it is in mode nat or fullnat",
            "all: packets to real server 10.0.0.12:80 keep their port: 80 means nothing",
            "all: real server 10.0.0.13:0 gets flows, not single datagrams: replies in mode \
             fullnat need them",
        ];
        assert_eq!(found, expected);
    }
}
