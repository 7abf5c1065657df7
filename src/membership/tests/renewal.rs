//! Certificates renewed and trust changed while the cluster runs.

use std::time::Duration;

use super::super::*;
use super::tls::{Authority, STEP, add_nodes, add_nodes_with, formed, options};
use crate::member::MemberState;
use crate::simulation::{Network, NetworkOptions, NodeId, plain_options};
use crate::trust::Trust;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn at(network: &Network, node: NodeId) -> &Membership {
    network.membership(node).unwrap()
}

fn nobody_was_doubted(network: &Network, before: usize) -> bool {
    let mut changes = network.transcript().changes_since(before);
    changes.all(|change| change.to.state == MemberState::Alive)
}

#[test]
fn all_certificates_are_renewed_in_place_and_nobody_is_doubted() {
    let (mut network, nodes) = formed(3, 21);
    network.run_for(secs(10)).unwrap();
    let before = network.transcript().entries().len();
    let authority = Authority::new(1);
    for serial in 1..=2 {
        for (number, node) in (0..).zip(&nodes) {
            network.renew_certificate(*node, authority.trust(number, serial));
            network.run_for(secs(5)).unwrap();
        }
    }
    network.run_for(secs(60)).unwrap();
    assert!(network.views_are_complete());
    assert!(
        nobody_was_doubted(&network, before),
        "{}",
        network.transcript()
    );
    for (node, other) in [(0, 1), (1, 2), (2, 0)] {
        let id = plain_options(other).local.id;
        let own = at(&network, nodes[other as usize]).local().record().clone();
        let held = at(&network, nodes[node]).member(&id).unwrap();
        assert_eq!(*held.record(), own);
        let introduced = at(&network, nodes[node]).roster.get(id.as_str()).unwrap();
        assert_eq!(Some(introduced.hash().tag()), own.introduction);
        assert_eq!(introduced.fields().serial, 2);
    }
}

/// What went wrong at all nodes: probes and push-pulls that failed.
fn failed(network: &Network, nodes: &[NodeId]) -> (u64, u64) {
    let stats = nodes.iter().map(|node| at(network, *node).stats());
    stats.fold((0, 0), |(probes, exchanges), stats| {
        (
            probes + stats.swim.probes_failed,
            exchanges + stats.exchanges.failed,
        )
    })
}

/// Five nodes of `authority` that know each other, with a push-pull a second.
fn busy(authority: &Authority, seed: u64) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let nodes = add_nodes_with(&mut network, authority, 0..5, |options| {
        options.params.sync_interval = secs(1);
    });
    network.start_all();
    let formed = network.run_until(secs(10), STEP, Network::views_are_complete);
    assert!(formed.unwrap().is_some(), "{}", network.transcript());
    (network, nodes)
}

/// R13: certificates, then the authority, then the gossip keys.
#[test]
fn all_that_trust_hangs_on_is_replaced_in_order_and_no_exchange_fails() {
    let authorities = [Authority::new(1), Authority::new(2)];
    let [old, new] = &authorities;
    let (mut network, nodes) = busy(old, 24);
    let before = network.transcript().entries().len();
    let failed_before = failed(&network, &nodes);
    let steps: [&dyn Fn(u32) -> Trust; 4] = [
        &|number| old.trust(number, 1),
        &|number| old.trust_with(number, 1, &authorities),
        &|number| new.trust_with(number, 2, &authorities),
        &|number| new.trust(number, 2),
    ];
    for step in steps {
        for (number, node) in (0..).zip(&nodes) {
            network.renew_certificate(*node, step(number));
            network.run_for(secs(3)).unwrap();
        }
        assert!(network.views_are_complete(), "{}", network.transcript());
    }
    let rotate = |membership: &mut Membership, now| membership.rotate_keys(now);
    network.command(nodes[3], rotate).unwrap().unwrap();
    let is_rotated = |network: &Network| {
        let keys = |node: &NodeId| at(network, *node).gossip_keys().unwrap();
        let mut keys = nodes.iter().map(keys);
        keys.all(|keys| keys.active_epoch == 2 && keys.held == 1)
    };
    let rotated = network.run_until(secs(10), STEP, is_rotated).unwrap();
    assert!(rotated.is_some());
    network.run_for(secs(10)).unwrap();
    assert_eq!(failed(&network, &nodes), failed_before);
    assert!(
        nobody_was_doubted(&network, before),
        "{}",
        network.transcript()
    );
    for node in &nodes {
        assert!(at(&network, *node).stats().exchanges.completed > 30);
        assert!(at(&network, *node).untrusted().is_empty());
    }
}

#[test]
fn push_pulls_with_a_member_that_is_gone_are_counted_as_failed() {
    let (mut network, nodes) = busy(&Authority::new(1), 25);
    let (_, before) = failed(&network, &nodes[..4]);
    network.run_for(secs(10)).unwrap();
    assert_eq!(failed(&network, &nodes[..4]).1, before);
    network.crash(nodes[4]);
    network.run_for(secs(10)).unwrap();
    assert!(failed(&network, &nodes[..4]).1 > before);
}

