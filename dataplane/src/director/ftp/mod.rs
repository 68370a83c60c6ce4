//! Control connections of FTP: their segments are read, and given the numbers and texts that the
//! other side can use ([`crate::ftp`]). `data` has the flows of data connections.
//!
//! Whatever cannot be done leaves the segment's text as it is, and is counted: then FTP itself says
//! that the data connection did not come about, which operators can find in both ends' logs.

mod data;

pub(super) use data::ActiveData;

use std::net::Ipv4Addr;

use crate::buf::PacketBuf;
use crate::flow::{Controller, Direction, Flow, FlowIdx, FlowState, Hit, TcpState};
use crate::forward::ForwardingMode;
use crate::ftp::text::{self, Answer, Command, Named, Text};
use crate::ftp::{ActiveEnd, Asked, ControlRecord, DATA_PORT_MIN, Segment};
use crate::io::Ports;
use crate::parse::Transport;
use crate::service::{RealServer, VirtualService};
use crate::snapshot::Snapshot;
use crate::verdict::Verdict;

use super::relay::Way;
use super::{Director, Turn};

/// A control connection and where it leads.
#[derive(Clone, Copy)]
struct Control<'a> {
    /// Its place in the table.
    idx: FlowIdx,
    /// Its record.
    flow: Flow,
    service: &'a VirtualService,
    real: &'a RealServer,
    vip: Ipv4Addr,
}

/// A segment that may be edited.
struct Page<'a, B> {
    frame: &'a mut B,
    packet: &'a mut Transport,
    segment: Segment,
    /// Longest IP packet that may leave.
    len_max: u16,
}

impl<B: PacketBuf> Page<'_, B> {
    /// Whether the sender's checksum is right. What is not is not read: its receiver will not,
    /// either.
    fn is_intact(&self) -> bool {
        let key = &self.packet.key;
        self.segment.is_intact(self.frame, (key.src_ipv4(), key.dst_ipv4()))
    }

    /// Sequence number of a place in the payload.
    fn seq_at(&self, place: usize) -> u32 {
        // A payload is shorter than 64 KiB.
        self.segment.seq.wrapping_add(u32::try_from(place).unwrap_or_default())
    }

    /// Replaces what was said by `text`; false, and nothing done, if that does not fit.
    fn edit(&mut self, named: &Named, text: &Text) -> bool {
        let edit = (&named.place, text.as_bytes());
        let ip = &self.packet.ip;
        let total_len = self.segment.replace(self.frame, ip, edit, self.len_max);
        self.packet.ip.total_len = total_len.unwrap_or(ip.total_len);
        total_len.is_some()
    }
}

