//! IPv4 fragments: following those that come in, making those that go out.
//!
//! IPVS reassembles a fragmented datagram, schedules it and fragments it again. RVS does not wait
//! for the rest: the first fragment, which has the ports, decides for its whole *train* of
//! fragments, and those that overtook it wait for it. What leaves is the same, fragment by
//! fragment.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::Ipv4Addr;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::buf::PacketBuf;
use crate::flow::{FlowKey, Hit};
use crate::limits::{FRAGMENT_HELD_COUNT, FRAGMENT_HELD_PER_TRAIN, FRAGMENT_TRAIN_COUNT};
use crate::ownership::WorkerIdx;
use crate::parse::{Ipv4Meta, L3_OFFSET};
use crate::service::{RealId, ServiceId};
use crate::snapshot::PortIdx;
use crate::time::{Tick, Ticks};
use crate::verdict::{DropReason, Verdict};
use crate::wire::{Ipv4Fields, Ipv4Header};

/// How long a train is remembered and its fragments wait, as Linux' ipfrag_time.
const TRAIN_LIFETIME: Ticks = Ticks::from_secs(30);
const SWEEP_INTERVAL: Ticks = Ticks::from_secs(1);

/// What all fragments of one datagram have in common (RFC 791 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrainKey {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    id: u16,
    protocol: u8,
}

impl TrainKey {
    /// The train that a packet belongs to.
    #[must_use]
    pub fn of(ip: &Ipv4Meta) -> Self {
        Self { src: ip.src(), dst: ip.dst(), id: ip.id, protocol: ip.protocol }
    }

    /// A number that tells trains apart, nearly always.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let addresses = u64::from(self.src.to_bits()) << 32 | u64::from(self.dst.to_bits());
        let rest = u64::from(self.id) << 8 | u64::from(self.protocol);
        addresses ^ rest.rotate_right(24)
    }
}

/// What became of a first fragment, and so becomes of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They follow the flow; the key tells whether the flow is still the same.
    Follow(Hit, FlowKey),
    /// They go to the real server that it was sent to without a flow.
    Once(RealId),
    /// They leave as from this address, like it, and count for the service and its real server.
    From((ServiceId, RealId), Ipv4Addr),
    /// They are handed over, like it, to the worker that owns the flow.
    HandOver(WorkerIdx),
    /// They are routed like it, unchanged.
    Route,
    /// They are dropped like it, for the same reason.
    Drop(DropReason),
}

impl Decision {
    /// What becomes of the fragments behind one of the flow `hit`, which ended in `verdict`.
    #[must_use]
    pub fn of(verdict: Verdict, hit: Hit, key: FlowKey) -> Self {
        match verdict {
            // Without the first, the others are of no use to anybody.
            Verdict::Dropped(reason @ DropReason::SctpFragmented) => Self::Drop(reason),
            Verdict::Forwarded
            | Verdict::Consumed
            | Verdict::HandedOver
            | Verdict::Held
            | Verdict::Dropped(_) => Self::Follow(hit, key),
        }
    }
}

#[derive(Debug)]
struct Train {
    key: TrainKey,
    decision: Decision,
    since: Tick,
}

/// A fragment that waits for the first of its train.
#[derive(Debug)]
pub struct HeldFragment<B> {
    /// The frame.
    pub frame: B,
    /// The port it came in at.
    pub port: PortIdx,
    /// Its header.
    pub ip: Ipv4Meta,
    since: Tick,
}

/// The trains one worker follows.
#[derive(Debug)]
pub struct Trains<B> {
    decided: HashTable<Train>,
    /// Keys of `decided`, the oldest in front.
    order: VecDeque<TrainKey>,
    held: Vec<HeldFragment<B>>,
    hasher: RandomState,
    swept: Tick,
}

impl<B> Trains<B> {
    /// No trains; all memory is taken now.
    #[must_use]
    pub fn new(now: Tick) -> Self {
        Self {
            // Twice the count, so that hashbrown cleans up in place and never grows.
            decided: HashTable::with_capacity(2 * FRAGMENT_TRAIN_COUNT),
            order: VecDeque::with_capacity(FRAGMENT_TRAIN_COUNT),
            held: Vec::with_capacity(FRAGMENT_HELD_COUNT),
            hasher: RandomState::default(),
            swept: now,
        }
    }

    /// What was decided for the train of `key`.
    #[must_use]
    pub fn decision(&self, key: TrainKey, now: Tick) -> Option<Decision> {
        let train = self.decided.find(self.hasher.hash_one(key), |train| train.key == key)?;
        (now.since(train.since) < TRAIN_LIFETIME).then_some(train.decision)
    }

    /// Notes what became of the first fragment of a train. When too many trains are followed the
    /// oldest is forgotten; the fragments of a datagram seldom come far apart.
    pub fn decide(&mut self, key: TrainKey, decision: Decision, now: Tick) {
        let hash = self.hasher.hash_one(key);
        let train = Train { key, decision, since: now };
        if let Some(known) = self.decided.find_mut(hash, |train| train.key == key) {
            *known = train;
            return;
        }
        if self.order.len() >= FRAGMENT_TRAIN_COUNT {
            self.forget_oldest();
        }
        self.order.push_back(key);
        let hasher = &self.hasher;
        self.decided.insert_unique(hash, train, |train| hasher.hash_one(train.key));
    }

    fn forget_oldest(&mut self) {
        let Some(key) = self.order.pop_front() else { return };
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.decided.find_entry(hash, |train| train.key == key) {
            entry.remove();
        }
    }

