//! Edits as requests have them -> edits as the desk has them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;

use conf::edit::{Draft, Edit, RealServerPatch, ServiceOptions, ServiceSettings};
use conf::{
    ForwardingMode, GueChecksum, Helper, Mark, Persistence, PersistenceEngine, Protocol,
    RealServer, Scheduler, SchedulerFlags, ServiceKey, ServiceTimeouts, Timeouts, Tunnel,
};

use super::asked::EDITS_MAX;
use super::refusal::ChangeError;
use crate::api::proto::{
    EditSpec, RealServerChange, RealServerSpec, ServiceSpec, TimeoutsSpec, TunnelSpec,
};
use crate::select::name;

/// Why a request cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanError {
    /// A list is too long.
    #[error("{0} edits are more than {EDITS_MAX} at a time: send several lists, or apply a file")]
    TooMany(usize),
    /// Nothing is called so.
    #[error("there is no service `{0}`, and it is no key such as `tcp:192.0.2.10:80` or `mark:7`")]
    NoSuchService(String),
    /// This is no address of a real server.
    #[error("`{0}` is not an address with a port, such as `10.0.0.11:8080`")]
    NotAnAddress(String),
    /// A word that means nothing here.
    #[error("unknown {key} `{word}`; known are {known}")]
    UnknownWord {
        /// The field.
        key: &'static str,
        /// What it says.
        word: String,
        /// What it could say.
        known: String,
    },
    /// It is not said which packets a service is for.
    #[error(
        "a service needs `protocol`, `vip` and `vport`, or a `mark` from 1 on and none of them"
    )]
    Key,
    /// The key of a service cannot change.
    #[error("it is service {0}: for other packets, add another service")]
    OtherKey(ServiceKey),
    /// Real servers are changed one by one.
    #[error("a service that is there keeps its real servers: leave `real_servers` out")]
    RealServers,
    /// The port of a tunnel that has none, or none where there has to be one.
    #[error("a tunnel of type gue has a `port` from 1 on, and no other has one")]
    TunnelPort,
    /// An idle time of nothing.
    #[error("`{0}` is from 1 s to 31 days; leave it out to keep what it is")]
    ZeroTimeout(&'static str),
    /// A setting of persistence without persistence.
    #[error("`{0}` means nothing without `persistence_s`")]
    NoPersistence(&'static str),
}

/// Makes edits, one after the other.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    draft: &'a Draft,
    /// Names that the edits before have given.
    given: HashMap<String, ServiceKey>,
    /// Modes that they have given; of a new service `None` until its first real server.
    modes: HashMap<ServiceKey, Option<ForwardingMode>>,
}

/// The key of a service by its name or in words. It need not be there in the latter case.
pub(super) fn service_key(draft: &Draft, text: &str) -> Result<ServiceKey, PlanError> {
    let unknown = || PlanError::NoSuchService(text.chars().take(100).collect());
    draft.named(text).or_else(|| name::key(text)).ok_or_else(unknown)
}

impl<'a> Planner<'a> {
    /// For what is desired now.
    pub(super) fn new(draft: &'a Draft) -> Self {
        Self { draft, given: HashMap::new(), modes: HashMap::new() }
    }

    /// All of a list.
    pub(super) fn edits(mut self, specs: &[EditSpec]) -> Result<Vec<Edit>, ChangeError> {
        let mut edits = Vec::with_capacity(specs.len());
        for (index, spec) in specs.iter().enumerate() {
            self.add(spec, &mut edits).map_err(|error| ChangeError::Plan(index, error))?;
        }
        Ok(edits)
    }

    fn add(&mut self, spec: &EditSpec, edits: &mut Vec<Edit>) -> Result<(), PlanError> {
        let edit = match spec {
            EditSpec::AddService { settings } => return self.add_service(settings, edits),
            EditSpec::SetService { service, settings } => {
                let key = self.key(service)?;
                if !settings.real_servers.is_empty() {
                    return Err(PlanError::RealServers);
                }
                if names_key(settings) && key_of(settings)? != key {
                    return Err(PlanError::OtherKey(key));
                }
                self.note_name(settings, key);
                let options = options(settings)?;
                if options.mode.is_some() {
                    self.modes.insert(key, options.mode);
                }
                let settings = self::settings(settings)?;
                Edit::EditService { key, settings, options: Some(options) }
            }
            EditSpec::RemoveService { service } => Edit::RemoveService(self.key(service)?),
            EditSpec::Flush => Edit::Flush,
            EditSpec::AddRealServer { service, real_server } => {
                let key = self.key(service)?;
                Edit::AddRealServer(key, self.real_server(key, real_server)?)
            }
            EditSpec::SetRealServer { service, address, settings } => {
                let key = self.key(service)?;
                Edit::PatchRealServer(key, end(key, address)?, patch(settings)?)
            }
            EditSpec::RemoveRealServer { service, address } => {
                let key = self.key(service)?;
                Edit::RemoveRealServer(key, end(key, address)?)
            }
            EditSpec::SetTimeouts { timeouts } => {
                let TimeoutsSpec { tcp_s, tcp_fin_s, udp_s } = *timeouts;
                // 0 is no time in a request, though it means something in an edit.
                let seconds = |key, seconds| match seconds {
                    Some(0) => Err(PlanError::ZeroTimeout(key)),
                    seconds => Ok(seconds.unwrap_or(0)),
                };
                Edit::SetTimeouts(Timeouts {
                    tcp_s: seconds("tcp_s", tcp_s)?,
                    tcp_fin_s: seconds("tcp_fin_s", tcp_fin_s)?,
                    udp_s: seconds("udp_s", udp_s)?,
                })
            }
        };
        edits.push(edit);
        Ok(())
    }

