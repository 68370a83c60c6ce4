//! How packets reach the worker that owns their flow: chosen per port, at start.
//!
//! With several workers, replies of FULLNAT and both directions of NAT must meet the worker that
//! has their flow. Best first: the NIC's RSS puts them into that worker's queue ([`Method::Rss`]);
//! rules in the NIC do ([`Method::FlowRules`]); the worker that receives them hands them over
//! ([`Method::HandOver`]). [`choose`] is a pure function of what ports can do ([`Ability`]) and of
//! what is behind them ([`Role`]), and says of each port why it is not steered better.
//!
//! What a port can do is known for certain only when it has been asked: [`agree`] sets the RSS that
//! was chosen, and chooses again without what a port refuses. Then the answer is final: a running
//! flow must not change its owner, so neither may this.

mod ability;
mod agree;
mod role;
mod rules;

use std::sync::Arc;

use dataplane::forward::{LocalPortShare, PORT_CLASSES_MAX, PortClasses, PortClassesError};
use dataplane::ownership::{Team, WorkerIdx};
use dataplane::rss::{HashedEnds, RedirectionTable, RssError, RssKey, RssSteering};
use dpdk::{RssConfig, RssEnds};

pub(crate) use ability::Ability;
pub(crate) use agree::{Side, Steerable, agree};
pub(crate) use role::{Role, roles};
pub(crate) use rules::{Rule, Rules};

/// How packets that come in by a port reach their flow's worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// There is one worker.
    OneWorker,
    /// The port hashes exactly these ends, under the key and the redirection table of the plan.
    Rss(RssEnds),
    /// Rules bring replies of FULLNAT to the local ports' worker; the driver spreads the rest.
    FlowRules,
    /// The driver spreads packets if it can, and the worker that receives one passes it on.
    HandOver,
}

impl Method {
    /// In one word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OneWorker => "one-worker",
            Self::Rss(RssEnds::Both) => "rss",
            Self::Rss(RssEnds::Source) => "rss-source",
            Self::Rss(RssEnds::Destination) => "rss-destination",
            Self::FlowRules => "flow-rules",
            Self::HandOver => "hand-over",
        }
    }
}

/// What was chosen for one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortPlan {
    /// The method.
    pub(crate) method: Method,
    /// Why not a better one, and what is handed over nevertheless; a sentence each.
    pub(crate) why: Vec<String>,
}

/// How local ports are divided over the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// By the hash of the reply: [`Plan::key`], [`Plan::reply_ends`], [`Plan::table`].
    Rss,
    /// By the classes that flow rules can tell apart, or port by port.
    Classes(PortClasses),
}

/// What was chosen for all ports.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The key of every port with [`Method::Rss`], to be cut to the length each takes.
    pub(crate) key: RssKey,
    /// What of a FULLNAT reply is hashed.
    pub(crate) reply_ends: HashedEnds,
    /// The table of the port with the smallest; others repeat it. Workers compute with it whether
    /// or not a port has it.
    pub(crate) table: RedirectionTable,
    /// How local ports are divided.
    pub(crate) sharing: Sharing,
    /// The ports, in the order they were given.
    pub(crate) ports: Vec<PortPlan>,
}

impl Plan {
    /// What to set a port's RSS to; `None` where the driver may do as it likes.
    pub(crate) fn rss_of(&self, port: usize, ability: &Ability) -> Option<RssConfig> {
        let Method::Rss(ends) = self.ports.get(port)?.method else { return None };
        let key = self.key.with_len(ability.key_len_to_set()).ok()?;
        Some(RssConfig { key: key.bytes().to_vec(), ends })
    }

    /// A worker's part: it makes its `team` know whose a packet is.
    pub(crate) fn team(&self, team: Team) -> Result<Team, SteeringError> {
        let WorkerIdx(me) = team.me();
        let hashed = self.ports.iter().any(|port| matches!(port.method, Method::Rss(_)));
        let steering = || RssSteering::new(&self.key, self.reply_ends, self.table.clone(), me);
        let hashing =
            hashed.then(steering).transpose().map_err(SteeringError::Table)?.map(Arc::new);
        let share = match (self.sharing, &hashing) {
            (Sharing::Classes(classes), _) => LocalPortShare::Classes(classes, me),
            (Sharing::Rss, Some(hashing)) => LocalPortShare::Rss(Arc::clone(hashing)),
            (Sharing::Rss, None) => LocalPortShare::All,
        };
        Ok(team.steered(share, hashing))
    }
}

/// Why no plan could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SteeringError {
    /// The workers cannot share the local ports.
    #[error("{0}")]
    Classes(PortClassesError),
    /// The workers cannot share a redirection table.
    #[error("{0}")]
    Table(RssError),
}

/// The table that workers compute with when no port has one; most NICs have this size.
const TABLE_SIZE: usize = 128;

/// Chooses for ports, each with what it can do and what is behind it, and `worker_count` workers.
pub(crate) fn choose(ports: &[(Ability, Role)], worker_count: u16) -> Result<Plan, SteeringError> {
    // A port hashes by one end only if a NAT service gains by it.
    let gains = |(ability, role): &(Ability, Role)| {
        role.nat_end().is_some_and(|end| ability.exact_rss(end, worker_count).is_ok())
    };
    let one_ended = worker_count > 1 && ports.iter().any(gains);
    let (key, reply_ends) = if one_ended {
        (RssKey::ONE_END, HashedEnds::One)
    } else {
        (RssKey::BOTH_ENDS, HashedEnds::Both)
    };
    let verdicts: Vec<RssVerdict> =
        ports.iter().map(|port| RssVerdict::of(port, one_ended, worker_count)).collect();
    let table = common_table(ports, &verdicts, worker_count)?;
    let sharing = sharing(ports, &verdicts, worker_count)?;
    let plans = ports.iter().zip(verdicts);
    let ports = plans.map(|(port, rss)| port_plan(port, rss, sharing, worker_count)).collect();
    Ok(Plan { key, reply_ends, table, sharing, ports })
}

