//! How long frames are: all the same, or a mix that is drawn from for every frame.
//!
//! Sizes are those on the wire, with the four bytes of the check sequence, which is in no buffer.

use std::fmt;
use std::num::ParseIntError;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::frame::{FRAME_LEN_RANGE, Template};
use crate::bench::traffic::random_order;

/// Bytes of the frame check sequence.
const FCS_LEN: usize = 4;
/// Sizes of the mix called IMIX, and how many of each there are in twelve frames.
const IMIX: [(usize, usize); 3] = [(64, 7), (594, 4), (1518, 1)];
/// Frames after which the same sizes come again: as many twelves as make the order look random.
const TWELVES: usize = 1000;
const SEED: u64 = 0x1a1c;
/// The shortest and the longest frame.
const LEAST: usize = *FRAME_LEN_RANGE.start() + FCS_LEN;
const MOST: usize = *FRAME_LEN_RANGE.end() + FCS_LEN;

/// How long frames are. In text `imix`, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum FrameSizes {
    /// All have so many bytes on the wire: one of [`Self::RANGE`].
    One(usize),
    /// 64, 594 or 1518 bytes, as 7 to 4 to 1, in random order.
    Imix,
}

/// Why frames cannot have a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSize {
    /// It is neither a number nor a mix.
    #[error("{text:?} is neither imix nor a number of bytes: {error}")]
    NoNumber {
        /// What was given.
        text: String,
        /// Why it is no number.
        error: ParseIntError,
    },
    /// Ethernet has no such frames.
    #[error("frames have {} to {} bytes, not {size}", LEAST, MOST)]
    OutOfRange {
        /// What was given.
        size: usize,
    },
}

impl FrameSizes {
    /// Sizes that frames can have.
    pub const RANGE: RangeInclusive<usize> = LEAST..=MOST;
    /// The shortest frames there are.
    pub const SHORTEST: Self = Self::One(LEAST);

    /// Lengths of frames in buffers, and how many there are of each in the smallest whole.
    fn lengths(self) -> Vec<(usize, usize)> {
        match self {
            Self::One(size) => vec![(size - FCS_LEN, 1)],
            Self::Imix => IMIX.map(|(size, count)| (size - FCS_LEN, count)).to_vec(),
        }
    }

    /// What frames have in a text: `64-byte frames`.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::One(size) => format!("{size}-byte frames"),
            Self::Imix => "IMIX frames (7:4:1 of 64, 594 and 1518 bytes)".to_owned(),
        }
    }
}

impl fmt::Display for FrameSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(size) => write!(f, "{size}"),
            Self::Imix => f.write_str("imix"),
        }
    }
}

impl FromStr for FrameSizes {
    type Err = BadSize;

    fn from_str(text: &str) -> Result<Self, BadSize> {
        if text == "imix" {
            return Ok(Self::Imix);
        }
        let no_number = |error| BadSize::NoNumber { text: text.to_owned(), error };
        let size = text.parse().map_err(no_number)?;
        if Self::RANGE.contains(&size) {
            Ok(Self::One(size))
        } else {
            Err(BadSize::OutOfRange { size })
        }
    }
}

impl TryFrom<String> for FrameSizes {
    type Error = BadSize;

    fn try_from(text: String) -> Result<Self, BadSize> {
        text.parse()
    }
}

impl From<FrameSizes> for String {
    fn from(sizes: FrameSizes) -> Self {
        sizes.to_string()
    }
}

/// Templates of several frames, and whose turn it is.
#[derive(Clone, Debug)]
pub struct Templates {
    first: Template,
    /// Where there is more than one.
    others: Box<[Template]>,
    /// The order in which they come, over and over: 0 is the first. Empty with one alone.
    order: Box<[u8]>,
    next: usize,
}

impl From<Template> for Templates {
    fn from(first: Template) -> Self {
        Self { first, others: Box::default(), order: Box::default(), next: 0 }
    }
}

