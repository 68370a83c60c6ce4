//! [`Tournament`]: who is first of many, kept while single ones change.
//!
//! Neighbours in the list play in pairs, winners play again, up to one. When one changes, its games
//! are played again, as many as there are rounds; to ask who won costs nothing.

use super::{Cell, Order};

/// A place where nobody stands.
const NOBODY: u32 = u32::MAX;

/// The winners of all games.
#[derive(Debug)]
pub(super) struct Tournament {
    order: Order,
    count: usize,
    /// A power of two: who stands at place `p` of the list is node `width + p`.
    width: usize,
    /// By node; node 1 is the last game, and node `n` is between nodes `2n` and `2n + 1`.
    winners: Box<[Cell]>,
}

impl Tournament {
    pub(super) fn new(count: usize, order: Order) -> Self {
        let width = count.next_power_of_two();
        let winners: Box<[Cell]> = (0..width).map(|_| Cell::default()).collect();
        winners.iter().for_each(|winner| winner.set(NOBODY));
        Self { order, count, width, winners }
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// Who goes before all others, if anybody takes part.
    #[inline]
    pub(super) fn winner(&self) -> Option<usize> {
        match (self.count, self.winners.get(1)) {
            (0, _) => None,
            (_, Some(last)) => place_of(last.get()),
            // One alone has no game to play; nothing tells whether it takes part.
            (_, None) => Some(0),
        }
    }

    /// Plays all games. `is_better` tells whether the second, behind the first in the list, goes
    /// before it; it must be false where the second is nobody.
    pub(super) fn play_all(&self, is_better: impl Fn(Option<usize>, Option<usize>) -> bool) {
        for node in (1..self.width).rev() {
            self.play_node(node, &is_better);
        }
    }

    /// Plays the games of the one at `place`, and those of who wins them, again.
    pub(super) fn play(
        &self,
        place: usize,
        is_better: impl Fn(Option<usize>, Option<usize>) -> bool,
    ) {
        let mut node = (self.width + place) / 2;
        while node > 0 {
            let before = self.winners.get(node).map(Cell::get);
            let winner = self.play_node(node, &is_better);
            // Somebody else won and wins again: nothing above changes.
            if before == winner && winner.and_then(place_of) != Some(place) {
                return;
            }
            node /= 2;
        }
    }

    fn play_node(
        &self,
        node: usize,
        is_better: &impl Fn(Option<usize>, Option<usize>) -> bool,
    ) -> Option<u32> {
        let (left, right) = (self.who(2 * node), self.who(2 * node + 1));
        let winner = if is_better(left, right) { right } else { left };
        let winner = winner.and_then(|place| u32::try_from(place).ok()).unwrap_or(NOBODY);
        self.winners.get(node)?.set(winner);
        Some(winner)
    }

    /// Who came out of a node.
    #[inline]
    fn who(&self, node: usize) -> Option<usize> {
        match node.checked_sub(self.width) {
            Some(place) => Some(place).filter(|place| *place < self.count),
            None => self.winners.get(node).and_then(|winner| place_of(winner.get())),
        }
    }
}

#[inline]
fn place_of(winner: u32) -> Option<usize> {
    (winner != NOBODY).then_some(winner as usize)
}
