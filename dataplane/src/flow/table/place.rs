//! Where in memory a table is.

use std::collections::BTreeSet;

use memory::Pages;

use super::{Bucket, Entry, Record, Table};

impl<E: Entry> Table<E> {
    /// The worst kind of pages that any of the table is in.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.buckets.pages().max(self.records.pages())
    }

    /// The NUMA nodes that it is on; empty if the kernel does not say.
    #[must_use]
    pub fn nodes(&self) -> BTreeSet<u32> {
        let mut nodes = self.buckets.nodes();
        nodes.extend(self.records.nodes());
        nodes
    }

    /// Bytes of memory for every flow that the table can hold, all parts together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.buckets) + size_of_val(&*self.records)
    }

    /// [`Self::bytes`] of a table for `capacity` flows.
    #[must_use]
    pub const fn bytes_for(capacity: u32) -> usize {
        let buckets = Self::bucket_count(capacity) * size_of::<Bucket>();
        buckets + capacity as usize * size_of::<Record<E>>()
    }
}
