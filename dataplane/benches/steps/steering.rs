//! Whose packet it is: the hash of RSS, local ports for FULLNAT, and the owner of a flow.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use criterion::Criterion;
use rvs_dataplane::forward::{ForwardingMode, LocalPortShare, LocalPorts, PortClasses};
use rvs_dataplane::ownership::{Team, WorkerIdx};
use rvs_dataplane::rss::{HashedEnds, RedirectionTable, RssKey, RssSteering, Toeplitz};
use rvs_dataplane::service::{RealId, RealServer, ServiceId};

use crate::inputs::Round;

const WORKERS: u16 = 8;
const REAL_SERVERS: usize = 1000;
const LOCAL_ADDRESSES: u32 = 32;

pub(crate) fn all(criterion: &mut Criterion) {
    let mut ends = Round::random(|random| (random.end(), random.end()));
    let toeplitz = Toeplitz::new(&RssKey::BOTH_ENDS);
    criterion.bench_function("rss/toeplitz/ipv4-ports", |bencher| {
        bencher.iter(|| {
            let (src, dst) = *ends.next();
            black_box(toeplitz.ipv4_ports(src, dst))
        });
    });

    let steering = steering();
    let mut wanted = Round::random(|random| (random.end(), random.end().0, random.u64() as u32));
    criterion.bench_function("rss/nth-port", |bencher| {
        bencher.iter(|| {
            let (real, lip, n) = *wanted.next();
            black_box(steering.nth_port(steering.base(real, lip), n))
        });
    });

    let team = Team::new(WorkerIdx(0), WORKERS, 0x5EED);
    criterion.bench_function("owner/by-client", |bencher| {
        bencher.iter(|| {
            let ((client, cport), _) = *ends.next();
            black_box(team.by_client(client, cport))
        });
    });
    let classes = LocalPortShare::Classes(classes(), 1);
    let rss = LocalPortShare::Rss(Arc::new(steering));
    for (name, share) in [("classes", classes), ("rss", rss)] {
        criterion.bench_function(&format!("owner/by-local-port/{name}"), |bencher| {
            bencher.iter(|| {
                let (real, local) = *ends.next();
                black_box(share.owner(real, local))
            });
        });
    }
    local_ports(criterion);
}

/// The choice of a LIP and lport that is free at once.
fn local_ports(criterion: &mut Criterion) {
    let pool: Vec<_> = (0..LOCAL_ADDRESSES).map(|n| Ipv4Addr::from_bits(0x0A00_0064 + n)).collect();
    let mut reals = Round::random(|random| {
        let id = RealId(random.below(REAL_SERVERS) as u32);
        let (address, l4_port) = random.end();
        let (service, mode) = (ServiceId(0), ForwardingMode::FullNat);
        RealServer { id, service, address, l4_port, mode, weight: 1, next_hop: None }
    });
    let shares = [
        ("all", LocalPortShare::All),
        ("classes", LocalPortShare::Classes(classes(), 1)),
        ("rss", LocalPortShare::Rss(Arc::new(steering()))),
    ];
    for (name, share) in shares {
        let mut ports = LocalPorts::with_share(REAL_SERVERS, 0x5EED, share);
        criterion.bench_function(&format!("local-port/{name}"), |bencher| {
            bencher.iter(|| black_box(ports.allocate(reals.next(), &pool, |_, _| true)));
        });
    }
}

fn classes() -> PortClasses {
    PortClasses::by_port(WORKERS).expect("more ports than workers")
}

fn steering() -> RssSteering {
    let table = RedirectionTable::even(128, WORKERS).expect("a usual table");
    RssSteering::new(&RssKey::BOTH_ENDS, HashedEnds::Both, table, 1).expect("a key that serves")
}
