//! Connections for messages: whom they are made with, and when the core ends them.

use std::time::Duration;

use super::super::*;
use super::tls::{Authority, STEP, formed, options};
use super::{NOW, addr, hold, node, outputs, record};
use crate::member::ProtocolRange;
use crate::simulation::{Network, NetworkOptions, NodeId, Rule, plain_options};
use crate::wire::hello::{Hello, Purpose, Side};
use crate::wire::message::Body;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn id(number: u32) -> MemberId {
    plain_options(number).local.id
}

/// How many connections for messages a node holds with another.
fn links_to(network: &Network, node: NodeId, number: u32) -> usize {
    let held = network.membership(node).unwrap().message_links();
    held.filter(|(_, member)| **member == id(number)).count()
}

fn connect(network: &mut Network, node: NodeId, number: u32) -> LinkId {
    let link = network.command(node, |core, now| core.connect(now, &id(number)));
    network.run_for(secs(1)).unwrap();
    link.unwrap().unwrap()
}

/// They are made between members only, and are no part of the pool that gossip uses.
#[test]
fn members_are_connected_with_and_both_ends_know_of_it() {
    let (mut network, nodes) = formed(3, 41);
    let pooled = |network: &Network, node| network.membership(node).unwrap().stats().links;
    let before = [0, 1].map(|node| pooled(&network, nodes[node]));
    let link = connect(&mut network, nodes[0], 1);
    assert_eq!(links_to(&network, nodes[0], 1), 1);
    assert_eq!(links_to(&network, nodes[1], 0), 1);
    let after = [0, 1].map(|node| pooled(&network, nodes[node]));
    assert_eq!(before, after);
    network.run_for(secs(300)).unwrap();
    assert_eq!(links_to(&network, nodes[1], 0), 1, "it has no age");
    network.command(nodes[0], |core, now| core.disconnect(now, link));
    network.run_for(secs(1)).unwrap();
    assert_eq!(links_to(&network, nodes[0], 1), 0);
    assert_eq!(links_to(&network, nodes[1], 0), 0);
}

#[test]
fn who_is_no_live_member_is_not_connected_with() {
    let (mut network, nodes) = formed(3, 42);
    let try_connect = |network: &mut Network, id: MemberId| {
        network
            .command(nodes[0], |core, now| core.connect(now, &id))
            .unwrap()
    };
    let stranger = MemberId::new("stranger").unwrap();
    for nobody in [stranger, id(0)] {
        let refused = try_connect(&mut network, nobody);
        assert_eq!(refused, Err(ConnectError::NotAMember));
    }
    for n in 0..=MESSAGE_LINKS_MAX {
        let expected = (n == MESSAGE_LINKS_MAX).then_some(ConnectError::TooMany);
        assert_eq!(try_connect(&mut network, id(1)).err(), expected);
    }
    network.crash(nodes[2]);
    network.run_for(secs(40)).unwrap();
    let refused = try_connect(&mut network, id(2));
    assert_eq!(refused, Err(ConnectError::NotAMember));
    network.leave(nodes[0]);
    let refused = node(Some([9; 32])).connect(NOW, &id(1));
    assert_eq!(refused, Err(ConnectError::NotRunning));
}

type Story = fn(&mut Network, NodeId);