    fn add_service(&mut self, spec: &ServiceSpec, edits: &mut Vec<Edit>) -> Result<(), PlanError> {
        let key = key_of(spec)?;
        self.note_name(spec, key);
        let (settings, options) = (settings(spec)?, options(spec)?);
        self.modes.insert(key, options.mode);
        edits.push(Edit::AddService { key, settings, options });
        for real in &spec.real_servers {
            edits.push(Edit::AddRealServer(key, self.real_server(key, real)?));
        }
        Ok(())
    }

    /// The key of a service that is there or that the list makes.
    fn key(&self, text: &str) -> Result<ServiceKey, PlanError> {
        self.given.get(text).copied().map_or_else(|| service_key(self.draft, text), Ok)
    }

    fn note_name(&mut self, spec: &ServiceSpec, key: ServiceKey) {
        self.given.extend(spec.name.clone().map(|name| (name, key)));
    }

    fn real_server(
        &mut self,
        key: ServiceKey,
        spec: &RealServerSpec,
    ) -> Result<RealServer, PlanError> {
        let l4_port = spec.rport.unwrap_or_else(|| key.vport());
        let there = || self.draft.service(key).map(|service| service.mode);
        let of_service = self.modes.get(&key).copied().unwrap_or_else(there);
        let mode = match &spec.mode {
            Some(text) => self::mode(text)?,
            None => of_service.unwrap_or(ForwardingMode::Dr),
        };
        if of_service.is_none() {
            self.modes.insert(key, Some(mode));
        }
        Ok(RealServer {
            address: SocketAddrV4::new(spec.rip, l4_port),
            mode,
            tunnel: spec.tunnel.as_ref().map_or(Ok(Tunnel::Ipip), tunnel)?,
            weight: spec.weight.unwrap_or(1),
            drain: spec.drain,
            upper_threshold: spec.upper_threshold,
            lower_threshold: spec.lower_threshold,
        })
    }
}

fn names_key(spec: &ServiceSpec) -> bool {
    let ServiceSpec { protocol, vip, vport, mark, .. } = spec;
    protocol.is_some() || vip.is_some() || vport.is_some() || mark.is_some()
}

fn key_of(spec: &ServiceSpec) -> Result<ServiceKey, PlanError> {
    match (&spec.protocol, spec.vip, spec.vport, spec.mark) {
        (None, None, None, Some(mark)) => {
            Mark::new(mark).map(ServiceKey::Mark).ok_or(PlanError::Key)
        }
        (Some(text), Some(vip), Some(vport), None) => {
            let words = Protocol::ALL.map(|protocol| (protocol.as_str(), protocol));
            let protocol = word("protocol", text, words)?;
            Ok(ServiceKey::Endpoint { protocol, vip: SocketAddrV4::new(vip, vport) })
        }
        _ => Err(PlanError::Key),
    }
}

/// The end of a real server; without a port it is the service's.
fn end(key: ServiceKey, text: &str) -> Result<SocketAddrV4, PlanError> {
    let alone = || text.parse::<Ipv4Addr>().map(|rip| SocketAddrV4::new(rip, key.vport()));
    let unknown = |_| PlanError::NotAnAddress(text.chars().take(100).collect());
    text.parse().or_else(|_| alone()).map_err(unknown)
}

