//! twos: the less busy of two real servers that are drawn by weight.
//!
//! IPVS' rule (`ip_vs_twos`): draw two numbers from 0 to the sum of the weights; each names the
//! first real server at which the sum of weights reaches it. The second is taken if it costs less
//! for its weight.

use crate::service::Dest;

use super::load::{Loads, is_less};

/// Sums of weights up to and including each real server.
pub(super) type Sums = Box<[u64]>;

/// The sums over a list.
pub(super) fn sums(dests: &[Dest]) -> Sums {
    let mut sum = 0;
    dests
        .iter()
        .map(|dest| {
            sum += u64::from(dest.weight);
            sum
        })
        .collect()
}

/// The choice; `draw` gives a number up to and including its argument.
pub(super) fn pick(
    dests: &[Dest],
    sums: &Sums,
    loads: &Loads,
    mut draw: impl FnMut(u64) -> u64,
) -> Option<usize> {
    let total = sums.last().copied().filter(|total| *total > 0)?;
    let mut one = || {
        let number = draw(total);
        // 0 names whoever comes first with a weight.
        let place = sums.partition_point(|sum| *sum < number.max(1));
        if loads.is_overloaded(place) {
            among_the_others(dests, loads, &mut draw)
        } else {
            Some(place)
        }
    };
    let (first, second) = (one()?, one()?);
    let weighed = |place: usize| {
        let weight = dests.get(place).map_or(0, |dest| dest.weight);
        (loads.load(place).cost(), weight)
    };
    let is_second = is_less(weighed(second), weighed(first));
    Some(if is_second { second } else { first })
}

/// A draw without those that are overloaded.
#[cold]
fn among_the_others(
    dests: &[Dest],
    loads: &Loads,
    draw: &mut impl FnMut(u64) -> u64,
) -> Option<usize> {
    let taking = || {
        let all = dests.iter().enumerate();
        all.filter(|(place, dest)| dest.weight > 0 && !loads.is_overloaded(*place))
    };
    let total: u64 = taking().map(|(_, dest)| u64::from(dest.weight)).sum();
    let mut left = draw(total).max(1);
    for (place, dest) in taking() {
        let weight = u64::from(dest.weight);
        if left <= weight {
            return Some(place);
        }
        left -= weight;
    }
    None
}
