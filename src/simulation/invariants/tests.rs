//! Every invariant is seen to fail, for one way to break the core at least; and none fails while nothing is broken.

use std::time::Duration;

use crate::membership::Options;
use crate::sabotage::Sabotage;
use crate::simulation::run::Input;
use crate::simulation::{
    Change, ClockChange, Clocks, Effect, Healing, Invariant, Kind, Loss, Network, NetworkOptions,
    NodeId, Rate, Rule, Violation, plain_options,
};
use crate::swim::DATAGRAM_LEN_MIN;
use crate::wire::datagram::{Group, Header, encode_header};
use crate::wire::message::{Message, encode_message};
use crate::wire::update::{AccusationRef, Verdict, encode_accusation};

const SECOND: Duration = Duration::from_secs(1);

/// What happens in a run. Whatever is broken shows as a violation.
type Story = fn(&mut Network) -> Result<(), Violation>;

/// Seven nodes: loss, a crash and a restart, a pause, a partition that heals, a farewell, another restart, another crash.
fn eventful(network: &mut Network) -> Result<(), Violation> {
    let nodes = add_nodes(network, 7, |_| {});
    network.start_all();
    run(network, 5)?;
    let loss = Effect::Lose(Loss::Even(Rate::percent(30)));
    let loss = network.impose(Rule::everywhere(None, loss));
    network.crash(nodes[3]);
    run(network, 20)?;
    network.start(nodes[3]);
    network.pause(nodes[4]);
    run(network, 8)?;
    network.resume(nodes[4]);
    network.lift(loss);
    network.impose(Rule::partition(&[&nodes[..3], &nodes[3..]]));
    run(network, 30)?;
    network.heal();
    run(network, 20)?;
    network.leave(nodes[6]);
    run(network, 90)?;
    network.restart(nodes[1]);
    network.crash(nodes[2]);
    judge(network)
}

/// Four nodes say something of themselves, one of them again while another is cut off.
fn talkative(network: &mut Network) -> Result<(), Violation> {
    let nodes = add_nodes(network, 4, |_| {});
    network.start_all();
    run(network, 5)?;
    for (number, node) in nodes.iter().enumerate() {
        say(network, *node, "zone", Some(&number.to_string()));
    }
    run(network, 5)?;
    network.impose(Rule::partition(&[&nodes[..2], &nodes[2..]]));
    say(network, nodes[2], "zone", None);
    run(network, 30)?;
    judge(network)
}

fn say(network: &mut Network, node: NodeId, key: &str, value: Option<&str>) {
    let value = value.map(|value| value.as_bytes().to_vec());
    let said = network.command(node, |core, now| core.set_metadata(now, key, value));
    said.unwrap().unwrap();
}

/// The contact point is gone for good, and two halves of the others are parted for longer than their tombstones last.
fn long_partition(network: &mut Network) -> Result<(), Violation> {
    let nodes = add_nodes(network, 7, |_| {});
    network.start_all();
    run(network, 5)?;
    network.crash(nodes[0]);
    run(network, 15)?;
    network.impose(Rule::partition(&[&nodes[1..4], &nodes[4..]]));
    run(network, 120)?;
    judge(network)
}

/// Forty nodes start at once, with datagrams of the shortest length.
fn crowd(network: &mut Network) -> Result<(), Violation> {
    add_nodes(network, 40, |options| {
        options.params.datagram_len_max = DATAGRAM_LEN_MIN;
    });
    network.start_all();
    run(network, 20)
}

/// Three nodes of one cluster, and a fourth of another that dials the first.
fn two_clusters(network: &mut Network) -> Result<(), Violation> {
    add_nodes(network, 4, |options| {
        if options.local.id.as_str() == "3" {
            options.cluster = "another".to_owned();
            options.join_retry_refused = true;
        }
    });
    network.start_all();
    run(network, 20)
}

/// A host vanishes, and another node comes back at its address.
fn taken_over(network: &mut Network) -> Result<(), Violation> {
    let nodes = add_nodes(network, 5, |_| {});
    network.start_all();
    run(network, 5)?;
    network.vanish(nodes[3]);
    let addr = plain_options(3).local.advertised;
    network.restart_at(nodes[2], addr);
    judge(network)
}

/// A member is accused in a datagram of another cluster.
fn forged(network: &mut Network) -> Result<(), Violation> {
    let nodes = add_nodes(network, 3, |_| {});
    network.start_all();
    run(network, 5)?;
    let accused = network.membership(nodes[2]).unwrap().local().version();
    let accusation = AccusationRef {
        id: "2",
        generation: accused.generation,
        incarnation: accused.incarnation,
        verdict: Verdict::Dead,
        accuser: "0",
    };
    let mut payload = Vec::new();
    let header = Header {
        group: Group::Plain(7),
        sender: "0",
        generation: network
            .membership(nodes[0])
            .unwrap()
            .local()
            .version()
            .generation,
        recipient: "1",
        sequence: 99,
    };
    encode_header(&header, &mut payload);
    encode_message(&Message::Gossip, &mut payload);
    payload.extend(encode_accusation(&accusation));
    let forged = Input::Datagram {
        from: plain_options(0).local.advertised,
        kind: Kind::Gossip,
        payload,
    };
    network.give(nodes[1], forged);
    run(network, 1)
}

fn run(network: &mut Network, secs: u32) -> Result<(), Violation> {
    for _ in 0..secs {
        network.run_for(SECOND)?;
    }
    Ok(())
}

fn judge(network: &mut Network) -> Result<(), Violation> {
    let healing = Healing {
        within: 40 * SECOND,
        quiet: 30 * SECOND,
        groups: None,
    };
    network.heal_and_judge(&healing).map(|_| ())
}

