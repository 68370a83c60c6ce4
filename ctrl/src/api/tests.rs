//! Tests of the API over a real socket, against a daemon without DPDK.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::client::Daemon;
use crate::error::CtrlError;
use crate::testing::{ECHO, Rig, Server};

fn get(server: &Server, target: &str) -> Value {
    Daemon::at(server.socket()).ask(target, &[]).unwrap()
}

fn refused(server: &Server, target: &str) -> String {
    Daemon::at(server.socket()).ask::<Value>(target, &[]).unwrap_err().to_string()
}

/// Sends `request` and returns the first line of the answer.
fn raw(server: &Server, request: &str) -> String {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    if !request.ends_with("\r\n") {
        // What is not complete is never answered unless it ends.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn services_come_with_their_real_servers_and_counters() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 4);
    let answer = get(&server, "/v1/services");
    let service = &answer["services"][0];
    assert_eq!(service["name"], "echo");
    assert_eq!((&service["vip"], &service["vport"]), (&json!("192.0.2.10"), &json!(7)));
    assert_eq!((&service["mode"], &service["scheduler"]), (&json!("dr"), &json!("rr")));
    assert_eq!(service["connections"], 4);
    assert_eq!(service["in_packets"], 4);
    let real = &service["real_servers"];
    for (index, (rip, weight)) in [("10.0.0.11", 1), ("10.0.0.12", 4)].into_iter().enumerate() {
        assert_eq!((&real[index]["rip"], &real[index]["rport"]), (&json!(rip), &json!(7)));
        assert_eq!(real[index]["weight"], weight);
        assert_eq!((&real[index]["connections"], &real[index]["inactive"]), (&json!(2), &json!(2)));
    }
}

#[test]
fn flows_are_listed_whole_or_up_to_a_limit() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    assert_eq!(get(&server, "/v1/flows"), json!({"flows": [], "more": 0}));
    rig.datagrams("192.0.2.10:7", 700);
    for (target, listed, more) in [
        ("/v1/flows", 700, 0),
        ("/v1/flows?limit=300", 300, 400),
        ("/v1/flows?limit=0", 0, 700),
        ("/v1/flows?limit=1000", 700, 0),
    ] {
        let answer = get(&server, target);
        assert_eq!(answer["flows"].as_array().unwrap().len(), listed, "{target}");
        assert_eq!(answer["more"], more, "{target}");
    }
    let flow = &get(&server, "/v1/flows?limit=1")["flows"][0];
    let cport = flow["cport"].as_u64().unwrap();
    assert!((10_000..10_700).contains(&cport), "{cport}");
    let rip = flow["rip"].clone();
    assert!(rip == "10.0.0.11" || rip == "10.0.0.12", "{rip}");
    let expected = json!({
        "worker": 5, "service": "echo", "protocol": "udp", "mode": "dr",
        "cip": "198.51.100.2", "cport": cport, "vip": "192.0.2.10", "vport": 7,
        "lip": null, "lport": null, "rip": rip, "rport": 7, "state": "UDP", "expires_s": 300,
        "idle_s": 0, "age_s": 0, "packets": 1, "template": false,
    });
    assert_eq!(*flow, expected);
}

#[test]
fn a_listing_that_fails_in_the_middle_is_no_answer() {
    let rig = Rig::standing(ECHO);
    let server = Server::start(&rig.state);
    let error = Daemon::at(server.socket()).ask::<Value>("/v1/flows", &[]).unwrap_err();
    assert!(matches!(error, CtrlError::Answer { .. }), "{error}");
    assert!(refused(&server, "/v1/neighbors").contains("worker 5 does not answer"));
}

#[test]
fn ports_join_what_the_device_and_the_workers_count() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 9);
    let answer = get(&server, "/v1/ports");
    let (wan, lan) = (&answer["ports"][0], &answer["ports"][1]);
    assert_eq!((&wan["name"], &lan["name"]), (&json!("wan"), &json!("lan")));
    assert_eq!(wan["addresses"], json!(["192.0.2.2/24"]));
    assert_eq!((&wan["mtu"], &lan["mtu"]), (&json!(1500), &json!(1400)));
    assert_eq!((&wan["rx_packets"], &lan["rx_packets"]), (&json!(9), &json!(0)));
    assert_eq!((&wan["rx_missed"], &wan["link_up"]), (&json!(3), &json!(true)));
    assert_eq!(wan["offloads"], json!(["tx-ipv4-checksum"]));
    assert_eq!((&wan["numa_node"], &lan["numa_node"]), (&json!(0), &json!(null)));
}