    /// Keeps a fragment until its first comes.
    ///
    /// # Errors
    /// Gives the frame back if too many wait, in all or of its train.
    pub fn hold(&mut self, frame: B, port: PortIdx, ip: Ipv4Meta, now: Tick) -> Result<(), B> {
        let key = TrainKey::of(&ip);
        let same = self.held.iter().filter(|held| TrainKey::of(&held.ip) == key).count();
        if self.held.len() >= FRAGMENT_HELD_COUNT || same >= FRAGMENT_HELD_PER_TRAIN {
            return Err(frame);
        }
        self.held.push(HeldFragment { frame, port, ip, since: now });
        Ok(())
    }

    /// Takes out one fragment that waits for the first of this train, in order of arrival.
    pub fn release_next(&mut self, key: TrainKey) -> Option<HeldFragment<B>> {
        let place = self.held.iter().position(|held| TrainKey::of(&held.ip) == key)?;
        Some(self.held.remove(place))
    }

    /// Once a second: forgets old trains and gives back fragments that waited in vain.
    pub fn tick(&mut self, now: Tick, mut give_up: impl FnMut(HeldFragment<B>)) {
        if now.since(self.swept) < SWEEP_INTERVAL {
            return;
        }
        self.swept = now;
        while self.order.front().is_some_and(|key| self.decision(*key, now).is_none()) {
            self.forget_oldest();
        }
        let old = |held: &HeldFragment<B>| now.since(held.since) >= TRAIN_LIFETIME;
        while let Some(place) = self.held.iter().position(old) {
            give_up(self.held.remove(place));
        }
    }
}

/// Cuts the end off a packet that is longer than `mtu` and puts it into `rest`, an empty buffer;
/// both are valid fragments then, `rest` perhaps still too long. False, and nothing usable in
/// `rest`, if the packet cannot or may not be cut.
///
/// Options stay in the first fragment only: those that RFC 791 wants copied concern source routes,
/// which nothing here honours.
pub fn split_off<B: PacketBuf>(packet: &mut B, rest: &mut B, mtu: u16) -> bool {
    let Some(header) = Ipv4Header::read(&packet.bytes()[L3_OFFSET..]).copied() else {
        return false;
    };
    if header.dont_fragment() {
        return false;
    }
    let header_len = header.header_len();
    let keep = usize::from(mtu).saturating_sub(header_len) & !7;
    let Some(tail) = packet.bytes().get(L3_OFFSET + header_len + keep..) else { return false };
    if keep == 0 || tail.is_empty() {
        return false;
    }
    let Some(place) = rest.append(L3_OFFSET + Ipv4Header::LEN + tail.len()) else { return false };
    place[L3_OFFSET + Ipv4Header::LEN..].copy_from_slice(tail);
    let Ok(keep_bytes) = u16::try_from(keep) else { return false };
    let offset = header.fragment_offset().saturating_add(keep_bytes);
    emit_tail_header(&header, offset, &mut place[L3_OFFSET..]);

    packet.truncate(L3_OFFSET + header_len + keep);
    shorten_first(&mut packet.bytes_mut()[L3_OFFSET..], header_len + keep);
    true
}

fn emit_tail_header(header: &Ipv4Header, offset: u16, packet: &mut [u8]) {
    let mut tail = Ipv4Header::new(&Ipv4Fields {
        src: header.src(),
        dst: header.dst(),
        protocol: header.protocol(),
        ttl: header.ttl(),
        tos: header.tos(),
        id: header.id(),
        dont_fragment: false,
        total_len: u16::try_from(packet.len()).unwrap_or(u16::MAX),
    });
    tail.set_fragment(offset, header.more_fragments());
    // The caller has made room for the header.
    let _ = tail.emit(packet);
}

fn shorten_first(packet: &mut [u8], total_len: usize) {
    if let Some(header) = Ipv4Header::read_mut(packet) {
        header.set_total_len(u16::try_from(total_len).unwrap_or(u16::MAX));
        header.set_fragment(header.fragment_offset(), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbuf::TestBuf;
    use crate::testing::{PacketSpec, verify};

    fn datagram() -> PacketSpec {
        let udp = PacketSpec::udp("198.51.100.7:4000", "192.0.2.10:53");
        udp.payload([7; 300]).dont_fragment(false).id(5)
    }

    fn empty(room: usize) -> TestBuf {
        TestBuf::with_room(&[], 0, room)
    }

    #[test]
    fn a_packet_is_cut_at_a_multiple_of_eight() {
        let (mut packet, mut rest) = (datagram().buf(), empty(2048));
        assert!(split_off(&mut packet, &mut rest, 120));
        assert_eq!(packet.to_vec(), datagram().fragments(96)[0]);
        let length = 14 + 20 + 308 - 96;
        assert_eq!(rest.len(), length);
        // The Ethernet header is written when the fragment is sent.
        let mut frame = rest.to_vec();
        frame[..14].copy_from_slice(&packet.to_vec()[..14]);
        verify(&frame).unwrap();
        let header = Ipv4Header::read(&frame[14..]).unwrap();
        assert_eq!(
            (header.fragment_offset(), header.more_fragments(), header.id()),
            (96, false, 5)
        );
    }

    #[test]
    fn what_cannot_or_may_not_be_cut_is_left_as_it_was() {
        for (spec, room, mtu, why) in [
            (datagram(), 2048, 27, "no place for eight bytes"),
            (datagram(), 2048, 0, "no place for the header"),
            (datagram(), 200, 120, "the rest does not fit its buffer"),
            (datagram(), 2048, 400, "nothing is left for the rest"),
            (datagram().dont_fragment(true), 2048, 120, "forbidden"),
        ] {
            let (mut packet, mut rest) = (spec.buf(), empty(room));
            assert!(!split_off(&mut packet, &mut rest, mtu), "{why}");
            assert_eq!(packet.to_vec(), spec.frame(), "{why}");
        }
    }
}
