//! Every invariant is seen to fail, for one way to break the core at least; and none fails while nothing is broken.

use std::time::Duration;

use crate::sabotage::Sabotage;
use crate::simulation::{
    Effect, Invariant, Loss, Network, NetworkOptions, NodeId, Rate, Rule, Violation, plain_options,
};

const SECOND: Duration = Duration::from_secs(1);

/// Seven nodes: loss, a crash and a restart, a pause, a partition, a farewell; then it heals.
fn eventful(network: &mut Network) -> Result<(), Violation> {
    let nodes = add_nodes(network, 7);
    network.start_all();
    network.run_for(5 * SECOND)?;
    let loss = network.impose(Rule::everywhere(
        None,
        Effect::Lose(Loss::Even(Rate::percent(30))),
    ));
    network.crash(nodes[3]);
    network.run_for(20 * SECOND)?;
    network.start(nodes[3]);
    network.pause(nodes[4]);
    network.run_for(8 * SECOND)?;
    network.resume(nodes[4]);
    network.lift(loss);
    let cut = network.impose(Rule::partition(&[&nodes[..3], &nodes[3..]]));
    network.run_for(30 * SECOND)?;
    network.lift(cut);
    network.run_for(20 * SECOND)?;
    network.leave(nodes[6]);
    network.run_for(20 * SECOND)
}

fn add_nodes(network: &mut Network, count: u32) -> Vec<NodeId> {
    let contact = plain_options(0).local.advertised;
    (0..count)
        .map(|number| {
            let mut options = plain_options(number);
            options.params.tombstone_ttl = 60 * SECOND;
            network.add_node(options, None, vec![contact.into()])
        })
        .collect()
}

fn broken_by(sabotage: Sabotage) -> Option<Invariant> {
    let mut network = Network::new(NetworkOptions::default(), 11);
    network.sabotage(sabotage);
    eventful(&mut network).err().map(|broken| broken.invariant)
}

#[test]
fn an_eventful_life_breaks_nothing() {
    for seed in 1..=5 {
        let mut network = Network::new(NetworkOptions::default(), seed);
        let lived = eventful(&mut network);
        assert_eq!(lived, Ok(()), "{}", network.transcript());
        assert!(network.views_are_complete(), "{}", network.transcript());
    }
}

#[test]
fn every_invariant_fails_for_a_cause() {
    use Invariant as I;
    use Sabotage as S;
    let table = [
        (S::StaleRecordsAccepted, I::VersionsNeverFall),
        (S::TombstonesIgnored, I::VersionsNeverFall),
        (S::ForeignIncarnationRaised, I::OnlyTheOwnerRaisesItsOwn),
        (S::TalksToItself, I::NobodyTalksToItself),
        (S::LeftTreatedAsDead, I::EventsAddUpToTheView),
        (S::ContactsGossipedTo, I::DatagramsGoToMembersOnly),
    ];
    for (sabotage, invariant) in table {
        assert_eq!(broken_by(sabotage), Some(invariant), "{sabotage:?}");
    }
}
