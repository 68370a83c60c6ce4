//! Tests of the planning, for machines with one, two and four nodes, whole and odd ones.

use super::super::topology::Node;
use super::*;

fn node(number: u32, cpus: impl IntoIterator<Item = u32>, distances: &[u32]) -> Node {
    let cpus = cpus.into_iter().collect();
    Node { number, cpus, has_memory: true, distances: distances.to_vec() }
}

/// Four CPUs on each of two nodes.
pub(crate) fn two_nodes() -> Topology {
    Topology::of(vec![node(0, 0..4, &[10, 21]), node(1, 4..8, &[21, 10])])
}

/// Two CPUs on each of four nodes; 0 and 1 are near to each other, and 2 and 3.
pub(crate) fn four_nodes() -> Topology {
    Topology::of(vec![
        node(0, 0..2, &[10, 12, 21, 21]),
        node(1, 2..4, &[12, 10, 21, 21]),
        node(2, 4..6, &[21, 21, 10, 12]),
        node(3, 6..8, &[21, 21, 12, 10]),
    ])
}

/// A plan in which each worker needs as much as any other.
fn plan(topology: &Topology, workers: &[u32], ports: Vec<Option<u32>>, mib: u32) -> Layout {
    Layout::new(topology, workers, ports, mib, |workers| workers as u64)
}

fn place(node: u32, buffers: u64, mib: u32) -> Place {
    Place { node: Some(node), buffers, mib }
}

fn whole(buffers: u64, mib: u32) -> Place {
    Place { node: None, buffers, mib }
}

#[test]
fn on_one_node_all_is_in_one_place_that_eal_chooses() {
    let one = Topology::of(vec![node(0, 0..8, &[10])]);
    for topology in [one, Topology::default()] {
        let layout = plan(&topology, &[1, 3], vec![Some(0), None], 1000);
        assert_eq!(layout.places(), [whole(2, 1000)]);
        assert_eq!(layout.homes(), [0, 0]);
        assert_eq!(layout.by_node().count(), 0);
        assert_eq!(layout.memory_for(&[77]), 77);
    }
}

#[test]
fn memory_is_divided_by_what_the_workers_of_each_node_need() {
    let layout = plan(&two_nodes(), &[0, 4, 5], vec![Some(0), Some(1)], 1000);
    assert_eq!(layout.places(), [place(0, 1, 333), place(1, 2, 667)]);
    assert_eq!(layout.homes(), [0, 1, 1]);
    assert_eq!(layout.by_node().collect::<Vec<_>>(), [(0, 333), (1, 667)]);
    assert_eq!((layout.worker_node(0), layout.worker_node(2)), (Some(0), Some(1)));
    assert_eq!((layout.port_node(1), layout.port_node(2)), (Some(1), None));

    let layout = plan(&four_nodes(), &[0, 2, 4, 6, 7], Vec::new(), 1001);
    let mib: Vec<_> = layout.places().iter().map(|place| place.mib).collect();
    assert_eq!(mib, [200, 200, 200, 401]);
    assert_eq!(layout.homes(), [0, 1, 2, 3, 3]);

    // What a single worker needs as much of as many together.
    let needs = |workers| 90 + 10 * workers as u64;
    let layout = Layout::new(&two_nodes(), &[0, 4, 5], Vec::new(), 2100, needs);
    assert_eq!(layout.places(), [place(0, 100, 1000), place(1, 110, 1100)]);
}

#[test]
fn a_node_that_nothing_is_on_gets_nothing() {
    let layout = plan(&four_nodes(), &[6, 2], vec![Some(1)], 512);
    assert_eq!(layout.places(), [place(1, 1, 256), place(3, 1, 256)]);
    assert_eq!(layout.homes(), [1, 0]);
    // Workers on one node of two: all of it is there, wherever EAL itself would look.
    let layout = plan(&two_nodes(), &[4, 5], vec![None], 512);
    assert_eq!(layout.places(), [place(1, 2, 512)]);
}

#[test]
fn a_node_with_ports_alone_gets_a_little_for_their_drivers() {
    let layout = plan(&two_nodes(), &[0], vec![Some(1), Some(1)], 1024);
    assert_eq!(layout.places(), [place(0, 1, 960), place(1, 0, 64)]);
    let layout = plan(&four_nodes(), &[0], vec![Some(1), Some(2), Some(3)], 64);
    assert_eq!(layout.places(), [place(0, 1, 49), place(1, 0, 5), place(2, 0, 5), place(3, 0, 5)]);
}

#[test]
fn a_node_without_memory_uses_the_nearest_that_has_some() {
    let mut nodes = four_nodes().nodes().to_vec();
    nodes[3].has_memory = false;
    let layout = plan(&Topology::of(nodes), &[0, 6, 7], vec![Some(3)], 300);
    assert_eq!(layout.places(), [place(0, 1, 100), place(2, 2, 200)]);
    assert_eq!(layout.homes(), [0, 1, 1]);
    assert_eq!((layout.worker_node(1), layout.port_node(0)), (Some(3), Some(3)));
}

#[test]
fn a_node_without_cpus_is_no_worker_s_home() {
    let mut nodes = two_nodes().nodes().to_vec();
    nodes[1].cpus.clear();
    let layout = plan(&Topology::of(nodes), &[0, 3], vec![None], 300);
    assert_eq!(layout.places(), [place(0, 2, 300)]);
}

#[test]
fn what_is_on_no_known_node_goes_where_others_are() {
    // A port that tells -1, a CPU that the kernel puts nowhere.
    let layout = plan(&two_nodes(), &[4, 99], vec![None], 300);
    assert_eq!(layout.places(), [place(1, 2, 300)]);
    assert_eq!((layout.worker_node(1), layout.port_node(0)), (None, None));
    // No worker of which anything is known, or a port on a node that is not there.
    let layout = plan(&two_nodes(), &[98, 99], vec![Some(1)], 300);
    assert_eq!(layout.places(), [whole(2, 300)]);
    let layout = plan(&two_nodes(), &[0], vec![Some(7)], 300);
    assert_eq!(layout.places(), [place(0, 1, 300)]);
}

#[test]
fn ordinary_memory_is_in_one_place() {
    let layout = plan(&two_nodes(), &[0, 4], vec![Some(1)], 301);
    let ordinary = layout.with_ordinary_memory();
    assert_eq!(ordinary.places(), [whole(2, 301)]);
    assert_eq!(ordinary.homes(), [0, 0]);
    assert_eq!((ordinary.worker_node(1), ordinary.port_node(0)), (Some(1), Some(1)));
}

#[test]
fn the_memory_that_is_called_enough_is() {
    let cases = [
        plan(&two_nodes(), &[0, 4, 5], vec![None], 64),
        plan(&four_nodes(), &[0, 1, 3], vec![Some(2), Some(3)], 64),
    ];
    for layout in cases {
        for needed in [[100, 1], [7, 300], [1, 1]] {
            let needed: Vec<_> = needed.into_iter().chain([0, 0]).collect();
            let total = layout.memory_for(&needed[..layout.places().len()]);
            let mut places = layout.places().to_vec();
            divide(total, &mut places);
            assert_eq!(places.iter().map(|place| place.mib).sum::<u32>(), total);
            assert!(places.iter().zip(&needed).all(|(place, needed)| place.mib >= *needed));
        }
    }
}
