//! The Internet checksum: in full, and updated for what a rewrite changes.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use rvs_dataplane::testing::Random;
use rvs_dataplane::wire::{Delta, IpProto, Ipv4Header, checksum::checksum, ipv4};

use crate::inputs::{Round, packet};

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [20, 64, 1460] {
        let mut inputs =
            Round::random(|random| (0..len).map(|_| random.byte()).collect::<Vec<_>>());
        group.throughput(Throughput::Bytes(len));
        group.bench_function(format!("full/{len}"), |bencher| {
            bencher.iter(|| black_box(checksum(inputs.next())));
        });
    }
    group.throughput(Throughput::Elements(1));

    let mut headers = Round::random(|random| {
        let packet = packet(random, IpProto::UDP).packet();
        *packet.first_chunk::<{ Ipv4Header::LEN }>().expect("a header in front")
    });
    group.bench_function("verify-ipv4-header", |bencher| {
        bencher.iter(|| black_box(ipv4::plain_header_ok(headers.next())));
    });

    // What NAT changes of a packet: an address and a port.
    let mut changes = Round::random(|random: &mut Random| {
        let ((old, old_port), (new, new_port)) = (random.end(), random.end());
        (random.u64() as u16, (old, new), (old_port, new_port))
    });
    group.bench_function("update/address-and-port", |bencher| {
        bencher.iter(|| {
            let (checksum, (old, new), (old_port, new_port)) = *changes.next();
            let delta = Delta::addr(old, new).and(Delta::u16(old_port, new_port));
            black_box(delta.apply(checksum))
        });
    });

    // What FULLNAT changes: both addresses and both ports, as they are on the wire.
    let mut changes = Round::random(|random: &mut Random| {
        let mut addresses = || random.u64().to_ne_bytes();
        let addresses = (addresses(), addresses());
        let mut ports = || (random.u64() as u32).to_ne_bytes();
        (addresses, (ports(), ports()), random.u64() as u16)
    });
    group.bench_function("update/both-ends", |bencher| {
        bencher.iter(|| {
            let ((old, new), (old_ports, new_ports), checksum) = *changes.next();
            let delta = Delta::words(old, new).and(Delta::word(old_ports, new_ports));
            black_box(delta.apply(checksum))
        });
    });
    group.finish();
}
