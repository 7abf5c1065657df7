//! Gossip keys in a running cluster: made on command and on schedule, by several at once, across a partition, past a node
//! that stood still.

use std::time::Duration;

use super::super::*;
use super::tls::{Authority, STEP, add_nodes, formed};
use crate::member::MemberState;
use crate::simulation::{Network, NetworkOptions, NodeId, Rule};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn keys(network: &Network, node: NodeId) -> KeyStatus {
    network.membership(node).unwrap().gossip_keys().unwrap()
}

fn all_use(network: &Network, nodes: &[NodeId], epoch: u32) -> bool {
    nodes
        .iter()
        .all(|node| keys(network, *node).active_epoch == epoch)
}

fn rotate(network: &mut Network, node: NodeId) {
    network
        .command(node, Membership::rotate_keys)
        .unwrap()
        .unwrap();
}

/// Whether nobody was held suspect or dead since `before`.
fn nobody_was_doubted(network: &Network, before: usize) -> bool {
    let mut changes = network.transcript().changes_since(before);
    changes.all(|change| change.to.state == MemberState::Alive)
}

fn refused_datagrams(network: &Network, nodes: &[NodeId]) -> u64 {
    let stats = nodes
        .iter()
        .map(|node| network.membership(*node).unwrap().stats().datagrams);
    stats.map(|stats| stats.unknown_key + stats.bad_tag).sum()
}

#[test]
fn a_rotation_loses_no_datagram_and_makes_nobody_suspect() {
    let (mut network, nodes) = formed(20, 5);
    network.run_for(secs(10)).unwrap();
    let before = network.transcript().entries().len();
    for epoch in 2..=4 {
        rotate(&mut network, nodes[usize::try_from(epoch).unwrap()]);
        let use_it = |network: &Network| all_use(network, &nodes, epoch);
        let used = network.run_until(secs(31), STEP, use_it).unwrap();
        println!("figure epoch {epoch} in use by all of 20 after: {used:?}");
        assert!(used.is_some());
        network.run_for(secs(40)).unwrap();
        assert!(nodes.iter().all(|node| keys(&network, *node).held == 1));
    }
    assert_eq!(refused_datagrams(&network, &nodes), 0);
    assert!(
        nobody_was_doubted(&network, before),
        "{}",
        network.transcript()
    );
}

#[test]
fn the_member_with_the_lowest_id_keeps_the_schedule_and_the_next_one_when_it_is_gone() {
    let mut network = Network::new(NetworkOptions::default(), 6);
    let authority = Authority::new(1);
    let nodes = super::tls::add_nodes_with(&mut network, &authority, 0..5, |options| {
        options.key_rotation = Some(secs(120));
    });
    network.start_all();
    network.run_for(secs(150)).unwrap();
    assert!(all_use(&network, &nodes, 2));
    network.crash(nodes[0]);
    network.run_for(secs(150)).unwrap();
    assert!(all_use(&network, &nodes[1..], 3));
    assert!(
        nodes[1..]
            .iter()
            .all(|node| keys(&network, *node).newest_epoch == 3)
    );
}

#[test]
fn rotations_at_the_same_time_come_together() {
    let (mut network, nodes) = formed(10, 7);
    nodes[..3]
        .iter()
        .for_each(|node| rotate(&mut network, *node));
    network.run_for(secs(70)).unwrap();
    let active: std::collections::BTreeSet<_> = nodes
        .iter()
        .map(|node| network.membership(*node).unwrap().keyring.active())
        .collect();
    assert_eq!(active.len(), 1);
    assert!(all_use(&network, &nodes, 2));
    rotate(&mut network, nodes[9]);
    network.run_for(secs(70)).unwrap();
    assert!(nodes.iter().all(|node| keys(&network, *node).held == 1));
    assert_eq!(refused_datagrams(&network, &nodes), 0);
}

#[test]
fn halves_that_have_rotated_apart_heal_and_doubt_nobody_of_their_own() {
    let (mut network, nodes) = formed(10, 8);
    let (left, right) = nodes.split_at(5);
    let cut = network.impose(Rule::partition(&[left, right]));
    network.run_for(secs(60)).unwrap();
    rotate(&mut network, left[0]);
    network.run_for(secs(120)).unwrap();
    assert!(all_use(&network, left, 2) && all_use(&network, right, 1));
    let before = network.transcript().entries().len();
    network.lift(cut);
    let whole = network
        .run_until(secs(15), STEP, Network::views_are_complete)
        .unwrap();
    assert!(whole.is_some());
    network.run_for(secs(60)).unwrap();
    assert!(all_use(&network, &nodes, 2));
    assert!(
        nobody_was_doubted(&network, before),
        "{}",
        network.transcript()
    );
}

#[test]
fn a_node_that_slept_through_a_rotation_is_back_at_once() {
    let (mut network, nodes) = formed(5, 9);
    network.pause(nodes[4]);
    network.run_for(secs(5)).unwrap();
    rotate(&mut network, nodes[0]);
    network.run_for(secs(120)).unwrap();
    assert!(all_use(&network, &nodes[..4], 2));
    network.resume(nodes[4]);
    let back = network
        .run_until(secs(15), STEP, Network::views_are_complete)
        .unwrap();
    assert!(back.is_some());
    network.run_for(secs(10)).unwrap();
    assert!(all_use(&network, &nodes, 2));
}

#[test]
fn without_tls_or_before_it_runs_a_node_makes_no_key() {
    let mut plain = super::node(None);
    assert_eq!(plain.rotate_keys(super::NOW), Err(RotateError::Plaintext));
    assert_eq!(plain.gossip_keys(), None);
    let mut unsigned = super::node(Some([9; 32]));
    assert_eq!(
        unsigned.rotate_keys(super::NOW),
        Err(RotateError::NotRunning)
    );
    let mut network = Network::new(NetworkOptions::default(), 1);
    let alone = add_nodes(&mut network, &Authority::new(1), 0..1);
    network.start_all();
    network.run_for(secs(1)).unwrap();
    rotate(&mut network, alone[0]);
    network.run_for(secs(70)).unwrap();
    assert_eq!(keys(&network, alone[0]).held, 1);
}
