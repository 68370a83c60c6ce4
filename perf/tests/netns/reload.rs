//! `rvs apply` under traffic: what goes on, what begins, and that nothing is lost.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{ECHO_VPORT, VIP};
use rvs_perf::lab::client::Transfer;
use rvs_perf::lab::config::{Service, Workers};
use rvs_perf::lab::{LabError, Mode, probe, wait};

use crate::daemon::{drops_agree, items};
use crate::setup::{
    Setup, all_answered, answers_by_server, split, url, with_director, with_workers,
};
use crate::{Body, file};

/// The tests of this file.
pub(crate) const TESTS: [(&str, Body); 5] = [
    ("nat_download_goes_on", || download_goes_on(Mode::Nat)),
    ("fullnat_download_goes_on", || download_goes_on(Mode::FullNat)),
    ("nat_requests_are_all_answered", || requests_are_all_answered(Mode::Nat, Workers::one())),
    ("fullnat_requests_are_all_answered", || {
        requests_are_all_answered(Mode::FullNat, Workers::one())
    }),
    ("requests_to_two_workers_are_all_answered", || {
        requests_are_all_answered(Mode::FullNat, Workers { lcores: &[0, 1], wan_queues: 1 })
    }),
];

/// A download that lasts twelve seconds, longer than all changes on a busy machine.
const DOWNLOAD_MIB: u32 = 24;
const BYTES_A_SECOND: u32 = 2 << 20;

/// How long a download may take until it is a flow.
const PATIENCE: Duration = Duration::from_secs(10);

/// A download is under way while a new service comes, weights change, and the other real server
/// goes and comes back: it arrives whole, and each change is in force as soon as `rvs apply`
/// returns.
fn download_goes_on(mode: Mode) -> Result<(), Failed> {
    with_director(mode, &[Service::web(mode, "rr", [1, 1])], |setup| {
        let noise = file::make(&setup.lab.directory(), DOWNLOAD_MIB)?;
        for server in &setup.lab.real_servers {
            std::fs::hard_link(&noise.path, server.served_files().join("noise"))?;
        }
        let client = setup.lab.client().clone();
        let download =
            thread::spawn(move || client.download_at(&url("files/noise"), Some(BYTES_A_SECOND)));
        let outcome = change_meanwhile(setup, mode);
        let is_over = download.is_finished();
        let arrived: Result<Transfer, LabError> =
            download.join().map_err(|_| "the download's thread panicked")?;
        outcome?;
        assert!(!is_over, "the download was too short to show anything");
        assert_eq!(arrived?.sha256, noise.sha256, "the download");
        drops_agree(setup)?;
        Ok(())
    })
}

fn change_meanwhile(setup: &Setup, mode: Mode) -> Result<(), Failed> {
    let rip = busy_real_server(setup)?;
    let web = Service::web(mode, "rr", [1, 1]);
    let alone = Service {
        scheduler: "wrr",
        real_servers: web
            .real_servers
            .iter()
            .filter(|(address, _)| *address.ip() == rip)
            .map(|(address, _)| (*address, 3))
            .collect(),
        ..web.clone()
    };
    let echo = Service::echo(mode, "rr", [1, 1]);
    let said = setup.director.apply(&setup.lab, &[echo.clone(), alone])?;
    for words in ["services: 1 added, 1 changed", "2 added, 1 removed, 1 changed", "generation 2"] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    let socket =
        probe::udp_socket(setup.lab.client().namespace(), SocketAddrV4::new(VIP, ECHO_VPORT))?;
    assert_eq!(probe::exchange(&socket, b"anyone?")?, b"anyone?", "the new service");
    let busy = setup.lab.real_servers.iter().find(|server| server.address() == rip);
    let name = busy.map(|server| server.name().to_owned()).unwrap_or_default();
    assert_eq!(all_answered(setup, 8, 4)?, [(name, 8)].into(), "the other one is gone");
    assert_eq!(busy_real_server(setup)?, rip, "the flow is where it was");

    setup.director.apply(&setup.lab, &[web, echo])?;
    assert_eq!(all_answered(setup, 20, 4)?, split(10, 10), "the other one is back");
    assert_eq!(busy_real_server(setup)?, rip, "the flow is where it was");
    Ok(())
}

/// The real server of the download: of the connection with the most packets, in whatever state,
/// since its server is done with it when the client's buffer holds the rest.
fn busy_real_server(setup: &Setup) -> Result<Ipv4Addr, Failed> {
    let what = || "the download is no flow".to_owned();
    let rip = wait::until(PATIENCE, what, || {
        let flows = setup.director.show("flows")?;
        let busiest = items(&flows["flows"]).iter().max_by_key(|flow| flow["packets"].as_u64());
        Ok(busiest.and_then(|flow| flow["rip"].as_str()?.parse().ok()))
    })?;
    Ok(rip)
}

/// Configurations come one after the other while clients connect: every request is answered.
fn requests_are_all_answered(mode: Mode, workers: Workers) -> Result<(), Failed> {
    const REQUESTS: usize = 400;
    const CHANGES: u32 = 20;
    with_workers(mode, &[Service::web(mode, "wrr", [1, 1])], workers, |setup| {
        let client = setup.lab.client().clone();
        let requests = thread::spawn(move || client.get(&url(""), REQUESTS, 10, |_| ()));
        for change in 0..CHANGES {
            let web = Service::web(mode, "wrr", [1 + change % 3, 2 - change % 2]);
            let echo = Service::echo(mode, "rr", [1, 1]);
            let with_echo = [web.clone(), echo];
            let services = if change % 2 == 0 { &with_echo[..] } else { &with_echo[..1] };
            let said = setup.director.apply(&setup.lab, services)?;
            let generation = format!("generation {}", change + 2);
            assert!(said.trim_end().ends_with(&generation), "{said}");
        }
        let answers = requests.join().map_err(|_| "the clients' thread panicked")??;
        let failed: Vec<_> = answers.iter().filter(|answer| !answer.succeeded()).collect();
        assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed[0]);
        assert_eq!(answers_by_server(&answers).values().sum::<usize>(), REQUESTS);
        drops_agree(setup)?;
        Ok(())
    })
}
