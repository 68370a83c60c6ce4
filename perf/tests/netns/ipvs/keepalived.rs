//! keepalived drives a running director while clients connect.
//!
//! It runs where the director's machine would have its other interface: on the router, from where
//! it reaches the real servers.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rvs_perf::lab::addresses::{REAL_SERVERS, VIP};
use rvs_perf::lab::client::Answer;
use rvs_perf::lab::{Client, Lab, LabError, Mode, command, wait};
use serde_json::Value;

use super::{ipvsadm, preloaded, with_empty_director};
use crate::daemon::items;
use crate::setup::{Setup, all_answered, answers_by_server, split, url};

/// Longer than keepalived takes to notice anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// The port of a service that has nothing but rs2, and rs1 to say sorry.
const SORRY_VPORT: u16 = 81;
/// The port of a service that takes two real servers to be one; else rs1 says sorry, at this port.
const QUORUM_VPORT: u16 = 82;
const SORRY_RPORT: u16 = 8081;

/// keepalived's `lb_kind NAT` is mode nat.
pub(super) fn nat() -> Result<(), Failed> {
    drives(Mode::Nat)
}

/// With `masquerading: fullnat` it is mode fullnat.
pub(super) fn fullnat() -> Result<(), Failed> {
    drives(Mode::FullNat)
}

fn drives(mode: Mode) -> Result<(), Failed> {
    with_empty_director(mode, |setup| {
        fs::write(setup.lab.directory().join("misc"), "0")?;
        let mut keepalived = Keepalived::start(&setup.lab, mode)?;
        let outcome = take_out_and_back(setup, mode);
        let outcome =
            outcome.and_then(|()| keepalived.stop()).and_then(|()| nothing_is_left(setup));
        outcome.map_err(|failed| {
            let words = failed.message().unwrap_or("failed").to_owned();
            Failed::from(format!("{words}\n--- keepalived's log ---\n{}", keepalived.log()))
        })
    })
}

/// keepalived takes back what it set. It is answered when that is accepted, a moment before the
/// workers know.
fn nothing_is_left(setup: &Setup) -> Result<(), Failed> {
    let what = || "keepalived left services".to_owned();
    wait::until(PATIENCE, what, || Ok(services(setup)?.is_empty().then_some(())))?;
    let timeouts = ipvsadm(&setup.lab, &["-L", "--timeout"])?;
    assert_eq!(timeouts, "Timeout (tcp tcpfin udp): 900 120 300\n");
    Ok(())
}

fn take_out_and_back(setup: &mut Setup, mode: Mode) -> Result<(), Failed> {
    wait_for_pool(setup, 80, &[Some(3), Some(1)])?;
    check_settings(setup, mode)?;
    assert_eq!(all_answered(setup, 40, 10)?, split(30, 10), "weights 3 and 1");

    let (kill_time, gone_time, answers) = with_clients(setup, |setup| {
        let before = Instant::now();
        setup.lab.real_servers[1].kill()?;
        wait_for_pool(setup, 80, &[Some(3), None])?;
        Ok((before, Instant::now()))
    })?;
    for (when, answer) in &answers {
        let is_expected = (kill_time..=gone_time + Duration::from_secs(1)).contains(when);
        assert!(answer.succeeded() || is_expected, "failed without a reason: {answer:?}");
    }
    let count = answers.iter().filter(|(when, _)| *when > gone_time).count();
    assert!(count > 0, "no request came after rs2 was taken out");
    assert_eq!(all_answered(setup, 20, 4)?, split(20, 0), "rs2 is out");
    // There is nobody but rs1 to say sorry; rs2 stays, with weight 0, as it is inhibited.
    wait_for_pool(setup, SORRY_VPORT, &[Some(1), Some(0)])?;
    assert_eq!(answered_at(setup, SORRY_VPORT)?, split(10, 0), "the sorry server");
    // One is too few, though it is well.
    wait_for_rports(setup, QUORUM_VPORT, &[SORRY_RPORT])?;

    setup.lab.real_servers[1].restart()?;
    wait_for_pool(setup, 80, &[Some(3), Some(1)])?;
    wait_for_pool(setup, SORRY_VPORT, &[None, Some(1)])?;
    assert_eq!(all_answered(setup, 40, 10)?, split(30, 10), "rs2 is back");
    assert_eq!(answered_at(setup, SORRY_VPORT)?, split(0, 10), "nobody says sorry");
    wait_for_rports(setup, QUORUM_VPORT, &[mode.http_rport(); 2])?;
    // Not to the request: where the client's port was one of a connection to port 80 before, the
    // real server still remembers that, and the client's second SYN is scheduled anew.
    let answered = answered_at(setup, QUORUM_VPORT)?;
    assert_eq!((answered.len(), answered.values().sum()), (2, 10), "two are enough");

    // The script's exit status is a weight, less 2.
    fs::write(setup.lab.directory().join("misc"), "3")?;
    wait_for_pool(setup, 80, &[Some(1), Some(1)])?;
    assert_eq!(all_answered(setup, 20, 4)?, split(10, 10), "weights 1 and 1");
    Ok(())
}

