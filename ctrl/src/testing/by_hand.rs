//! [`Rig`]s whose worker turns by hand: what comes out for a frame, and when, is certain.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conf::Config;
use dataplane::control::{Command, FlowReport, Report, Selection};
use dataplane::stats::RealServerStats;
use dataplane::testing::{DIRECTOR_MAC, PEER_MAC, arp_frame};
use dataplane::time::{TICKS_PER_SECOND, Tick, Ticks};
use dataplane::wire::{ArpOperation, ArpPacket, EtherType, EthernetHeader};

use super::Rig;
use crate::api::proto::Traffic;
use crate::apply::facts;
use crate::edit::{Replacement, build};
use crate::identity::Usage as _;

/// Turns in a second that nothing arrives in; millions in a daemon.
const TURNS_PER_SECOND: u32 = 64;

impl Rig {
    /// Lets the first port receive `frame`, a tick after what was before; the IPv4 frames that the
    /// worker sends for it. All neighbours answer ARP.
    pub(crate) fn exchange(&mut self, frame: Vec<u8>) -> Vec<Vec<u8>> {
        self.now.fetch_add(1, Ordering::Relaxed);
        self.wire.arriving.lock().unwrap().push_back(frame);
        self.work_off()
    }

    /// Puts `config` into force as `rvs apply` does, and has the worker take it up.
    pub(crate) fn put_into_force(&mut self, config: Config) {
        let state = Arc::clone(&self.state);
        let mut applier = state.applier.try_lock().unwrap();
        applier.free_numbers(&state);
        let mut registry = applier.registry.lock().unwrap();
        registry.check(&config).unwrap();
        state.desk.replace(Replacement::new(config, &registry), "test.yaml".to_owned());
        let ((desired, job), ports) = (state.desk.begin(), facts(&state.ports));
        let generation = state.in_force.load().generation + 1;
        let built = build(&mut registry, desired.config(), &ports, &state.workers, generation);
        drop(registry);
        applier.put_into_force(&state, job, built);
        self.work_off();
        assert!(state.workers.behind(generation).is_none());
        applier.publisher.reclaim();
    }

    /// Lets the clock go on, second by second, and the worker turn meanwhile, so often that it goes
    /// through its tables.
    pub(crate) fn stand_for_s(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now.fetch_add(TICKS_PER_SECOND, Ordering::Relaxed);
            for _ in 0..TURNS_PER_SECOND {
                self.work_off();
            }
        }
    }

    /// Active and inactive connections of a real server, by its places in the configuration.
    pub(crate) fn connections(&self, service: usize, real: usize) -> (u64, u64) {
        let id = self.state.in_force.load().named[service].real_servers[real].id;
        let sum = |count: fn(&RealServerStats) -> u64| {
            self.state.workers.sum(|stats| stats.real_server(id).map_or(0, count))
        };
        (sum(|real| real.active.value()), sum(|real| real.inactive.value()))
    }

    /// Lets so many ticks pass at once.
    pub(crate) fn stand_for(&self, ticks: Ticks) {
        self.now.fetch_add(ticks.0, Ordering::Relaxed);
    }

    /// What a service counted, or one of its real servers, by their places in the configuration.
    pub(crate) fn traffic(&self, service: usize, real: Option<usize>) -> Traffic {
        let in_force = self.state.in_force.load();
        let (workers, service) = (&self.state.workers, &in_force.named[service]);
        match real.map(|real| &service.real_servers[real]) {
            Some(real) => workers.real_server(real.id).since(&real.base),
            None => workers.service(service.id).since(&service.base),
        }
    }

    /// The flow of a client, as listings show it.
    pub(crate) fn flow_of(&mut self, client: SocketAddrV4) -> Option<FlowReport> {
        let end = ((*client.ip()).into(), client.port());
        self.listed(|flow| flow.client == end).pop()
    }

    /// All persistence templates.
    pub(crate) fn templates(&mut self) -> Vec<FlowReport> {
        self.listed(|flow| flow.is_template)
    }

    /// The flows and templates of listings that are meant.
    fn listed(&mut self, is_meant: impl Fn(&FlowReport) -> bool) -> Vec<FlowReport> {
        let state = Arc::clone(&self.state);
        let mut ring = state.workers.iter().next().unwrap().ring.try_lock().unwrap();
        assert!(ring.begin(Command::ListFlows(Selection::ALL)), "the worker takes no request");
        let mut found = Vec::new();
        while ring.is_awaiting() {
            self.work_off();
            for report in ring.next_batch() {
                if let Report::Flow(flow) = report
                    && is_meant(&flow)
                {
                    found.push(flow);
                }
            }
        }
        found
    }

    /// Turns until nothing is left to do.
    fn work_off(&mut self) -> Vec<Vec<u8>> {
        let now = Tick(self.now.load(Ordering::Relaxed));
        let mut packets = Vec::new();
        loop {
            self.worker.as_mut().unwrap().turn(now);
            let sent = self.wire.sent.as_ref().unwrap().lock().unwrap().split_off(0);
            let mut arriving = self.wire.arriving.lock().unwrap();
            for frame in sent {
                match answer(&frame) {
                    Ok(answer) => arriving.extend(answer),
                    Err(()) => packets.push(frame),
                }
            }
            if arriving.is_empty() {
                return packets;
            }
        }
    }
}

/// What the neighbours answer to ARP; an error if it is not ARP.
fn answer(frame: &[u8]) -> Result<Option<Vec<u8>>, ()> {
    let (header, payload) = EthernetHeader::split(frame).unwrap();
    if header.ether_type() != EtherType::ARP {
        return Err(());
    }
    let request = ArpPacket::checked(payload).unwrap();
    let is_for_others = request.operation() == ArpOperation::Request && !request.is_gratuitous();
    Ok(is_for_others.then(|| {
        let (asker, target) = (request.sender_ip(), request.target_ip());
        let reply = ArpPacket::reply(PEER_MAC, target, DIRECTOR_MAC, asker);
        arp_frame(DIRECTOR_MAC, PEER_MAC, &reply)
    }))
}