#[test]
fn neighbors_are_named_by_port_and_drops_add_up() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 100);
    let answer = get(&server, "/v1/neighbors");
    let neighbors = answer["neighbors"].as_array().unwrap();
    let real = neighbors.iter().find(|neighbor| neighbor["address"] == "10.0.0.11").unwrap();
    assert_eq!((&real["port"], &real["worker"]), (&json!("lan"), &json!(5)));
    assert_eq!((&real["mac"], &real["confirmed_s_ago"]), (&json!(null), &json!(null)));

    let drops = get(&server, "/v1/drops");
    let number = |name: &str| drops[name].as_u64().unwrap();
    assert_eq!(number("received"), 100);
    let parts = ["forwarded", "consumed", "dropped", "held"].map(number);
    assert_eq!(parts.iter().sum::<u64>(), 100, "{parts:?}");
    let reasons = drops["drops"].as_array().unwrap();
    assert_eq!(reasons.len(), dataplane::verdict::DROP_REASON_COUNT);
    let counts = reasons.iter().map(|drop| drop["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), number("dropped"));
}

/// A FULLNAT service beside the one that flows are made with.
const FULLNAT: &str = "  web: {vip: \"192.0.2.10:80\", protocol: udp, mode: fullnat, \
                       local_addresses: [10.0.0.100, 10.0.0.101], scheduler: rr, \
                       real_servers: [{address: \"10.0.0.11:8080\"}]}\n";

#[test]
fn local_ports_are_told_by_address_whether_used_or_not() {
    let rig = Rig::turning(&format!("{ECHO}{FULLNAT}"));
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:80", 7);
    rig.datagrams("192.0.2.10:7", 5);
    let row = |lip: &str, used: u64| {
        json!({"service": "web", "rip": "10.0.0.11", "rport": 8080, "lip": lip, "used": used,
               "capacity": 64512})
    };
    let answer = get(&server, "/v1/local-ports");
    let used: Vec<u64> = answer["local_ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["used"].as_u64().unwrap())
        .collect();
    assert_eq!(used.iter().sum::<u64>(), 7);
    let expected = [row("10.0.0.100", used[0]), row("10.0.0.101", used[1])];
    assert_eq!(answer["local_ports"], json!(expected));
    let other = get(&server, "/v1/local-ports?service=echo");
    assert_eq!(other["local_ports"], json!([]));
}

#[test]
fn routes_come_with_their_gateways_longest_first() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 1);
    let answer = get(&server, "/v1/routes");
    let routes = answer["routes"].as_array().unwrap();
    let told: Vec<_> = routes
        .iter()
        .map(|route| ["to", "kind", "port"].map(|name| route[name].as_str().unwrap()))
        .collect();
    let expected = [
        ["192.0.2.0/24", "connected", "wan"],
        ["10.0.0.0/24", "connected", "lan"],
        ["10.9.0.0/16", "static", "lan"],
        ["0.0.0.0/0", "static", "wan"],
    ];
    assert_eq!(told, expected);
    assert_eq!((&routes[2]["via"], &routes[0]["via"]), (&json!("10.0.0.9"), &json!(null)));
    // Gateways are asked for from the start on; nobody answers here.
    assert_eq!(routes[3]["gateway_state"], "incomplete");
}

#[test]
fn services_and_real_servers_are_told_by_filter() {
    let rig = Rig::turning(&format!("{ECHO}{FULLNAT}"));
    let server = Server::start(&rig.state);
    let names = |query: &str| -> Vec<String> {
        let answer = get(&server, &format!("/v1/services?{query}"));
        let services = answer["services"].as_array().unwrap();
        services.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        ("", &["echo", "web"][..]),
        ("service=udp:192.0.2.10:80", &["web"]),
        ("mode=dr", &["echo"]),
        ("vip=192.0.2.0/24:7", &["echo"]),
        ("protocol=tcp", &[]),
        ("mark=7", &[]),
        ("real=10.0.0.12", &["echo"]),
        ("service=web&mode=dr", &[]),
    ] {
        assert_eq!(names(query), expected, "{query}");
    }
    let answer = get(&server, "/v1/real-servers?real=10.0.0.11");
    let reals = answer["real_servers"].as_array().unwrap();
    let told: Vec<_> = reals.iter().map(|real| (&real["service"], &real["rport"])).collect();
    assert_eq!(told, [(&json!("echo"), &json!(7)), (&json!("web"), &json!(8080))]);
    assert_eq!((&reals[0]["vip"], &reals[0]["weight"]), (&json!("192.0.2.10"), &json!(1)));
}

#[test]
fn status_tells_what_runs() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    rig.datagrams("192.0.2.10:7", 1);
    let status = get(&server, "/v1/status");
    assert_eq!((&status["services"], &status["real_servers"]), (&json!(1), &json!(2)));
    assert_eq!(status["config"], "test.yaml");
    let worker = &status["workers"][0];
    assert_eq!((&worker["lcore"], &worker["flow_capacity"]), (&json!(5), &json!(10_000)));
    assert_eq!(worker["numa_node"], json!(1));
    assert_eq!(worker["flows"], 1);
}

#[test]
fn wrong_requests_are_refused_in_words_and_harm_nobody() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    assert!(refused(&server, "/v2/services").contains("does not know GET /v2/services"));
    assert!(refused(&server, "/v1/flows?limit=many").contains("limit"));
    assert!(refused(&server, "/v1/flows?limit=-1").contains("limit"));
    assert!(refused(&server, "/v1/flows?most=3").contains("most"));
    let long = format!("/v1/services?{}=1", "x".repeat(20_000));
    assert!(refused(&server, &long).contains("query string: xxx"), "cut off, but told");
    let delete = "DELETE /v1/services HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                content-length: 0\r\n\r\n";
    assert_eq!(raw(&server, delete), "HTTP/1.1 405 Method Not Allowed");
    for garbage in ["\0\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "EHLO example.org\r\n"] {
        assert_eq!(raw(&server, garbage), "HTTP/1.1 400 Bad Request", "{garbage:?}");
    }
    assert_eq!(raw(&server, "GET /v1/serv"), "", "a request that is cut off");
    assert_eq!(get(&server, "/v1/flows")["more"], 0);
}
