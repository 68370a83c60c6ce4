//! [`Rules`]: what ports with [`Method::FlowRules`] are told about local addresses.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::Ipv4Addr;

use conf::Config;
use dataplane::forward::PortClasses;
use dpdk::{DpdkError, FlowMatch, FlowRule, L4Protocol};

use super::{Method, Plan, Sharing, Steerable};

/// A rule in a port, taken back on drop.
pub(crate) trait Rule: fmt::Debug + Send + Sync {}

impl Rule for FlowRule {}

/// The rules of all ports. Replies for which there is none are handed over, so a rule that is
/// missing costs time and nothing else.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Ports with rules, by their place in the configuration.
    ports: Vec<usize>,
    classes: Option<PortClasses>,
    by_address: HashMap<Ipv4Addr, Vec<Box<dyn Rule>>>,
}

impl Rules {
    /// None yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        let with_rules = plan.ports.iter().map(|port| port.method == Method::FlowRules);
        let classes = match plan.sharing {
            Sharing::Classes(classes) => Some(classes),
            Sharing::Rss => None,
        };
        Self {
            ports: with_rules.enumerate().filter(|(_, has)| *has).map(|(port, _)| port).collect(),
            classes,
            by_address: HashMap::new(),
        }
    }

    /// Makes them those for the local addresses of `config`. Returns a line for each address for
    /// which a port did not take all.
    pub(crate) fn update(&mut self, config: &Config, ports: &[&dyn Steerable]) -> Vec<String> {
        let Some(classes) = self.classes.filter(|_| !self.ports.is_empty()) else {
            return Vec::new();
        };
        let wanted: HashSet<Ipv4Addr> =
            config.services.iter().flat_map(|s| config.pool_of(s)).copied().collect();
        self.by_address.retain(|address, _| wanted.contains(address));
        let mut new: Vec<_> =
            wanted.into_iter().filter(|lip| !self.by_address.contains_key(lip)).collect();
        new.sort_unstable();
        let mut refusals = Vec::new();
        for lip in new {
            let mut added = Vec::new();
            for port in self.ports.iter().filter_map(|port| ports.get(*port)) {
                if let Err(error) = add(*port, classes, lip, &mut added) {
                    let count = added.len();
                    refusals.push(format!(
                        "replies to the local address {lip} are handed over in part: no more than \
                         {count} flow rules for it were taken: {error}"
                    ));
                }
            }
            self.by_address.insert(lip, added);
        }
        refusals
    }
}

/// Adds the rules for one local address to a port, up to the first that it refuses.
fn add(
    port: &dyn Steerable,
    classes: PortClasses,
    lip: Ipv4Addr,
    added: &mut Vec<Box<dyn Rule>>,
) -> Result<(), DpdkError> {
    let Some((dst_port_mask, rules)) = classes.rules(lip) else { return Ok(()) };
    for (dst_port, queue) in rules {
        for protocol in [L4Protocol::Tcp, L4Protocol::Udp] {
            let packets = FlowMatch { protocol, dst: lip, dst_port, dst_port_mask };
            added.push(port.add_rule(&packets, queue)?);
        }
    }
    Ok(())
}