fn settings(spec: &ServiceSpec) -> Result<ServiceSettings, PlanError> {
    let schedulers = Scheduler::ALL.map(|scheduler| (scheduler.as_str(), scheduler));
    let scheduler = match &spec.scheduler {
        Some(text) => word("scheduler", text, schedulers)?,
        None => Scheduler::Wlc,
    };
    let engines = [PersistenceEngine::Sip].map(|engine| (engine.as_str(), engine));
    let engine = spec.persistence_engine.as_ref();
    let engine = engine.map(|text| word("persistence_engine", text, engines)).transpose()?;
    let mask = spec.persistence_mask;
    let persistence = match spec.persistence_s {
        Some(timeout_s) => Some(Persistence {
            timeout_s,
            mask: mask.unwrap_or(Persistence::WHOLE_ADDRESS),
            engine,
        }),
        None if mask.is_some() => return Err(PlanError::NoPersistence("persistence_mask")),
        None if engine.is_some() => return Err(PlanError::NoPersistence("persistence_engine")),
        None => None,
    };
    let scheduler_flags = flags(scheduler, &spec.scheduler_flags)?;
    Ok(ServiceSettings { scheduler, scheduler_flags, persistence, ops: spec.ops })
}

/// Flags by the names that they have for this scheduler, or for all.
fn flags(scheduler: Scheduler, names: &[String]) -> Result<SchedulerFlags, PlanError> {
    let none = SchedulerFlags::default();
    let single = [
        ("flag-1", SchedulerFlags { flag_1: true, ..none }),
        ("flag-2", SchedulerFlags { flag_2: true, ..none }),
        ("flag-3", SchedulerFlags { flag_3: true, ..none }),
    ];
    let own = single.iter().flat_map(|(_, flag)| {
        flag.names(scheduler).into_iter().map(|name| (name, *flag)).collect::<Vec<_>>()
    });
    let words: Vec<_> = own.chain(single).collect();
    let mut all = none;
    for name in names {
        let SchedulerFlags { flag_1, flag_2, flag_3 } =
            word("scheduler flag", name, words.iter().copied())?;
        all.flag_1 |= flag_1;
        all.flag_2 |= flag_2;
        all.flag_3 |= flag_3;
    }
    Ok(all)
}

fn options(spec: &ServiceSpec) -> Result<ServiceOptions, PlanError> {
    let helpers = [(Helper::Ftp.as_str(), Some(Helper::Ftp)), (Helper::NONE, None)];
    let TimeoutsSpec { tcp_s, tcp_fin_s, udp_s } = spec.timeouts;
    Ok(ServiceOptions {
        name: spec.name.clone(),
        mode: spec.mode.as_deref().map(mode).transpose()?,
        timeouts: ServiceTimeouts { tcp_s, tcp_fin_s, udp_s },
        local_addresses: spec.local_addresses.clone(),
        helper: spec.helper.as_ref().map(|text| word("helper", text, helpers)).transpose()?,
    })
}

fn patch(spec: &RealServerChange) -> Result<RealServerPatch, PlanError> {
    let RealServerChange { weight, upper_threshold, lower_threshold, drain, mode, tunnel } = spec;
    Ok(RealServerPatch {
        weight: *weight,
        upper_threshold: *upper_threshold,
        lower_threshold: *lower_threshold,
        drain: *drain,
        mode: mode.as_deref().map(self::mode).transpose()?,
        tunnel: tunnel.as_ref().map(self::tunnel).transpose()?,
    })
}

fn mode(text: &str) -> Result<ForwardingMode, PlanError> {
    word("mode", text, ForwardingMode::ALL.map(|mode| (mode.as_str(), mode)))
}

fn tunnel(spec: &TunnelSpec) -> Result<Tunnel, PlanError> {
    let TunnelSpec { r#type, port, checksum } = spec;
    let checksum = |choices: &[GueChecksum]| match checksum {
        Some(text) => word("checksum", text, choices.iter().map(|one| (one.as_str(), *one))),
        None => Ok(GueChecksum::None),
    };
    let no_port = || if port.is_some() { Err(PlanError::TunnelPort) } else { Ok(()) };
    let kinds = [Tunnel::IPIP, Tunnel::GUE, Tunnel::GRE].map(|kind| (kind, kind));
    match word("type", r#type, kinds)? {
        Tunnel::GUE => {
            let dst_port = port.and_then(NonZeroU16::new).ok_or(PlanError::TunnelPort)?;
            Ok(Tunnel::Gue { dst_port, checksum: checksum(&GueChecksum::ALL)? })
        }
        Tunnel::GRE => {
            no_port()?;
            let checksum = checksum(&[GueChecksum::None, GueChecksum::Full])?;
            Ok(Tunnel::Gre { checksum: checksum == GueChecksum::Full })
        }
        _ => {
            no_port()?;
            checksum(&[GueChecksum::None]).map(|_| Tunnel::Ipip)
        }
    }
}

/// One of a few words.
fn word<T>(
    key: &'static str,
    text: &str,
    words: impl IntoIterator<Item = (&'static str, T)>,
) -> Result<T, PlanError> {
    let mut known = Vec::new();
    for (word, value) in words {
        if word == text {
            return Ok(value);
        }
        known.push(word);
    }
    let word = text.chars().take(100).collect();
    Err(PlanError::UnknownWord { key, word, known: known.join(", ") })
}
