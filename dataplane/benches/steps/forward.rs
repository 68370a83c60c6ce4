//! The rewrite of each forwarding mode, TTL and checksums with it.
//!
//! A packet is rewritten again and again, so each time its TTL is set back first, by one store, and
//! TUN's outer header is taken off again.

use std::hint::black_box;

use criterion::Criterion;
use rvs_dataplane::buf::PacketBuf;
use rvs_dataplane::flow::FlowKey;
use rvs_dataplane::forward::{TUNNEL_OVERHEAD, TunnelEnds, decrement_ttl, encapsulate, translate};
use rvs_dataplane::parse::{Ipv4Meta, L3_OFFSET, Slip};
use rvs_dataplane::testbuf::TestBuf;
use rvs_dataplane::testing::{DIRECTOR_MAC, Random};
use rvs_dataplane::wire::IpProto;

use crate::inputs::{Round, packet};

const TTL_AT: usize = L3_OFFSET + 8;
const TTL: u8 = 64;

/// A packet, and what the two of its rewrites that take turns make of it.
struct Subject {
    frame: TestBuf,
    ip: Ipv4Meta,
    targets: [FlowKey; 2],
}

pub(crate) fn all(criterion: &mut Criterion) {
    bench(criterion, "dr", IpProto::UDP, keep, |subject| decrement_ttl(&mut subject.frame));
    for (name, nic_fills) in [("tun", false), ("tun/nic-fills-checksum", true)] {
        let mut id = 0u16;
        bench(criterion, name, IpProto::UDP, keep, |subject| {
            let ends = TunnelEnds { src: subject.ip.dst(), dst: subject.ip.src() };
            id = id.wrapping_add(1);
            decrement_ttl(&mut subject.frame);
            black_box(encapsulate(&mut subject.frame, ends, id, nic_fills));
            subject.frame.trim_front(usize::from(TUNNEL_OVERHEAD));
        });
    }
    for (protocol, of) in [(IpProto::UDP, "udp"), (IpProto::TCP, "tcp")] {
        bench(criterion, &format!("nat/{of}"), protocol, other_destination, rewrite);
        bench(criterion, &format!("fullnat/{of}"), protocol, other_ends, rewrite);
    }
}

fn rewrite(subject: &mut Subject) {
    subject.targets.swap(0, 1);
    decrement_ttl(&mut subject.frame);
    let _ = translate(&mut subject.frame, &subject.ip, &subject.targets[0], false);
}

fn keep(key: FlowKey, _: &mut Random) -> FlowKey {
    key
}

fn other_destination(key: FlowKey, random: &mut Random) -> FlowKey {
    let (rip, rport) = random.end();
    FlowKey::ipv4(key.protocol(), key.src_ipv4(), key.src_port(), rip, rport)
}

fn other_ends(key: FlowKey, random: &mut Random) -> FlowKey {
    let ((lip, lport), (rip, rport)) = (random.end(), random.end());
    FlowKey::ipv4(key.protocol(), lip, lport, rip, rport)
}

fn bench(
    criterion: &mut Criterion,
    name: &str,
    protocol: u8,
    target: fn(FlowKey, &mut Random) -> FlowKey,
    mut forward: impl FnMut(&mut Subject),
) {
    let mut subjects = Round::random(|random| {
        let mut frame = packet(random, protocol).buf();
        let mut slip = Slip::default();
        slip.fill(&mut frame, DIRECTOR_MAC);
        let transport = slip.transport().expect("a TCP or UDP packet");
        let targets = [transport.key, target(transport.key, random)];
        Subject { ip: transport.ip, frame, targets }
    });
    criterion.bench_function(&format!("forward/{name}"), |bencher| {
        bencher.iter(|| {
            let subject = subjects.next();
            subject.frame.bytes_mut()[TTL_AT] = TTL;
            forward(subject);
        });
    });
}
