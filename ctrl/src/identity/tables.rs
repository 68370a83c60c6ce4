//! Tables that take time to build, kept while what they were built from stays the same.

use std::collections::HashMap;
use std::sync::Arc;

use dataplane::forward::ForwardingMode;
use dataplane::sched::{MaglevEntry, MaglevTable};
use dataplane::service::{ServiceId, VirtualService};

/// The table of a service, and what it was built from.
#[derive(Debug)]
struct Built {
    mode: ForwardingMode,
    entries: Vec<MaglevEntry>,
    table: Option<Arc<MaglevTable>>,
}

/// The tables of all services.
#[derive(Debug, Default)]
pub(super) struct Tables(HashMap<ServiceId, Built>);

impl Tables {
    /// The table for [`VirtualService::stateless`]. It is built if anything changed.
    pub(super) fn stateless(
        &mut self,
        id: ServiceId,
        mode: ForwardingMode,
        entries: Vec<MaglevEntry>,
    ) -> Option<Arc<MaglevTable>> {
        if let Some(built) = self.0.get(&id)
            && (built.mode, &built.entries) == (mode, &entries)
        {
            return built.table.clone();
        }
        let table = VirtualService::stateless_table(mode, &entries).map(Arc::new);
        self.0.insert(id, Built { mode, entries, table: table.clone() });
        table
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_table_is_built_when_something_changed_and_only_then() {
        let mut tables = Tables::default();
        let entry = |last, weight| MaglevEntry {
            address: Ipv4Addr::new(10, 0, 0, last),
            l4_port: 80,
            weight,
        };
        let mut table = |mode, weight| {
            tables.stateless(ServiceId(1), mode, vec![entry(1, 1), entry(2, weight)])
        };
        let first = table(ForwardingMode::Dr, 1).unwrap();
        assert!(Arc::ptr_eq(&first, &table(ForwardingMode::Dr, 1).unwrap()));
        let other = table(ForwardingMode::Dr, 5).unwrap();
        assert!(!Arc::ptr_eq(&first, &other) && *first != *other);
        assert!(table(ForwardingMode::Nat, 5).is_none());
        assert!(table(ForwardingMode::Tunnel, 5).is_some());
    }
}
