//! IPVS' estimator: what comes in a second, averaged over the last ten seconds or so.
//!
//! Every two seconds a quarter of the difference between the latest rate and the average is added
//! to the average. Averages are kept in fixed point, as IPVS keeps them, so that listings agree
//! with it to the last digit.

use crate::api::proto::{Rates, Traffic};

/// Bits behind the point of connections and packets, and of bytes.
const COUNT_BITS: u32 = 10;
const BYTE_BITS: u32 = 5;

/// The traffic of a service or a real server, and how fast it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimator {
    last: Traffic,
    average: Traffic,
}

impl Estimator {
    /// Nothing has come since it was `traffic`.
    pub(super) fn new(traffic: Traffic) -> Self {
        Self { last: traffic, average: Traffic::default() }
    }

    /// Takes in what the counters say two seconds after the last time.
    pub(super) fn sample(&mut self, now: Traffic) {
        let (last, average) = (&self.last, &mut self.average);
        let step = |average: &mut u64, now: u64, last: u64, bits: u32| {
            // Per second, so half of what came in two.
            let rate = now.saturating_sub(last).saturating_mul(1 << (bits - 1));
            let (rate, old) = (i128::from(rate), i128::from(*average));
            *average = u64::try_from(old + ((rate - old) >> 2)).unwrap_or(0);
        };
        step(&mut average.connections, now.connections, last.connections, COUNT_BITS);
        step(&mut average.in_packets, now.in_packets, last.in_packets, COUNT_BITS);
        step(&mut average.out_packets, now.out_packets, last.out_packets, COUNT_BITS);
        step(&mut average.in_bytes, now.in_bytes, last.in_bytes, BYTE_BITS);
        step(&mut average.out_bytes, now.out_bytes, last.out_bytes, BYTE_BITS);
        self.last = now;
    }

    /// The averages in whole numbers.
    pub(super) fn rates(&self) -> Rates {
        let whole = |average: u64, bits: u32| {
            let half = (1 << (bits - 1)) - 1;
            average.saturating_add(half) >> bits
        };
        let average = &self.average;
        Rates {
            connections: whole(average.connections, COUNT_BITS),
            in_packets: whole(average.in_packets, COUNT_BITS),
            out_packets: whole(average.out_packets, COUNT_BITS),
            in_bytes: whole(average.in_bytes, BYTE_BITS),
            out_bytes: whole(average.out_bytes, BYTE_BITS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(connections: u64, packets: u64, bytes: u64) -> Traffic {
        Traffic {
            connections,
            in_packets: packets,
            in_bytes: bytes,
            out_packets: packets / 2,
            out_bytes: bytes / 2,
            closed: 0,
        }
    }

    #[test]
    fn a_steady_rate_is_reached_and_forgotten_by_quarters() {
        let mut estimator = Estimator::new(traffic(5, 50, 500));
        let mut now = traffic(5, 50, 500);
        let mut shown = Vec::new();
        for _ in 0..100 {
            // 100 connections, 1000 packets and 640,000 bytes a second.
            now = traffic(now.connections + 200, now.in_packets + 2000, now.in_bytes + 1_280_000);
            estimator.sample(now);
            shown.push(estimator.rates().connections);
        }
        assert_eq!(shown[..5], [25, 44, 58, 68, 76]);
        let rates = estimator.rates();
        assert_eq!((rates.connections, rates.in_packets, rates.out_packets), (100, 1000, 500));
        assert_eq!((rates.in_bytes, rates.out_bytes), (640_000, 320_000));
        estimator.sample(now);
        assert_eq!(estimator.rates().connections, 75);
        (0..60).for_each(|_| estimator.sample(now));
        assert_eq!(estimator.rates(), Rates::default());
    }

    #[test]
    fn counters_that_were_set_back_and_giant_ones_do_no_harm() {
        let mut estimator = Estimator::new(traffic(1000, 0, 0));
        estimator.sample(traffic(0, 0, 0));
        assert_eq!(estimator.rates(), Rates::default());
        estimator.sample(traffic(u64::MAX, u64::MAX, u64::MAX));
        assert!(estimator.rates().in_bytes > 1 << 50);
    }
}