#[test]
fn a_connection_ends_with_the_membership_it_rests_on() {
    let stories: [(&str, Story); 4] = [
        ("it is cut off, and dies", |network, node| {
            let others: Vec<_> = network.nodes().into_iter().filter(|n| *n != node).collect();
            network.impose(Rule::partition(&[&others, &[node]]));
            // Less than it takes TCP to give up.
            let id = id(2);
            let dead = |network: &Network| {
                let core = network.membership(network.nodes()[0]).unwrap();
                core.member(&id).unwrap().state() == crate::member::MemberState::Dead
            };
            let died = network.run_until(secs(60), STEP, dead).unwrap();
            assert!(died.is_some());
        }),
        ("it leaves", |network, node| {
            network.leave(node);
            network.run_for(secs(5)).unwrap();
        }),
        ("it begins another life", |network, node| {
            network.restart(node);
            network.run_for(secs(5)).unwrap();
        }),
        ("it is not believed any more", |network, _| {
            let survivor = network.nodes()[0];
            network.renew_certificate(survivor, Authority::new(1).trust(0, 0));
            network.run_for(secs(5)).unwrap();
        }),
    ];
    for (what, story) in stories {
        let (mut network, nodes) = two_authorities(43);
        connect(&mut network, nodes[0], 2);
        connect(&mut network, nodes[2], 0);
        let other = connect(&mut network, nodes[0], 1);
        assert_eq!(links_to(&network, nodes[0], 2), 2, "{what}");
        story(&mut network, nodes[2]);
        assert_eq!(links_to(&network, nodes[0], 2), 0, "{what}");
        let held = network.membership(nodes[0]).unwrap();
        let left: Vec<_> = held.message_links().map(|(link, _)| link).collect();
        assert_eq!(left, [other], "{what}: others keep theirs");
    }
}

/// Nodes 0 and 1 of one authority, node 2 of another; each believes both.
fn two_authorities(seed: u64) -> (Network, Vec<NodeId>) {
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
    assert!(formed.unwrap().is_some(), "{}", network.transcript());
    (network, nodes)
}

#[test]
fn a_connection_lives_no_longer_than_the_certificate_under_it() {
    let mut network = Network::new(NetworkOptions::default(), 44);
    let authority = Authority::new(1);
    let end = NetworkOptions::default().start + secs(60);
    let contact = plain_options(0).local.advertised;
    let nodes = [0, 1].map(|number| {
        let trust = match number {
            1 => authority.trust_until(number, end),
            _ => authority.trust(number, 0),
        };
        network.add_node(options(number, &trust), Some(trust), vec![contact.into()])
    });
    network.start_all();
    let formed = network.run_until(secs(10), STEP, Network::views_are_complete);
    assert!(formed.unwrap().is_some(), "{}", network.transcript());
    connect(&mut network, nodes[0], 1);
    network.run_for(secs(40)).unwrap();
    assert_eq!(links_to(&network, nodes[0], 1), 1);
    network.run_for(secs(20)).unwrap();
    assert_eq!(links_to(&network, nodes[0], 1), 0);
    let member = network.membership(nodes[0]).unwrap().member(&id(1));
    assert!(member.unwrap().state().is_live(), "it is kept as a member");
}

#[test]
fn a_renewed_certificate_breaks_no_connection() {
    let (mut network, nodes) = formed(2, 45);
    let links = [
        connect(&mut network, nodes[0], 1),
        connect(&mut network, nodes[1], 0),
    ];
    let authority = Authority::new(1);
    for (number, node) in (0..).zip(&nodes) {
        network.renew_certificate(*node, authority.trust(number, 1));
        network.run_for(secs(5)).unwrap();
    }
    network.run_for(secs(60)).unwrap();
    for (node, link) in nodes.iter().zip(links) {
        let held = network.membership(*node).unwrap();
        assert!(held.message_links().any(|(held, _)| held == link));
        assert_eq!(held.message_links().count(), 2);
    }
}