fn add_nodes(network: &mut Network, count: u32, set: impl Fn(&mut Options)) -> Vec<NodeId> {
    let contact = plain_options(0).local.advertised;
    (0..count)
        .map(|number| {
            let mut options = plain_options(number);
            options.params.tombstone_ttl = 60 * SECOND;
            set(&mut options);
            network.add_node(options, None, vec![contact.into()])
        })
        .collect()
}

fn broken_by(sabotage: Sabotage, story: Story) -> Option<Violation> {
    let mut network = Network::new(NetworkOptions::default(), 11);
    network.sabotage(sabotage);
    story(&mut network).err()
}

#[test]
fn nothing_is_broken_where_nobody_breaks_it() {
    let stories: [Story; 7] = [
        eventful,
        talkative,
        long_partition,
        crowd,
        two_clusters,
        forged,
        taken_over,
    ];
    for story in stories {
        for seed in 1..=3 {
            let mut network = Network::new(NetworkOptions::default(), seed);
            let lived = story(&mut network);
            assert_eq!(lived, Ok(()), "{}", network.transcript());
        }
    }
}

#[test]
fn every_invariant_is_seen_to_fail() {
    use {Invariant as I, Sabotage as S};
    let table: &[(S, Story, I)] = &[
        (S::StaleRecordsAccepted, eventful, I::VersionsNeverFall),
        (
            S::TombstonesIgnored,
            eventful,
            I::NoMemberReturnsFromTheDead,
        ),
        (
            S::ForeignIncarnationRaised,
            eventful,
            I::OnlyTheOwnerRaisesItsOwn,
        ),
        (S::IncarnationWraps, eventful, I::OwnNumbersNeverFall),
        (S::TalksToItself, eventful, I::NobodyTalksToItself),
        (
            S::RefutationDropped,
            eventful,
            I::AccusationsAreRefutedAtOnce,
        ),
        (
            S::IncarnationNotRaised,
            eventful,
            I::AccusationsAreRefutedAtOnce,
        ),
        (S::SuspectsUnprobed, eventful, I::EveryVerdictHasACause),
        (
            S::SuspicionFloorIgnored,
            eventful,
            I::SuspicionsLastBetweenFloorAndCeiling,
        ),
        (
            S::ProbesUnstretched,
            eventful,
            I::LocalHealthStretchesProbes,
        ),
        (S::ProbeOrderUnfair, eventful, I::MembersAreProbedInTurn),
        (S::DeadProbedForEver, eventful, I::MembersAreProbedInTurn),
        (
            S::DatagramLimitIgnored,
            crowd,
            I::DatagramsAreWithinTheLimit,
        ),
        (S::GarbageBelieved, forged, I::RefusedDatagramsChangeNothing),
        (S::ClusterNameIgnored, two_clusters, I::MembersAreAdmissible),
        (S::LeftTreatedAsDead, eventful, I::TheLeftAreNotReportedDead),
        (S::TombstonesKept, eventful, I::TombstonesAreForgotten),
        (S::WakesAtOnce, eventful, I::NobodyIsWokenForNothing),
        (S::ContactsGossipedTo, eventful, I::DatagramsGoToMembersOnly),
        (S::RefutationsUnreported, eventful, I::EventsAddUpToTheView),
        (
            S::FailedProbesIgnored,
            eventful,
            I::TheCrashedAreDeadEverywhere,
        ),
        (
            S::SuspicionNeverExpires,
            eventful,
            I::TheCrashedAreDeadEverywhere,
        ),
        (
            S::AddressBookEmptied,
            long_partition,
            I::ViewsAgreeWithTheTruth,
        ),
        (S::LaterLivesIgnored, eventful, I::ANewLifeReplacesTheOld),
        (
            S::RetransmitLimitIgnored,
            eventful,
            I::UpdatesAreSentSoOften,
        ),
        (
            S::SuspicionNeverExpires,
            taken_over,
            I::OneAddressLeadsToOneMember,
        ),
        (S::StrangersAnswered, forged, I::NobodyAmplifies),
        (S::GossipDropped, eventful, I::NewsDiesDown),
        (S::LocalHealthNeverLowered, eventful, I::LocalHealthRecovers),
        (S::IncarnationRestless, eventful, I::NobodyFlaps),
        (
            S::MetadataUnasked,
            talkative,
            I::TheLastMetadataIsEverywhere,
        ),
    ];
    for (sabotage, story, invariant) in table {
        let broken = broken_by(*sabotage, *story);
        let seen = broken.as_ref().map(|broken| broken.invariant);
        assert_eq!(seen, Some(*invariant), "{sabotage:?}: {broken:?}");
    }
    // An application's promise is broken by the application: see its tests.
    let own = I::TheApplicationKeepsItsPromise;
    for invariant in Invariant::ALL.iter().filter(|invariant| **invariant != own) {
        let is_seen = table.iter().any(|(_, _, seen)| seen == invariant);
        assert!(is_seen, "{invariant} was never seen to fail");
    }
}

/// What everybody sees of everybody while a node crashes, and the wall clock of another may jump.
fn seen(seed: u64, jumps: bool) -> Vec<Change> {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let nodes = add_nodes(&mut network, 5, |_| {});
    network.start_all();
    run(&mut network, 5).unwrap();
    if jumps {
        let ahead = ClockChange::Ahead(3_600 * SECOND);
        network.set_clock(nodes[1], Clocks::Wall, ahead);
    }
    run(&mut network, 5).unwrap();
    network.crash(nodes[3]);
    run(&mut network, 20).unwrap();
    network.transcript().changes().copied().collect()
}

#[test]
fn a_wall_clock_that_jumps_changes_nothing_that_anybody_sees() {
    assert_eq!(seen(4, false), seen(4, true));
    assert_ne!(seen(4, false), seen(5, false));
}
