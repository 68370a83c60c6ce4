//! Edits of all kinds, right and wrong.

use std::num::NonZeroU16;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::config::PersistenceEngine;
use crate::tunnel::GueChecksum;

/// Ends of all kinds: in a subnet, behind a route, unreachable, taken, and no host's.
fn address() -> impl Strategy<Value = SocketAddrV4> {
    let hosts = [
        "10.0.0.11",
        "10.0.0.12",
        "10.9.0.12",
        "203.0.113.1",
        "10.0.0.2",
        "192.0.2.10",
        "192.0.2.11",
        "10.0.0.100",
        "10.0.0.102",
        "10.0.0.9",
        "10.0.0.255",
        "224.0.0.1",
        "127.0.0.1",
    ];
    let ports = select(vec![0_u16, 1, 21, 53, 80, 8080]);
    let end = |(host, port): (&str, u16)| SocketAddrV4::new(host.parse().expect("one"), port);
    (select(hosts.to_vec()), ports).prop_map(end)
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    let usual = select(vec![web(), dns(), tcp("192.0.2.11:21"), tcp("192.0.2.11:0")]);
    let any = (select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]), address())
        .prop_map(|(protocol, vip)| ServiceKey::Endpoint { protocol, vip });
    prop_oneof![4 => usual, 1 => any]
}

fn mode() -> impl Strategy<Value = ForwardingMode> {
    use ForwardingMode::{Dr, FullNat, Nat, Tunnel as Tun};
    select(vec![Dr, Nat, Tun, Tun, FullNat])
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let gue = Tunnel::Gue { dst_port: NonZeroU16::MIN, checksum: GueChecksum::Remote };
    select(vec![Tunnel::Ipip, Tunnel::Ipip, gue, Tunnel::Gre { checksum: true }])
}

fn real_server() -> impl Strategy<Value = RealServer> {
    let thresholds = (select(vec![0_u32, 1, 5]), select(vec![0_u32, 1, 5]));
    let way = (mode(), tunnel());
    let weight = (select(vec![0, 1, 65_536, 2_147_483_647, u32::MAX]), any::<bool>());
    (address(), way, weight, thresholds).prop_map(
        |(address, (mode, tunnel), (weight, drain), (upper_threshold, lower_threshold))| {
            RealServer { address, mode, tunnel, weight, drain, upper_threshold, lower_threshold }
        },
    )
}

fn settings() -> impl Strategy<Value = ServiceSettings> {
    let mask = select(vec![[255, 255, 255, 255], [255, 255, 255, 0], [255, 0, 255, 0]]);
    let engine = select(vec![None, None, Some(PersistenceEngine::Sip)]);
    let persistence = (select(vec![0_u32, 1, 2_678_400, 2_678_401]), mask, engine)
        .prop_map(|(timeout_s, mask, engine)| Persistence { timeout_s, mask: mask.into(), engine });
    let ops = prop::bool::weighted(0.2);
    (select(Scheduler::ALL.to_vec()), prop::option::of(persistence), ops).prop_map(
        |(scheduler, persistence, ops)| ServiceSettings {
            scheduler,
            scheduler_flags: SchedulerFlags::default(),
            persistence,
            ops,
        },
    )
}

fn options() -> impl Strategy<Value = ServiceOptions> {
    let name = select(vec![None, None, Some("web"), Some("a"), Some("1st"), Some("x y")]);
    let mode = prop::option::of(mode());
    let seconds = || select(vec![None, None, None, Some(0), Some(30), Some(2_678_401)]);
    let timeouts = (seconds(), seconds(), seconds());
    let local = select(vec!["10.0.0.100", "10.0.0.102", "10.0.0.11", "192.0.2.10", "203.0.113.9"]);
    let locals = prop::collection::vec(local, 0..3);
    let helper = select(vec![None, None, Some(None), Some(Some(Helper::Ftp))]);
    (name, mode, timeouts, locals, helper).prop_map(
        |(name, mode, (tcp_s, tcp_fin_s, udp_s), locals, helper)| ServiceOptions {
            name: name.map(str::to_owned),
            mode,
            timeouts: ServiceTimeouts { tcp_s, tcp_fin_s, udp_s },
            local_addresses: locals.iter().map(|local| local.parse().expect("one")).collect(),
            helper,
        },
    )
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let number = || select(vec![None, Some(0_u32), Some(3), Some(70_000)]);
    let thresholds = (number(), number());
    let forward = (prop::option::of(mode()), prop::option::weighted(0.2, tunnel()));
    let patch = (number(), any::<Option<bool>>(), forward, thresholds).prop_map(
        |(weight, drain, (mode, tunnel), (upper_threshold, lower_threshold))| RealServerPatch {
            weight,
            drain,
            mode,
            tunnel,
            upper_threshold,
            lower_threshold,
        },
    );
    let seconds = || select(vec![0_u32, 0, 1, 60, 2_678_400, 2_678_401]);
    let timeouts = (seconds(), seconds(), seconds());
    prop_oneof![
        4 => (service_key(), settings(), options())
            .prop_map(|(key, settings, options)| Edit::AddService { key, settings, options }),
        2 => (service_key(), settings(), prop::option::of(options()))
            .prop_map(|(key, settings, options)| Edit::EditService { key, settings, options }),
        2 => service_key().prop_map(Edit::RemoveService),
        1 => Just(Edit::Flush),
        8 => (service_key(), real_server()).prop_map(|(key, one)| Edit::AddRealServer(key, one)),
        3 => (service_key(), real_server()).prop_map(|(key, one)| Edit::EditRealServer(key, one)),
        3 => (service_key(), address(), patch)
            .prop_map(|(key, address, patch)| Edit::PatchRealServer(key, address, patch)),
        3 => (service_key(), address())
            .prop_map(|(key, address)| Edit::RemoveRealServer(key, address)),
        1 => timeouts.prop_map(|(tcp_s, tcp_fin_s, udp_s)| {
            Edit::SetTimeouts(Timeouts { tcp_s, tcp_fin_s, udp_s })
        }),
    ]
}
