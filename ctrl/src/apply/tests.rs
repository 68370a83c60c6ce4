//! Tests of applying configurations, with workers in memory.

use super::*;
use crate::api::proto::{Service, Services, Tally};
use crate::api::services_of;
use crate::edit::PAUSE;
use crate::testing::{ECHO, Rig, text};

/// The usual service, and one more real server.
const GROWN: &str = "  echo: {vip: \"192.0.2.10:7\", protocol: udp, mode: dr, scheduler: rr, \
                     real_servers: [{address: 10.0.0.11}, {address: 10.0.0.12, weight: 9}, \
                     {address: 10.0.0.13}]}\n";
const OTHER: &str = "  chargen: {vip: \"192.0.2.11:19\", protocol: udp, mode: dr, scheduler: rr, \
                     real_servers: [{address: 10.0.0.11}]}\n";

async fn applied(rig: &Rig, services: &str) -> Result<Applied, ApplyError> {
    apply(&rig.state, "test", "new.yaml".to_owned(), text(services).into_bytes()).await
}

async fn refused(rig: &Rig, text: String) -> String {
    let before = rig.state.in_force.load_full();
    let error = apply(&rig.state, "test", "new.yaml".to_owned(), text.into_bytes()).await;
    let after = rig.state.in_force.load_full();
    assert!(Arc::ptr_eq(&before, &after), "something was changed");
    assert!(rig.state.workers.behind(before.generation).is_none());
    error.unwrap_err().to_string()
}

fn services(rig: &Rig) -> Vec<Service> {
    let Services { services } = services_of(&rig.state);
    services
}

fn drops(rig: &Rig, reason: dataplane::verdict::DropReason) -> u64 {
    rig.state.workers.sum(|stats| stats.dropped(reason).value())
}

#[tokio::test]
async fn what_stays_goes_on_counting_and_what_is_new_works() {
    let rig = Rig::turning(ECHO);
    rig.datagrams("192.0.2.10:7", 4);
    let outcome = applied(&rig, &format!("{OTHER}{GROWN}")).await.unwrap();
    assert_eq!((outcome.generation, outcome.workers), (2, 1));
    assert_eq!(outcome.services, Tally { added: 1, removed: 0, changed: 0 });
    assert_eq!(outcome.real_servers, Tally { added: 2, removed: 0, changed: 1 });
    rig.datagrams("192.0.2.10:7", 4);
    rig.datagrams("192.0.2.11:19", 5);
    let all = services(&rig);
    let [chargen, echo] = &all[..] else { panic!("two services") };
    assert_eq!((chargen.name.as_str(), chargen.traffic.connections), ("chargen", 5));
    // The same clients again: no new connections, and the flows stay where they were.
    assert_eq!((echo.traffic.in_packets, echo.traffic.connections), (8, 4));
    let weights: Vec<_> = echo.real_servers.iter().map(|real| real.weight).collect();
    assert_eq!(weights, [1, 9, 1]);
    assert_eq!(echo.real_servers[2].traffic.connections, 0);
    assert!(echo.real_servers[..2].iter().all(|real| real.traffic.in_packets == 4));
}

#[tokio::test]
async fn flows_of_a_removed_real_server_are_dropped_by_name_until_it_returns() {
    use dataplane::verdict::DropReason::RealServerRemoved;
    let rig = Rig::turning(GROWN);
    rig.datagrams("192.0.2.10:7", 3);
    let outcome = applied(&rig, ECHO).await.unwrap();
    assert_eq!(outcome.real_servers, Tally { added: 0, removed: 1, changed: 1 });
    rig.datagrams("192.0.2.10:7", 3);
    assert_eq!(drops(&rig, RealServerRemoved), 1);
    applied(&rig, GROWN).await.unwrap();
    rig.datagrams("192.0.2.10:7", 3);
    assert_eq!(drops(&rig, RealServerRemoved), 1, "its number came back to it");
    let real = services(&rig)[0].real_servers[2].clone();
    assert_eq!(real.inactive, 1, "the flow is still there");
    assert_eq!((real.traffic.connections, real.traffic.in_packets), (1, 2), "it counts on");
}