/// What keepalived set besides real servers.
fn check_settings(setup: &Setup, mode: Mode) -> Result<(), Failed> {
    let timeouts = ipvsadm(&setup.lab, &["-L", "--timeout"])?;
    assert_eq!(timeouts, "Timeout (tcp tcpfin udp): 800 60 30\n");
    let listing = ipvsadm(&setup.lab, &["-Ln", "-t", &format!("{VIP}:80")])?;
    assert!(listing.contains("wrr") && listing.contains("Masq    3 "), "{listing}");
    for real in real_servers(setup, 80)? {
        assert_eq!(real["mode"], mode.name(), "{real}");
    }
    Ok(())
}

/// Answers, with the times they came at.
type Answers = Vec<(Instant, Answer)>;

/// Runs `work` while clients connect without a pause; what it returns, and every answer with the
/// time it came at.
fn with_clients(
    setup: &mut Setup,
    work: impl FnOnce(&mut Setup) -> Result<(Instant, Instant), Failed>,
) -> Result<(Instant, Instant, Answers), Failed> {
    let client = setup.lab.client();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let requests = scope.spawn(|| request_until(&client, &is_over));
        let outcome = work(setup);
        // Some come after it, too.
        thread::sleep(Duration::from_millis(500));
        is_over.store(true, Ordering::Relaxed);
        let answers = requests.join().map_err(|_| "the clients' thread panicked")??;
        let (from, to) = outcome?;
        Ok((from, to, answers))
    })
}

fn request_until(client: &Client, is_over: &AtomicBool) -> Result<Answers, LabError> {
    let mut answers = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        client.get(&url(""), 20, 4, |answer| answers.push((Instant::now(), answer.clone())))?;
    }
    Ok(answers)
}

/// Who answers ten requests to a port of the VIP.
fn answered_at(
    setup: &Setup,
    vport: u16,
) -> Result<std::collections::BTreeMap<String, usize>, Failed> {
    let answers = setup.lab.client().get(&format!("http://{VIP}:{vport}/"), 10, 2, |_| ())?;
    Ok(answers_by_server(&answers))
}

fn services(setup: &Setup) -> Result<Vec<Value>, LabError> {
    Ok(items(&setup.director.show("services")?["services"]).to_vec())
}

fn real_servers(setup: &Setup, vport: u16) -> Result<Vec<Value>, LabError> {
    let services = services(setup)?;
    let service = services.iter().find(|service| service["vport"] == vport);
    Ok(service.map(|service| items(&service["real_servers"]).to_vec()).unwrap_or_default())
}

/// Waits until the real servers of a service have these weights, in the order of the lab; `None`
/// for one that is not in the pool.
fn wait_for_pool(setup: &Setup, vport: u16, weights: &[Option<u64>; 2]) -> Result<(), LabError> {
    let weights_now = || -> Result<[Option<u64>; 2], LabError> {
        let all = real_servers(setup, vport)?;
        Ok(REAL_SERVERS.map(|address| {
            let real = all.iter().find(|real| real["rip"] == address.to_string())?;
            real["weight"].as_u64()
        }))
    };
    let what = || format!("port {vport} has {:?}, not {weights:?}", weights_now().ok());
    wait::until(PATIENCE, what, || Ok((weights_now()? == *weights).then_some(())))
}

