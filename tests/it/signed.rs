//! The figures that cost most, with TLS: every record is signed, every introduction fetched and verified by every node.

use std::time::Duration;

use phalanx::member::{IntroductionTag, MemberState};
use phalanx::membership::Params;
use phalanx::simulation::{
    Change, Effect, Loss, Network, NetworkOptions, NodeId, Rule, plain_options,
};
use phalanx::wire::datagram;
use phalanx::wire::update::{SIGNATURE_LEN, encode_record};

use crate::figures::{STEP, figure, longest_death, millis, secs, shared_trust};

/// `count` nodes with TLS, none of them running yet.
fn nodes(count: u32, seed: u64) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let trust = shared_trust(network.now());
    let contact = plain_options(0).local.advertised;
    let nodes = (0..count)
        .map(|number| {
            let mut options = plain_options(number);
            options.certificate = Some(*trust.leaf_sha256().as_bytes());
            options.params.tagged = true;
            network.add_node(options, Some(trust.clone()), vec![contact.into()])
        })
        .collect();
    (network, nodes)
}

fn formed(count: u32, seed: u64) -> (Network, Vec<NodeId>) {
    let (mut network, nodes) = nodes(count, seed);
    network.start_all();
    let formed = network.run_until(secs(60), STEP, Network::views_are_complete);
    assert!(
        formed.unwrap().is_some(),
        "seed {seed}: {}",
        network.transcript()
    );
    (network, nodes)
}

/// Starts `count` nodes evenly within a second, all with one contact point; how long after the last start all know all.
fn mass_join(count: u32) -> Duration {
    let (mut network, nodes) = nodes(count, 1);
    for node in &nodes {
        network.start(*node);
        network.run_for(secs(1) / count).unwrap();
    }
    let known = network.run_until(secs(60), STEP, Network::views_are_complete);
    let known = known
        .unwrap()
        .expect("everybody knows everybody within a minute");
    let records = nodes
        .iter()
        .map(|node| network.membership(*node).unwrap().stats().records);
    let (verified, fetched) = records.fold((0, 0), |(verified, fetched), records| {
        (verified + records.verified, fetched + records.fetched)
    });
    let pairs = u64::from(count) * u64::from(count - 1);
    figure(
        &format!("TLS, {count} nodes join within 1 s, all pairs known after"),
        millis(&[known]),
    );
    figure(
        &format!(
            "TLS, {count} nodes: records verified and introductions fetched, of {pairs} pairs"
        ),
        format!("{verified}, {fetched}"),
    );
    known
}

#[test]
fn a_hundred_nodes_with_tls_join_at_once_and_all_know_all_within_15_s() {
    assert!(mass_join(100) <= secs(15));
}

/// A minute of work for a processor, and a gigabyte of memory: each node holds what vouches for each.
#[test]
#[ignore = "takes a minute and a gigabyte: cargo test --release -- --ignored a_thousand"]
fn a_thousand_nodes_with_tls_join_at_once_and_all_know_all_within_15_s() {
    assert!(mass_join(1_000) <= secs(15));
}

#[test]
fn with_tls_a_partition_of_ten_minutes_heals_within_15_s_and_nobody_doubts_its_own_side() {
    let (mut network, nodes) = formed(60, 1);
    let (left, right) = nodes.split_at(30);
    let before = network.transcript().entries().len();
    let cut = network.impose(Rule::partition(&[left, right]));
    network.run_for(secs(600)).unwrap();
    network.lift(cut);
    let whole = network.run_until(secs(120), STEP, Network::views_are_complete);
    let whole = whole.unwrap().expect("whole within two minutes");
    figure(
        "TLS, halves of 60, cut for 10 min, whole after",
        millis(&[whole]),
    );
    assert!(whole <= secs(15));
    network.run_for(secs(30)).unwrap();
    let is_left = |node: NodeId| node.index() < 30;
    let own = |change: &&Change| is_left(change.observer) == is_left(change.subject);
    let mut doubts = network.transcript().changes_since(before).filter(own);
    assert_eq!(
        doubts.find(|change| change.to.state != MemberState::Alive),
        None
    );
}

#[test]
fn with_tls_and_20_percent_loss_nobody_stays_dead_longer_than_a_refutation_takes() {
    let (mut network, _) = formed(60, 1);
    let loss = network.impose(Rule::everywhere(None, Effect::Lose(Loss::percent(20))));
    network.run_for(secs(300)).unwrap();
    let longest = longest_death(&network);
    figure(
        "TLS, 20 % loss for 300 s, 60 nodes: longest death",
        millis(&[longest]),
    );
    assert!(longest <= secs(5));
    network.lift(loss);
    let complete = network.run_until(secs(15), STEP, Network::views_are_complete);
    assert!(complete.unwrap().is_some());
}

/// What is known is told over and over, by gossip and by push-pull; its signature is checked when it is news, and never again.
#[test]
fn a_known_update_is_never_verified_twice() {
    let (mut network, nodes) = formed(30, 1);
    let counted = |network: &Network| {
        let stats = nodes
            .iter()
            .map(|node| network.membership(*node).unwrap().stats());
        stats.fold((0, 0), |(verified, received), stats| {
            (
                verified + stats.records.verified,
                received + stats.datagrams.received,
            )
        })
    };
    // Each node knows each other in one version; those whom a join introduces need no check of their own.
    let (verified, received) = counted(&network);
    let pairs = 30 * 29;
    assert!(
        (pairs / 2..=pairs).contains(&verified),
        "{verified} of {pairs} pairs"
    );
    network.run_for(secs(120)).unwrap();
    let (since, more) = counted(&network);
    figure(
        "TLS, 30 nodes: records verified as they join, and in the two minutes after",
        format!("{verified}, {}", since - verified),
    );
    assert_eq!(since, verified, "with {} datagrams", more - received);
    assert!(more - received > 30 * 120, "nobody has spoken");
}

/// What signatures cost on the wire, for a record with an id of four digits and an IPv4 address.
#[test]
fn a_signed_record_takes_so_many_bytes_and_so_many_fit_a_datagram() {
    let (network, nodes) = formed(1, 1);
    let mut record = network
        .membership(nodes[0])
        .unwrap()
        .local()
        .record()
        .clone();
    record.id = plain_options(1_234).local.id;
    record.introduction = None;
    let plain = encode_record(&record, &[]).len();
    record.introduction = Some(IntroductionTag([0xff; 16]));
    let signed = encode_record(&record, &[0xff; SIGNATURE_LEN]).len();
    let len_max = Params::lan().datagram_len_max;
    // A message without fields takes one byte.
    let fit = |len: usize, tagged| (len_max - datagram::overhead("1234", "5678", tagged) - 1) / len;
    let updates = [fit(plain, false), fit(signed, true)];
    figure(
        "bytes of a record, plain and signed",
        format!("{plain}, {signed}"),
    );
    figure(
        "records in a datagram, plain and signed",
        format!("{updates:?}"),
    );
    assert_eq!(
        signed - plain,
        SIGNATURE_LEN + 16,
        "a signature and the name of an introduction"
    );
    assert!(updates[1] >= 8, "{updates:?}");
}
