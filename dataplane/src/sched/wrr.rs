//! wrr: weighted round robin by a falling current weight.
//!
//! IPVS' rule (`ip_vs_wrr`): walk the list from the element after the last choice and take the
//! first whose weight reaches the current weight; at the end of the list lower the current weight
//! by the gcd of all weights, and wrap it to the highest when it falls to 0.

use crate::service::Dest;

/// What wrr needs to know of all weights of a service, and where its current weight starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WrrPlan {
    /// Greatest common divisor of the positive weights; 1 if there are none.
    gcd: u32,
    /// Highest weight, less `gcd - 1`.
    max: u32,
    /// Current weight after the real servers were added one by one.
    pub(super) start: u32,
}

impl WrrPlan {
    /// The current weight after the real servers or their weights have changed, as IPVS adjusts it.
    #[must_use]
    pub(super) fn adjusted(&self, current_weight: u32) -> u32 {
        if current_weight > self.max || current_weight == 0 {
            self.max
        } else if self.gcd > 1 {
            current_weight / self.gcd * self.gcd + 1
        } else {
            current_weight
        }
    }

    /// The current weight after all were passed over in vain. IPVS goes on until it has come by
    /// everybody at the lowest weight: from the head of the list it has begun anew by then, from
    /// elsewhere it has come round to where it was.
    fn after_nobody(&self, position: Option<u32>) -> u32 {
        // The highest is a multiple of the gcd and 1, or 0 if there is nobody with a weight.
        if position.is_none() { self.max } else { self.max.min(1) }
    }

    /// The plan for real servers whose weights were added in this order, one at a time.
    ///
    /// IPVS adjusts the current weight at each addition, so that it often starts at 1 and the
    /// first pass takes every real server once.
    #[must_use]
    pub(super) fn after_adding(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut plan = Self { gcd: 1, max: 0, start: 0 };
        let (mut gcd, mut max) = (0, 0);
        for weight in weights {
            gcd = greatest_common_divisor(gcd, weight);
            max = weight.max(max);
            plan.gcd = gcd.max(1);
            plan.max = (max + 1).saturating_sub(plan.gcd);
            plan.start = plan.adjusted(plan.start);
        }
        plan
    }
}

pub(super) fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Place in `dests` of the next choice, which becomes `position`.
pub(super) fn pick(
    dests: &[Dest],
    plan: &WrrPlan,
    position: &mut Option<u32>,
    current_weight: &mut u32,
    is_overloaded: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut start = position.map_or(0, |last| last as usize + 1).min(dests.len());
    let mut is_highest_known = false;
    loop {
        let usable =
            |place: &usize| dests[*place].weight >= *current_weight && !is_overloaded(*place);
        if *current_weight > 0
            && let Some(place) = (start..dests.len()).find(usable)
        {
            *position = u32::try_from(place).ok();
            return Some(place);
        }
        start = 0;
        *current_weight = current_weight.saturating_sub(plan.gcd);
        if *current_weight == 0 {
            *current_weight = plan.max;
        }
        // Nobody was found at this level: the next are passed over up to one that somebody reaches,
        // which is found within a pass.
        if is_highest_known {
            continue;
        }
        is_highest_known = true;
        let all = dests.iter().enumerate().filter(|(place, _)| !is_overloaded(*place));
        let highest = all.map(|(_, dest)| dest.weight).max().filter(|weight| *weight > 0);
        let Some(highest) = highest else {
            *current_weight = plan.after_nobody(*position);
            return None;
        };
        let above = current_weight.saturating_sub(highest).div_ceil(plan.gcd);
        *current_weight -= above * plan.gcd;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(weights: &[u32], count: usize) -> Vec<u32> {
        let dests = crate::sched::pool(weights);
        let plan = WrrPlan::after_adding(weights.iter().copied());
        let (mut position, mut current) = (None, plan.start);
        (0..count)
            .filter_map(|_| pick(&dests, &plan, &mut position, &mut current, |_| false))
            .map(|place| dests[place].real.0)
            .collect()
    }

    // The sequences were recorded from a Linux 6.1 IPVS.
    #[test]
    fn sequences_of_the_kernel() {
        let steady = [1, 2, 1, 3, 2, 1, 3, 2, 1];
        let first = picks(&[4, 3, 2], 12 + 27);
        assert_eq!(first[..12], [3, 2, 1, 1, 2, 1, 3, 2, 1, 3, 2, 1]);
        assert_eq!(first[12..21], steady);
        assert_eq!(first[21..30], steady);
        assert_eq!(picks(&[5, 1], 14), [2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1]);
        assert_eq!(picks(&[10, 20, 40], 14), [3, 2, 1, 3, 3, 3, 2, 3, 2, 1, 3, 3, 3, 2]);
        assert_eq!(picks(&[3, 2, 1], 15), [3, 2, 1, 1, 2, 1, 3, 2, 1, 1, 2, 1, 3, 2, 1]);
    }

    /// By the rule: all at weight 1 in the first pass, then down from the highest, level by level.
    #[test]
    fn the_greatest_weights_take_no_longer() {
        let most = 2_147_483_647;
        assert_eq!(picks(&[most, 1], 8), [2, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(picks(&[most, most - 1], 7), [2, 1, 1, 2, 1, 2, 1]);
        assert_eq!(picks(&[most, most], 5), [2, 1, 2, 1, 2]);
        assert_eq!(picks(&[most, 0, 2], 6), [3, 1, 1, 1, 1, 1]);
        // From a level that nobody reaches down to one of 1: at once, not level by level.
        let dests = crate::sched::pool(&[1, most]);
        let plan = WrrPlan::after_adding([1, most]);
        let (mut position, mut current) = (None, most);
        let picked = pick(&dests, &plan, &mut position, &mut current, |place| place == 0);
        assert_eq!((picked, current), (Some(1), 1));
    }

    #[test]
    fn no_usable_weight_no_choice() {
        assert!(picks(&[], 1).is_empty());
        assert!(picks(&[0, 0], 2).is_empty());
        assert_eq!(picks(&[0, 7], 3), [2, 2, 2]);
    }

    #[test]
    fn picks_in_vain_leave_the_current_weight_as_in_the_kernel() {
        let dests = crate::sched::pool(&[2, 4, 6]);
        let plan = WrrPlan::after_adding([2, 4, 6]);
        for (mut position, left) in [(None, 5), (Some(1), 1)] {
            let mut current = 3;
            let before = position;
            assert_eq!(pick(&dests, &plan, &mut position, &mut current, |_| true), None);
            assert_eq!((position, current), (before, left));
        }
    }

    #[test]
    fn every_period_follows_the_weights() {
        let weights = [7, 3, 12, 1];
        let total = 23;
        let picks = picks(&weights, total * 4);
        for period in picks[total..].chunks(total) {
            for (real, weight) in (1u32..).zip(weights) {
                let share = period.iter().filter(|pick| **pick == real).count();
                assert_eq!(share, weight as usize, "real server {real}");
            }
        }
    }
}
