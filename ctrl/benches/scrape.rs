//! How long a scrape of `/metrics` takes to make: reading all counters, and the text.
//!
//! `cargo bench -p rvs-ctrl --features bench`

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rvs_ctrl::metrics_bench::Many;

fn scrapes(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("scrape");
    group.sample_size(20);
    for (services, each, shown) in
        [(1000, 10, "all"), (10_000, 10, "none"), (10_000, 10, "10000"), (10_000, 10, "all")]
    {
        let many = Many::new(services, each, shown);
        let scraped = runtime.block_on(many.scrape());
        let name = format!("{services} services x {each}, real_servers: {shown}");
        println!("{name}: {} lines, {} bytes", scraped.lines, scraped.bytes);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(runtime.block_on(many.scrape())));
        });
    }
    group.finish();
}

criterion_group!(benches, scrapes);
criterion_main!(benches);