#[tokio::test]
async fn flows_of_a_removed_service_live_again_when_it_returns() {
    use dataplane::verdict::DropReason::RealServerRemoved;
    let rig = Rig::turning(&format!("{ECHO}{OTHER}"));
    rig.datagrams("192.0.2.10:7", 4);
    applied(&rig, OTHER).await.unwrap();
    rig.datagrams("192.0.2.10:7", 4);
    assert_eq!(drops(&rig, RealServerRemoved), 4, "nobody is told");
    applied(&rig, &format!("{ECHO}{OTHER}")).await.unwrap();
    rig.datagrams("192.0.2.10:7", 4);
    assert_eq!(drops(&rig, RealServerRemoved), 4);
    let echo = services(&rig)[0].clone();
    assert_eq!((echo.traffic.connections, echo.traffic.in_packets), (0, 4), "counted anew");
    assert_eq!(echo.real_servers.iter().map(|real| real.inactive).sum::<u64>(), 4);
}

#[tokio::test]
async fn options_of_ipvs_apply_live() {
    use dataplane::verdict::DropReason::RealServerRemoved;
    let rig = Rig::turning(GROWN);
    rig.datagrams("192.0.2.10:7", 3);
    let with = |services: &str, options: &str| {
        let text = text(services).replace("version: 1", &format!("version: 1\nipvs: {options}"));
        text.into_bytes()
    };
    let apply_text = |text: Vec<u8>| apply(&rig.state, "test", "new.yaml".to_owned(), text);
    let outcome = apply_text(with(GROWN, "{expire_nodest_conn: 1}")).await.unwrap();
    assert_eq!((outcome.generation, outcome.real_servers), (2, Tally::default()));
    apply_text(with(ECHO, "{expire_nodest_conn: 1}")).await.unwrap();
    while rig.state.workers.sum(|stats| stats.ended.real_server_removed.value()) == 0 {
        tokio::time::sleep(PAUSE).await;
    }
    rig.datagrams("192.0.2.10:7", 3);
    assert_eq!(drops(&rig, RealServerRemoved), 0, "all are served");
    let refused = apply_text(with(ECHO, "{expire_nodest_conn: 2}")).await.unwrap_err().to_string();
    assert!(refused.contains("ipvs.expire_nodest_conn"), "{refused}");
}

#[tokio::test]
async fn nothing_new_is_no_new_generation() {
    let rig = Rig::turning(ECHO);
    let outcome = applied(&rig, ECHO).await.unwrap();
    let none = Tally::default();
    assert_eq!((outcome.generation, outcome.services, outcome.real_servers), (1, none, none));
}

#[tokio::test]
async fn errors_of_the_file_have_its_name_and_the_place() {
    let rig = Rig::turning(ECHO);
    let error = refused(&rig, text(&ECHO.replace("mode: dr", "mode: fast"))).await;
    assert!(error.contains("--> new.yaml:"), "{error}");
    assert!(error.contains("services.echo.mode") && error.contains("fast"), "{error}");
}

#[tokio::test]
async fn what_needs_a_restart_is_listed_with_its_lines() {
    let rig = Rig::turning(ECHO);
    let new = text(GROWN)
        .replace("workers: [5]", "workers: [6]")
        .replace("flows: 10000", "flows: 20000")
        .replace(", mtu: 1400", "")
        .replace("  wan:", "  dmz: {device: net_null7}\n  wan:");
    let error = refused(&rig, new).await;
    for line in [
        "new.yaml changes what is set up at start, so nothing of it was put into force:",
        "  line 2: workers: [5] -> [6]",
        "  line 3: limits.flows: 10000 -> 20000",
        "  ports.lan.mtu: 1400 -> 1500 (the default)",
        "  line 5: ports.dmz: added",
    ] {
        assert!(error.lines().any(|one| one == line), "{line:?} is not in: {error}");
    }
    assert_eq!(error.lines().count(), 6, "{error}");
}

fn many(from: u8, count: u8) -> String {
    let reals: Vec<_> = (from..from + count).map(|n| format!("{{address: 10.0.0.{n}}}")).collect();
    format!(
        "  many: {{vip: \"192.0.2.10:7\", protocol: udp, mode: dr, scheduler: rr, \
         real_servers: [{}]}}\n",
        reals.join(", ")
    )
}

