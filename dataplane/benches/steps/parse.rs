//! Bytes become a class and a key: the short way of plain packets, and the long way of the others.

use std::hint::black_box;

use criterion::Criterion;
use rvs_dataplane::buf::RxChecksum;
use rvs_dataplane::parse::Slip;
use rvs_dataplane::testbuf::TestBuf;
use rvs_dataplane::testing::{DIRECTOR_MAC, Random};
use rvs_dataplane::wire::IpProto;

use crate::inputs::{Round, packet};

pub(crate) fn all(criterion: &mut Criterion) {
    let either = |random: &mut Random| [IpProto::TCP, IpProto::UDP][random.below(2)];
    let mut group = criterion.benchmark_group("parse");
    let mut bench = |name: &str, has_ports, make: &dyn Fn(&mut Random) -> TestBuf| {
        let mut frames = Round::random(make);
        let mut slip = Slip::default();
        slip.fill(frames.next(), DIRECTOR_MAC);
        assert_eq!(slip.transport().is_some(), has_ports, "{name}: {:?}", slip.parsed());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                slip.fill(frames.next(), DIRECTOR_MAC);
                black_box(&slip);
            });
        });
    };
    bench("udp", true, &|random| packet(random, IpProto::UDP).buf());
    bench("tcp", true, &|random| packet(random, IpProto::TCP).buf());
    bench("udp-and-tcp", true, &|random| {
        let protocol = either(random);
        packet(random, protocol).buf()
    });
    // The NIC has verified the header's checksum.
    bench("udp/nic-checked", true, &|random| {
        packet(random, IpProto::UDP).buf().with_rx_ipv4_checksum(RxChecksum::Good)
    });
    bench("long-way/options", true, &|random| {
        let protocol = either(random);
        packet(random, protocol).ip_options(&[1, 1, 1, 0]).buf()
    });
    bench("long-way/later-fragment", false, &|random| {
        let whole = packet(random, IpProto::UDP).payload([0; 1472]).dont_fragment(false);
        TestBuf::new(&whole.fragments(1000)[1])
    });
    group.finish();
}
