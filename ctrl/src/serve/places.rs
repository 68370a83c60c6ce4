//! How many connections there may be at a time.
//!
//! Some places are kept for admins, so that readers, many or forgotten ones, cannot lock them out.
//! Whoever finds none is still told so, in one of a few places for that; when these are taken, too,
//! the connection is closed without a word.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that are served at a time.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// Of these, connections to the socket by users who are not known to be admins.
const READERS_MAX: usize = 96;
/// Of these, connections over TCP.
const STRANGERS_MAX: usize = 96;
/// Connections that are being refused at a time.
const REFUSALS_MAX: usize = 64;

/// Who wants a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// A user who is an admin.
    Admin,
    /// Another user.
    Reader,
    /// Somebody over TCP.
    Stranger,
}

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
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
        Self {
            all: of(CONNECTIONS_MAX),
            readers: of(READERS_MAX),
            strangers: of(STRANGERS_MAX),
            refusals: of(REFUSALS_MAX),
        }
    }
}

impl Places {
    /// A place for `client`; `None` if even those for refusals are taken.
    pub(super) fn take(&self, client: Client) -> Option<Place> {
        let of = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let of_its_kind = match client {
            Client::Admin => None,
            Client::Reader => Some(&self.readers),
            Client::Stranger => Some(&self.strangers),
        };
        let held = of_its_kind.map(of);
        let one = if matches!(held, Some(None)) { None } else { of(&self.all) };
        match one {
            Some(_) => Some(Place::Served { _held: [one, held.flatten()] }),
            None => of(&self.refusals).map(|held| Place::Refused { _held: held }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_leave_places_to_admins_and_get_theirs_back() {
        let places = Places::default();
        let is_served = |place: &Option<Place>| matches!(place, Some(Place::Served { .. }));
        let take = |client, count| (0..count).map(|_| places.take(client)).collect::<Vec<_>>();
        let mut readers = take(Client::Reader, READERS_MAX);
        let strangers = take(Client::Stranger, STRANGERS_MAX);
        assert!(readers.iter().chain(&strangers).all(is_served));
        let refused = take(Client::Reader, REFUSALS_MAX);
        assert!(refused.iter().all(|place| matches!(place, Some(Place::Refused { .. }))));
        assert!(places.take(Client::Stranger).is_none());

        let admins = take(Client::Admin, CONNECTIONS_MAX - READERS_MAX - STRANGERS_MAX);
        assert!(admins.iter().all(is_served));
        assert!(places.take(Client::Admin).is_none());
        readers.pop();
        assert!(is_served(&places.take(Client::Admin)) && places.take(Client::Stranger).is_none());
        assert!(is_served(&places.take(Client::Reader)));
    }
}
