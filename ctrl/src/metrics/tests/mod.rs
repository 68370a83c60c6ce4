//! Tests of `/metrics`, against a daemon without DPDK.

mod against_crate;
mod door;
mod exposition;
mod list;
mod rules;
mod slow;
mod values;

use axum::http::Method;

use crate::client::{Content, Daemon};
use crate::testing::{ECHO, Rig, Server, text};
use exposition::Exposition;

/// What `/metrics` says.
fn scrape(server: &Server) -> Exposition {
    let answer = Daemon::at(server.socket()).send(Method::GET, "/metrics", &[], Content::default());
    Exposition::of(&String::from_utf8(answer.unwrap()).unwrap())
}

/// A rig that has all kinds of services, with these settings besides.
fn rig_with(settings: &str) -> Rig {
    let services = "  full: {vip: \"192.0.2.11:80\", protocol: tcp, mode: fullnat, \
                    local_addresses: [10.0.0.100], \
                    real_servers: [{address: \"10.0.0.11:8080\"}, {address: 10.0.0.12, \
                    weight: 0}, {address: 10.0.0.13, drain: true}, \
                    {address: 10.0.0.14, mode: dr}]}\n\
                    \x20 marked: {mark: 7, mode: dr, real_servers: []}\n";
    let marks = "marks: [{mark: 7, destination: 192.0.2.12, protocol: udp}]\n";
    Rig::turning_on(&(text(&format!("{ECHO}{services}")) + marks + settings))
}
