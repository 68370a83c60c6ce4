//! The configuration file as this version of the daemon can run it.
//!
//! `conf` checks what the file says; the rules here are limits of this version, reported after the
//! file itself is in order.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Args;
use conf::{Config, Document, Machine, Protocol, ServiceKey};
use dataplane::limits::PORT_COUNT_MAX;

use crate::cli;
use crate::error::CtrlError;
use crate::machine;

/// Warnings that are shown where there is no room for all of them.
const WARNINGS_MAX: usize = 20;

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    config: PathBuf,
}

impl Check {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), CtrlError> {
        let (document, file) = (read(&self.config)?, self.config.display());
        let mut text = format!("{file}: correct: {}\n", summary(&document.config));
        for warning in conf::warnings(&document.config) {
            let line = document.places.line(&warning.key_path).unwrap_or(1);
            text += &format!("{file}:{line}: warning: {warning}\n");
        }
        cli::print(&text)
    }
}

/// Reads and checks the file at `path`.
pub(crate) fn load(path: &Path) -> Result<Config, CtrlError> {
    Ok(read(path)?.config)
}

/// [`load`], with the places of the keys.
pub(crate) fn read(path: &Path) -> Result<Document, CtrlError> {
    document(&path.display().to_string(), &conf::read(path)?, &machine::facts())
}

/// Checks the text of the file `name`.
pub(crate) fn document(name: &str, text: &[u8], machine: &Machine) -> Result<Document, CtrlError> {
    let document = conf::parse_document(name, text, machine)?;
    check_limits(Path::new(name), &document.config)?;
    Ok(document)
}

/// Refuses what a later version may be able to do.
fn check_limits(path: &Path, config: &Config) -> Result<(), CtrlError> {
    if config.ports.len() > PORT_COUNT_MAX {
        let count = config.ports.len();
        return Err(CtrlError::TooManyPorts { file: path.to_path_buf(), count });
    }
    Ok(())
}

/// What is to be said about a configuration, the first of it.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut all = conf::warnings(config);
    let more = all.len().saturating_sub(WARNINGS_MAX);
    all.truncate(WARNINGS_MAX);
    let mut shown: Vec<_> = all.into_iter().map(|warning| warning.message).collect();
    if more > 0 {
        shown.push(format!("{more} more; `rvs check` tells all of a file"));
    }
    shown
}

/// One line about what a configuration holds.
pub(crate) fn summary(config: &Config) -> String {
    let services = config.services.len();
    let count = |is_meant: fn(ServiceKey) -> bool| {
        config.services.iter().filter(|service| is_meant(service.key)).count()
    };
    let tcp = |key| matches!(key, ServiceKey::Endpoint { protocol: Protocol::Tcp, .. });
    let udp = |key| matches!(key, ServiceKey::Endpoint { protocol: Protocol::Udp, .. });
    let sctp = |key| matches!(key, ServiceKey::Endpoint { protocol: Protocol::Sctp, .. });
    // Few have any.
    let rare = |count: usize, what: &str| match count {
        0 => String::new(),
        count => format!(", {count} {what}"),
    };
    let rare = rare(count(sctp), "sctp")
        + &rare(count(|key| matches!(key, ServiceKey::Mark(_))), "by mark");
    let real_servers: usize =
        config.services.iter().map(|service| service.real_servers.len()).sum();
    format!(
        "{}, {}, {}, {} ({} tcp, {} udp{rare}) with {}",
        counted(config.ports.len(), "port"),
        counted(config.workers.len(), "worker"),
        counted(config.routes.len(), "route"),
        counted(services, "service"),
        count(tcp),
        count(udp),
        counted(real_servers, "real server"),
    )
}

/// `1 port`, `2 ports`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let end = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Config {
        conf::parse("test.yaml", text, &conf::Machine::default()).unwrap()
    }

    #[test]
    fn more_ports_than_the_packet_path_has_room_for_are_refused() {
        let ports: String =
            (0..=PORT_COUNT_MAX).map(|n| format!("  p{n}: {{device: net_null{n}}}\n")).collect();
        let config = parse(&format!("version: 1\nworkers: [0]\nports:\n{ports}services: {{}}\n"));
        let error = check_limits(Path::new("many.yaml"), &config).unwrap_err().to_string();
        assert!(error.contains("many.yaml") && error.contains("17") && error.contains("16"));
    }

    #[test]
    fn there_are_only_so_many_warnings() {
        let reals: String = (0..30).map(|n| format!("{{address: 127.0.0.{n}}}, ")).collect();
        let config = parse(&format!(
            "version: 1\nworkers: [0]\nports:\n  lan: {{device: net_null0, addresses: \
             [10.0.0.2/24]}}\nservices:\n  a: {{vip: \"10.0.0.9:80\", protocol: tcp, mode: nat, \
             real_servers: [{reals}]}}\n"
        ));
        let found = warnings(&config);
        assert_eq!(found.len(), WARNINGS_MAX + 1);
        assert!(found[0].contains("127.0.0.0:80"), "{found:?}");
        assert_eq!(found[WARNINGS_MAX], "10 more; `rvs check` tells all of a file");
    }

    #[test]
    fn a_summary_counts() {
        let config = parse(
            "version: 1\nworkers: [0]\nports:\n  lan: {device: net_null0, addresses: \
             [10.0.0.2/24]}\nservices:\n  a: {vip: \"10.0.0.9:80\", protocol: tcp, mode: nat, \
             scheduler: rr, real_servers: [{address: 10.0.0.3}, {address: 10.0.0.4}]}\n",
        );
        let expected = "1 port, 1 worker, 0 routes, 1 service (1 tcp, 0 udp) with 2 real servers";
        assert_eq!(summary(&config), expected);
        let config = parse(
            "version: 1\nworkers: [0]\nports:\n  lan: {device: net_null0, addresses: \
             [10.0.0.2/24]}\nservices:\n  a: {vip: \"10.0.0.9:80\", protocol: sctp, mode: dr, \
             real_servers: [{address: 10.0.0.3}]}\n",
        );
        let expected =
            "1 port, 1 worker, 0 routes, 1 service (0 tcp, 0 udp, 1 sctp) with 1 real server";
        assert_eq!(summary(&config), expected);
    }
}
