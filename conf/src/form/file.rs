//! The whole file: settings, ports, routes and marks.

use std::path::Path;

use super::text::{self, mib, seconds, switch};
use super::{Field, Member, Need, Value};
use crate::config::{Config, Dpdk, Limits, Port, Protocol, Route, Timeouts};
use crate::control::{Control, Tcp};
use crate::ipvs::{Defence, Ipvs};
use crate::mark::MarkRule;
use crate::metrics::Metrics;
use crate::value::is_host;

/// The keys at the top of the file, in the order of `docs/CONFIG.md`, with these services.
pub(crate) fn file(config: &Config, services: Vec<Member>) -> Vec<Field> {
    let Config {
        dpdk,
        workers,
        ports,
        routes,
        marks,
        local_addresses,
        services: _,
        limits,
        timeouts,
        ipvs,
        control,
        metrics,
    } = config;
    let ports_form = ports.iter().map(|one| member(&one.name, &one.name, port(one)));
    let routes_form = routes.iter().map(|one| member(&one.to.to_string(), "", route(one, ports)));
    let mark_form = |rule: &MarkRule| member(&rule.describe(ports), "", mark(rule, ports));
    vec![
        Field::always("version", Value::plain(1)),
        dpdk_section(dpdk),
        Field::always("workers", text::workers(workers)).at_start(),
        Field::always("ports", Value::Named(ports_form.collect())),
        Field::unless(routes.is_empty(), "routes", Value::Items(routes_form.collect())),
        Field::unless(
            marks.is_empty(),
            "marks",
            Value::Items(marks.iter().map(mark_form).collect()),
        ),
        Field::if_any(
            "local_addresses",
            (!local_addresses.is_empty()).then(|| text::addresses(local_addresses)),
        ),
        Field::always("services", Value::Named(services)),
        limits_section(limits),
        timeouts_section(timeouts),
        ipvs_section(ipvs),
        control_section(control),
        metrics_section(metrics),
    ]
}

fn member(id: &str, name: &str, fields: Vec<Field>) -> Member {
    Member { id: id.to_owned(), name: name.to_owned(), value: Value::Fields(fields) }
}

fn dpdk_section(dpdk: &Dpdk) -> Field {
    let Dpdk { memory_mib, eal_args } = dpdk;
    let default = Dpdk::default();
    let args = Value::List(eal_args.iter().map(Value::text).collect());
    Field::section(
        "dpdk",
        vec![
            Field::unless(*memory_mib == default.memory_mib, "memory", mib(*memory_mib)).at_start(),
            Field::unless(*eal_args == default.eal_args, "eal_args", args).at_start(),
        ],
    )
}

fn limits_section(limits: &Limits) -> Field {
    let Limits { flows, templates, services, real_servers } = *limits;
    let default = Limits::default();
    let number = |key, number: u32, default: u32| {
        Field::unless(number == default, key, Value::plain(number)).at_start()
    };
    Field::section(
        "limits",
        vec![
            number("flows", flows, default.flows),
            number("templates", templates, default.templates),
            number("services", services, default.services),
            number("real_servers", real_servers, default.real_servers),
        ],
    )
}

fn timeouts_section(timeouts: &Timeouts) -> Field {
    let Timeouts { tcp_s, tcp_fin_s, udp_s } = *timeouts;
    let default = Timeouts::default();
    let time = |key, time, default| Field::unless(time == default, key, seconds(time));
    Field::section(
        "timeouts",
        vec![
            time("tcp", tcp_s, default.tcp_s),
            time("tcp_fin", tcp_fin_s, default.tcp_fin_s),
            time("udp", udp_s, default.udp_s),
        ],
    )
}

fn ipvs_section(ipvs: &Ipvs) -> Field {
    let Ipvs {
        conn_reuse_mode,
        expire_nodest_conn,
        expire_quiescent_template,
        sloppy_tcp,
        sloppy_sctp,
        drop_entry,
        drop_packet,
        secure_tcp,
        am_droprate,
        amemthresh_percent,
    } = *ipvs;
    let usual = Ipvs::default();
    let number = |key, is: u32, usual: u32| Field::unless(is == usual, key, Value::plain(is));
    let on = |key, is: bool, usual: bool| Field::unless(is == usual, key, switch(is));
    let defence = |key, is: Defence, usual: Defence| number(key, is.as_number(), usual.as_number());
    let quiescent = usual.expire_quiescent_template;
    let percent = Value::Plain(format!("{amemthresh_percent}%"));
    let is_usual = amemthresh_percent == usual.amemthresh_percent;
    Field::section(
        "ipvs",
        vec![
            number("conn_reuse_mode", conn_reuse_mode, usual.conn_reuse_mode),
            on("expire_nodest_conn", expire_nodest_conn, usual.expire_nodest_conn),
            on("expire_quiescent_template", expire_quiescent_template, quiescent),
            on("sloppy_tcp", sloppy_tcp, usual.sloppy_tcp),
            on("sloppy_sctp", sloppy_sctp, usual.sloppy_sctp),
            defence("drop_entry", drop_entry, usual.drop_entry),
            defence("drop_packet", drop_packet, usual.drop_packet),
            defence("secure_tcp", secure_tcp, usual.secure_tcp),
            number("am_droprate", am_droprate, usual.am_droprate),
            Field::unless(is_usual, "amemthresh", percent),
        ],
    )
}

