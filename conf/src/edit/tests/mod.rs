//! Tests of edits: single ones by name, and any list of them against a file that says the same.

mod against_files;
mod any;
mod naive;

use std::net::SocketAddrV4;

use super::*;
use crate::config::{Config, Machine, Protocol};
use crate::load::parse;
use crate::tunnel::GueChecksum;

/// Two subnets, a route, and a service of each kind that edits can collide with.
const BASE: &str = "
version: 1
workers: [1]
limits: {services: 6, real_servers: 12}
ports:
  wan: {device: net_null0, addresses: [192.0.2.2/24]}
  lan: {device: net_null1, addresses: [10.0.0.2/24]}
routes:
  - {to: 10.9.0.0/16, via: 10.0.0.9}
services:
  web:
    vip: 192.0.2.10:80
    protocol: tcp
    mode: fullnat
    local_addresses: [10.0.0.100-10.0.0.101]
    real_servers:
      - {address: 10.0.0.11:8080, weight: 2}
      - {address: 10.9.0.12:8080}
  dns:
    vip: 192.0.2.10:53
    protocol: udp
    mode: dr
    real_servers:
      - {address: 10.0.0.11}
";

fn config() -> Config {
    parse("base.yaml", BASE, &Machine::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn key(protocol: Protocol, vip: &str) -> ServiceKey {
    ServiceKey::Endpoint { protocol, vip: end(vip) }
}

fn tcp(vip: &str) -> ServiceKey {
    key(Protocol::Tcp, vip)
}

fn web() -> ServiceKey {
    tcp("192.0.2.10:80")
}

fn dns() -> ServiceKey {
    key(Protocol::Udp, "192.0.2.10:53")
}

fn end(text: &str) -> SocketAddrV4 {
    text.parse().expect("an address and port")
}

fn real(address: &str) -> RealServer {
    real_in(ForwardingMode::Dr, address)
}

fn real_in(mode: ForwardingMode, address: &str) -> RealServer {
    RealServer {
        address: end(address),
        mode,
        tunnel: Tunnel::Ipip,
        weight: 1,
        drain: false,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn add(key: ServiceKey) -> Edit {
    let (settings, options) = (ServiceSettings::default(), ServiceOptions::default());
    Edit::AddService { key, settings, options }
}

fn add_in(key: ServiceKey, mode: ForwardingMode) -> Edit {
    let options = ServiceOptions { mode: Some(mode), ..ServiceOptions::default() };
    Edit::AddService { key, settings: ServiceSettings::default(), options }
}

/// What becomes of these edits, all or nothing.
fn edited(edits: &[Edit]) -> Result<Config, Refused> {
    let mut draft = Draft::new(config());
    match draft.edit(edits) {
        Ok(_) => Ok(draft.desired().config()),
        Err(refused) => {
            assert_eq!(draft.desired().config(), config(), "something was changed");
            Err(refused)
        }
    }
}

fn refused(edits: &[Edit]) -> String {
    edited(edits).expect_err("refused").error.to_string()
}

#[test]
fn a_service_made_by_a_command_is_like_one_of_a_file() {
    let key = tcp("192.0.2.11:443");
    let real = RealServer { weight: 7, ..real("10.0.0.13:443") };
    let config = edited(&[add(key), Edit::AddRealServer(key, real)]).expect("right");
    let made = config.services.last().expect("one more");
    assert_eq!((made.name.as_str(), made.key), ("tcp-192.0.2.11-443", key));
    assert_eq!((made.mode, made.scheduler), (ForwardingMode::Dr, Scheduler::Wlc));
    assert_eq!(made.real_servers, [real]);
    assert_eq!(config.services.len(), 3);
}

#[test]
fn names_are_made_unique() {
    let taken =
        ServiceOptions { name: Some("tcp-192.0.2.11-443".to_owned()), ..ServiceOptions::default() };
    let settings = ServiceSettings::default();
    let first = Edit::AddService { key: tcp("192.0.2.12:1"), settings, options: taken.clone() };
    let mark = ServiceKey::Mark(crate::mark::Mark::new(7).expect("not 0"));
    let config = edited(&[first, add(tcp("192.0.2.11:443")), add(mark)]).expect("right");
    let names: Vec<_> = config.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names[3..], ["tcp-192.0.2.11-443-2", "mark-7"]);
    let second = Edit::AddService { key: tcp("192.0.2.12:2"), settings, options: taken };
    let error = refused(&[add(tcp("192.0.2.11:443")), second]);
    assert_eq!(error, "the name tcp-192.0.2.11-443 belongs to service tcp 192.0.2.11:443");
}

#[test]
fn an_edit_that_changes_nothing_is_none() {
    let mut draft = Draft::new(config());
    let same = RealServer { weight: 2, ..real_in(ForwardingMode::FullNat, "10.0.0.11:8080") };
    let kept = Timeouts { tcp_s: 0, tcp_fin_s: 120, udp_s: 0 };
    let patch = RealServerPatch { weight: Some(2), ..RealServerPatch::default() };
    let edits = [
        Edit::EditRealServer(web(), same),
        Edit::PatchRealServer(web(), same.address, patch),
        Edit::SetTimeouts(kept),
        Edit::EditService { key: dns(), settings: ServiceSettings::default(), options: None },
    ];
    assert!(draft.edit(&edits).expect("right").is_empty());
}

#[test]
fn steps_tell_what_came_and_went() {
    let mut draft = Draft::new(config());
    let new = tcp("192.0.2.11:443");
    let edits = [
        add(new),
        Edit::AddRealServer(new, real("10.0.0.13:443")),
        Edit::RemoveRealServer(web(), end("10.9.0.12:8080")),
        Edit::RemoveService(dns()),
    ];
    let done = draft.edit(&edits).expect("right");
    assert_eq!(
        done.steps(),
        [
            Step::Added(Subject::Service(new)),
            Step::Added(Subject::RealServer(new, end("10.0.0.13:443"))),
            Step::Removed(Subject::RealServer(web(), end("10.9.0.12:8080"))),
            Step::Removed(Subject::RealServer(dns(), end("10.0.0.11:53"))),
            Step::Removed(Subject::Service(dns())),
        ]
    );
    assert_eq!((draft.service_count(), draft.real_server_count()), (2, 2));
    draft.undo(done);
    assert_eq!((draft.service_count(), draft.real_server_count()), (2, 3));
    assert_eq!(draft.desired().config(), config());
}

#[test]
fn services_that_exchange_names_get_them_back() {
    let mut draft = Draft::new(config());
    let rename = |key, name: &str, mode, locals: &[&str]| Edit::EditService {
        key,
        settings: ServiceSettings::default(),
        options: Some(ServiceOptions {
            name: Some(name.to_owned()),
            mode,
            local_addresses: locals.iter().map(|local| local.parse().expect("one")).collect(),
            ..ServiceOptions::default()
        }),
    };
    let done = draft.edit(&[
        rename(web(), "x", None, &["10.0.0.100"]),
        rename(dns(), "web", None, &[]),
        rename(web(), "dns", None, &["10.0.0.100"]),
    ]);
    let done = done.expect("right");
    assert_eq!((draft.named("web"), draft.named("dns")), (Some(dns()), Some(web())));
    draft.undo(done);
    assert_eq!((draft.named("web"), draft.named("dns")), (Some(web()), Some(dns())));
    assert_eq!(draft.named("x"), None);
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let new = tcp("192.0.2.11:443");
    let at = |address: &str| Edit::AddRealServer(web(), real(address));
    let with = |mode, address| Edit::AddRealServer(dns(), real_in(mode, address));
    let gre = Tunnel::Gre { checksum: false };
    let reversed = RealServer { upper_threshold: 1, lower_threshold: 2, ..real("10.0.0.13:80") };
    let persistent = |timeout_s, mask: [u8; 4]| Edit::AddService {
        key: tcp("192.0.2.11:0"),
        settings: ServiceSettings {
            persistence: Some(Persistence { timeout_s, mask: mask.into(), engine: None }),
            ..ServiceSettings::default()
        },
        options: ServiceOptions::default(),
    };
    for (edit, words) in [
        (add(web()), "there is a service tcp 192.0.2.10:80 already"),
        (Edit::RemoveService(new), "there is no service tcp 192.0.2.11:443"),
        (Edit::AddRealServer(new, real("10.0.0.13:443")), "so it has no real servers"),
        (at("10.0.0.11:8080"), "has a real server 10.0.0.11:8080 already"),
        (Edit::EditRealServer(web(), real("10.0.0.11:80")), "has no real server 10.0.0.11:80"),
        (at("224.0.0.1:80"), "real server cannot be 224.0.0.1, a multicast address"),
        (at("255.255.255.255:80"), "the broadcast address"),
        (at("0.0.0.0:80"), "this network"),
        (at("10.0.0.255:80"), "real server 10.0.0.255 is the broadcast address of 10.0.0.0/24"),
        (at("203.0.113.1:80"), "no port and no route reaches real server 203.0.113.1"),
        (Edit::AddRealServer(dns(), real("10.9.0.1:53")), "behind a gateway"),
        (Edit::AddRealServer(dns(), real("10.0.0.12:54")), "mode dr does not rewrite ports"),
        (with(ForwardingMode::Tunnel, "10.0.0.12:54"), "mode tun does not rewrite ports"),
        (with(ForwardingMode::FullNat, "10.0.0.12:54"), "mode fullnat needs local addresses"),
        (
            Edit::AddRealServer(web(), RealServer { tunnel: gre, ..real("10.0.0.12:80") }),
            "a tunnel for a real server in mode dr",
        ),
        (
            Edit::AddRealServer(
                web(),
                RealServer { weight: 2_147_483_648, ..real("10.0.0.12:80") },
            ),
            "the weight 2147483648 is more than 2147483647",
        ),
        (Edit::AddRealServer(web(), reversed), "the lower threshold 2 is above the upper, 1"),
        (add(tcp("192.0.2.11:0")), "takes persistence"),
        (persistent(0, [255; 4]), "a persistence timeout of 0 s is out of range"),
        (persistent(2_678_401, [255; 4]), "2678401 s is out of range"),
        (persistent(1, [255, 0, 255, 0]), "255.0.255.0 is not a netmask"),
        (add(tcp("10.0.0.9:80")), "VIP 10.0.0.9 is also gateway"),
        (add(tcp("192.0.2.0:80")), "VIP 192.0.2.0 is the network address of 192.0.2.0/24"),
        (add_in(new, ForwardingMode::FullNat), "mode fullnat needs local addresses"),
        (
            Edit::SetTimeouts(Timeouts { tcp_s: 1, tcp_fin_s: 0, udp_s: 9_999_999 }),
            "timeout `udp` of 9999999 s is out of range: 1 s to 2678400 s (31 days)",
        ),
    ] {
        let said = refused(&[add(tcp("192.0.2.13:9")), edit]);
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
}

#[test]
fn the_limits_of_the_file_hold() {
    let services: Vec<_> = (1..=5).map(|n| add(tcp(&format!("192.0.2.11:{n}")))).collect();
    let refused = edited(&services).expect_err("refused");
    assert_eq!(refused.index, 4);
    assert_eq!(refused.error.to_string(), "there is no room: `limits.services` is 6");
    let reals: Vec<_> =
        (20..30).map(|n| Edit::AddRealServer(web(), real(&format!("10.0.0.{n}:80")))).collect();
    let refused = edited(&reals).expect_err("refused");
    assert_eq!(refused.index, 9);
    assert_eq!(refused.error.to_string(), "there is no room: `limits.real_servers` is 12");
}

#[test]
fn all_go_at_once() {
    let config = edited(&[Edit::Flush, add(web())]).expect("right");
    assert_eq!(config.services.len(), 1);
    assert!(config.services[0].real_servers.is_empty());
}

#[test]
fn the_first_real_server_of_a_service_without_a_mode_gives_it_one_and_others_keep_theirs() {
    use ForwardingMode::{Dr, Nat, Tunnel as Tun};
    let new = tcp("192.0.2.11:443");
    let at = |mode, address| Edit::AddRealServer(new, real_in(mode, address));
    let three = [at(Nat, "10.0.0.11:1"), at(Tun, "10.0.0.12:443"), at(Dr, "192.0.2.11:443")];
    let with = |mode: Edit| edited(&[&[mode], &three[..]].concat()).expect("right");
    let modes = |config: &Config| {
        let service = config.services.last().expect("one more");
        (service.mode, service.real_servers.iter().map(|real| real.mode).collect::<Vec<_>>())
    };
    assert_eq!(modes(&with(add(new))), (Nat, vec![Nat, Tun, Dr]));
    assert_eq!(modes(&with(add_in(new, Dr))), (Dr, vec![Nat, Tun, Dr]));
    // Those that have the service's mode go along with it.
    let change = Edit::EditService {
        key: new,
        settings: ServiceSettings::default(),
        options: Some(ServiceOptions { mode: Some(Nat), ..ServiceOptions::default() }),
    };
    let all = [&[add_in(new, Dr)], &three[..], &[change]].concat();
    assert_eq!(modes(&edited(&all).expect("right")), (Nat, vec![Nat, Tun, Nat]));
}

#[test]
fn what_ipvs_takes_and_nothing_comes_of_is_taken_with_a_warning() {
    let here = tcp("127.0.0.1:80");
    let gue = Tunnel::Gue { dst_port: std::num::NonZeroU16::MIN, checksum: GueChecksum::None };
    let tunnelled = RealServer { tunnel: gue, ..real_in(ForwardingMode::Tunnel, "10.0.0.12:80") };
    let mark = ServiceKey::Mark(crate::mark::Mark::new(7).expect("not 0"));
    let at = |address| real_in(ForwardingMode::Nat, address);
    let edits = [
        add(here),
        add(mark),
        Edit::AddRealServer(mark, real("10.0.0.12:80")),
        Edit::AddRealServer(web(), tunnelled),
        Edit::AddRealServer(web(), at("192.0.2.10:80")),
        Edit::AddRealServer(web(), at("10.0.0.2:80")),
        Edit::AddRealServer(web(), at("10.0.0.100:80")),
        Edit::AddRealServer(web(), at("127.0.0.1:80")),
    ];
    let config = edited(&edits).expect("right");
    assert_eq!(crate::warning::warnings(&config).len(), 8);
}

#[test]
fn an_edit_of_a_real_server_leaves_it_draining_and_a_patch_need_not() {
    let mut draft = Draft::new(config());
    let of_web = |draft: &Draft| draft.desired().services()[0].real_servers[0];
    let address = end("10.0.0.11:8080");
    let patch = |drain| {
        let patch = RealServerPatch { drain: Some(drain), ..RealServerPatch::default() };
        [Edit::PatchRealServer(web(), address, patch)]
    };
    draft.edit(&patch(true)).expect("right");
    let anew = RealServer { weight: 9, ..real_in(ForwardingMode::Nat, "10.0.0.11:8080") };
    draft.edit(&[Edit::EditRealServer(web(), anew)]).expect("right");
    let drains = of_web(&draft);
    assert_eq!((drains.weight, drains.drain, drains.effective_weight()), (9, true, 0));
    draft.edit(&patch(false)).expect("right");
    assert_eq!(of_web(&draft), RealServer { drain: false, ..anew });
}

#[test]
fn ftp_is_helped_at_its_port() {
    let ftp = tcp("192.0.2.11:21");
    let config = edited(&[add_in(ftp, ForwardingMode::Nat)]).expect("right");
    assert_eq!(config.services[2].helper, Some(Helper::Ftp));
    let config = edited(&[add(ftp)]).expect("right");
    assert_eq!(config.services[2].helper, Some(Helper::Ftp), "real servers may come in mode nat");
    let options = ServiceOptions {
        mode: Some(ForwardingMode::Nat),
        helper: Some(None),
        ..ServiceOptions::default()
    };
    let settings = ServiceSettings::default();
    let config = edited(&[Edit::AddService { key: ftp, settings, options }]).expect("right");
    assert_eq!(config.services[2].helper, None, "nobody, as asked for");
}
