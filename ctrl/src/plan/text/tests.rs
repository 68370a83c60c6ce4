//! Tests of plans as people see them, and of what the daemon answers.

use hyper::Method;

use super::*;
use crate::client::{Content, Daemon};
use crate::error::CtrlError;
use crate::testing::{self, ECHO, Rig, Server};

const PLAIN: Look = Look { in_color: false, changes_max: 200 };

/// What the daemon of `rig` says about `text`.
fn plan(server: &Server, text: &str) -> Plan {
    let daemon = Daemon::at(server.socket());
    let name = [("name".to_owned(), "new.yaml".to_owned())];
    let answer = daemon.send(Method::POST, "/v1/plan", &name, Content::yaml(text.into())).unwrap();
    daemon.understand(&answer).unwrap()
}

#[test]
fn a_plan_tells_every_change_and_changes_nothing() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    let generation = rig.state.in_force.load().generation;
    let same = testing::text(ECHO);
    let nothing = "Applying new.yaml would change nothing: it says what runs (generation 1).\n";
    assert_eq!(text(&plan(&server, &same), PLAIN), nothing);

    let other = ECHO.replace("weight: 4", "weight: 0").replace("scheduler: rr", "scheduler: wlc");
    let added = "  dns: {vip: \"192.0.2.20:53\", protocol: udp, mode: dr, real_servers: [{address: \
                 10.0.0.11, weight: 3}]}\n";
    let new = testing::text(&format!("{}\n{added}", other.trim_end_matches('\n')));
    let new = format!("{new}timeouts: {{udp: 1h}}\n");
    let plan = plan(&server, &new);
    let expected = "\
Applying new.yaml would change what runs (generation 1) like this:

  ~ timeouts.udp: 5m -> 1h
  ~ service echo (udp 192.0.2.10:7): scheduler rr -> wlc
  ~   real server 10.0.0.12:7: weight 4 -> 0
  + service dns (udp 192.0.2.20:53): mode dr
  +   real server 10.0.0.11:53: weight 3

services: 1 added, 1 changed; real servers: 1 added, 1 changed; 1 setting changed.
";
    assert_eq!(text(&plan, PLAIN), expected);
    assert_eq!(rig.state.in_force.load().generation, generation);

    let short = text(&plan, Look { in_color: true, changes_max: 2 });
    assert!(short.contains("\x1b[33m  ~ timeouts.udp: 5m -> 1h\x1b[0m\n"), "{short}");
    assert!(short.contains("  ... and 3 more, which --all shows\n"), "{short}");
}

#[test]
fn what_cannot_be_applied_is_told_with_its_reason() {
    let rig = Rig::turning(ECHO);
    let server = Server::start(&rig.state);
    let new = format!("{}dpdk: {{memory: 2G}}\n", testing::text(ECHO));
    let plan = plan(&server, &new);
    assert_eq!((plan.restarts, &plan.no_room), (1, &None));
    let told = text(&plan, PLAIN);
    let why = "(restart: DPDK takes its memory and arguments when it starts)";
    assert!(told.contains(&format!("  ~ dpdk.memory: 1G -> 2G  {why}\n")), "{told}");
    assert!(told.contains("`rvs apply` refuses it because of a change that needs a restart"));

    let daemon = Daemon::at(server.socket());
    let wrong = daemon
        .send(Method::POST, "/v1/plan", &[], Content::yaml(b"version: 2".to_vec()))
        .unwrap_err();
    assert!(matches!(wrong, CtrlError::Refused { is_report: true, .. }), "{wrong}");
}
