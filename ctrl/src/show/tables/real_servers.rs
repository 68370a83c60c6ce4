//! Real servers in one list.

use crate::api::proto::{ListedRealServer, RealServers};
use crate::show::table::Column::{Left, Right};
use crate::show::table::render;

use super::{end_of, traffic_cells, weight};

pub(in crate::show) fn real_servers(answer: &RealServers) -> String {
    let columns = [
        Left("SERVICE"),
        Left("VIRTUAL"),
        Left("REAL SERVER"),
        Left("MODE"),
        Right("WEIGHT"),
        Right("UPPER"),
        Right("LOWER"),
        Right("ACTIVE"),
        Right("INACTIVE"),
        Right("PERSIST"),
        Right("CONNS"),
        Right("IN-PKTS"),
        Right("OUT-PKTS"),
        Right("IN-BYTES"),
        Right("OUT-BYTES"),
    ];
    render(&columns, answer.real_servers.iter().map(row))
}

fn row(listed: &ListedRealServer) -> Vec<String> {
    let real = &listed.real_server;
    let mut row = vec![
        listed.service.clone(),
        key(listed),
        end_of(real),
        match &real.unusable {
            Some(_) => format!("{} unusable", real.mode),
            None => real.mode.clone(),
        },
        weight(real),
        real.upper_threshold.to_string(),
        real.lower_threshold.to_string(),
        real.active.to_string(),
        real.inactive.to_string(),
        real.persistent.to_string(),
    ];
    row.extend(traffic_cells(&real.traffic));
    row
}

/// The service by its key, as commands take it.
fn key(listed: &ListedRealServer) -> String {
    match (&listed.protocol, listed.vip, listed.vport, listed.mark) {
        (Some(protocol), Some(vip), Some(vport), _) => format!("{protocol}:{vip}:{vport}"),
        (.., Some(mark)) => format!("mark:{mark}"),
        _ => String::new(),
    }
}
