//! [`Departed`]: what real servers had counted when their numbers were given up.
//!
//! As in IPVS, a real server that comes back to its service goes on with its counters. IPVS keeps
//! them for two minutes at least; here the latest that went are remembered.

use std::collections::VecDeque;

use conf::ServiceKey;

use super::RealKey;
use crate::api::proto::Traffic;

/// Real servers that are remembered, of all services together.
const REMEMBERED: usize = 4096;

/// Counters of real servers that are gone, the latest last.
#[derive(Debug, Default)]
pub(super) struct Departed(VecDeque<(RealKey, Traffic)>);

impl Departed {
    /// Notes what `key` has counted.
    pub(super) fn note(&mut self, key: RealKey, counted: Traffic) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((key, counted));
    }

    /// What `key` had counted, if that is known; it is back.
    pub(super) fn recall(&mut self, key: RealKey) -> Option<Traffic> {
        let place = self.0.iter().rposition(|(known, _)| *known == key)?;
        self.0.remove(place).map(|(_, counted)| counted)
    }

    /// The service has gone, and all its real servers with it.
    pub(super) fn forget(&mut self, service: ServiceKey) {
        self.0.retain(|((known, _), _)| *known != service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(vport: u16) -> ServiceKey {
        let vip = std::net::SocketAddrV4::new([192, 0, 2, 10].into(), vport);
        ServiceKey::Endpoint { protocol: conf::Protocol::Tcp, vip }
    }

    fn key(vport: u16, l4_port: u16) -> RealKey {
        (service(vport), std::net::SocketAddrV4::new([10, 0, 0, 1].into(), l4_port))
    }

    fn counted(connections: u64) -> Traffic {
        Traffic { connections, ..Traffic::default() }
    }

    #[test]
    fn each_is_recalled_once_unless_its_service_went_or_too_many_came_after() {
        let mut departed = Departed::default();
        departed.note(key(1, 1), counted(5));
        departed.note(key(1, 2), counted(6));
        departed.note(key(2, 1), counted(7));
        assert_eq!(departed.recall(key(1, 1)), Some(counted(5)));
        assert_eq!(departed.recall(key(1, 1)), None);
        departed.forget(service(1));
        assert_eq!(departed.recall(key(1, 2)), None);
        for l4_port in 2..=4097 {
            departed.note(key(2, l4_port), counted(8));
        }
        assert_eq!(departed.recall(key(2, 1)), None);
        assert_eq!(departed.recall(key(2, 2)), Some(counted(8)));
    }
}
