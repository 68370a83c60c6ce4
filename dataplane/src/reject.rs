//! What the director answers itself: TCP resets, ICMP errors and echo replies, made in place of
//! the packet that caused them.
//!
//! A host's stack would answer these for LVS; there is none behind RVS. Each function turns the
//! received frame into the answer and leaves the Ethernet header to whoever sends it.

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::limits::{ICMP_ERROR_BURST, ICMP_ERROR_LEN_MAX, ICMP_ERRORS_PER_SECOND};
use crate::parse::{Ipv4Meta, L3_OFFSET};
use crate::time::{TICKS_PER_SECOND, Tick};
use crate::wire::{IcmpHeader, IpProto, Ipv4Fields, Ipv4Header, TcpHeader, icmpv4, tcp};

/// TTL of packets of our own.
const TTL: u8 = 64;
/// TOS of ICMP errors: internetwork control, as Linux and IPVS send them.
const ICMP_ERROR_TOS: u8 = 0xC0;
const ICMP_ERROR_OVERHEAD: usize = Ipv4Header::LEN + IcmpHeader::LEN;

/// Turns a TCP segment into the reset that answers it (RFC 9293 section 3.10.7.1). False, and
/// nothing changed, for a segment that must not be answered.
pub fn make_reset<B: PacketBuf>(frame: &mut B, ip: &Ipv4Meta) -> bool {
    let Ok(segment) = tcp::check(&frame.bytes()[ip.l4_offset()..]) else { return false };
    // A segment of at most 64 KiB.
    let payload_len = u32::try_from(segment.payload.len()).unwrap_or(0);
    let Some(reset) = tcp::TcpReset::answering(segment.header, payload_len) else { return false };
    let header = reset.header(segment.header);
    let end = L3_OFFSET + Ipv4Header::LEN + TcpHeader::LEN;
    if !frame.truncate(end) {
        return false;
    }
    let fields = Ipv4Fields {
        src: ip.dst(),
        dst: ip.src(),
        protocol: IpProto::TCP,
        ttl: TTL,
        tos: 0,
        id: 0,
        dont_fragment: true,
        #[expect(clippy::cast_possible_truncation, reason = "40 bytes")]
        total_len: (Ipv4Header::LEN + TcpHeader::LEN) as u16,
    };
    let packet = &mut frame.bytes_mut()[L3_OFFSET..];
    let Some(rest) = Ipv4Header::new(&fields).emit(packet) else { return false };
    header.emit(rest).is_some()
        && tcp::fill_checksum(&mut packet[Ipv4Header::LEN..], ip.dst(), ip.src())
}

/// Whether an ICMP error may be sent about a packet: not about ICMP errors, nor about fragments
/// other than the first (RFC 1122 section 3.2.2).
#[must_use]
pub fn may_cause_error(packet: &[u8], ip: &Ipv4Meta) -> bool {
    let is_error = |message| IcmpHeader::read(message).is_none_or(IcmpHeader::is_error);
    Ipv4Header::read(packet).is_some_and(Ipv4Header::is_first_fragment)
        && (ip.protocol != IpProto::ICMP
            || packet.get(usize::from(ip.header_len)..).is_some_and(|message| !is_error(message)))
}

/// Turns a packet into an ICMP error about itself, from `src` to its sender. False, and nothing
/// usable left, if there is no headroom. Asking [`may_cause_error`] first is up to the caller.
pub fn make_icmp_error<B: PacketBuf>(
    frame: &mut B,
    ip: &Ipv4Meta,
    src: Ipv4Addr,
    error: IcmpHeader,
) -> bool {
    let quoted = usize::from(ip.total_len).min(ICMP_ERROR_LEN_MAX - ICMP_ERROR_OVERHEAD);
    if !frame.truncate(L3_OFFSET + quoted) || frame.prepend(ICMP_ERROR_OVERHEAD).is_none() {
        return false;
    }
    emit_icmp_error(frame, (src, ip.src()), error)
}

/// Writes the headers of an ICMP error in front of the quote that stands behind them already.
pub fn emit_icmp_error<B: PacketBuf>(
    frame: &mut B,
    (src, dst): (Ipv4Addr, Ipv4Addr),
    error: IcmpHeader,
) -> bool {
    let Ok(total_len) = u16::try_from(frame.len() - L3_OFFSET) else { return false };
    let header = Ipv4Header::new(&Ipv4Fields {
        src,
        dst,
        protocol: IpProto::ICMP,
        ttl: TTL,
        tos: ICMP_ERROR_TOS,
        id: 0,
        dont_fragment: false,
        total_len,
    });
    let packet = &mut frame.bytes_mut()[L3_OFFSET..];
    let Some(rest) = header.emit(packet) else { return false };
    error.emit(rest).is_some() && icmpv4::fill_checksum(&mut packet[Ipv4Header::LEN..])
}

/// Turns an ICMP echo request into its reply (RFC 792).
pub fn make_echo_reply<B: PacketBuf>(frame: &mut B, ip: &Ipv4Meta) -> bool {
    let packet = &mut frame.bytes_mut()[L3_OFFSET..];
    let Some(header) = Ipv4Header::read_mut(packet) else { return false };
    let _ = header.set_addresses(ip.dst(), ip.src());
    header.set_ttl(TTL);
    let Some(message) = IcmpHeader::read_mut(&mut packet[usize::from(ip.header_len)..]) else {
        return false;
    };
    message.make_echo_reply();
    true
}

/// Bounds how many ICMP errors are sent: a bucket that fills with time.
#[derive(Debug)]
pub struct IcmpBudget {
    tokens: u32,
    filled: Tick,
}

const TOKENS_PER_TICK: u32 = ICMP_ERRORS_PER_SECOND / TICKS_PER_SECOND;

impl IcmpBudget {
    /// A full bucket.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self { tokens: ICMP_ERROR_BURST, filled: now }
    }

    /// Whether another error may be sent now.
    pub fn take(&mut self, now: Tick) -> bool {
        let earned = now.since(self.filled).0.saturating_mul(TOKENS_PER_TICK);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(ICMP_ERROR_BURST);
            self.filled = now;
        }
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Ticks;

    #[test]
    fn errors_are_limited_to_a_burst_and_a_rate() {
        let mut budget = IcmpBudget::new(Tick(0));
        let sent = |budget: &mut IcmpBudget, now| (0..200).filter(|_| budget.take(now)).count();
        assert_eq!(sent(&mut budget, Tick(0)), 50);
        assert_eq!(sent(&mut budget, Tick(1)), 10);
        assert_eq!(sent(&mut budget, Tick(0).after(Ticks::from_secs(60))), 50);
    }
}
