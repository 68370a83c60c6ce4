//! rr: the next real server of the circular list that may take a connection.
//!
//! IPVS' rule (`ip_vs_rr`): start with the element after the last choice, go round once, skip
//! weight 0 and who is overloaded.

use crate::service::Dest;

/// Place in `dests` of the next choice, which becomes `position`.
pub(super) fn pick(
    dests: &[Dest],
    position: &mut Option<u32>,
    is_overloaded: impl Fn(usize) -> bool,
) -> Option<usize> {
    let start = position.map_or(0, |last| last as usize + 1).min(dests.len());
    let usable = |place: &usize| dests[*place].weight > 0 && !is_overloaded(*place);
    let place = (start..dests.len()).chain(0..start).find(usable)?;
    *position = u32::try_from(place).ok();
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(weights: &[u32], count: usize) -> Vec<u32> {
        let dests = crate::sched::pool(weights);
        let mut position = None;
        (0..count)
            .filter_map(|_| pick(&dests, &mut position, |_| false))
            .map(|place| dests[place].real.0)
            .collect()
    }

    #[test]
    fn newest_real_server_comes_first() {
        assert_eq!(picks(&[1, 1, 1], 7), [3, 2, 1, 3, 2, 1, 3]);
    }

    #[test]
    fn who_is_overloaded_is_skipped() {
        let dests = crate::sched::pool(&[1, 1, 1]);
        let mut position = Some(0);
        assert_eq!(pick(&dests, &mut position, |place| place == 1), Some(2));
        assert_eq!(pick(&dests, &mut position, |place| place < 2), Some(2));
        assert_eq!(pick(&dests, &mut position, |_| true), None);
    }

    #[test]
    fn weight_zero_is_skipped_and_other_weights_do_not_count() {
        assert_eq!(picks(&[5, 0, 1], 4), [3, 1, 3, 1]);
        assert_eq!(picks(&[0, 2], 3), [2, 2, 2]);
        assert!(picks(&[0, 0], 3).is_empty());
        assert!(picks(&[], 1).is_empty());
    }
}
