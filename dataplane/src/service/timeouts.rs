//! Timeouts of services that have their own.

use super::ServiceId;
use crate::flow::Timeouts;
use crate::time::Ticks;

/// The timeouts of those services that do not have the director's. Most configurations have none,
/// and then nothing is looked up.
#[derive(Debug, Default)]
pub struct OwnTimeouts {
    /// Each only once.
    sets: Vec<Timeouts>,
    /// By service: the place of its set, plus one; 0 for none.
    by_service: Vec<u32>,
}

impl OwnTimeouts {
    /// Gives a service timeouts of its own.
    pub fn set(&mut self, service: ServiceId, timeouts: Timeouts) {
        let place = self.sets.iter().position(|set| *set == timeouts).unwrap_or_else(|| {
            self.sets.push(timeouts);
            self.sets.len() - 1
        });
        if self.by_service.len() <= service.index() {
            self.by_service.resize(service.index() + 1, 0);
        }
        // There are fewer sets than services, whose number is a u32.
        self.by_service[service.index()] = u32::try_from(place + 1).unwrap_or(0);
    }

    /// Whether no service has its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_service.is_empty()
    }

    /// The timeouts of a service that has its own.
    #[must_use]
    pub fn of(&self, service: ServiceId) -> Option<&Timeouts> {
        let place = *self.by_service.get(service.index())? as usize;
        self.sets.get(place.checked_sub(1)?)
    }

    /// The longest time that a flow of any of these services may be idle; zero without any.
    #[must_use]
    pub fn longest(&self) -> Ticks {
        self.sets.iter().map(Timeouts::longest).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_their_own_timeouts_or_none() {
        let mut own = OwnTimeouts::default();
        assert!(own.is_empty() && own.of(ServiceId(0)).is_none());
        assert_eq!(own.longest(), Ticks(0));
        let (short, long) = (Timeouts::with_seconds(5, 4, 3), Timeouts::with_seconds(9, 4, 3000));
        own.set(ServiceId(7), short.clone());
        own.set(ServiceId(2), long.clone());
        own.set(ServiceId(3), short.clone());
        assert!(!own.is_empty());
        let found: Vec<_> = (0..9).map(|id| own.of(ServiceId(id))).collect();
        let (short, long) = (Some(&short), Some(&long));
        assert_eq!(found, [None, None, long, short, None, None, None, short, None]);
        assert_eq!(own.longest(), Ticks::from_secs(3000));
        assert_eq!(own.sets.len(), 2, "the same set is kept once");
    }
}
