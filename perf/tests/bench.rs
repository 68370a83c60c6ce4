//! The benchmark itself: every packet of every scenario is forwarded, and no buffer is lost.

#[cfg(test)]
mod bench {
    use dataplane::forward::ForwardingMode;
    use dpdk::testing;
    use rvs_perf::bench::loop_ports::Feed;
    use rvs_perf::bench::measure::{Effort, Scenario, run};

    #[test]
    fn every_scenario_forwards_every_packet() {
        let pool = testing::pool(4095).expect("a pool");
        let effort = Effort { rounds: 3, packets: 5_000 };
        for (mode, feed) in [
            (ForwardingMode::Dr, Feed::Requests),
            (ForwardingMode::Tunnel, Feed::Requests),
            (ForwardingMode::Nat, Feed::Both),
            (ForwardingMode::FullNat, Feed::Both),
        ] {
            for flows in [1, 1_000] {
                let figures = run(Scenario { mode, flows, feed }, effort, &pool);
                let figures = figures.unwrap_or_else(|lost| panic!("{mode:?}, {flows}: {lost}"));
                assert!(figures.worker.median > 0.0 && figures.ceiling.median > 0.0);
                assert_eq!(pool.in_use(), 0, "{mode:?}, {flows} flows");
            }
        }
    }
}
