//! A segment of a control connection in its frame: read, shifted, and its text replaced.

use std::net::Ipv4Addr;
use std::ops::Range;

use crate::buf::PacketBuf;
use crate::parse::{Ipv4Meta, L3_OFFSET};
use crate::wire::checksum::Delta;
use crate::wire::{Ipv4Header, TcpHeader, tcp};

use super::shift::{Shift, Side};

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
/// Selective acknowledgement (RFC 2018 section 3).
const OPTION_SACK: u8 = 5;

/// Where the parts of a segment are, and what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where the TCP header begins in the frame.
    l4_offset: usize,
    /// Where the payload begins in the frame.
    payload_offset: usize,
    /// Sequence number of the first byte of payload (segments with SYN have none that is read).
    pub seq: u32,
}

impl Segment {
    /// Reads the header of a TCP packet that was parsed as `ip`.
    #[must_use]
    pub fn read<B: PacketBuf>(frame: &B, ip: &Ipv4Meta) -> Option<Self> {
        let l4_offset = ip.l4_offset();
        let checked = tcp::check(frame.bytes().get(l4_offset..)?).ok()?;
        let payload_offset = l4_offset + checked.header_len;
        Some(Self { l4_offset, payload_offset, seq: checked.header.seq() })
    }

    /// What follows the header.
    #[must_use]
    pub fn payload<'a, B: PacketBuf>(&self, frame: &'a B) -> &'a [u8] {
        frame.bytes().get(self.payload_offset..).unwrap_or_default()
    }

    /// Whether the TCP checksum is right.
    #[must_use]
    pub fn is_intact<B: PacketBuf>(&self, frame: &B, (src, dst): (Ipv4Addr, Ipv4Addr)) -> bool {
        let segment = frame.bytes().get(self.l4_offset..);
        segment.is_some_and(|segment| tcp::checksum_ok(segment, src, dst))
    }

    /// Gives the segment the numbers that its receiver knows: its own direction is shifted by
    /// `own`, the other by `other`. The checksum follows, so that a damaged segment stays one.
    pub fn shift<B: PacketBuf>(&self, frame: &mut B, own: &Shift, other: &Shift) {
        let bytes = frame.bytes_mut();
        let end = self.payload_offset.min(bytes.len());
        let Some(header) = bytes.get_mut(self.l4_offset..end) else { return };
        let sack = if other.is_none() { Delta::NONE } else { shift_sack(header, other) };
        let Some(header) = TcpHeader::read_mut(header) else { return };
        header.adjust_checksum(sack);
        header.set_seq(own.forth(header.seq()));
        if header.flags().contains(crate::wire::TcpFlags::ACK) {
            header.set_ack(other.back(header.ack(), Side::Start));
        }
    }

    /// Replaces a `place` of the payload by `text`, and has lengths and checksums follow. `ip` is
    /// the packet's header as parsed. Returns the new length of the IP packet; `None`, and nothing
    /// changed, if it does not fit into `len_max` or into the buffer.
    pub fn replace<B: PacketBuf>(
        &self,
        frame: &mut B,
        ip: &Ipv4Meta,
        (place, text): (&Range<usize>, &[u8]),
        len_max: u16,
    ) -> Option<u16> {
        let (from, to) = (self.payload_offset + place.start, self.payload_offset + place.end);
        let (old_len, new_end) = (frame.len(), from + text.len());
        if from > to || to > old_len {
            return None;
        }
        let new_len = old_len - (to - from) + text.len();
        let total_len = u16::try_from(new_len - L3_OFFSET).ok().filter(|len| *len <= len_max)?;
        if new_len > old_len {
            frame.append(new_len - old_len)?;
        }
        let bytes = frame.bytes_mut();
        bytes.copy_within(to..old_len, new_end);
        bytes.get_mut(from..new_end)?.copy_from_slice(text);
        if new_len < old_len && !frame.truncate(new_len) {
            return None;
        }
        let bytes = frame.bytes_mut();
        Ipv4Header::read_mut(bytes.get_mut(L3_OFFSET..)?)?.set_total_len(total_len);
        tcp::fill_checksum(bytes.get_mut(self.l4_offset..)?, ip.src(), ip.dst());
        Some(total_len)
    }
}

/// Shifts the blocks of the SACK option back; `header` is the whole TCP header.
fn shift_sack(header: &mut [u8], shift: &Shift) -> Delta {
    let mut delta = Delta::NONE;
    let mut at = TcpHeader::LEN;
    // Every turn moves at least one byte, so 40 bytes of options bound the loop.
    while let Some(rest) = header.get(at..) {
        match *rest {
            [] | [OPTION_END, ..] => break,
            [OPTION_NOP, ..] => at += 1,
            [kind, len, ..] if len >= 2 => {
                let end = at + usize::from(len);
                if kind == OPTION_SACK {
                    let sides = [Side::End, Side::Start].into_iter().cycle();
                    for (edge, side) in (at + 2..end).step_by(4).zip(sides) {
                        delta = delta.and(shift_edge(header, edge, shift, side));
                    }
                }
                at = end;
            }
            [_, ..] => break,
        }
    }
    delta
}

/// Shifts the sequence number at byte `at` of the header back.
fn shift_edge(header: &mut [u8], at: usize, shift: &Shift, side: Side) -> Delta {
    let Some(edge) = header.get_mut(at..at + 4).and_then(|edge| edge.first_chunk_mut::<4>()) else {
        return Delta::NONE;
    };
    let old = *edge;
    let new = shift.back(u32::from_be_bytes(old), side).to_be_bytes();
    *edge = new;
    let half = |bytes: [u8; 4], first: usize| u16::from_be_bytes([bytes[first], bytes[first + 1]]);
    let first = Delta::u16_at(at, half(old, 0), half(new, 0));
    first.and(Delta::u16_at(at + 2, half(old, 2), half(new, 2)))
}
