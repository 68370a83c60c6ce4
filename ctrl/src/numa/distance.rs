//! What is said at the start about ports that are far from workers.

use conf::Config;

use super::layout::Layout;
use super::topology::Topology;
use crate::device;
use crate::machine::cpu_ranges;

/// A sentence for each port that some worker is far from.
pub(crate) fn warnings(config: &Config, layout: &Layout, topology: &Topology) -> Vec<String> {
    let ports = config.ports.iter().enumerate();
    ports.filter_map(|(index, port)| about(index, port, config, layout, topology)).collect()
}

fn about(
    index: usize,
    port: &conf::Port,
    config: &Config,
    layout: &Layout,
    topology: &Topology,
) -> Option<String> {
    let node = layout.port_node(index)?;
    let workers = config.workers.iter().enumerate();
    let workers = workers.filter_map(|(at, cpu)| Some((*cpu, layout.worker_node(at)?)));
    let (near, far): (Vec<_>, Vec<_>) = workers.partition(|(_, its)| *its == node);
    if far.is_empty() {
        return None;
    }
    let mut nodes: Vec<_> = far.iter().map(|(_, node)| *node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let on = |node: &u32| {
        let cpus: Vec<_> = far.iter().filter(|(_, its)| its == node).map(|(cpu, _)| *cpu).collect();
        format!("on CPU {} (node {node})", cpu_ranges(&cpus))
    };
    let far = nodes.iter().map(on).collect::<Vec<_>>().join(" and ");
    let port =
        format!("port {} ({}) is on NUMA node {node}", port.name, device::text(&port.device));
    let cpus = topology.cpus(node);
    Some(if !near.is_empty() {
        format!(
            "{port}, and workers {far} are far from it: what they receive from it and send to it \
             crosses between nodes, which costs rate"
        )
    } else if cpus.is_empty() {
        format!(
            "{port}, which has no CPU: all its packets cross between nodes to the workers {far}, \
             which costs rate"
        )
    } else {
        format!(
            "{port}, and no worker is: all its packets cross between nodes to the workers {far}, \
             which costs rate. CPUs of node {node}, to name in `workers`: {}",
            cpu_ranges(cpus)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::{four_nodes, two_nodes};
    use super::*;

    fn said(topology: &Topology, workers: &str, ports: &[Option<u32>]) -> Vec<String> {
        let names = (0..ports.len()).map(|n| format!("p{n}: {{device: \"0000:3b:00.{n}\"}}"));
        let text = format!(
            "version: 1\nworkers: [{workers}]\nports: {{{}}}\nservices: {{}}\n",
            names.collect::<Vec<_>>().join(", ")
        );
        let config = conf::parse("test.yaml", &text, &conf::Machine::default()).unwrap();
        let layout = Layout::new(topology, &config.workers, ports.to_vec(), 1024, |_| 1);
        warnings(&config, &layout, topology)
    }

    #[test]
    fn nothing_is_said_where_ports_and_workers_are_together_or_nodes_unknown() {
        assert_eq!(said(&two_nodes(), "4, 5", &[Some(1), Some(1)]), [""; 0]);
        assert_eq!(said(&two_nodes(), "0, 4", &[None]), [""; 0]);
        assert_eq!(said(&Topology::default(), "0, 1", &[None, None]), [""; 0]);
        // A CPU of which nothing is known is not called far.
        assert_eq!(said(&two_nodes(), "99", &[Some(1)]), [""; 0]);
    }

    #[test]
    fn a_port_without_a_worker_nearby_is_named_with_cpus_that_would_do() {
        let said = said(&two_nodes(), "1, 2, 3", &[Some(0), Some(1)]);
        let expected = "port p1 (0000:3b:00.1) is on NUMA node 1, and no worker is: all its \
                        packets cross between nodes to the workers on CPU 1-3 (node 0), which \
                        costs rate. CPUs of node 1, to name in `workers`: 4-7";
        assert_eq!(said, [expected]);
    }

    #[test]
    fn workers_far_from_a_port_are_named() {
        let said = said(&four_nodes(), "0, 2, 4, 6", &[Some(1)]);
        let expected = "port p0 (0000:3b:00.0) is on NUMA node 1, and workers on CPU 0 (node 0) \
                        and on CPU 4 (node 2) and on CPU 6 (node 3) are far from it: what they \
                        receive from it and send to it crosses between nodes, which costs rate";
        assert_eq!(said, [expected]);
    }

    #[test]
    fn a_node_without_a_cpu_has_none_to_offer() {
        let mut nodes = two_nodes().nodes().to_vec();
        nodes[1].cpus.clear();
        let said = said(&Topology::of(nodes), "0", &[Some(1)]);
        assert!(said[0].contains("which has no CPU") && !said[0].contains("to name"), "{said:?}");
    }
}
