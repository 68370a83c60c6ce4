//! What the benchmarks are given: random, but the same in every run.

use rvs_dataplane::testing::{PacketSpec, Random};
use rvs_dataplane::wire::IpProto;

/// Inputs of each benchmark, unless it says otherwise: more than a branch predictor learns by
/// heart, and few enough for a core's own caches, so that the step is measured and not memory.
const INPUT_COUNT: usize = 1024;

/// Things that are used one after the other, over and over.
pub(crate) struct Round<T> {
    items: Vec<T>,
    next: usize,
}

impl<T> Round<T> {
    /// As many as `items` has, which must be some.
    pub(crate) fn new(items: impl IntoIterator<Item = T>) -> Self {
        let items: Vec<T> = items.into_iter().collect();
        assert!(!items.is_empty(), "a benchmark needs inputs");
        Self { items, next: 0 }
    }

    /// [`INPUT_COUNT`] things, each made of the same generator.
    pub(crate) fn random(mut make: impl FnMut(&mut Random) -> T) -> Self {
        let mut random = Random::new(0x5EED);
        Self::new((0..INPUT_COUNT).map(|_| make(&mut random)))
    }

    /// The next one.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> &mut T {
        let at = self.next;
        self.next = if at + 1 == self.items.len() { 0 } else { at + 1 };
        &mut self.items[at]
    }
}

/// A small packet between any two ends.
pub(crate) fn packet(random: &mut Random, protocol: u8) -> PacketSpec {
    let (src, dst) = (random.end(), random.end());
    let spec = match protocol {
        IpProto::TCP => PacketSpec::tcp(src, dst).seq(random.u64() as u32).ack(random.u64() as u32),
        _ => PacketSpec::udp(src, dst),
    };
    let payload: Vec<u8> = (0..random.below(64)).map(|_| random.byte()).collect();
    spec.payload(payload).id(random.u64() as u16)
}
