//! [`Order`]: by what the schedulers that look at connections compare real servers.
//!
//! Each is a strict weak order, so that the first in list order among equals can be found in any
//! sequence of comparisons. Fractions are compared across, without division.

use super::Load;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// lc: the least cost.
    LeastConnections,
    /// wlc: the least cost for its weight.
    WeightedLeastConnections,
    /// sed: the least active connections, with one more, for its weight.
    ShortestExpectedDelay,
    /// nq: the first that is idle; if none is, as sed.
    NeverQueue,
    /// fo: the highest weight.
    Failover,
    /// ovf: the highest weight among those with no more active connections than that.
    Overflow,
}

impl Order {
    /// Whether `later`, which stands behind `earlier` in the list, goes before it. `None` is a real
    /// server that takes nothing.
    #[inline]
    pub(super) fn is_better(
        self,
        earlier: Option<(u32, Load)>,
        later: Option<(u32, Load)>,
    ) -> bool {
        let takes = |one: Option<(u32, Load)>| {
            one.filter(|(weight, load)| {
                *weight > 0 && (self != Self::Overflow || load.active <= *weight)
            })
        };
        match (takes(earlier), takes(later)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(earlier), Some(later)) => self.compare(earlier, later),
        }
    }

    #[inline]
    fn compare(self, earlier: (u32, Load), later: (u32, Load)) -> bool {
        let delay = |(_, load): (u32, Load)| u64::from(load.active) + 1;
        match self {
            Self::LeastConnections => later.1.cost() < earlier.1.cost(),
            Self::WeightedLeastConnections => {
                is_less((later.1.cost(), later.0), (earlier.1.cost(), earlier.0))
            }
            Self::NeverQueue if earlier.1.active == 0 => false,
            Self::NeverQueue if later.1.active == 0 => true,
            Self::ShortestExpectedDelay | Self::NeverQueue => {
                is_less((delay(later), later.0), (delay(earlier), earlier.0))
            }
            Self::Failover | Self::Overflow => later.0 > earlier.0,
        }
    }
}

/// Whether a cost for its weight is less than another. Costs are below 2^41 and weights below 2^31,
/// so the products take more than 64 bits.
#[inline]
pub(in crate::sched) fn is_less(
    (cost, weight): (u64, u32),
    (other_cost, other_weight): (u64, u32),
) -> bool {
    let product = |cost: u64, weight: u32| u128::from(cost) * u128::from(weight);
    product(other_cost, weight) > product(cost, other_weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHT_MAX: u32 = 2_147_483_647;

    #[test]
    fn the_greatest_weights_and_loads_are_compared_exactly() {
        let busy = |active| Load { active, inactive: 0 };
        let orders =
            [Order::WeightedLeastConnections, Order::ShortestExpectedDelay, Order::NeverQueue];
        for order in orders {
            // The shares differ by one connection in four thousand millions.
            let first = Some((WEIGHT_MAX, busy(u32::MAX)));
            let second = Some((WEIGHT_MAX, busy(u32::MAX - 1)));
            assert!(order.is_better(first, second) && !order.is_better(second, first));
            assert!(!order.is_better(first, first), "the first of equals");
            // By weight: 1 for weight 1 is more than all for the greatest.
            let light = Some((1, busy(3)));
            assert!(order.is_better(light, first) && !order.is_better(first, light));
        }
    }
}
