//! [`RedirectionTable`]: from the hash of a packet to its queue.

use super::RssError;

/// Entries of the largest table there is (`ice`); most NICs have 128 or 512.
pub const REDIRECTION_SIZE_MAX: usize = 2048;

/// The queue for each value of the hash's low bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectionTable {
    queues: Box<[u16]>,
}

impl RedirectionTable {
    /// A table of `size` entries over queues `0..queue_count` in turn, so that no queue has more
    /// than one entry more than another.
    pub fn even(size: usize, queue_count: u16) -> Result<Self, RssError> {
        check_size(size)?;
        if queue_count == 0 || usize::from(queue_count) > size {
            return Err(RssError::QueueCount { queues: queue_count, table_size: size });
        }
        Ok(Self { queues: (0..queue_count).cycle().take(size).collect() })
    }

    /// A table as a device reports it.
    pub fn new(queues: &[u16]) -> Result<Self, RssError> {
        check_size(queues.len())?;
        Ok(Self { queues: queues.into() })
    }

    /// The same table for a port with `size` entries, at least as many: it is repeated, so that
    /// both ports send a hash to the same queue. What several ports have in common is the table of
    /// the smallest.
    pub fn repeated(&self, size: usize) -> Result<Self, RssError> {
        check_size(size)?;
        if size < self.queues.len() {
            return Err(RssError::TableSize(size));
        }
        Ok(Self { queues: self.queues.iter().copied().cycle().take(size).collect() })
    }

    /// The queue of a packet with this hash.
    #[inline]
    #[must_use]
    pub fn queue_of(&self, hash: u32) -> u16 {
        self.queues[hash as usize & (self.queues.len() - 1)]
    }

    /// Its entries, to be given to a device.
    #[must_use]
    pub fn queues(&self) -> &[u16] {
        &self.queues
    }

    /// Bits of the hash that it looks at.
    #[must_use]
    pub fn index_bits(&self) -> u32 {
        self.queues.len().trailing_zeros()
    }
}

fn check_size(size: usize) -> Result<(), RssError> {
    if size.is_power_of_two() && size <= REDIRECTION_SIZE_MAX {
        Ok(())
    } else {
        Err(RssError::TableSize(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_shared_as_evenly_as_can_be() {
        for size in [64_usize, 128, 256, 512, 2048] {
            for queue_count in [1_u16, 2, 3, 7, 48, 63, 64] {
                let table = RedirectionTable::even(size, queue_count).unwrap();
                let mut counts = vec![0_usize; usize::from(queue_count)];
                table.queues().iter().for_each(|&queue| counts[usize::from(queue)] += 1);
                let (min, max) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                assert!(max - min <= 1 && counts.iter().sum::<usize>() == size);
            }
        }
        assert_eq!(RedirectionTable::even(128, 96).unwrap().queue_of(0xffff_ff80 + 96), 0);
    }

    #[test]
    fn ports_with_larger_tables_agree_with_those_with_smaller_ones() {
        let small = RedirectionTable::even(64, 7).unwrap();
        let large = small.repeated(512).unwrap();
        assert!((0..2000).all(|hash| small.queue_of(hash) == large.queue_of(hash)));
        assert_eq!(large.repeated(64), Err(RssError::TableSize(64)));
    }

    #[test]
    fn tables_that_no_arithmetic_fits_are_refused() {
        for size in [0, 100, 4096] {
            assert_eq!(RedirectionTable::even(size, 1), Err(RssError::TableSize(size)));
        }
        assert_eq!(RedirectionTable::new(&[0; 3]), Err(RssError::TableSize(3)));
        for queues in [0, 65] {
            let error = RssError::QueueCount { queues, table_size: 64 };
            assert_eq!(RedirectionTable::even(64, queues), Err(error));
        }
    }
}
