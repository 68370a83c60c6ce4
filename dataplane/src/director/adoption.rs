//! Taking up a new snapshot: its next hops are pinned, and its new VIPs announced.
//!
//! A snapshot may name a hundred thousand real servers and ten thousand VIPs, and packets shall not
//! wait for any of them. So two walks go over them, a few per turn, and are never begun anew by a
//! snapshot that comes meanwhile: real servers and VIPs keep their places over snapshots. A walk
//! that was under way is followed by another one, so that each snapshot is gone over as a whole.
//! Snapshots that the worker skipped need no care.

use std::net::Ipv4Addr;

use crate::arp;
use crate::buf::PacketBuf;
use crate::io::Ports;
use crate::limits::{ADOPTION_FRAMES_PER_TICK, PINS_PER_TURN, PORT_COUNT_MAX, VIP_PLACES_PER_TURN};
use crate::neighbor::{Pinned, Probe};
use crate::snapshot::{NextHop, PortIdx};
use crate::time::{Tick, Ticks};

use super::Turn;
use super::egress::Egress;

/// Times a VIP is announced after it has become one, and the time between; switches and routers
/// that miss the first because their link came up late hear a later one.
const ANNOUNCEMENTS: u8 = 3;
const ANNOUNCEMENT_INTERVAL: Ticks = Ticks::from_secs(1);

/// How far the snapshot in force has been taken up.
#[derive(Debug)]
pub(super) struct Adoption {
    generation: u64,
    hops: HopWalk,
    vips: VipWalk,
    /// Frames that may still be sent in this tick.
    frames_left: usize,
}

impl Adoption {
    /// Nothing taken up yet; with room for so many VIPs.
    pub(super) fn new(vip_count: usize) -> Self {
        let frames_left = ADOPTION_FRAMES_PER_TICK;
        let (hops, vips) = (HopWalk::default(), VipWalk::new(vip_count));
        Self { generation: 0, hops, vips, frames_left }
    }

    /// Does this turn's piece.
    #[inline]
    pub(super) fn go_on<B: PacketBuf, P: Ports<B>>(
        &mut self,
        egress: &mut Egress<B>,
        turn: &mut Turn<'_, B, P>,
        new_tick: bool,
    ) {
        if new_tick {
            self.frames_left = ADOPTION_FRAMES_PER_TICK;
        }
        if self.generation != turn.snapshot.generation {
            self.generation = turn.snapshot.generation;
            self.hops.begin(egress);
            self.vips.begin(turn.now);
        }
        if self.hops.under_way {
            self.hops.go_on(egress, turn, &mut self.frames_left);
        }
        if self.vips.under_way && self.vips.next_round.is_due(turn.now) {
            self.vips.go_on(egress, turn, &mut self.frames_left);
        }
    }

    /// Announces all VIPs as if they were new.
    pub(super) fn announce_all(&mut self, now: Tick) {
        self.vips.epoch = self.vips.epoch.wrapping_add(1);
        self.vips.begin(now);
    }
}

/// Goes over all next hops of the snapshot.
#[derive(Debug, Default)]
struct HopWalk {
    under_way: bool,
    /// Another walk follows.
    again: bool,
    /// Gateways come first: all packets to elsewhere need them.
    gateway: usize,
    real: usize,
}

impl HopWalk {
    fn begin<B: PacketBuf>(&mut self, egress: &mut Egress<B>) {
        if self.under_way {
            self.again = true;
            return;
        }
        *self = Self { under_way: true, ..Self::default() };
        egress.neighbors.begin_pass();
    }

    #[cold]
    fn go_on<B: PacketBuf, P: Ports<B>>(
        &mut self,
        egress: &mut Egress<B>,
        turn: &mut Turn<'_, B, P>,
        frames_left: &mut usize,
    ) {
        for _ in 0..PINS_PER_TURN {
            if *frames_left == 0 {
                return;
            }
            let snapshot = turn.snapshot;
            let hop = if let Some(gateway) = snapshot.gateways().get(self.gateway) {
                self.gateway += 1;
                Some(*gateway)
            } else if let Some(real) = snapshot.real_servers.get(self.real) {
                self.real += 1;
                real.as_ref().and_then(|real| real.next_hop)
            } else {
                egress.neighbors.end_pass();
                self.under_way = false;
                if std::mem::take(&mut self.again) {
                    self.begin(egress);
                }
                return;
            };
            if let Some(hop) = hop {
                pin(egress, turn, hop, frames_left);
            }
        }
    }
}