impl Templates {
    /// Templates of all `sizes`, each made by `template` from the length of its frame in a buffer.
    #[must_use]
    pub fn new(sizes: FrameSizes, template: impl Fn(usize) -> Template) -> Self {
        let lengths = sizes.lengths();
        let mut templates = lengths.iter().map(|(length, _)| template(*length));
        let first = templates.next().unwrap_or_else(|| template(*FRAME_LEN_RANGE.start()));
        let others: Box<[Template]> = templates.collect();
        if others.is_empty() {
            return first.into();
        }
        let twelve = (0..).zip(&lengths).flat_map(|(place, (_, count))| vec![place; *count]);
        let all: Vec<u8> = twelve.collect::<Vec<u8>>().repeat(TWELVES);
        let places = random_order(u32::try_from(all.len()).unwrap_or(0), SEED);
        let order = places.into_iter().filter_map(|place| all.get(place as usize).copied());
        Self { first, others, order: order.collect(), next: 0 }
    }

    /// Up to 256 of these, one after the other; `None` of none.
    #[must_use]
    pub fn in_turn(templates: impl IntoIterator<Item = Template>) -> Option<Self> {
        let mut templates = templates.into_iter();
        let (first, others) = (templates.next()?, templates.collect::<Box<[Template]>>());
        let order = (0..=u8::MAX).take(others.len() + 1).collect();
        Some(Self { first, others, order, next: 0 })
    }

    /// The template of the next frame.
    #[inline]
    pub fn next_template(&mut self) -> &Template {
        let Some(place) = self.order.get(self.next) else { return &self.first };
        self.next += 1;
        if self.next == self.order.len() {
            self.next = 0;
        }
        let other = usize::from(*place).checked_sub(1).and_then(|place| self.others.get(place));
        other.unwrap_or(&self.first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::site::{VIP, WAN_MAC};
    use crate::generator::arp::NEIGHBOR;

    fn templates(sizes: FrameSizes) -> Templates {
        Templates::new(sizes, |length| Template::udp((NEIGHBOR, WAN_MAC), VIP, length))
    }

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for sizes in [FrameSizes::SHORTEST, FrameSizes::One(1518), FrameSizes::Imix] {
            assert_eq!(sizes.to_string().parse(), Ok(sizes));
            let text = serde_json::to_string(&sizes).unwrap();
            assert_eq!(serde_json::from_str::<FrameSizes>(&text).unwrap(), sizes);
        }
        assert_eq!("64".parse(), Ok(FrameSizes::SHORTEST));
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason() {
        for (text, reason) in [
            ("63", "frames have 64 to 1518 bytes, not 63"),
            ("1519", "frames have 64 to 1518 bytes, not 1519"),
            ("many", "\"many\" is neither imix nor a number of bytes: invalid digit"),
            ("", "\"\" is neither imix nor a number of bytes"),
            ("-1", "\"-1\" is neither imix nor a number of bytes"),
        ] {
            let refused = text.parse::<FrameSizes>().unwrap_err().to_string();
            assert!(refused.starts_with(reason), "{refused}");
            assert!(serde_json::from_str::<FrameSizes>(&format!("{text:?}")).is_err());
        }
    }

    #[test]
    fn one_size_is_that_of_every_frame() {
        let mut templates = templates(FrameSizes::One(512));
        assert!((0..100).all(|_| templates.next_template().frame_len() == 508));
    }

    #[test]
    fn imix_is_seven_four_and_one_in_twelve_again_and_again() {
        let mut templates = templates(FrameSizes::Imix);
        for _ in 0..2 {
            let mut counts = BTreeMap::new();
            for _ in 0..12 * TWELVES {
                *counts.entry(templates.next_template().frame_len()).or_insert(0) += 1;
            }
            let shares = [(60, 7 * TWELVES), (590, 4 * TWELVES), (1514, TWELVES)];
            assert_eq!(counts, BTreeMap::from(shares));
        }
    }

    #[test]
    fn sizes_of_imix_come_in_no_order() {
        let mut templates = templates(FrameSizes::Imix);
        let lengths: Vec<usize> =
            (0..12 * TWELVES).map(|_| templates.next_template().frame_len()).collect();
        // Two neighbours are both short in 7/12 of 7/12 of all cases.
        let both = lengths.windows(2).filter(|pair| *pair == [60, 60]).count();
        let expected = lengths.len() * 49 / 144;
        assert!(both.abs_diff(expected) < expected / 10, "{both} and not about {expected}");
        // Hardly any twelve in a row is exactly seven, four and one.
        let exact = lengths.chunks(12).filter(|twelve| {
            let count = |length| twelve.iter().filter(|known| **known == length).count();
            (count(60), count(590), count(1514)) == (7, 4, 1)
        });
        assert!(exact.count() < TWELVES / 4);
    }
}
