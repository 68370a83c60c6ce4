//! [`agree`]: a choice that every port has taken.

use std::fmt;

use dpdk::{DpdkError, FlowMatch, L4Protocol, RssConfig, StartedPort};

use super::{Ability, Plan, Role, Rule, SteeringError, choose};

/// A running port, as far as it can be told which packets to put in which queue.
pub(crate) trait Steerable: fmt::Debug + Send + Sync {
    /// Sets key, fields and redirection table, and reads them back.
    fn set_rss(&self, rss: &RssConfig, table: &[u16]) -> Result<(), DpdkError>;
    /// Whether it would take a rule.
    fn check_rule(&self, packets: &FlowMatch, queue: u16) -> Result<(), DpdkError>;
    /// Gives it a rule that holds until it is dropped.
    fn add_rule(&self, packets: &FlowMatch, queue: u16) -> Result<Box<dyn Rule>, DpdkError>;
}

impl Steerable for StartedPort {
    fn set_rss(&self, rss: &RssConfig, table: &[u16]) -> Result<(), DpdkError> {
        self.steer_by_rss(rss, table)
    }

    fn check_rule(&self, packets: &FlowMatch, queue: u16) -> Result<(), DpdkError> {
        self.check_flow_rule(packets, queue)
    }

    fn add_rule(&self, packets: &FlowMatch, queue: u16) -> Result<Box<dyn Rule>, DpdkError> {
        Ok(Box::new(self.add_flow_rule(packets, queue)?))
    }
}

/// A running port with what it says it can do and what is behind it.
#[derive(Debug)]
pub(crate) struct Side<'a> {
    pub(crate) ability: Ability,
    pub(crate) role: Role,
    pub(crate) port: &'a dyn Steerable,
}

/// Chooses for running ports and sets their RSS. What a port refuses is not asked of it again, so
/// that this ends after three refusals of each port at the latest.
pub(crate) fn agree(mut sides: Vec<Side<'_>>, worker_count: u16) -> Result<Plan, SteeringError> {
    if worker_count > 1 {
        for side in &mut sides {
            side.ability.flow_rules = takes_rules(side.port);
        }
    }
    loop {
        let known: Vec<_> = sides.iter().map(|s| (s.ability.clone(), s.role)).collect();
        let plan = choose(&known, worker_count)?;
        let mut refused = false;
        for (index, side) in sides.iter_mut().enumerate() {
            if let Some(rss) = plan.rss_of(index, &side.ability)
                && let Err(why) = set(&plan, &rss, side)
            {
                side.ability.refused_rss.push((rss.ends, why));
                refused = true;
            }
        }
        if !refused {
            return Ok(plan);
        }
    }
}

fn set(plan: &Plan, rss: &RssConfig, side: &Side<'_>) -> Result<(), String> {
    let size = usize::from(side.ability.table_size);
    let table = plan.table.repeated(size).map_err(|error| error.to_string())?;
    side.port.set_rss(rss, table.queues()).map_err(|error| error.to_string())
}

/// Whether a port takes the kind of rules that [`super::Rules`] gives it; else what it says.
fn takes_rules(port: &dyn Steerable) -> Result<(), String> {
    let example = |protocol| FlowMatch {
        protocol,
        // Any address would do; this one is for examples (RFC 5737).
        dst: std::net::Ipv4Addr::new(192, 0, 2, 1),
        dst_port: 1,
        dst_port_mask: 1,
    };
    [L4Protocol::Tcp, L4Protocol::Udp]
        .into_iter()
        .try_for_each(|protocol| port.check_rule(&example(protocol), 0))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