fn pin<B: PacketBuf, P: Ports<B>>(
    egress: &mut Egress<B>,
    turn: &mut Turn<'_, B, P>,
    hop: NextHop,
    frames_left: &mut usize,
) {
    match egress.neighbors.pin(hop, turn.now) {
        Pinned::Known => {}
        Pinned::New => {
            egress.ask(turn, Probe { hop, at: None });
            *frames_left -= 1;
        }
        // Nothing is sent, but looking for room in vain takes about as long.
        Pinned::NoRoom => *frames_left -= 1,
    }
}

/// Goes over all places of VIPs, again and again until nothing is left to announce.
#[derive(Debug)]
struct VipWalk {
    under_way: bool,
    /// Another round follows at once.
    again: bool,
    /// Another round follows after the interval, since some are to be announced more often.
    more: bool,
    place: usize,
    next_round: Tick,
    /// Raised when all are to be announced again.
    epoch: u32,
    /// By place.
    heralds: Box<[Herald]>,
}

/// What has been announced of the VIP in one place.
#[derive(Clone, Copy, Debug, Default)]
struct Herald {
    /// The generation since which it has been there; 0 is none.
    since: u64,
    epoch: u32,
    /// Announcements left.
    left: u8,
    /// When the next one is due.
    due: Tick,
}

impl VipWalk {
    fn new(vip_count: usize) -> Self {
        Self {
            under_way: false,
            again: false,
            more: false,
            place: 0,
            next_round: Tick(0),
            epoch: 0,
            heralds: vec![Herald::default(); vip_count].into_boxed_slice(),
        }
    }

    fn begin(&mut self, now: Tick) {
        if self.under_way && self.place > 0 {
            self.again = true;
        } else {
            self.under_way = true;
            self.next_round = now;
        }
    }

    #[cold]
    fn go_on<B: PacketBuf, P: Ports<B>>(
        &mut self,
        egress: &Egress<B>,
        turn: &mut Turn<'_, B, P>,
        frames_left: &mut usize,
    ) {
        let ports = turn.io.port_count().min(PORT_COUNT_MAX);
        for _ in 0..VIP_PLACES_PER_TURN {
            if *frames_left < ports {
                return;
            }
            let announced = turn.snapshot.announced.get(self.place);
            let (Some(announced), Some(herald)) = (announced, self.heralds.get_mut(self.place))
            else {
                self.end_round(turn.now);
                return;
            };
            self.place += 1;
            let Some(vip) = announced else { continue };
            if herald.is_wanted(vip.since, self.epoch, turn.now) {
                *frames_left -= announce(egress, turn, vip.address);
            }
            self.more |= herald.left > 0;
        }
    }

    fn end_round(&mut self, now: Tick) {
        self.place = 0;
        let again = std::mem::take(&mut self.again);
        self.under_way = std::mem::take(&mut self.more) || again;
        self.next_round = if again { now } else { now.after(ANNOUNCEMENT_INTERVAL) };
    }
}

impl Herald {
    /// Whether to announce now the VIP that has been here `since` that generation.
    fn is_wanted(&mut self, since: u64, epoch: u32, now: Tick) -> bool {
        if (self.since, self.epoch) != (since, epoch) {
            *self = Self { since, epoch, left: ANNOUNCEMENTS, due: now };
        }
        if self.left == 0 || !self.due.is_due(now) {
            return false;
        }
        self.left -= 1;
        self.due = now.after(ANNOUNCEMENT_INTERVAL);
        true
    }
}

/// Announces a VIP on the ports it belongs to; returns how many frames that took.
fn announce<B: PacketBuf, P: Ports<B>>(
    egress: &Egress<B>,
    turn: &mut Turn<'_, B, P>,
    vip: Ipv4Addr,
) -> usize {
    let mut frames = 0;
    for index in 0..turn.io.port_count().min(PORT_COUNT_MAX) {
        #[expect(clippy::cast_possible_truncation, reason = "at most PORT_COUNT_MAX")]
        let port = PortIdx(index as u8);
        if arp::answers_for(turn.snapshot, vip, port) {
            egress.announce(turn, port, vip);
            frames += 1;
        }
    }
    frames
}