/// Whether a port is to hash exactly, and by what.
struct RssVerdict {
    /// The ends, or why not.
    ends: Result<RssEnds, String>,
    /// What is handed over although it does.
    but: Option<String>,
}

impl RssVerdict {
    fn of((ability, role): &(Ability, Role), one_ended: bool, worker_count: u16) -> Self {
        let replies = role.nat_replies || role.fullnat_replies;
        let wanted = match (one_ended, role.nat_requests, replies) {
            (false, _, _) | (true, false, false) => RssEnds::Both,
            (true, true, false) => RssEnds::Source,
            (true, _, true) => RssEnds::Destination,
        };
        let both_sides = role.nat_requests && replies;
        let but = if wanted == RssEnds::Both && (role.nat_requests || role.nat_replies) {
            let why = match role.nat_end() {
                Some(end) => ability.exact_rss(end, worker_count).err().unwrap_or_default(),
                None => "clients and real servers are behind the same port".to_owned(),
            };
            Some(format!("packets of NAT services are handed over: {why}"))
        } else if wanted == RssEnds::Destination && both_sides {
            Some(
                "requests are handed over: clients of NAT services and real servers that answer \
                 are behind the same port"
                    .to_owned(),
            )
        } else {
            None
        };
        Self { ends: ability.exact_rss(wanted, worker_count).map(|()| wanted), but }
    }
}

/// The smallest table among the ports that hash exactly.
fn common_table(
    ports: &[(Ability, Role)],
    verdicts: &[RssVerdict],
    worker_count: u16,
) -> Result<RedirectionTable, SteeringError> {
    let exact = ports.iter().zip(verdicts).filter(|(_, rss)| rss.ends.is_ok());
    let size = exact.map(|((ability, _), _)| usize::from(ability.table_size)).min();
    let size =
        size.unwrap_or_else(|| TABLE_SIZE.max(usize::from(worker_count).next_power_of_two()));
    RedirectionTable::even(size, worker_count).map_err(SteeringError::Table)
}

/// Local ports are shared as most helps the ports by which replies of FULLNAT come in.
fn sharing(
    ports: &[(Ability, Role)],
    verdicts: &[RssVerdict],
    worker_count: u16,
) -> Result<Sharing, SteeringError> {
    // Before there is any FULLNAT service, its replies may come to be anywhere.
    let anywhere = !ports.iter().any(|(_, role)| role.fullnat_replies);
    let concerned =
        || ports.iter().zip(verdicts).filter(|((_, role), _)| anywhere || role.fullnat_replies);
    if worker_count > 1 && concerned().any(|(_, rss)| rss.ends.is_ok()) {
        return Ok(Sharing::Rss);
    }
    let rules =
        |ability: &Ability| ability.spreads(worker_count).is_ok() && ability.flow_rules.is_ok();
    let classes = if worker_count > 1 && concerned().any(|((ability, _), _)| rules(ability)) {
        PortClasses::by_mask(class_count(worker_count), worker_count)
    } else {
        PortClasses::by_port(worker_count)
    };
    classes.map(Sharing::Classes).map_err(SteeringError::Classes)
}

/// Enough classes that workers' shares differ by a quarter at most, where that many can be told
/// apart.
fn class_count(worker_count: u16) -> u16 {
    if worker_count.is_power_of_two() {
        return worker_count;
    }
    // Between worker_count and twice it, so four times that gives each worker 4 classes or more.
    let least = worker_count.checked_next_power_of_two().unwrap_or(PORT_CLASSES_MAX);
    least.saturating_mul(4).min(PORT_CLASSES_MAX)
}

fn port_plan(
    (ability, role): &(Ability, Role),
    rss: RssVerdict,
    sharing: Sharing,
    worker_count: u16,
) -> PortPlan {
    if worker_count == 1 {
        return PortPlan { method: Method::OneWorker, why: Vec::new() };
    }
    let no_rss = match rss.ends {
        Ok(ends) => {
            return PortPlan { method: Method::Rss(ends), why: rss.but.into_iter().collect() };
        }
        Err(why) => why,
    };
    let mut why = vec![format!("no exact RSS: {no_rss}")];
    if let Err(no_spread) = ability.spreads(worker_count) {
        if no_spread != no_rss {
            why.push(format!("no RSS: {no_spread}"));
        }
        return PortPlan { method: Method::HandOver, why };
    }
    let nat = role.nat_requests || role.nat_replies;
    let by_mask = matches!(sharing, Sharing::Classes(classes) if classes.is_by_mask());
    let no_rules = match &ability.flow_rules {
        _ if !role.fullnat_replies => "they serve replies of FULLNAT services only".to_owned(),
        Ok(()) if by_mask => {
            if nat {
                why.push("packets of NAT services are handed over: rules do not serve them".into());
            }
            return PortPlan { method: Method::FlowRules, why };
        }
        Ok(()) => "local ports are shared by the RSS of another port".to_owned(),
        Err(no_rules) => no_rules.clone(),
    };
    why.push(format!("no flow rules: {no_rules}"));
    PortPlan { method: Method::HandOver, why }
}

#[cfg(test)]
mod tests;
