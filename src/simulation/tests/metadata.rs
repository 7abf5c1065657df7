//! What applications say of their nodes reaches all members, over connections, from whoever has it.

use super::*;
use crate::member::{METADATA_LEN_MAX, MemberId, Metadata, MetadataError};
use crate::membership::{Event, MemberMetadata};
use crate::simulation::{Application, Context, Kind, Rule};

/// Counts what it is told of metadata.
#[derive(Default)]
struct Listener {
    told: Vec<(MemberId, u64)>,
}

impl Application for Listener {
    fn on_event(&mut self, _: &mut Context<'_>, event: &Event) {
        if let Event::MetadataChanged { id, version } = event {
            self.told.push((id.clone(), *version));
        }
    }
}

fn cluster(count: u32, udp: bool) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(NetworkOptions::default(), 3);
    let contact = plain_options(0).local.advertised;
    let nodes: Vec<_> = (0..count)
        .map(|number| {
            let mut options = plain_options(number);
            options.local.udp = udp;
            let number = number.to_string();
            options.local.metadata.insert("number", number).unwrap();
            network.add_node(options, None, vec![contact.into()])
        })
        .collect();
    for node in &nodes {
        network.install(*node, Listener::default);
    }
    network.start_all();
    network.run_for(secs(30)).unwrap();
    (network, nodes)
}

fn say(network: &mut Network, node: NodeId, key: &str, value: Option<&str>) -> u64 {
    let value = value.map(|value| value.as_bytes().to_vec());
    let said = network.command(node, |core, now| core.set_metadata(now, key, value));
    said.unwrap().unwrap()
}

fn known(network: &Network, observer: NodeId, subject: NodeId) -> Option<MemberMetadata> {
    let id = network.membership(subject)?.local().id();
    network.membership(observer)?.metadata(id).cloned()
}

fn value(network: &Network, observer: NodeId, subject: NodeId, key: &str) -> Option<String> {
    let known = known(network, observer, subject)?;
    let value = known.entries.get(key)?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn everybody_knows_what_everybody_says_with_datagrams_and_without() {
    for udp in [true, false] {
        let (network, nodes) = cluster(20, udp);
        for observer in &nodes {
            for subject in &nodes {
                let number = Some(subject.index().to_string());
                assert_eq!(value(&network, *observer, *subject, "number"), number);
            }
        }
    }
}

#[test]
fn changes_reversals_and_removals_are_told_with_their_versions() {
    let (mut network, nodes) = cluster(5, true);
    let subject = nodes[2];
    for (value_now, version) in [(Some("a"), 2), (Some("b"), 3), (Some("a"), 4), (None, 5)] {
        assert_eq!(say(&mut network, subject, "state", value_now), version);
        // What is so already is no change.
        assert_eq!(say(&mut network, subject, "state", value_now), version);
        network.run_for(secs(2)).unwrap();
        for observer in &nodes {
            let known = known(&network, *observer, subject).unwrap();
            let value = known.entries.get("state");
            assert_eq!(
                (known.version, value),
                (version, value_now.map(str::as_bytes))
            );
        }
    }
    let id = MemberId::new("2").unwrap();
    for observer in nodes.iter().filter(|node| **node != subject) {
        let listener: &Listener = network.application(*observer).unwrap();
        let told = listener.told.iter().filter(|(told, _)| *told == id);
        let versions: Vec<_> = told.map(|(_, version)| *version).collect();
        assert_eq!(versions, [1, 2, 3, 4, 5]);
    }
}

#[test]
fn most_members_get_it_from_others_than_its_owner() {
    let (mut network, nodes) = cluster(100, true);
    let sent = |network: &Network, node: NodeId| network.traffic(node).sent(Kind::Metadata).packets;
    let before: Vec<_> = nodes.iter().map(|node| sent(&network, *node)).collect();
    let large = "x".repeat(METADATA_LEN_MAX - 100);
    say(&mut network, nodes[50], "large", Some(&large));
    network.run_for(secs(10)).unwrap();
    for observer in &nodes {
        assert_eq!(
            value(&network, *observer, nodes[50], "large"),
            Some(large.clone())
        );
    }
    let sent: Vec<_> = nodes
        .iter()
        .map(|node| sent(&network, *node) - before[node.index()])
        .collect();
    // Requests and answers of 99 members who lack it; at a hundred members the owner serves a small part.
    let all: u64 = sent.iter().sum();
    assert!(all >= 2 * 99, "{all}");
    assert!(
        sent[50] <= 25,
        "the owner answered {} times: {sent:?}",
        sent[50]
    );
}

#[test]
fn what_a_new_life_does_not_say_is_not_known_any_more() {
    let (mut network, nodes) = cluster(4, true);
    say(&mut network, nodes[3], "role", Some("leader"));
    network.run_for(secs(3)).unwrap();
    assert_eq!(
        value(&network, nodes[0], nodes[3], "role").as_deref(),
        Some("leader")
    );
    network.restart(nodes[3]);
    network.run_for(secs(20)).unwrap();
    for observer in &nodes {
        let known = known(&network, *observer, nodes[3]).unwrap();
        assert_eq!(known.version, 1);
        assert_eq!(known.entries.get("role"), None);
        assert_eq!(known.entries.get("number"), Some(&b"3"[..]));
    }
}

#[test]
fn a_change_during_a_cut_is_known_once_it_heals() {
    let (mut network, nodes) = cluster(6, true);
    let cut = network.impose(Rule::partition(&[&nodes[..3], &nodes[3..]]));
    say(&mut network, nodes[0], "cut", Some("yes"));
    network.run_for(secs(60)).unwrap();
    assert_eq!(
        value(&network, nodes[1], nodes[0], "cut").as_deref(),
        Some("yes")
    );
    assert_eq!(value(&network, nodes[4], nodes[0], "cut"), None);
    // What was known of whoever is held dead stays until it is forgotten.
    assert_eq!(
        value(&network, nodes[4], nodes[0], "number").as_deref(),
        Some("0")
    );
    network.lift(cut);
    network.run_for(secs(20)).unwrap();
    assert_eq!(
        value(&network, nodes[4], nodes[0], "cut").as_deref(),
        Some("yes")
    );
}

#[test]
fn limits_are_kept_and_a_node_that_left_says_nothing_more() {
    let (mut network, nodes) = cluster(2, true);
    let too_long = vec![0; METADATA_LEN_MAX + 1];
    let said = network.command(nodes[0], |core, now| {
        core.set_metadata(now, "long", Some(too_long))
    });
    assert!(matches!(said, Some(Err(MetadataError::Len { .. }))));
    assert_eq!(known(&network, nodes[0], nodes[0]).unwrap().version, 1);
    let mut kept = Metadata::default();
    kept.insert("number", "0").unwrap();
    assert_eq!(*known(&network, nodes[1], nodes[0]).unwrap().entries, kept);
    let said = network.command(nodes[0], |core, now| {
        core.leave(now, now + secs(5));
        core.set_metadata(now, "late", Some(Vec::new()))
    });
    assert_eq!(said, Some(Err(MetadataError::NotRunning)));
}
