//! Taking up new snapshots: what is announced and asked for, what is not, and how much per turn.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use rvs_dataplane::control::{Command, Report};
use rvs_dataplane::forward::ForwardingMode;
use rvs_dataplane::limits::ADOPTION_FRAMES_PER_TICK;
use rvs_dataplane::time::Ticks;

use crate::support::{GATEWAY, Outcome, RS1, RS2, Rig, ServiceSpec, Setup, VIP};

const VIP_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const RS1_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
const RS2_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 12);

fn vip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

fn service(last: u8, real: &str) -> ServiceSpec {
    ServiceSpec::tcp((vip(last), 80), ForwardingMode::Nat).real(real, 1)
}

fn site() -> Setup {
    Setup::new([ServiceSpec::tcp(VIP, ForwardingMode::Nat).real(RS1, 1)])
}

/// Counts who was announced, or else asked for.
fn count(outcome: &Outcome, gratuitous: bool, heard: &mut HashMap<Ipv4Addr, usize>) {
    for (_, packet, _) in &outcome.arp {
        if packet.is_gratuitous() == gratuitous {
            *heard.entry(packet.target_ip()).or_default() += 1;
        }
    }
}

/// Lets `ticks` pass, one at a time, and counts announcements, or else requests.
fn hear(rig: &mut Rig, ticks: u32, gratuitous: bool) -> HashMap<Ipv4Addr, usize> {
    let mut heard = HashMap::new();
    for _ in 0..ticks {
        rig.now = rig.now.after(Ticks(1));
        count(&rig.turn(), gratuitous, &mut heard);
    }
    heard
}

fn announced(rig: &mut Rig) -> HashMap<Ipv4Addr, usize> {
    hear(rig, 500, true)
}

fn neighbors(rig: &mut Rig) -> Vec<Ipv4Addr> {
    let reports = rig.list(Command::ListNeighbors);
    let address = |report| match report {
        Report::Neighbor(neighbor) => neighbor.address,
        Report::Flow(_) | Report::Count(_) | Report::Underway | Report::End => {
            panic!("not a neighbour")
        }
    };
    reports.into_iter().map(address).collect()
}

#[test]
fn only_new_vips_are_announced_also_those_of_skipped_generations() {
    let mut rig = Rig::new(site());
    let _ = announced(&mut rig);
    rig.publish(|setup| setup.set_weights(7));
    assert!(announced(&mut rig).is_empty(), "nothing is new");

    rig.publish(|setup| setup.add(service(20, RS1)));
    rig.publish(|setup| setup.add(service(21, RS1)));
    assert_eq!(announced(&mut rig), HashMap::from([(vip(20), 3), (vip(21), 3)]));
}

#[test]
fn a_snapshot_between_two_announcements_neither_adds_nor_loses_any() {
    let mut rig = Rig::cold(site());
    let mut heard = HashMap::new();
    for step in 0..400 {
        if step % 7 == 0 && step < 350 {
            rig.publish(|setup| setup.set_weights(step));
        }
        rig.now = rig.now.after(Ticks(1));
        count(&rig.turn(), true, &mut heard);
    }
    assert_eq!(heard, HashMap::from([(VIP_IP, 3)]));
}

#[test]
fn all_are_announced_again_when_control_says_so() {
    let mut rig = Rig::new(site());
    let _ = announced(&mut rig);
    assert!(rig.control.request(Command::AnnounceVips));
    assert_eq!(announced(&mut rig), HashMap::from([(VIP_IP, 3)]));
    assert!(rig.control.next_report().is_none(), "there is no answer");
    assert_eq!(neighbors(&mut rig), [GATEWAY, RS1_IP], "listings are answered as ever");
}

#[test]
fn kept_next_hops_are_not_asked_again_and_removed_ones_are_forgotten() {
    let setup = Setup::new([service(10, RS1), service(11, RS2)]);
    let mut rig = Rig::new(setup);
    rig.pass_s(10);
    rig.publish(|setup| {
        setup.remove_real(RS2);
        setup.add(service(12, "10.0.0.13:8080"));
    });
    let asked = hear(&mut rig, 100, false);
    assert_eq!(asked, HashMap::from([(Ipv4Addr::new(10, 0, 0, 13), 1)]), "the new one only");
    for _ in 0..100 {
        rig.pass_s(1);
    }
    let known = neighbors(&mut rig);
    assert!(known.contains(&RS1_IP) && known.contains(&GATEWAY), "{known:?}");
    assert!(!known.contains(&RS2_IP), "{known:?}");
}

#[test]
fn many_are_taken_up_a_few_per_tick_however_often_snapshots_come() {
    const COUNT: u8 = 200;
    let reals: Vec<_> = (0..COUNT).map(|n| Ipv4Addr::new(10, 0, 0, 20 + n)).collect();
    let services = (0..COUNT).map(|n| service(20 + n, &format!("10.0.0.{}:80", 20 + n)));
    let mut rig = Rig::cold(Setup::new(services));
    rig.neighbors_answer = true;
    let (mut heard, mut asked) = (HashMap::new(), HashMap::new());
    for step in 0..400 {
        rig.publish(|setup| setup.set_weights(step));
        let mut frames = 0;
        // Many turns in one tick, as in life.
        for _ in 0..10 {
            let outcome = rig.turn();
            frames += outcome.arp.len();
            count(&outcome, true, &mut heard);
            count(&outcome, false, &mut asked);
        }
        assert!(frames <= ADOPTION_FRAMES_PER_TICK, "{frames} frames in one tick");
        rig.now = rig.now.after(Ticks(1));
    }
    assert_eq!(heard.len(), usize::from(COUNT));
    assert!(heard.values().all(|times| *times == 3), "{heard:?}");
    assert!(reals.iter().all(|real| asked.get(real) == Some(&1)), "{asked:?}");
}
