//! Two workers: packets are handed over to the one that owns their flow, and one of them sends
//! through the other, since a device has one queue.

use std::net::SocketAddrV4;

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{ECHO_VPORT, VIP};
use rvs_perf::lab::client::sha256_of;
use rvs_perf::lab::config::{Service, Workers};
use rvs_perf::lab::{Mode, probe};
use serde_json::Value;

use crate::Body;
use crate::setup::{Setup, all_answered, url, with_workers};

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 5] = [
    ("dr", || every_flow_finds_its_worker(Mode::Dr, ONE_QUEUE)),
    ("nat", || every_flow_finds_its_worker(Mode::Nat, ONE_QUEUE)),
    ("tun", || every_flow_finds_its_worker(Mode::Tun, ONE_QUEUE)),
    ("fullnat", || every_flow_finds_its_worker(Mode::FullNat, ONE_QUEUE)),
    ("two_queues", || every_flow_finds_its_worker(Mode::FullNat, TWO_QUEUES)),
];

const FILE_LEN: usize = 8 << 20;
/// Each port is polled by one worker, and the other sends through that one.
const ONE_QUEUE: Workers = Workers { lcores: &[0, 1], wan_queues: 1 };
const TWO_QUEUES: Workers = Workers { lcores: &[0, 1], wan_queues: 2 };

fn every_flow_finds_its_worker(mode: Mode, workers: Workers) -> Result<(), Failed> {
    let services = [Service::web(mode, "rr", [1, 1]), Service::echo(mode, "rr", [1, 1])];
    with_workers(mode, &services, workers, |setup| {
        let answers = all_answered(setup, 100, 20)?;
        assert_eq!(answers.len(), 2, "{answers:?}");
        large_file(setup)?;
        datagrams(setup)?;
        both_worked(setup, workers)
    })
}

/// A file both ways.
fn large_file(setup: &Setup) -> Result<(), Failed> {
    let path = setup.lab.directory().join("large");
    let content: Vec<u8> = (0..FILE_LEN).map(|n| (n % 251).to_le_bytes()[0]).collect();
    std::fs::write(&path, content)?;
    let sum = sha256_of(&path)?;
    for server in &setup.lab.real_servers {
        std::fs::copy(&path, server.served_files().join("large"))?;
    }
    let client = setup.lab.client();
    assert_eq!(client.download(&url("files/large"))?.sha256, sum);
    let up = client.upload(&path, &url("uploads/large"))?;
    let server = setup.lab.real_server(&up.real_server);
    let server = server.ok_or_else(|| format!("an upload to {:?}", up.real_server))?;
    assert_eq!(sha256_of(&server.uploaded("large"))?, sum);
    Ok(())
}

/// Datagrams of many flows. None in fragments: the kernel puts them together before net_af_packet
/// sees them, as its PMD asks for.
fn datagrams(setup: &Setup) -> Result<(), Failed> {
    let vip = SocketAddrV4::new(VIP, ECHO_VPORT);
    for _ in 0..12 {
        let socket = probe::udp_socket(setup.lab.client().namespace(), vip)?;
        for size in [0, 1, 900, 1452] {
            let datagram: Vec<u8> = (0..size).map(|n: usize| n.to_le_bytes()[0]).collect();
            let answer = probe::exchange(&socket, &datagram);
            assert!(answer.map_err(|error| format!("{size} bytes: {error}"))? == datagram);
        }
    }
    Ok(())
}

/// Both workers have flows, and packets were handed over.
fn both_worked(setup: &Setup, used: Workers) -> Result<(), Failed> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let status = setup.director.show("status")?;
    let workers = status["workers"].as_array().cloned().unwrap_or_default();
    assert_eq!(workers.len(), used.lcores.len(), "{status}");
    assert!(workers.iter().all(|worker| number(&worker["flows"]) > 0), "{status}");

    let ports = setup.director.show("ports")?;
    for port in ports["ports"].as_array().into_iter().flatten() {
        assert_eq!(port["steering"], "hand-over", "{port}");
        let queues = if port["name"] == "wan" { used.wan_queues } else { 1 };
        assert_eq!(port["rx_queues"], queues, "{port}");
    }
    let drops = setup.director.show("drops")?;
    assert!(number(&drops["handed_over"]) > 0, "{drops}");
    Ok(())
}
