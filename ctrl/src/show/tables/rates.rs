//! Rates of services and real servers.

use crate::api::proto::{Rates, Services};
use crate::show::table::Column::{Left, Right};
use crate::show::table::render;

use super::{address, real_address};

/// As `ipvsadm -Ln --rate`.
pub(in crate::show) fn rates(answer: &Services) -> String {
    let columns = [
        Left("SERVICE"),
        Left("PROTO"),
        Left("ADDRESS"),
        Right("CONNS/S"),
        Right("IN-PKTS/S"),
        Right("OUT-PKTS/S"),
        Right("IN-BYTES/S"),
        Right("OUT-BYTES/S"),
    ];
    let row = |name: &str, protocol: &str, address: String, rates: &Rates| {
        let mut row = vec![name.to_owned(), protocol.to_owned(), address];
        row.extend(rate_cells(rates));
        row
    };
    let rows = answer.services.iter().flat_map(|service| {
        let protocol = service.protocol.as_deref().unwrap_or("mark");
        let head = row(&service.name, protocol, address(service), &service.rates);
        let reals = service.real_servers.iter();
        let reals = reals.map(move |real| row("", "", real_address(real), &real.rates));
        std::iter::once(head).chain(reals)
    });
    render(&columns, rows)
}

fn rate_cells(rates: &Rates) -> [String; 5] {
    [rates.connections, rates.in_packets, rates.out_packets, rates.in_bytes, rates.out_bytes]
        .map(|count| count.to_string())
}
