//! `--probe`: what the ports' devices can do, asked of DPDK itself, which opens them for a moment.

use conf::{Config, Port};
use dpdk::{DpdkError, Eal, EalArgs, HugePages, PortConfig, PortInfo, RssEnds, hugepages};

use super::finding::Finding;
use crate::device;
use crate::error::CtrlError;
use crate::memory::NO_HUGE;
use crate::port::names;
use crate::steering::{self, Ability, PortPlan};

/// Enough for drivers to open their devices.
const MEMORY_MIB: u32 = 64;

/// Opens the devices of `config` one after the other.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let eal = match Eal::init(&arguments(config)) {
        Ok(eal) => eal,
        Err(error) => {
            return vec![
                Finding::unknown(format!("what the ports can do: DPDK does not start: {error}"))
                    .advice("Correct the findings about memory and rights first."),
            ];
        }
    };
    let mut findings = Vec::new();
    let mut opened = Vec::new();
    for port in &config.ports {
        match open(&eal, port) {
            Ok(info) => opened.push((port, Ability::of(&info), info)),
            Err(error) => {
                let finding = Finding::problem(error.to_string());
                findings.push(finding.why("the daemon would not start."));
            }
        }
    }
    // The plan is one for all ports, so it takes all of them.
    let plans = if findings.is_empty() { plan(config, &opened) } else { Vec::new() };
    for (index, (port, ability, info)) in opened.iter().enumerate() {
        findings.push(queues(config, port, ability, info));
        findings.extend(plans.get(index).map(|plan| steered(port, ability, plan)));
        findings.extend(mtu(port, info));
    }
    findings
}

fn arguments(config: &Config) -> EalArgs {
    let free = hugepages::list().map(|pools| hugepages::free_mib(&pools)).unwrap_or_default();
    let huge = free >= u64::from(MEMORY_MIB);
    let mut args = EalArgs::new("rvs-doctor")
        .memory_mib(MEMORY_MIB)
        .huge_pages(if huge { HugePages::InMemory } else { HugePages::None })
        .file_prefix(format!("rvs-doctor-{}", std::process::id()))
        .extra(config.dpdk.eal_args.iter().filter(|arg| *arg != NO_HUGE).cloned());
    for port in &config.ports {
        if let conf::Device::Pci(address) = &port.device {
            args = args.pci_allow(address);
        }
    }
    args
}

fn open(eal: &Eal, port: &Port) -> Result<PortInfo, CtrlError> {
    device::check(port)?;
    let failed = |error: DpdkError| device::probe_failed(port, &error);
    let id = eal.probe(device::text(&port.device)).map_err(failed)?;
    PortInfo::of(eal, id).map_err(failed)
}

type Opened<'a> = (&'a Port, Ability, PortInfo);

fn plan(config: &Config, opened: &[Opened<'_>]) -> Vec<PortPlan> {
    let roles = steering::roles(config);
    let known = opened.iter().zip(roles).map(|((_, ability, _), role)| (ability.clone(), role));
    let workers = u16::try_from(config.workers.len()).unwrap_or(u16::MAX);
    steering::choose(&known.collect::<Vec<_>>(), workers).map_or_else(|_| Vec::new(), |it| it.ports)
}

/// What the device has, against the number of workers.
fn queues(config: &Config, port: &Port, ability: &Ability, info: &PortInfo) -> Finding {
    let ends = [
        (RssEnds::Both, "both ends"),
        (RssEnds::Source, "source alone"),
        (RssEnds::Destination, "destination alone"),
    ];
    let ends = ends.iter().filter(|(ends, _)| info.hashes(*ends)).map(|(_, name)| *name);
    let ends = ends.collect::<Vec<_>>().join(", ");
    let workers = config.workers.len();
    let wanted = PortConfig {
        rx_queues: u16::try_from(workers).unwrap_or(u16::MAX),
        ..PortConfig::default()
    };
    let help = names(&info.choose_offloads(&wanted)).join(", ");
    let help = if help.is_empty() { "none".to_owned() } else { help };
    let hashes = if ends.is_empty() { "no RSS".to_owned() } else { format!("RSS by {ends}") };
    let (rx, table) = (ability.rx_queues_max, ability.table_size);
    let found = format!(
        "port {}: {}, {rx} receive queues at most, {hashes}, a redirection table of \
         {table}, offloads: {help}",
        port.name, info.driver
    );
    if usize::from(rx.min(info.max_tx_queues)) >= workers {
        return Finding::ok(found);
    }
    Finding::warning(format!("{found}, for {workers} workers"))
        .why("workers without a queue get every packet from another one, which costs both.")
        .advice("Fewer workers, or a card with a queue for each.")
}

/// How packets would reach their workers.
fn steered(port: &Port, ability: &Ability, plan: &PortPlan) -> Finding {
    let found = format!("port {}: steering would be {}", port.name, plan.method.name());
    if plan.why.is_empty() {
        return Finding::ok(found);
    }
    let why = plan.why.join("; ");
    let asked = if ability.flow_rules.is_err() {
        " (flow rules can only be tried when the daemon runs)"
    } else {
        ""
    };
    Finding::note(format!("{found}{asked}"))
        .why(format!("{why}."))
        .advice("docs/ARCHITECTURE.md says what it costs: 50 to 100 cycles a packet handed over.")
}

fn mtu(port: &Port, info: &PortInfo) -> Option<Finding> {
    let fits = (info.min_mtu..=info.max_mtu).contains(&port.mtu);
    let finding = || {
        let (min, max) = (info.min_mtu, info.max_mtu);
        Finding::problem(format!("port {}: MTU {} is outside {min} to {max}", port.name, port.mtu))
            .why("the daemon would not start.")
            .advice("Correct `mtu` of this port.")
    };
    (!fits).then(finding)
}