#[tokio::test]
async fn numbers_run_out_and_come_back_when_their_flows_have_ended() {
    let rig = Rig::turning(&many(20, 16));
    let over = refused(&rig, text(&many(20, 17))).await;
    assert!(over.contains("`limits.real_servers` is 16") && over.contains("17"), "{over}");
    rig.datagrams("192.0.2.10:7", 16);

    let error = refused(&rig, text(&many(36, 16))).await;
    assert!(error.contains("no room for 16 of the new real servers"), "{error}");
    applied(&rig, &many(20, 8)).await.unwrap();
    let error = refused(&rig, text(&format!("{}{OTHER}", many(20, 8)))).await;
    assert!(error.contains("no room for 1 of the new real servers"), "{error}");
    assert!(error.contains("8 removed before still have flows"), "{error}");

    rig.pass_s(400);
    applied(&rig, &format!("{}{OTHER}", many(20, 8))).await.unwrap();
    let new = services(&rig)[1].real_servers[0].clone();
    assert_eq!(new.traffic, crate::api::proto::Traffic::default(), "counters begin at 0");
    rig.datagrams("192.0.2.11:19", 2);
    assert_eq!(services(&rig)[1].real_servers[0].traffic.in_packets, 2);
}

#[tokio::test]
async fn applications_at_the_same_time_come_one_after_the_other() {
    let rig = Rig::turning(ECHO);
    let both = format!("{ECHO}{OTHER}");
    let outcomes = tokio::join!(
        applied(&rig, GROWN),
        applied(&rig, &both),
        applied(&rig, OTHER),
        applied(&rig, ECHO),
    );
    let generations =
        [outcomes.0, outcomes.1, outcomes.2, outcomes.3].map(|o| o.unwrap().generation);
    assert_eq!(generations, [2, 3, 4, 5]);
    assert_eq!(services(&rig).len(), 1);
    assert_eq!(rig.state.applier.lock().await.publisher.reclaim(), 0, "old ones are freed");
}