fn control_section(control: &Control) -> Field {
    let Control { socket, masquerading, mode, group, admins, tcp } = control;
    let default = Control::default();
    // A checked path came out of a text.
    let path = |path: &Path| Value::text(path.display());
    let becomes = Value::plain(masquerading.mode().as_str());
    let octal = Value::plain(format!("{mode:04o}"));
    let listed = Value::List(admins.iter().map(Value::text).collect());
    let by_tcp = tcp.as_ref().map(|Tcp { listen, tokens }| {
        Value::Fields(vec![
            Field::always("listen", Value::text(listen)),
            Field::always("tokens", path(tokens)),
        ])
    });
    Field::section(
        "control",
        vec![
            Field::unless(*socket == default.socket, "socket", path(socket)).at_start(),
            Field::unless(*masquerading == default.masquerading, "masquerading", becomes),
            Field::unless(*mode == default.mode, "mode", octal),
            Field::if_any("group", group.as_ref().map(Value::text)),
            Field::unless(admins.is_empty(), "admins", listed),
            Field::if_any("tcp", by_tcp),
        ],
    )
}

fn metrics_section(metrics: &Metrics) -> Field {
    let Metrics { listen, real_servers_max } = metrics;
    let is_default = *real_servers_max == Metrics::default().real_servers_max;
    let most = real_servers_max.map_or_else(|| Value::plain("all"), Value::plain);
    Field::section(
        "metrics",
        vec![
            Field::if_any("listen", listen.map(Value::text)),
            Field::unless(is_default, "real_servers", most),
        ],
    )
}

/// What a port says.
pub(crate) fn port(port: &Port) -> Vec<Field> {
    let Port { name: _, device, addresses, mtu, rx_descriptors, tx_descriptors } = port;
    let own = Value::List(addresses.iter().map(Value::text).collect());
    let number = |key, number: u16, default: u16| {
        Field::unless(number == default, key, Value::plain(number)).at_start()
    };
    vec![
        Field::always("device", text::device(device)).at_start(),
        Field::unless(addresses.is_empty(), "addresses", own),
        number("mtu", *mtu, Port::MTU_DEFAULT),
        number("rx_descriptors", *rx_descriptors, Port::DESCRIPTORS_DEFAULT),
        number("tx_descriptors", *tx_descriptors, Port::DESCRIPTORS_DEFAULT),
    ]
}

/// What a route says, and the port it leads to.
pub(crate) fn route(route: &Route, ports: &[Port]) -> Vec<Field> {
    let Route { to, via, port } = route;
    // The same gateway can be behind another port when the ports' addresses have changed.
    let behind = ports.get(*port).map(|port| Value::text(&port.name));
    vec![
        Field::always("to", Value::text(to)),
        Field::always("via", Value::text(via)),
        Field { key: "port", value: behind, need: Need::Derived, at_start: false },
    ]
}

/// What a rule for marks says.
fn mark(rule: &MarkRule, ports: &[Port]) -> Vec<Field> {
    let MarkRule { mark, protocol, source, destination, source_ports, destination_ports, port } =
        rule;
    // An address alone is that of a host.
    let alone = rule.vip().filter(|vip| is_host(*vip));
    let network = alone.map_or_else(|| Value::text(destination), Value::text);
    // There is no empty list of ports.
    let some = |ranges: &[_]| (!ranges.is_empty()).then(|| text::port_ranges(ranges));
    let received_at = port.and_then(|index| ports.get(index)).map(|port| Value::text(&port.name));
    vec![
        Field::always("mark", Value::plain(mark)),
        Field::if_any("protocol", protocol.map(Protocol::as_str).map(Value::plain)),
        Field::always("destination", network),
        Field::if_any("destination_ports", some(destination_ports)),
        Field::unless(source.prefix_len() == 0, "source", Value::text(source)),
        Field::if_any("source_ports", some(source_ports)),
        Field::if_any("port", received_at),
    ]
}