impl<B: PacketBuf> Director<B> {
    /// Sends a packet of a control connection on its way.
    #[cold]
    #[inline(never)]
    pub(super) fn relay_helped<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut frame: B,
        packet: &Transport,
        hit: Hit,
        way: &Way,
    ) -> Verdict {
        let mut packet = *packet;
        self.help(turn, (&mut frame, &mut packet), hit, way);
        let rewritten = self.rewrite(turn, &mut frame, &packet, hit, way);
        self.send_on(turn, way.hop(), frame, &packet.ip, rewritten)
    }

    /// Reads a segment, edits it, and shifts its sequence numbers.
    fn help<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        (frame, packet): (&mut B, &mut Transport),
        hit: Hit,
        way: &Way,
    ) {
        let len_max = turn.snapshot.ports.get(way.hop().port.index()).map_or(0, |port| port.mtu);
        let ip = &packet.ip;
        if ip.ttl <= 1 || ip.total_len > len_max && ip.dont_fragment() {
            // It will be refused, and its sender shall recognise what is quoted.
            return;
        }
        let Some(flow) = self.flows.flow(hit.flow()).copied() else { return };
        let Some(segment) = Segment::read(frame, ip) else { return };
        let is_open = flow.state() == FlowState::Tcp(TcpState::Established);
        if is_open && !ip.more_fragments() && !segment.payload(frame).is_empty() {
            let page = Page { frame, packet, segment, len_max };
            self.listen(turn, page, (hit, &flow));
        }
        let Some(record) = self.ftp.controls.get(&flow.request) else { return };
        let [client, server] = &record.shifts;
        let (own, other) = match hit.direction() {
            Direction::Request => (client, server),
            Direction::Reply => (server, client),
        };
        if !own.is_none() || !other.is_none() {
            segment.shift(frame, own, other);
        }
    }

    fn listen<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        page: Page<'_, B>,
        (hit, flow): (Hit, &Flow),
    ) {
        let Some(control) = control(turn.snapshot, hit.flow(), flow) else { return };
        let payload = page.segment.payload(page.frame);
        match hit.direction() {
            Direction::Request => {
                let said = text::command(payload);
                if said != Command::Other && page.is_intact() {
                    self.hear_client(turn, page, &control, &said);
                }
            }
            Direction::Reply => {
                // What nobody asked for is no answer, whatever it looks like.
                let record = self.ftp.controls.get(&flow.request);
                if record.is_none_or(|record| record.asked == Asked::Nothing) {
                    return;
                }
                let said = text::answer(payload);
                if said != Answer::Other && page.is_intact() {
                    self.hear_server(turn, page, &control, &said);
                }
            }
        }
    }

    fn hear_client<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        page: Page<'_, B>,
        control: &Control<'_>,
        said: &Command,
    ) {
        match said {
            Command::Other => {}
            Command::Passive => self.note_asked(control, Asked::Passive),
            Command::ExtendedPassive => self.note_asked(control, Asked::Extended),
            Command::Active(named) => self.hear_active(turn, page, control, named),
            Command::Split => self.stats.ftp.split.add(1),
            Command::Garbled => self.stats.ftp.garbled.add(1),
        }
    }

    fn note_asked(&mut self, control: &Control<'_>, asked: Asked) {
        if let Some(record) = self.control_record(control) {
            (record.asked, record.answered) = (asked, None);
        }
    }

    /// The client waits for the real server to connect.
    fn hear_active<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut page: Page<'_, B>,
        control: &Control<'_>,
        named: &Named,
    ) {
        // Anybody else's address would have the real server attack others (RFC 2577 section 3).
        let client = control.flow.request.src_ipv4();
        if named.address != client || named.l4_port < DATA_PORT_MIN {
            return self.stats.ftp.refused.add(1);
        }
        let Some(record) = self.control_record(control) else { return };
        (record.asked, record.answered) = (Asked::Nothing, None);
        let said_before = record.active;
        let seq = page.seq_at(named.place.start);
        let said_again = said_before.filter(|end| end.seq == seq && end.cport == named.l4_port);
        let Some(data) = self.await_active(turn, control, named.l4_port, said_again) else {
            return;
        };
        if control.real.mode == ForwardingMode::Nat {
            return;
        }
        let old_len = named.place.len();
        let text = Text::new(named.form, data.0, data.1);
        if !page.edit(named, &text) {
            return self.stats.ftp.unfit.add(1);
        }
        self.stats.ftp.edited.add(1);
        if let Some(record) = self.control_record(control) {
            record.active = Some(ActiveEnd { seq, cport: named.l4_port, lport: data.1 });
            note_edit(&mut record.shifts[0], seq, old_len, &text);
        }
    }

    fn hear_server<P: Ports<B>>(
        &mut self,
        turn: &mut Turn<'_, B, P>,
        mut page: Page<'_, B>,
        control: &Control<'_>,
        said: &Answer,
    ) {
        match said {
            Answer::Other => {}
            Answer::Split => self.stats.ftp.split.add(1),
            Answer::Garbled => self.stats.ftp.garbled.add(1),
            Answer::Extended { l4_port, at } => {
                let seq = page.seq_at(*at);
                if self.may_answer(control, Asked::Extended, seq) {
                    self.await_passive(turn, control, (*l4_port, seq));
                }
            }
            Answer::Passive(named) => {
                let seq = page.seq_at(named.place.start);
                if !self.may_answer(control, Asked::Passive, seq) {
                    return;
                }
                // Real servers may be told to name the VIP, or name no address at all.
                let is_vip = named.address == control.vip;
                if !is_vip
                    && named.address != control.real.address
                    && !named.address.is_unspecified()
                {
                    return self.stats.ftp.refused.add(1);
                }
                let (old_len, vip) = (named.place.len(), control.vip);
                let text = Text::new(named.form, vip, named.l4_port);
                if !is_vip && named.l4_port >= DATA_PORT_MIN {
                    if !page.edit(named, &text) {
                        return self.stats.ftp.unfit.add(1);
                    }
                    self.stats.ftp.edited.add(1);
                    if let Some(record) = self.control_record(control) {
                        note_edit(&mut record.shifts[1], seq, old_len, &text);
                    }
                }
                self.await_passive(turn, control, (named.l4_port, seq));
            }
        }
    }

    fn may_answer(&self, control: &Control<'_>, asked: Asked, seq: u32) -> bool {
        let record = self.ftp.controls.get(&control.flow.request);
        record.is_some_and(|record| record.awaits(asked, seq))
    }

    /// What is remembered of a control connection; `None`, and counted, if there is no room.
    fn control_record(&mut self, control: &Control<'_>) -> Option<&mut ControlRecord> {
        let key = control.flow.request;
        if self.ftp.controls.get(&key).is_none()
            && !self.ftp.controls.put(key, ControlRecord::default())
        {
            self.stats.ftp.controls_full.add(1);
        }
        self.ftp.controls.get_mut(&key)
    }

    /// Forgets what a flow that has ended meant to others.
    #[cold]
    #[inline(never)]
    pub(super) fn let_go(&mut self, flow: &Flow) {
        if flow.control.has_helper() {
            self.ftp.controls.remove(&flow.request);
        }
        let control = match flow.control.controller() {
            Some(Controller::Flow(control)) => control,
            Some(Controller::Template(template)) => {
                let at = if flow.deadline().is_due(self.now) { flow.deadline() } else { self.now };
                return self.templates.end_control(template, at);
            }
            None => return,
        };
        let Some(key) = self.flows.flow(control).map(|control| control.request) else { return };
        if let Some(record) = self.ftp.controls.get_mut(&key) {
            record.data_flows = record.data_flows.saturating_sub(1);
        }
    }

    /// Lets a flow that is due live on if it still controls others; false if it does not.
    #[cold]
    #[inline(never)]
    pub(super) fn holds(&mut self, hit: Hit, now: crate::time::Tick) -> bool {
        let Some(flow) = self.flows.flow_mut(hit.flow()) else { return false };
        let holds = self.ftp.holds(flow);
        if holds {
            flow.put_off(now);
        }
        holds
    }
}

/// The control connection of a flow with a helper, if its real server is still what it was.
fn control<'a>(snapshot: &'a Snapshot, idx: FlowIdx, flow: &Flow) -> Option<Control<'a>> {
    let real = snapshot.real_server(flow.real)?;
    let service = snapshot.services.by_id(flow.service)?;
    let (flow, vip) = (*flow, service.key.vip()?);
    (real.mode == flow.mode).then_some(Control { idx, flow, service, real, vip })
}

fn note_edit(shift: &mut crate::ftp::Shift, seq: u32, old_len: usize, text: &Text) {
    let len = |len: usize| u32::try_from(len).unwrap_or_default();
    shift.edit(seq, len(old_len), len(text.as_bytes().len()));
}
