//! One direction of a TCP connection in which a text of another length was put in.
//!
//! Sequence numbers behind such an edit are shifted, and so are the other direction's
//! acknowledgements, back. As in IPVS (`ip_vs_seq`) one edit is remembered, with the shift before
//! it and the shift behind it: a later edit takes the place of the one before, which the control
//! connection, where command and answer take turns, has long acknowledged.

/// The shift of one direction, in sequence numbers as its sender counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Where the text that was replaced begins and ends.
    start: u32,
    end: u32,
    /// Added to sequence numbers up to `start`.
    before: u32,
    /// Added to sequence numbers from `end` on.
    after: u32,
}

/// To which side of an edit a number in the middle of it is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To its begin.
    Start,
    /// To its end.
    End,
}

impl Shift {
    /// Notes that the text from `start` on, of `old_len` bytes, is replaced by one of `new_len`.
    /// The same edit again, or one before it, is a retransmission and changes nothing.
    pub fn edit(&mut self, start: u32, old_len: u32, new_len: u32) {
        let is_first = *self == Self::default();
        if is_first || is_behind(start, self.start) {
            let before = self.after;
            let after = before.wrapping_add(new_len).wrapping_sub(old_len);
            *self = Self { start, end: start.wrapping_add(old_len), before, after };
        }
    }

    /// Whether anything is shifted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.before == 0 && self.after == 0
    }

    /// The sequence number that the receiver knows for `seq` of the sender.
    #[must_use]
    pub fn forth(&self, seq: u32) -> u32 {
        let is_after = seq == self.end || is_behind(seq, self.end);
        seq.wrapping_add(if is_after { self.after } else { self.before })
    }

    /// The sequence number that the sender knows for `ack` of the receiver. What lies within an
    /// edited text has no counterpart and is moved to one of its ends.
    #[must_use]
    pub fn back(&self, ack: u32, side: Side) -> u32 {
        let (start, end) =
            (self.start.wrapping_add(self.before), self.end.wrapping_add(self.after));
        if ack == end || is_behind(ack, end) {
            ack.wrapping_sub(self.after)
        } else if is_behind(ack, start) {
            if side == Side::Start { self.start } else { self.end }
        } else {
            ack.wrapping_sub(self.before)
        }
    }
}

/// Whether sequence number `a` comes after `b` (RFC 9293 section 3.4).
fn is_behind(a: u32, b: u32) -> bool {
    let distance = a.wrapping_sub(b);
    distance != 0 && distance < 1 << 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_behind_an_edit_move_and_those_before_it_do_not() {
        let mut shift = Shift::default();
        shift.edit(1000, 20, 23);
        assert_eq!(shift.forth(990), 990);
        assert_eq!(shift.forth(1000), 1000, "a retransmission of the edited text");
        assert_eq!(shift.forth(1020), 1023);
        assert_eq!(shift.back(1000, Side::Start), 1000);
        assert_eq!(shift.back(1010, Side::Start), 1000, "half a text is not acknowledged");
        assert_eq!(shift.back(1010, Side::End), 1020);
        assert_eq!(shift.back(1023, Side::Start), 1020);
        assert_eq!(shift.back(1100, Side::Start), 1097);
    }

    #[test]
    fn a_retransmitted_edit_counts_once_and_a_later_one_adds_up() {
        let mut shift = Shift::default();
        for _ in 0..3 {
            shift.edit(1000, 20, 18);
        }
        assert_eq!(shift.forth(2000), 1998);
        shift.edit(2000, 20, 25);
        shift.edit(1000, 20, 18);
        assert_eq!((shift.forth(2000), shift.forth(2020)), (1998, 2023));
        assert_eq!((shift.back(1998, Side::Start), shift.back(2023, Side::Start)), (2000, 2020));
    }

    proptest! {
        #[test]
        fn what_goes_forth_comes_back(
            start: u32, lens in (1..40u32, 1..40u32), second in (1..5000u32, 1..40u32, 1..40u32),
            distance in 0..100_000u32,
        ) {
            let mut shift = Shift::default();
            shift.edit(start, lens.0, lens.1);
            let later = start.wrapping_add(lens.0).wrapping_add(second.0);
            shift.edit(later, second.1, second.2);
            let behind = later.wrapping_add(second.1).wrapping_add(distance);
            prop_assert_eq!(shift.back(shift.forth(behind), Side::Start), behind);
            // What was between the two edits.
            let between = later.wrapping_sub(distance % second.0);
            prop_assert_eq!(shift.back(shift.forth(between), Side::Start), between);
        }
    }
}
