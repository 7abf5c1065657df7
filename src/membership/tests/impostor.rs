//! A process with the id of a member and another key: the cluster's authority vouches for its certificate, but the id is
//! pinned. Members dial it, as it waits where the member was, or where a contact point leads; it must learn nothing from them.

use std::time::Duration;

use super::super::links::Job;
use super::super::*;
use super::tls::{Authority, STEP, formed};
use crate::admission::Peer;
use crate::simulation::{Network, NodeId, plain_options};
use crate::wire::frame::PageEntry;

const SEED: u64 = 12;

/// What a member does, given the impostor's address.
type Deed = fn(&mut Membership, Timestamp, SocketAddr);

/// Three members who hold a fourth, in whose place an impostor has just started.
struct Story {
    network: Network,
    impostor: NodeId,
    members: [NodeId; 3],
    /// The gossip keys of the cluster.
    keys: Vec<u64>,
}

impl Story {
    fn new(addr: SocketAddr) -> Self {
        let (mut network, nodes) = formed(4, SEED);
        network.run_for(Duration::from_secs(5)).unwrap();
        let impostor = nodes[3];
        let keys = network.membership(nodes[0]).unwrap().keyring.key_ids();
        network.set_trust(impostor, Authority::new(1).trust(3, 1));
        network.restart_at(impostor, addr);
        Self {
            network,
            impostor,
            members: [nodes[0], nodes[1], nodes[2]],
            keys,
        }
    }

    fn at(&self, node: NodeId) -> &Membership {
        self.network.membership(node).unwrap()
    }

    /// A member has the impostor's introduction as if it had met it.
    fn introduce(&mut self, member: NodeId) -> Introduction {
        self.network.run_for(Duration::from_millis(100)).unwrap();
        let introduction = self.at(self.impostor).joining.introduction().unwrap();
        let introduction = introduction.clone();
        verify(&mut self.network, member, introduction.clone());
        introduction
    }

    /// Has the impostor hold the first member, as if it had been one itself in a former life.
    fn acquaint(&mut self) {
        let member = self.at(self.members[0]);
        let introduction = member.joining.introduction().unwrap().clone();
        let (id, record) = (member.local().id().clone(), member.local().encoded());
        let entry = PageEntry {
            record: record.to_vec(),
            verdict: None,
        };
        verify(&mut self.network, self.impostor, introduction);
        let take = |impostor: &mut Membership, now| {
            let taken = impostor.take_entry(now, (id, None), entry);
            impostor.settle(now);
            taken
        };
        let taken = self.network.command(self.impostor, take).unwrap();
        assert_eq!(taken, Some(None));
    }

    /// A member does it again and again, while it holds the id for its holder. Nothing may come of it.
    fn after(mut self, what: &str, does: Deed) {
        let addr = self.at(self.impostor).local().record().addr;
        let known = self.at(self.impostor).members().count();
        for _ in 0..3 {
            let act = |member: &mut Membership, now| {
                does(member, now, addr);
                member.settle(now);
            };
            self.network.command(self.members[0], act).unwrap();
            self.network.run_for(Duration::from_secs(1)).unwrap();
            let impostor = self.at(self.impostor);
            assert_eq!(impostor.members().count(), known, "{what}");
            let got = impostor.keyring.key_ids();
            assert!(!got.iter().any(|id| self.keys.contains(id)), "{what}");
            for member in self.members {
                assert_eq!(self.at(member).keyring.key_ids(), self.keys, "{what}");
            }
        }
        let refusals = self.at(self.members[0]).refusals();
        let is_refused = |refusal: &Refusal| refusal.code == Code::MemberIdInUse;
        assert!(refusals.iter().any(is_refused), "{what}: {refusals:?}");
    }
}

fn verify(network: &mut Network, node: NodeId, introduction: Introduction) {
    let verify = |node: &mut Membership, now| {
        node.admission.verify_fetched(introduction);
        node.settle(now);
    };
    network.command(node, verify).unwrap();
    network.run_for(Duration::from_millis(100)).unwrap();
}

fn held_addr() -> SocketAddr {
    plain_options(3).local.advertised
}

fn elsewhere() -> SocketAddr {
    plain_options(9).local.advertised
}

#[test]
fn a_member_does_not_join_through_an_impostor() {
    for addr in [held_addr(), elsewhere()] {
        let join = |member: &mut Membership, now, addr| member.admission.join(now, addr);
        Story::new(addr).after("join", join);
    }
}

/// The impostor says that it knows the member, so that nobody has to join first.
#[test]
fn a_member_does_not_talk_to_an_impostor() {
    let jobs: [(&str, Deed); 3] = [
        ("push-pull", |member, now, _| {
            member.with_link(now, &plain_options(3).local.id, Job::PushPull);
        }),
        ("gossip", |member, now, _| {
            let body = Job::Body(vec![0; 64]);
            member.with_link(now, &plain_options(3).local.id, body);
        }),
        ("join", |member, now, addr| member.admission.join(now, addr)),
    ];
    for (what, does) in jobs {
        let mut story = Story::new(held_addr());
        story.acquaint();
        story.after(what, does);
    }
}

/// It was let in while nobody held the id, say, and somebody else has shown that it is its own before it was done.
#[test]
fn a_joiner_that_has_become_an_impostor_is_not_taken_in_and_its_keys_neither() {
    let mut story = Story::new(held_addr());
    let member = story.members[0];
    let introduction = story.introduce(member);
    let impostor = story.at(story.impostor);
    let peer = Peer {
        addr: held_addr(),
        id: impostor.local().id().clone(),
        generation: impostor.generation,
        introduction: Some(introduction.hash()),
        leaf: None,
        key_ids: impostor.keyring.key_ids(),
    };
    let record = impostor.local().encoded().to_vec();
    let bring = |impostor: &mut Membership, _| impostor.keyring.hand_out();
    let ring = story.network.command(story.impostor, bring).unwrap();
    let held = story.at(member).member(&peer.id).unwrap().clone();
    let commit = |member: &mut Membership, now| {
        let link = LinkId::accepted(u64::from(u32::MAX));
        member.commit_joiner(now, (link, &peer), &record, &ring);
        member.settle(now);
    };
    story.network.command(member, commit).unwrap();
    let member = story.at(member);
    assert_eq!(member.member(&peer.id).unwrap().record(), held.record());
    assert_eq!(member.keyring.key_ids(), story.keys);
}

/// The impostor may be the same host, restored without its key. It does not keep the old life from dying, though somebody is
/// there; once that has been dead for long enough it is let in.
#[test]
fn who_was_an_impostor_is_let_in_once_the_id_is_free() {
    let Story {
        mut network,
        impostor,
        ..
    } = Story::new(held_addr());
    let wait = 2 * plain_options(0).params.failure_timeout;
    let has_company = |network: &Network| network.live_members_seen_by(impostor) > 1;
    let early = network.run_until(wait, STEP, has_company).unwrap();
    assert_eq!(early, None, "{}", network.transcript());
    let late = network.run_until(3 * wait, STEP, Network::views_are_complete);
    assert!(late.unwrap().is_some(), "{}", network.transcript());
}