/// A plaintext node that holds members 2 to 6, and its connection for messages with member 4.
fn handed_over() -> (Membership, LinkId) {
    let mut node = node(None);
    (2..=6).for_each(|n| hold(&mut node, &record(&n.to_string(), n, 5)));
    let far = MemberId::new("4").unwrap();
    outputs(&mut node);
    let link = node.connect(NOW, &far).unwrap();
    let [
        Output::Open {
            addr: to,
            over: Over::QuicOrTcp(None),
            ..
        },
    ] = outputs(&mut node)[..]
    else {
        panic!("dialled at once");
    };
    assert_eq!(to, addr(4));
    let opened = Opened {
        side: Side::Dialer,
        peer: to,
        channel: Channel::Plain,
        correlation: None,
    };
    node.handle_link(NOW, link, LinkChange::Opened(opened));
    let [Output::Send(_, Frame::Hello { hello, .. })] = &outputs(&mut node)[..] else {
        panic!("the dialer speaks first");
    };
    let ours = Hello::decode(hello).unwrap();
    assert_eq!(ours.purpose, Purpose::Messages);
    let theirs = Hello {
        protocols: ProtocolRange::CURRENT,
        id: far.clone(),
        generation: Generation::new(5),
        nonce: [1; 32],
        ..ours
    };
    let answer = Frame::Hello {
        hello: theirs.encode(),
        proof: Vec::new(),
    };
    node.handle_frame(NOW, link, answer).unwrap();
    let said = outputs(&mut node);
    let [
        Output::HandOver {
            link: handed,
            peer,
            side: Side::Dialer,
            first: Some(Frame::Ready),
        },
    ] = &said[..]
    else {
        panic!("handed over at once: {said:?}");
    };
    assert_eq!((*handed, &peer.id), (link, &far));
    (node, link)
}

/// Whom the next probe goes to.
fn next_probed(mut node: Membership) -> SocketAddr {
    loop {
        let Output::Wait(Some(wakeup)) = node.poll_output() else {
            panic!("drained");
        };
        node.handle_timeout(wakeup.at);
        let probed = outputs(&mut node)
            .into_iter()
            .find_map(|output| match output {
                Output::Transmit { to, payload } => is_ping(&payload).then_some(to),
                _ => None,
            });
        if let Some(to) = probed {
            return to;
        }
    }
}

fn is_ping(payload: &[u8]) -> bool {
    let datagram = crate::wire::datagram::parse(payload).unwrap();
    let body = Body::decode(datagram.body).unwrap();
    matches!(body.message, crate::wire::message::Message::Ping { .. })
}

#[test]
fn a_connection_that_is_lost_makes_its_member_the_next_to_be_probed() {
    let (node, _) = handed_over();
    let undisturbed = next_probed(node);
    assert_ne!(undisturbed, addr(4), "or this proves nothing");
    let (mut node, link) = handed_over();
    node.handle_link(NOW, link, LinkChange::Closed(Code::Unreachable));
    assert_eq!(node.message_links().count(), 0);
    assert_eq!(next_probed(node), addr(4));
    let (mut node, link) = handed_over();
    node.disconnect(NOW, link);
    assert!(matches!(outputs(&mut node)[..], [Output::Close(closed)] if closed == link));
    assert_eq!(next_probed(node), undisturbed);
}

#[test]
fn no_frame_is_taken_on_a_connection_that_was_handed_over() {
    let (mut node, link) = handed_over();
    node.handle_frame(NOW, link, Frame::Bye).unwrap();
    node.handle_frame(NOW, link, Frame::Probe { probe: 1, view: 2 })
        .unwrap();
    assert!(outputs(&mut node).is_empty());
    assert_eq!(node.message_links().count(), 1);
}

#[test]
fn a_dial_that_comes_to_nothing_says_why_and_a_stranger_joins_first() {
    for code in [Code::Unreachable, Code::JoinFirst, Code::MemberIdInUse] {
        let mut node = node(None);
        hold(&mut node, &record("2", 2, 5));
        outputs(&mut node);
        let link = node.connect(NOW, &MemberId::new("2").unwrap()).unwrap();
        node.handle_link(NOW, link, LinkChange::Failed(code));
        let said = outputs(&mut node);
        let failed = said.iter().find_map(|output| match output {
            Output::ConnectFailed { link, code } => Some((*link, *code)),
            _ => None,
        });
        assert_eq!(failed, Some((link, code)));
        let dials = said
            .iter()
            .filter(|output| matches!(output, Output::Open { .. }));
        assert_eq!(dials.count(), 1 + usize::from(code == Code::JoinFirst));
        assert_eq!(node.messages.count(&MemberId::new("2").unwrap()), 0);
    }
}
