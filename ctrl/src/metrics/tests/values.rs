//! What the series say.

use dataplane::verdict::DropReason;

use super::*;
use crate::testing::config;

const SERVICE: &str = "{service=\"echo\",protocol=\"udp\",vip=\"192.0.2.10\",vport=\"7\"}";

fn of_service(name: &str) -> String {
    format!("rvs_service_{name}{SERVICE}")
}

fn of_real(name: &str, real: &str) -> String {
    let service = SERVICE.trim_end_matches('}');
    format!("rvs_real_server_{name}{service},real_server=\"{real}\"}}")
}

#[test]
fn services_and_real_servers_have_what_they_carried() {
    let rig = rig_with("");
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 4);
    let found = scrape(&server);
    for (name, expected) in [
        ("real_servers", 2.0),
        ("usable_real_servers", 2.0),
        ("opened_connections_total", 4.0),
        ("closed_connections_total", 0.0),
        ("active_connections", 0.0),
        ("inactive_connections", 4.0),
        ("in_packets_total", 4.0),
        ("in_bytes_total", 4.0 * 28.0),
        ("out_packets_total", 0.0),
    ] {
        assert_eq!(found.value(&of_service(name)), expected, "{name}");
    }
    for (name, expected) in [("weight", 4.0), ("opened_connections_total", 2.0)] {
        assert_eq!(found.value(&of_real(name, "10.0.0.12:7")), expected, "{name}");
    }
    let of_full = |name: &str| {
        let labels = "service=\"full\",protocol=\"tcp\",vip=\"192.0.2.11\",vport=\"80\"";
        found.value(&format!("{name}{{{labels}}}"))
    };
    assert_eq!(of_full("rvs_service_real_servers"), 4.0);
    assert_eq!(of_full("rvs_service_usable_real_servers"), 2.0);
    assert_eq!(of_full("rvs_service_local_ports_used_ratio"), 0.0);
    assert_eq!(found.count("rvs_service_local_ports_used_ratio"), 1, "in fullnat only");
    assert_eq!(found.count("rvs_real_server_local_ports{"), 3, "not of dr");
    let marked = "{service=\"marked\",mark=\"7\"}";
    assert_eq!(found.value(&format!("rvs_service_real_servers{marked}")), 0.0);
    let info = "{service=\"marked\",mark=\"7\",mode=\"dr\",scheduler=\"wlc\"}";
    assert_eq!(found.value(&format!("rvs_service_info{info}")), 1.0);
}

#[test]
fn connections_that_end_are_closed() {
    let rig = rig_with("timeouts: {udp: 1s}\n");
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 6);
    rig.pass_s(5);
    let found = scrape(&server);
    assert_eq!(found.value(&of_service("opened_connections_total")), 6.0);
    assert_eq!(found.value(&of_service("closed_connections_total")), 6.0);
    assert_eq!(found.value(&of_service("inactive_connections")), 0.0);
    let closed = |real| found.value(&of_real("closed_connections_total", real));
    assert_eq!(closed("10.0.0.11:7") + closed("10.0.0.12:7"), 6.0);
}

#[test]
fn real_servers_have_series_as_far_as_they_may_and_sums_are_always_whole() {
    for (setting, listed, omitted) in [
        ("", 6, 0.0),
        ("metrics: {real_servers: all}\n", 6, 0.0),
        ("metrics: {real_servers: 6}\n", 6, 0.0),
        ("metrics: {real_servers: 5}\n", 2, 4.0),
        ("metrics: {real_servers: 1}\n", 0, 6.0),
        ("metrics: {real_servers: none}\n", 0, 6.0),
    ] {
        let rig = rig_with(setting);
        let server = Server::start(&rig.state);
        rig.datagrams("192.0.2.10:7", 3);
        let found = scrape(&server);
        assert_eq!(found.count("rvs_real_server_weight{"), listed, "{setting}");
        assert_eq!(found.value("rvs_metrics_omitted_real_servers"), omitted, "{setting}");
        assert_eq!(found.value(&of_service("inactive_connections")), 3.0, "{setting}");
        assert_eq!(found.value("rvs_real_servers"), 6.0);
        assert_eq!(found.value("rvs_services"), 3.0);
    }
}

