//! Tests of single changes, with workers in memory.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant as StdInstant;

use conf::edit::{RealServerPatch, ServiceOptions, ServiceSettings};
use conf::{ForwardingMode, Protocol, RealServer, ServiceKey, Timeouts};

use super::*;
use crate::api::proto::{Service, Services};
use crate::api::services_of;
use crate::apply::apply;
use crate::testing::{ECHO, Rig, text};

/// Longer than anything here takes.
const LONG: Patience = Patience::Until(Duration::from_secs(60));

fn udp(vip: &str) -> ServiceKey {
    ServiceKey::Endpoint { protocol: Protocol::Udp, vip: end(vip) }
}

fn echo() -> ServiceKey {
    udp("192.0.2.10:7")
}

fn end(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

fn add(key: ServiceKey) -> Edit {
    let settings = ServiceSettings { scheduler: conf::Scheduler::Rr, ..ServiceSettings::default() };
    Edit::AddService { key, settings, options: ServiceOptions::default() }
}

fn real(address: &str) -> RealServer {
    real_at(end(address))
}

fn real_at(address: SocketAddrV4) -> RealServer {
    RealServer {
        address,
        mode: ForwardingMode::Dr,
        tunnel: conf::Tunnel::Ipip,
        weight: 1,
        drain: false,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn add_real(key: ServiceKey, address: &str) -> Edit {
    Edit::AddRealServer(key, real(address))
}

fn weight(key: ServiceKey, address: &str, weight: u32) -> Edit {
    let patch = RealServerPatch { weight: Some(weight), ..RealServerPatch::default() };
    Edit::PatchRealServer(key, end(address), patch)
}

async fn edit(state: &Arc<State>, edits: &[Edit], patience: Patience) -> Result<Edited, Refused> {
    let plan = |_: &Draft, _| Ok::<_, Infallible>(edits.to_vec());
    edit_with(state, "test", patience, plan).await.map_err(|failed| match failed {
        Failed::Edit(refused) => refused,
        Failed::Plan(never) => match never {},
    })
}

async fn edited(rig: &Rig, edits: &[Edit]) -> Result<Edited, Refused> {
    edit(&rig.state, edits, LONG).await
}

fn services(rig: &Rig) -> Vec<Service> {
    let Services { services } = services_of(&rig.state);
    services
}

async fn applied(rig: &Rig, services: &str) -> u64 {
    let text = text(services).into_bytes();
    apply(&rig.state, "test", "new.yaml".to_owned(), text).await.unwrap().generation
}

#[tokio::test]
async fn what_is_answered_runs() {
    let rig = Rig::turning(ECHO);
    let new = udp("192.0.2.11:19");
    let outcome = edited(&rig, &[add(new), add_real(new, "10.0.0.13:19")]).await.unwrap();
    assert_eq!(outcome, Edited { running: true, generation: 2 });
    rig.datagrams("192.0.2.11:19", 3);
    let made = services(&rig)[1].clone();
    assert_eq!((made.name.as_str(), made.traffic.connections), ("udp-192.0.2.11-19", 3));
    let outcome = edited(&rig, &[weight(echo(), "10.0.0.11:7", 0)]).await.unwrap();
    assert_eq!(outcome.generation, 3);
    rig.datagrams("192.0.2.10:7", 4);
    let connections: Vec<_> =
        services(&rig)[0].real_servers.iter().map(|real| real.traffic.connections).collect();
    assert_eq!(connections, [0, 4]);
    assert_eq!(rig.state.in_force.load().commands, 2);
}

#[tokio::test]
async fn what_changes_nothing_is_no_new_generation() {
    let rig = Rig::turning(ECHO);
    let outcome = edited(&rig, &[weight(echo(), "10.0.0.11:7", 1)]).await.unwrap();
    assert_eq!(outcome, Edited { running: true, generation: 1 });
    assert_eq!(rig.state.in_force.load().commands, 0);
}

#[tokio::test]
async fn a_list_is_refused_as_a_whole() {
    let rig = Rig::turning(ECHO);
    let edits = [Edit::RemoveService(echo()), add(echo()), add_real(echo(), "10.0.0.255:7")];
    let refused = edited(&rig, &edits).await.unwrap_err();
    assert_eq!(refused.index, 2);
    assert_eq!(rig.state.in_force.load().generation, 1);
    assert!(!rig.state.desk.is_ahead());
    assert_eq!(rig.state.desk.read(|draft| draft.real_server_count()), 2);
}

#[tokio::test]
async fn many_clients_at_once_lose_nothing_and_share_generations() {
    let rig = Rig::turning_on(&text(ECHO).replace("real_servers: 16", "real_servers: 300"));
    let client = |n: u8| {
        let state = Arc::clone(&rig.state);
        tokio::spawn(async move {
            let add = add_real(echo(), &format!("10.0.0.{}:7", 20 + n));
            edit(&state, &[add], LONG).await.unwrap()
        })
    };
    let clients: Vec<_> = (0..200).map(client).collect();
    let mut last = 0;
    for client in clients {
        let outcome = client.await.unwrap();
        assert!(outcome.running);
        last = last.max(outcome.generation);
    }
    assert_eq!(services(&rig)[0].real_servers.len(), 202);
    assert!(last < 150, "{last} generations for 200 changes at once");
}

#[tokio::test]
async fn what_is_accepted_goes_on_when_the_client_is_gone() {
    let rig = Rig::turning(ECHO);
    let state = Arc::clone(&rig.state);
    let task =
        tokio::spawn(async move { edit(&state, &[weight(echo(), "10.0.0.11:7", 9)], LONG).await });
    while rig.state.desk.revision() == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
    while rig.state.in_force.load().generation < 2 {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(services(&rig)[0].real_servers[0].weight, 9);
}

#[tokio::test]
async fn an_applied_file_takes_the_place_of_what_commands_changed() {
    let rig = Rig::turning(ECHO);
    let new = udp("192.0.2.11:19");
    edited(&rig, &[add(new), weight(echo(), "10.0.0.11:7", 9)]).await.unwrap();
    assert_eq!(applied(&rig, ECHO).await, 3);
    let in_force = rig.state.in_force.load_full();
    assert_eq!((in_force.config.services.len(), in_force.commands), (1, 0));
    assert_eq!(in_force.config.services[0].real_servers[0].weight, 1);
    // And edits go on from there.
    let error = edited(&rig, &[Edit::RemoveService(new)]).await.unwrap_err().error;
    assert_eq!(error, EditError::NoSuchService(new));
    assert_eq!(edited(&rig, &[add(new)]).await.unwrap().generation, 4);
}

#[tokio::test]
async fn files_and_edits_at_the_same_time_come_one_after_the_other() {
    let rig = Rig::turning(ECHO);
    for round in 0..20 {
        let new = udp(&format!("192.0.2.11:{}", 100 + round));
        let edits = [add(new), add_real(new, &format!("10.0.0.13:{}", 100 + round))];
        let (_, outcome) = tokio::join!(applied(&rig, ECHO), edited(&rig, &edits));
        assert!(outcome.unwrap().running);
        let in_force = rig.state.in_force.load_full();
        let desired = rig.state.desk.desired().0.config();
        assert_eq!(*in_force.config, desired);
        // Whichever was last: the file alone, or the file and the new service.
        assert!((1..=2).contains(&desired.services.len()), "{}", desired.services.len());
    }
}

#[tokio::test]
async fn there_is_room_again_when_flows_have_ended() {
    let rig = Rig::turning(ECHO);
    rig.datagrams("192.0.2.10:7", 2);
    let fill: Vec<_> = (20..34).map(|n| add_real(echo(), &format!("10.0.0.{n}:7"))).collect();
    edited(&rig, &fill).await.unwrap();
    let swap =
        [Edit::RemoveRealServer(echo(), end("10.0.0.11:7")), add_real(echo(), "10.0.0.50:7")];
    let error = edited(&rig, &swap).await.unwrap_err().error;
    let no_room = EditError::NoRoom { limit: "real_servers", size: 16, waiting: 1 };
    assert_eq!(error, no_room, "{error}");
    assert!(error.to_string().contains("wait for their flows to end"), "{error}");
    edited(&rig, &swap[..1]).await.unwrap();
    assert_eq!(edited(&rig, &swap[1..]).await.unwrap_err().error, no_room);
    // It may come back itself.
    edited(&rig, &[add_real(echo(), "10.0.0.11:7")]).await.unwrap();
    edited(&rig, &swap[..1]).await.unwrap();
    rig.pass_s(400);
    edited(&rig, &swap[1..]).await.unwrap();
    assert_eq!(rig.state.in_force.load().config.services[0].real_servers.len(), 16);
}

#[tokio::test]
async fn what_comes_and_goes_before_it_runs_takes_no_room() {
    let rig = Rig::turning(ECHO);
    for n in 0..40 {
        let new = udp(&format!("192.0.2.11:{}", 100 + n));
        let real = format!("10.0.0.13:{}", 100 + n);
        edited(&rig, &[add(new), add_real(new, &real), Edit::RemoveService(new)]).await.unwrap();
    }
    assert_eq!(services(&rig).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stands_still_holds_back_changes_but_not_their_callers() {
    let mut rig = Rig::standing_on(&text(ECHO));
    let patience = Patience::Until(Duration::from_secs(1));
    for (number, running) in [(5, false), (6, false), (7, false)] {
        let edits = [weight(echo(), "10.0.0.11:7", number)];
        let outcome = edit(&rig.state, &edits, patience).await.unwrap();
        assert_eq!((outcome.running, outcome.generation), (running, 2));
    }
    rig.stand_for_s(1);
    while rig.state.in_force.load().generation < 3 {
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(rig.state.in_force.load().config.services[0].real_servers[0].weight, 7);
}

#[tokio::test]
async fn counters_begin_anew_and_stay_so() {
    let rig = Rig::turning(&format!(
        "{ECHO}  other: {{vip: \"192.0.2.11:19\", protocol: udp, mode: dr, scheduler: rr, \
         real_servers: [{{address: 10.0.0.13}}]}}\n"
    ));
    rig.datagrams("192.0.2.10:7", 4);
    rig.datagrams("192.0.2.11:19", 4);
    let connections = || services(&rig).iter().map(|one| one.traffic.connections).collect();
    let connections = || -> Vec<u64> { connections() };
    zero(&rig.state, Some(echo()), None).await.unwrap();
    assert_eq!(connections(), [0, 4]);
    assert!(services(&rig)[0].real_servers.iter().all(|real| real.traffic.in_packets == 0));
    assert_eq!(services(&rig)[0].real_servers[0].inactive, 2, "flows are no counters");
    // Over later generations, too.
    edited(&rig, &[weight(echo(), "10.0.0.11:7", 9)]).await.unwrap();
    assert_eq!(connections(), [0, 4]);
    zero(&rig.state, None, None).await.unwrap();
    assert_eq!(connections(), [0, 0]);
    assert_eq!(rig.state.in_force.load().generation, 2);
    let error = zero(&rig.state, Some(udp("192.0.2.99:1")), None).await.unwrap_err().to_string();
    assert_eq!(error, "there is no service udp 192.0.2.99:1");
}

#[tokio::test]
async fn a_real_server_that_comes_back_before_it_is_zeroed_is_zero() {
    let rig = Rig::turning(ECHO);
    rig.datagrams("192.0.2.10:7", 4);
    edited(&rig, &[Edit::RemoveRealServer(echo(), end("10.0.0.11:7"))]).await.unwrap();
    let back = [add_real(echo(), "10.0.0.11:7")];
    edit(&rig.state, &back, Patience::Until(Duration::ZERO)).await.unwrap();
    zero(&rig.state, None, None).await.unwrap();
    let real = services(&rig)[0].real_servers[1].clone();
    assert_eq!((real.rip.to_string().as_str(), real.traffic.connections), ("10.0.0.11", 0));
}

#[tokio::test]
async fn timeouts_change_live() {
    let rig = Rig::turning(ECHO);
    let timeouts = Timeouts { tcp_s: 0, tcp_fin_s: 9, udp_s: 8 };
    edited(&rig, &[Edit::SetTimeouts(timeouts)]).await.unwrap();
    let in_force = rig.state.in_force.load().config.timeouts;
    assert_eq!(in_force, Timeouts { tcp_s: 900, tcp_fin_s: 9, udp_s: 8 });
}

/// Service by number, with ten real servers.
fn farm(number: u32) -> Vec<Edit> {
    let vip = Ipv4Addr::from_bits(0xcb00_7100 + number);
    let key = ServiceKey::Endpoint { protocol: Protocol::Udp, vip: SocketAddrV4::new(vip, 7) };
    let options = ServiceOptions { mode: Some(ForwardingMode::Nat), ..ServiceOptions::default() };
    let settings = ServiceSettings::default();
    let reals = (0..10).map(|real| Ipv4Addr::from_bits(0x0a09_0000 + number * 10 + real));
    let nat = |rip| RealServer { mode: ForwardingMode::Nat, ..real_at(SocketAddrV4::new(rip, 7)) };
    let reals = reals.map(|rip| Edit::AddRealServer(key, nat(rip)));
    std::iter::once(Edit::AddService { key, settings, options }).chain(reals).collect()
}

/// Sets up so many services one command after the other, as keepalived does, and waits until they
/// run; how many commands that were, and how long it took.
async fn set_up(services: u32) -> (u32, Duration) {
    let limits = format!("services: {}, real_servers: {}", services + 1, services * 10 + 2);
    let text = text(ECHO).replace("services: 8, real_servers: 16", &limits);
    let rig = Rig::turning_on(&text);
    let start = StdInstant::now();
    let mut commands = 0;
    for number in 0..services {
        for one in farm(number) {
            edit(&rig.state, &[one], Patience::Brief).await.unwrap();
            commands += 1;
        }
    }
    let accepted = start.elapsed();
    let last = [Edit::SetTimeouts(Timeouts { tcp_s: 77, tcp_fin_s: 0, udp_s: 0 })];
    assert!(edit(&rig.state, &last, LONG).await.unwrap().running);
    let in_force = rig.state.in_force.load_full();
    let reals = in_force.config.services.iter().map(|service| service.real_servers.len());
    assert_eq!(reals.sum::<usize>(), services as usize * 10 + 2);
    assert!(in_force.generation < 2 + u64::from(commands), "changes share generations");
    println!(
        "{commands} commands one after the other: accepted within {accepted:?}, running within \
         {:?}, {} generations",
        start.elapsed(),
        in_force.generation
    );
    (commands, start.elapsed())
}

#[tokio::test]
async fn ten_thousand_services_are_set_up_command_by_command() {
    let (commands, took) = set_up(10_000).await;
    assert_eq!(commands, 110_000);
    println!("{:?} each", took / commands);
}