#[tokio::test]
async fn an_application_goes_on_when_nobody_waits_for_it_any_more() {
    let rig = Rig::turning(ECHO);
    let state = Arc::clone(&rig.state);
    let both = text(&format!("{ECHO}{OTHER}")).into_bytes();
    let task = tokio::spawn(async move { apply(&state, "test", "x".to_owned(), both).await });
    drop(task);
    while rig.state.in_force.load().generation < 2 {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(services(&rig).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stands_still_is_named_and_no_more_is_published() {
    let rig = Rig::standing(ECHO);
    let error = applied(&rig, GROWN).await.unwrap_err();
    assert!(matches!(error, ApplyError::Silent { lcore: 5, generation: 2 }), "{error}");
    let error = applied(&rig, OTHER).await.unwrap_err();
    assert!(matches!(error, ApplyError::Behind { lcore: 5, generation: 2 }), "{error}");
    assert_eq!(rig.state.in_force.load().generation, 2);
}

/// Services by number, with ten real servers each. Real servers of one service are of one weight.
fn farm(services: std::ops::Range<u32>, weight: u32) -> String {
    let service = |number: u32| {
        let reals: Vec<_> = (0..10)
            .map(|real| Ipv4Addr::from_bits(0x0a09_0000 + number * 10 + real))
            .map(|address| format!("{{address: {address}, weight: {weight}}}"))
            .collect();
        let vip = Ipv4Addr::from_bits(0xcb00_7100 + number);
        format!(
            "  s{number}: {{vip: \"{vip}:7\", protocol: udp, mode: nat, scheduler: wrr, \
             real_servers: [{}]}}\n",
            reals.join(", ")
        )
    };
    let limits = "services: 1200, real_servers: 12000";
    let text = text(&services.map(service).collect::<String>());
    text.replace("services: 8, real_servers: 16", limits)
}

#[tokio::test]
async fn a_thousand_services_with_ten_thousand_real_servers_change_at_once() {
    let rig = Rig::turning_on(&farm(0..1000, 1));
    rig.datagrams("203.0.113.7:7", 20);
    let kept = rig.state.in_force.load().named.clone();
    let go_on = |text: String| apply(&rig.state, "test", "farm.yaml".to_owned(), text.into_bytes());

    let outcome = go_on(farm(0..1000, 2)).await.unwrap();
    assert_eq!(outcome.services, Tally::default());
    assert_eq!(outcome.real_servers, Tally { added: 0, removed: 0, changed: 10_000 });
    assert_eq!(rig.state.in_force.load().named, kept, "every number stays");
    assert_eq!(services(&rig)[7].traffic.connections, 20);

    // A hundred go and a hundred come, again and again: numbers never run out.
    for step in 1..=5 {
        let outcome = go_on(farm(step * 100..1000 + step * 100, 2)).await.unwrap();
        let expected = Tally { added: 100, removed: 100, changed: 0 };
        assert_eq!(outcome.services, expected);
        let highest = rig.state.in_force.load().named.iter().map(|service| service.id.0).max();
        assert!(highest < Some(1200), "{highest:?}");
        assert_eq!(rig.state.applier.lock().await.publisher.reclaim(), 0);
    }
    rig.datagrams("203.0.117.120:7", 30);
    let all = services(&rig);
    let busy: Vec<_> = all.iter().filter(|one| one.traffic.connections > 0).collect();
    assert_eq!((all.len(), busy.len()), (1000, 1), "used numbers begin at 0");
    let spread: Vec<_> = busy[0].real_servers.iter().map(|one| one.traffic.connections).collect();
    assert_eq!(spread, [3; 10]);
}

#[tokio::test]
async fn a_removed_local_address_is_warned_about() {
    let fullnat = |locals: &str| {
        format!(
            "  web: {{vip: \"192.0.2.10:80\", protocol: tcp, mode: fullnat, local_addresses: \
             [{locals}], real_servers: [{{address: 10.0.0.11}}]}}\n"
        )
    };
    let rig = Rig::turning(&fullnat("10.0.0.100-10.0.0.103"));
    let outcome = applied(&rig, &fullnat("10.0.0.103-10.0.0.104")).await.unwrap();
    let [warning] = &outcome.warnings[..] else { panic!("{outcome:?}") };
    assert!(warning.contains("3 local addresses, 10.0.0.100 among them"), "{warning}");
    assert!(applied(&rig, ECHO).await.unwrap().warnings[0].contains("2 local"));
}

#[tokio::test]
async fn who_drains_or_cannot_be_reached_gets_nothing_new_and_comes_back() {
    let rig = Rig::turning(ECHO);
    let echo = |first: &str, second: &str| {
        format!(
            "  echo: {{vip: \"192.0.2.10:7\", protocol: udp, mode: dr, scheduler: rr, \
             real_servers: [{{address: 10.0.0.11{first}}}, {{address: 10.0.0.12{second}}}]}}\n"
        )
    };
    let changed = Tally { added: 0, removed: 0, changed: 1 };
    let counted = || {
        let [echo] = &services(&rig)[..] else { panic!("one service") };
        [0, 1].map(|real| echo.real_servers[real].traffic.connections)
    };
    let mut clients = 0;
    let mut more = || {
        clients += 10;
        rig.datagrams("192.0.2.10:7", clients);
    };
    more();
    assert_eq!(counted(), [5, 5]);

    let drained = applied(&rig, &echo(", weight: 3, drain: true", "")).await.unwrap();
    assert_eq!(drained.warnings, [""; 0]);
    more();
    assert_eq!(counted(), [5, 15], "the first 10 clients have flows");
    let shown = &services(&rig)[0].real_servers[0];
    assert_eq!((shown.weight, shown.drain), (3, true));

    let gre = ", mode: tun, tunnel: {type: gre}";
    let outcome = applied(&rig, &echo("", gre)).await.unwrap();
    let [warning] = &outcome.warnings[..] else { panic!("{outcome:?}") };
    assert!(warning.contains("10.0.0.12:7 gets no packets"), "{warning}");
    let shown = &services(&rig)[0].real_servers[1];
    assert_eq!((shown.mode.as_str(), shown.unusable.is_some()), ("tun", true));
    rig.datagrams("192.0.2.10:7", 40);
    let dropped = drops(&rig, dataplane::verdict::DropReason::RealServerRemoved);
    assert_eq!((counted(), dropped), ([25, 15], 15), "its flows lead nowhere");

    let back = applied(&rig, &echo("", ", mode: nat")).await.unwrap();
    assert_eq!((back.real_servers, back.warnings.len()), (changed, 0));
    rig.datagrams("192.0.2.10:7", 50);
    assert_eq!(counted(), [30, 20], "it is there again");
}