/// Waits until the real servers of a service have these ports, one after the other.
fn wait_for_rports(setup: &Setup, vport: u16, rports: &[u16]) -> Result<(), LabError> {
    let rports_now = || -> Result<Vec<Value>, LabError> {
        Ok(real_servers(setup, vport)?.iter().map(|real| real["rport"].clone()).collect())
    };
    let what = || format!("port {vport} has {:?}, not {rports:?}", rports_now().ok());
    wait::until(PATIENCE, what, || Ok((rports_now()? == *rports).then_some(())))
}

/// A running keepalived, which ends when this is dropped.
struct Keepalived {
    child: Child,
    log: std::path::PathBuf,
}

impl Keepalived {
    fn start(lab: &Lab, mode: Mode) -> Result<Self, Failed> {
        let directory = lab.directory();
        let config = lab.write("keepalived.conf", &configuration(lab, mode))?;
        let log = directory.join("keepalived.log");
        let out = File::create(&log)?;
        let mut run = preloaded(lab, lab.router_namespace(), "keepalived")?;
        run.args(["--check", "--dont-fork", "--log-console", "--log-detail"]);
        run.arg("--use-file").arg(config);
        // Nobody reads them, but they are not to be in /run.
        run.arg("--pid").arg(directory.join("keepalived.pid"));
        run.arg("--checkers_pid").arg(directory.join("checkers.pid"));
        run.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let started = run.spawn();
        let child = started.map_err(|error| format!("keepalived cannot start: {error}"))?;
        Ok(Self { child, log })
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Has it end, as its service would.
    fn stop(&mut self) -> Result<(), Failed> {
        if let Some(status) = command::exit_status(&mut self.child)? {
            return Err(format!("keepalived had already ended ({status})").into());
        }
        command::terminate(&self.child);
        let what = || "keepalived did not end".to_owned();
        wait::until(PATIENCE, what, || command::exit_status(&mut self.child))?;
        Ok(())
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        command::end(&mut self.child, PATIENCE);
    }
}

/// What an administrator would write. The checks come every second.
fn configuration(lab: &Lab, mode: Mode) -> String {
    let [rs1, rs2] = REAL_SERVERS;
    let (port, directory) = (mode.http_rport(), lab.directory().display().to_string());
    format!(
        r#"global_defs {{
    router_id lab
    script_user root
    lvs_timeouts tcp 800 tcpfin 60 udp 30
}}
virtual_server {VIP} 80 {{
    delay_loop 1
    warmup 0
    lvs_sched wrr
    lvs_method NAT
    protocol TCP
    quorum 1
    real_server {rs1} {port} {{
        weight 3
        MISC_CHECK {{
            misc_path "/bin/sh -c 'exit $(cat {directory}/misc)'"
            misc_dynamic
        }}
    }}
    real_server {rs2} {port} {{
        weight 1
        HTTP_GET {{
            url {{
                path /
                status_code 200
            }}
            connect_timeout 1
            retry 0
            delay_before_retry 1
        }}
    }}
}}
virtual_server {VIP} {SORRY_VPORT} {{
    delay_loop 1
    warmup 0
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    sorry_server {rs1} {port}
    real_server {rs2} {port} {{
        inhibit_on_failure
        TCP_CHECK {{
            connect_timeout 1
            retry 0
        }}
    }}
}}
"#
    ) + &quorum(port)
}

/// A service that is none without two real servers.
fn quorum(port: u16) -> String {
    let [rs1, rs2] = REAL_SERVERS;
    format!(
        r#"virtual_server {VIP} {QUORUM_VPORT} {{
    delay_loop 1
    warmup 0
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    quorum 2
    sorry_server {rs1} {SORRY_RPORT}
    real_server {rs1} {port} {{
        TCP_CHECK {{
            connect_timeout 1
            retry 0
        }}
    }}
    real_server {rs2} {port} {{
        TCP_CHECK {{
            connect_timeout 1
            retry 0
        }}
    }}
}}
"#
    )
}