/// Nodes 0 and 1 with certificates of one authority, node 2 with one of another; `trusting` makes what one believes.
fn two_authorities(seed: u64) -> (Network, Vec<NodeId>, [Authority; 2]) {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let authorities = [Authority::new(1), Authority::new(2)];
    let contact = plain_options(0).local.advertised;
    let nodes = (0..3)
        .map(|number| {
            let own = &authorities[usize::from(number == 2)];
            let trust = own.trust_with(number, 0, &authorities);
            network.add_node(options(number, &trust), Some(trust), vec![contact.into()])
        })
        .collect();
    network.start_all();
    let formed = network.run_until(secs(10), STEP, Network::views_are_complete);
    assert!(formed.unwrap().is_some());
    (network, nodes, authorities)
}

#[test]
fn who_is_no_longer_believed_is_dropped_but_counted_and_comes_back_with_trust() {
    let (mut network, nodes, authorities) = two_authorities(22);
    network.run_for(secs(5)).unwrap();
    let other = plain_options(2).local.id;
    network.renew_certificate(nodes[0], authorities[0].trust(0, 0));
    network.run_for(secs(30)).unwrap();
    let state = at(&network, nodes[0]).member(&other).map(Member::state);
    assert_eq!(state, Some(MemberState::Dead), "in no view");
    let untrusted = at(&network, nodes[0]).untrusted();
    assert_eq!(untrusted.len(), 1);
    assert_eq!(
        (&untrusted[0].record.id, untrusted[0].code),
        (&other, Code::UnknownIssuer)
    );
    let hashes = hashes(&network, &nodes[..2]);
    assert_eq!(hashes[0], hashes[1], "views do not seem to differ");
    let own = Some(MemberState::Alive);
    assert_eq!(
        network.state_seen_by(nodes[1], nodes[2]),
        own,
        "others believe it"
    );
    assert_eq!(network.state_seen_by(nodes[1], nodes[0]), own);

    network.renew_certificate(nodes[0], authorities[0].trust_with(0, 0, &authorities));
    let back = network.run_until(secs(15), STEP, Network::views_are_complete);
    assert!(back.unwrap().is_some(), "{}", network.transcript());
    assert!(at(&network, nodes[0]).untrusted().is_empty());
}

#[test]
fn a_newcomer_counts_whom_it_does_not_believe() {
    let (mut network, nodes, authorities) = two_authorities(23);
    let trust = authorities[0].trust(3, 0);
    let contact = plain_options(0).local.advertised;
    let newcomer = network.add_node(options(3, &trust), Some(trust), vec![contact.into()]);
    network.start(newcomer);
    network.run_for(secs(40)).unwrap();
    assert_eq!(network.live_members_seen_by(newcomer), 3);
    assert_eq!(at(&network, newcomer).untrusted().len(), 1);
    assert_eq!(
        at(&network, newcomer).untrusted()[0].code,
        Code::UnknownIssuer
    );
    let hashes = hashes(&network, &[nodes[0], newcomer]);
    assert_eq!(hashes[0], hashes[1]);
    let before = at(&network, newcomer).stats().records;
    network.run_for(secs(60)).unwrap();
    assert_eq!(
        at(&network, newcomer).stats().records,
        before,
        "it is asked for once"
    );
    // What is over for the others is over for it.
    network.crash(nodes[2]);
    network.run_for(secs(40)).unwrap();
    assert!(at(&network, newcomer).untrusted().is_empty());
}

fn hashes(network: &Network, nodes: &[NodeId]) -> Vec<u64> {
    let hash = |node: &NodeId| at(network, *node).swim.view_hash();
    nodes.iter().map(hash).collect()
}

#[test]
fn only_the_introduction_that_was_asked_for_is_taken() {
    let mut node = super::tls_node();
    let before = node.local().record().clone();
    node.renew_certificate(super::NOW, [8; 32]);
    let asked = super::outputs(&mut node);
    let fields = |output: &Output| match output {
        Output::SignIntroduction(fields) => Some(fields.clone()),
        _ => None,
    };
    let fields = asked.iter().find_map(fields).unwrap();
    let introduction = |fields: Vec<u8>| Introduction {
        fields,
        chain: vec![vec![1]],
        scheme: 0x0807,
        signature: vec![3],
    };
    let mut other = crate::wire::hello::IntroductionFields::decode(&fields).unwrap();
    assert_eq!((other.serial, other.leaf), (1, [8; 32]));
    other.serial = 7;
    node.handle_signed(super::NOW, introduction(other.encode()));
    assert_eq!(*node.local().record(), before);
    node.handle_signed(super::NOW, introduction(fields.clone()));
    let renewed = node.local().record().clone();
    assert_eq!(renewed.generation, before.generation);
    assert_eq!(Some(renewed.incarnation), before.incarnation.next());
    assert_eq!(
        renewed.introduction,
        Some(introduction(fields).hash().tag())
    );
    let mut network = Network::new(NetworkOptions::default(), 1);
    let alone = add_nodes(&mut network, &Authority::new(1), 0..1);
    network.start_all();
    network.renew_certificate(alone[0], Authority::new(1).trust(0, 1));
    network.run_for(secs(1)).unwrap();
    assert!(at(&network, alone[0]).joining.introduction().is_some());
}
