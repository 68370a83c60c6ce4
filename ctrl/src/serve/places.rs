//! How many connections there may be at a time.
//!
//! Some places are kept for admins, so that readers, many or forgotten ones, cannot lock them out.
//! Whoever finds none is still told so, in one of a few places for that; when these are taken, too,
//! the connection is closed without a word.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that are served at a time.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// Of these, connections of others than admins.
const OTHERS_MAX: usize = 192;
/// Connections that are being refused at a time.
const REFUSALS_MAX: usize = 64;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    others: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

/// A connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) enum Place {
    /// To be served.
    Served { _held: [Option<OwnedSemaphorePermit>; 2] },
    /// To be told that there is no place.
    Refused { _held: OwnedSemaphorePermit },
}

impl Default for Places {
    fn default() -> Self {
        let of = |count| Arc::new(Semaphore::new(count));
        Self { all: of(CONNECTIONS_MAX), others: of(OTHERS_MAX), refusals: of(REFUSALS_MAX) }
    }
}

impl Places {
    /// A place for an admin, or for somebody who is none or not known to be one.
    pub(super) fn take(&self, is_admin: bool) -> Option<Place> {
        let of = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let other = if is_admin { None } else { of(&self.others) };
        if is_admin || other.is_some() {
            let one = of(&self.all);
            if one.is_some() {
                return Some(Place::Served { _held: [one, other] });
            }
        }
        of(&self.refusals).map(|held| Place::Refused { _held: held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_leave_places_to_admins_and_get_theirs_back() {
        let places = Places::default();
        let is_served = |place: &Option<Place>| matches!(place, Some(Place::Served { .. }));
        let mut others: Vec<_> = (0..OTHERS_MAX).map(|_| places.take(false)).collect();
        assert!(others.iter().all(is_served));
        let refused: Vec<_> = (0..REFUSALS_MAX).map(|_| places.take(false)).collect();
        assert!(refused.iter().all(|place| matches!(place, Some(Place::Refused { .. }))));
        assert!(places.take(false).is_none());

        let admins: Vec<_> = (OTHERS_MAX..CONNECTIONS_MAX).map(|_| places.take(true)).collect();
        assert!(admins.iter().all(is_served));
        assert!(places.take(true).is_none());
        others.pop();
        assert!(is_served(&places.take(true)) && is_served(&places.take(false)));
    }
}