#[test]
fn workers_and_ports_have_what_they_counted() {
    let rig = rig_with("");
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 40);
    // Neighbours are gone through once a tick.
    rig.pass_s(3);
    let found = scrape(&server);
    let worker = |name: &str| found.value(&format!("rvs_worker_{name}{{worker=\"5\"}}"));
    assert_eq!(worker("received_packets_total"), 40.0);
    assert_eq!((worker("flows"), worker("flows_max")), (40.0, 10_000.0));
    assert_eq!((worker("generation"), found.value("rvs_config_generation")), (1.0, 1.0));
    assert!(worker("turns_total") > worker("busy_turns_total"));
    let (sum, count) = (worker("rx_burst_packets_sum"), worker("rx_burst_packets_count"));
    assert_eq!(sum, 40.0);
    let bucket = |le: &str| {
        found.value(&format!("rvs_worker_rx_burst_packets_bucket{{le=\"{le}\",worker=\"5\"}}"))
    };
    assert_eq!((bucket("32.0"), bucket("+Inf")), (count, count));
    assert!(bucket("16.0") < count, "there was a burst of 32");

    let drops = found.series.keys().filter(|key| key.starts_with("rvs_worker_dropped_packets"));
    assert_eq!(drops.count(), DropReason::ALL.len());
    assert_eq!(found.count("rvs_worker_neighbors{worker=\"5\",state="), 4);
    let states = ["reachable", "probing", "incomplete", "failed"];
    let neighbors = states.map(|state| {
        found.value(&format!("rvs_worker_neighbors{{worker=\"5\",state=\"{state}\"}}"))
    });
    assert!(neighbors.iter().sum::<f64>() >= 2.0, "the real servers: {neighbors:?}");

    assert_eq!(found.value("rvs_port_up{port=\"wan\"}"), 1.0);
    assert_eq!(found.value("rvs_port_speed_bytes{port=\"wan\"}"), 25e9 / 8.0);
    assert_eq!(found.value("rvs_port_rx_missed_packets_total{port=\"lan\"}"), 3.0);
    let received = "rvs_port_received_packets_total{port=\"wan\",worker=\"5\"}";
    assert_eq!(found.value(received), 40.0);
}

#[test]
fn a_restart_can_be_told_from_the_time_of_start() {
    let rig = rig_with("");
    let server = Server::start(&rig.state);
    let (first, second) = (scrape(&server), scrape(&server));
    let started = first.value("rvs_start_time_seconds");
    assert!(started > 1.7e9, "{started}");
    assert_eq!(second.value("rvs_start_time_seconds"), started, "it does not wobble");
    let applied = first.value("rvs_config_applied_time_seconds");
    assert!((applied - started).abs() < 60.0, "{applied}");
    assert_eq!(second.value("rvs_config_applied_time_seconds"), applied);
    assert_eq!(second.value("rvs_metrics_scrapes_total"), 2.0);
}

#[test]
fn what_was_removed_and_comes_back_counts_on_or_anew_and_never_with_others() {
    let mut rig = Rig::standing_on(&text(ECHO));
    let state = std::sync::Arc::clone(&rig.state);
    let frame = |port: u16| {
        let client: std::net::SocketAddrV4 = format!("198.51.100.2:{port}").parse().unwrap();
        dataplane::testing::PacketSpec::udp(client, "192.0.2.10:7").frame()
    };
    for port in 1000..1010 {
        rig.exchange(frame(port));
    }
    let server = Server::start(&state);
    let opened = |real| scrape(&server).value(&of_real("opened_connections_total", real));
    assert_eq!((opened("10.0.0.11:7"), opened("10.0.0.12:7")), (5.0, 5.0));

    // A real server that goes leaves the sums of its service as they are, and counts on later.
    let one = ECHO.replace("{address: 10.0.0.11}, ", "");
    rig.put_into_force(config(&one));
    let found = scrape(&server);
    assert_eq!(found.value(&of_service("opened_connections_total")), 10.0);
    assert_eq!(found.count("rvs_real_server_weight"), 1);
    rig.put_into_force(config(ECHO));
    assert_eq!(opened("10.0.0.11:7"), 5.0);

    // A service that goes begins anew; who gets its number begins at 0, too.
    rig.stand_for_s(400);
    rig.put_into_force(config("  {}\n"));
    assert_eq!(scrape(&server).count("rvs_service_info"), 0);
    rig.put_into_force(config(&ECHO.replace(":7", ":9")));
    assert_eq!(
        scrape(&server).value(&of_service("opened_connections_total").replace("\"7\"", "\"9\"")),
        0.0
    );
    rig.put_into_force(config(ECHO));
    let found = scrape(&server);
    assert_eq!(found.value(&of_service("opened_connections_total")), 0.0);
    assert_eq!(found.value(&of_service("closed_connections_total")), 0.0);
    assert_eq!(found.value(&of_real("opened_connections_total", "10.0.0.11:7")), 0.0);
}
