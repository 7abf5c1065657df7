//! What outsiders and lying members cannot do: the promise of authenticated gossip, against the machine that runs in
//! production. A liar is an admitted member: it holds the gossip keys, tags datagrams for anybody, and signs with its own key.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::super::vouching::IdClaim;
use super::super::*;
use super::tls::{Authority, STEP, formed};
use crate::member::{
    Incarnation, MemberRecord, MemberState, Metadata, MetadataStamp, MetadataTag, Role, Standing,
};
use crate::simulation::{Change, Effect, Loss, Network, NodeId, Rule, plain_options};
use crate::wire::datagram::{Group, Header, KeyId, encode_header};
use crate::wire::frame::{PageEntry, WireVerdict};
use crate::wire::hello::IntroductionFields;
use crate::wire::message::{Message, encode_message};
use crate::wire::metadata::SealedMetadata;
use crate::wire::update::{
    AccusationRef, Verdict, decode_record, encode_accusation, encode_record, record_body,
    record_statement,
};

const SEED: u64 = 11;

/// Four members: one is lied about, one lies, two are lied to.
struct Story {
    network: Network,
    owner: NodeId,
    liar: NodeId,
    victims: [NodeId; 2],
}

impl Story {
    fn new() -> Self {
        let (mut network, nodes) = formed(4, SEED);
        network.run_for(Duration::from_secs(5)).unwrap();
        Self {
            network,
            owner: nodes[1],
            liar: nodes[2],
            victims: [nodes[0], nodes[3]],
        }
    }

    fn id(&self, node: NodeId) -> MemberId {
        let number = u32::try_from(node.index()).unwrap();
        plain_options(number).local.id
    }

    fn at(&self, node: NodeId) -> &Membership {
        self.network.membership(node).unwrap()
    }

    /// What a node holds of the owner.
    fn held_by(&self, node: NodeId) -> Member {
        self.at(node).member(&self.id(self.owner)).unwrap().clone()
    }

    /// The liar gossips these updates to both victims.
    fn tell(&mut self, updates: &[Vec<u8>]) {
        let mut body = Vec::new();
        encode_message(&Message::Gossip, &mut body);
        updates.iter().for_each(|update| body.extend(update));
        for victim in self.victims {
            let to = self.id(victim);
            let from = self.at(self.liar).local().record().addr;
            let seal = |liar: &mut Membership, _| liar.seal_datagram(&to, &body);
            let payload = self.network.command(self.liar, seal).unwrap();
            self.network
                .inject(victim, from, &payload)
                .unwrap()
                .unwrap();
        }
    }

    /// A record, signed by the liar.
    fn sign(&mut self, record: &MemberRecord) -> Vec<u8> {
        let statement = record_statement(&plain_options(0).cluster, &record_body(record));
        let sign = |liar: &mut Membership, _| liar.joining.gossip().unwrap().sign(&statement);
        let signature = self.network.command(self.liar, sign).unwrap();
        encode_record(record, &signature)
    }

    /// The liar sends a victim a page with this record. `None`: it ends the exchange.
    fn show(&mut self, record: &[u8], verdict: Option<WireVerdict>) -> Option<Option<PageEntry>> {
        let liar = self.id(self.liar);
        let entry = PageEntry {
            record: record.to_vec(),
            verdict,
        };
        let take = |victim: &mut Membership, now| {
            let taken = victim.take_entry(now, (liar, None), entry);
            victim.settle(now);
            taken
        };
        self.network.command(self.victims[0], take).unwrap()
    }

    fn records(&self, node: NodeId) -> RecordStats {
        self.at(node).stats().records
    }

    fn run(&mut self, millis: u64) {
        self.network.run_for(Duration::from_millis(millis)).unwrap();
    }
}

fn accusation(of: &Member, ahead: u32, verdict: Verdict) -> Vec<u8> {
    encode_accusation(&AccusationRef {
        id: of.id().as_str(),
        generation: of.record().generation,
        incarnation: Incarnation::new(of.record().incarnation.get() + ahead),
        verdict,
        accuser: "3",
    })
}

/// What a liar would have of a record that is another's.
type Lie = fn(&mut MemberRecord);

const LIES: [(&str, Lie); 7] = [
    ("moves it", |record| record.addr.set_port(9)),
    ("raises its incarnation", |_| {}),
    ("takes its datagrams away", |record| record.udp = false),
    ("changes its role", |record| record.role = Role::Gateway),
    ("raises its metadata version", |record| {
        record.metadata = MetadataStamp {
            version: 7,
            commitment: Some(MetadataTag([7; 16])),
        };
    }),
    ("has it leave", |record| record.standing = Standing::Left),
    ("begins a life for it", |record| {
        record.generation = record.generation.next();
    }),
];

/// A lie about the owner in every form that a liar can give it: unsigned, with the owner's last signature, and signed by
/// itself, as a record of the owner's introduction, of its own, and of none.
fn forgeries(story: &mut Story, lie: Lie) -> [Vec<u8>; 5] {
    let held = story.held_by(story.victims[0]);
    let mut record = held.record().clone();
    record.incarnation = record.incarnation.next().unwrap();
    lie(&mut record);
    let mut of_liars_introduction = record.clone();
    of_liars_introduction.introduction = story.at(story.liar).local().record().introduction;
    let mut without_introduction = record.clone();
    without_introduction.introduction = None;
    let owners_signature = decode_record(held.encoded()).unwrap().signature;
    [
        encode_record(&record, &[]),
        encode_record(&record, owners_signature),
        story.sign(&record),
        story.sign(&of_liars_introduction),
        story.sign(&without_introduction),
    ]
}

#[test]
fn a_liar_cannot_speak_for_another_member() {
    let mut story = Story::new();
    let held = story.victims.map(|victim| story.held_by(victim));
    for (what, lie) in LIES {
        let forgeries = forgeries(&mut story, lie);
        let before = story.victims.map(|victim| story.records(victim).forged);
        for forgery in &forgeries {
            story.tell(std::slice::from_ref(forgery));
        }
        story.run(500);
        for (n, victim) in story.victims.into_iter().enumerate() {
            let now = story.held_by(victim);
            assert_eq!(now.record(), held[n].record(), "{what}");
            assert_eq!(now.state(), MemberState::Alive, "{what}");
            let forged = story.records(victim).forged - before[n];
            assert_eq!(forged, forgeries.len() as u64, "{what}");
        }
    }
}

/// In a push-pull or a join it is no better off: a page with a forged record ends the exchange.
#[test]
fn a_liar_cannot_speak_for_another_member_in_a_page() {
    let mut story = Story::new();
    let held = story.held_by(story.victims[0]);
    for (what, lie) in LIES {
        for forgery in forgeries(&mut story, lie) {
            for verdict in [None, Some(WireVerdict::Suspect), Some(WireVerdict::Dead)] {
                assert_eq!(story.show(&forgery, verdict), None, "{what}");
                let now = story.held_by(story.victims[0]);
                assert_eq!(
                    (now.record(), now.state()),
                    (held.record(), MemberState::Alive)
                );
            }
        }
    }
}

/// Rule 9: hearsay about an owner's own words. It is told of it, and nobody doubts it.
#[test]
fn metadata_that_nobody_asked_for_ends_the_connection_it_came_on() {
    let mut story = Story::new();
    let (liar, owner) = (story.id(story.liar), story.id(story.owner));
    let take = |victim: &mut Membership, now| {
        let mut links = victim.connections().filter(|(_, id)| **id == liar);
        let link = links.next().map(|(link, _)| link)?;
        drop(links);
        let sealed = SealedMetadata::new([7; 32], &Metadata::default());
        let frame = Frame::Metadata {
            entries: vec![sealed],
            last: true,
        };
        let refused = victim.handle_frame(now, link, frame).unwrap_err();
        let is_open = victim.connections().any(|(open, _)| open == link);
        Some((refused.code, is_open))
    };
    let mut taken = Vec::new();
    for victim in story.victims {
        taken.extend(story.network.command(victim, take).unwrap());
    }
    assert!(!taken.is_empty(), "nobody has a connection to the liar");
    assert!(
        taken
            .iter()
            .all(|end| *end == (Code::ProtocolViolation, false))
    );
    assert!(story.at(story.victims[0]).metadata(&owner).is_none());
}

#[test]
fn a_liars_verdict_in_a_page_makes_nobody_suspect() {
    let mut story = Story::new();
    let held = story.held_by(story.victims[0]);
    for verdict in [WireVerdict::Suspect, WireVerdict::Dead] {
        for _ in 0..20 {
            assert!(story.show(held.encoded(), Some(verdict)).is_some());
            story.run(100);
        }
    }
    let doubts = |change: &&Change| change.to.state != MemberState::Alive;
    assert_eq!(story.network.transcript().changes().find(doubts), None);
}

#[test]
fn a_liar_cannot_raise_the_incarnation_of_whom_it_lies_to() {
    let mut story = Story::new();
    let own = story.victims.map(|victim| story.at(victim).local().clone());
    for ahead in [1, 1 << 20, u32::MAX] {
        let updates = own.clone().map(|own| {
            let ahead = ahead.min(u32::MAX - own.record().incarnation.get());
            accusation(&own, ahead, Verdict::Suspect)
        });
        story.tell(&updates);
        let mut record = own[0].record().clone();
        record.incarnation = Incarnation::new(record.incarnation.get() + 5);
        let forged = [encode_record(&record, &[]), story.sign(&record)];
        story.tell(&forged);
    }
    for (victim, own) in story.victims.into_iter().zip(own) {
        assert_eq!(story.at(victim).local().record(), own.record());
    }
}

#[test]
fn a_liar_cannot_hold_another_dead_for_longer_than_a_refutation() {
    let mut story = Story::new();
    for _ in 0..100 {
        let held = story.held_by(story.victims[0]);
        story.tell(&[accusation(&held, 0, Verdict::Dead)]);
        // Of a version that nobody has seen: it must not count once that version is here.
        story.tell(&[accusation(&held, 1, Verdict::Dead)]);
        story.run(300);
    }
    story.run(2_000);
    let mut died = BTreeMap::new();
    for change in story.network.transcript().changes() {
        let pair = (change.observer, change.subject);
        if change.to.state == MemberState::Dead {
            assert_eq!(change.subject, story.owner, "nobody else is harmed");
            died.insert(pair, change.at);
        } else if let Some(since) = died.remove(&pair) {
            let dead = change.at.saturating_since(since);
            assert!(dead <= Duration::from_millis(1_500), "dead for {dead:?}");
        }
    }
    assert!(died.is_empty(), "back everywhere");
}

/// The same in a crowd, where three of ten datagrams are lost and the liar accuses one after the other, for five minutes: no
/// record says anything but what its owner says, and all are back as soon as it stops.
#[test]
fn a_liar_in_a_lossy_cluster_changes_nothing_that_lasts() {
    let (mut network, nodes) = formed(10, SEED);
    let (liar, others) = nodes.split_last().unwrap();
    let loss = network.impose(Rule::everywhere(None, Effect::Lose(Loss::percent(30))));
    let mut rng = Pcg64::seed_from_u64(SEED);
    for _ in 0..60 {
        let [victim, accused] = [(); 2].map(|()| others[rng.random_range(0..others.len())]);
        let of = network.membership(accused).unwrap().local().clone();
        let to = network.membership(victim).unwrap().local().id().clone();
        let mut body = Vec::new();
        encode_message(&Message::Gossip, &mut body);
        body.extend(accusation(&of, 0, Verdict::Dead));
        let seal = |liar: &mut Membership, _| liar.seal_datagram(&to, &body);
        let payload = network.command(*liar, seal).unwrap();
        let from = network.membership(*liar).unwrap().local().record().addr;
        network.inject(victim, from, &payload).unwrap().unwrap();
        network.run_for(Duration::from_secs(5)).unwrap();
    }
    network.lift(loss);
    let back = network.run_until(Duration::from_secs(15), STEP, Network::views_are_complete);
    assert!(back.unwrap().is_some(), "seed {SEED}");
    for owner in &nodes {
        let own = network.membership(*owner).unwrap().local().clone();
        for observer in &nodes {
            let held = network
                .membership(*observer)
                .unwrap()
                .member(own.id())
                .unwrap();
            assert_eq!(held.record(), own.record(), "seed {SEED}");
        }
    }
}

/// An introduction of the owner's id with the liar's certificate, as sound as the liar can make it, and a record to match.
fn claim_of_the_owners_id(story: &Story, later: i64) -> (Introduction, Vec<u8>) {
    let held = story.held_by(story.victims[0]).record().clone();
    let generation = held.generation.get().checked_add_signed(later).unwrap();
    let generation = Generation::new(generation);
    let trust = Authority::new(1).trust(2, 0);
    let gossip = Secrets::new(Seed::new([9; 32])).gossip_key_pair();
    let options = plain_options(2);
    let fields = IntroductionFields {
        cluster: options.cluster.clone(),
        cluster_id: None,
        id: held.id.clone(),
        generation,
        serial: 1,
        gossip_key: gossip.public(),
        advertised: options.local.advertised.to_string(),
        leaf: *trust.leaf_sha256().as_bytes(),
        quic: None,
    };
    let fields = fields.encode();
    let signature = trust.sign_introduction(&fields).unwrap();
    let introduction = Introduction {
        fields,
        chain: trust.chain().iter().map(|der| der.to_vec()).collect(),
        scheme: signature.scheme,
        signature: signature.bytes,
    };
    let record = MemberRecord {
        generation,
        incarnation: Incarnation::new(held.incarnation.get() + 1),
        addr: options.local.advertised,
        standing: Standing::Alive,
        introduction: Some(introduction.hash().tag()),
        ..held
    };
    let statement = record_statement(&options.cluster, &record_body(&record));
    let record = encode_record(&record, &gossip.sign(&statement));
    (introduction, record)
}

/// How a life ends.
type Ending = fn(&mut Network, NodeId);

/// The victims have the introduction as if they had fetched it.
fn introduce(story: &mut Story, introduction: &Introduction) {
    for victim in story.victims {
        let introduction = introduction.clone();
        let verify = |node: &mut Membership, now| {
            node.admission.verify_fetched(introduction);
            node.settle(now);
        };
        story.network.command(victim, verify).unwrap();
    }
    story.run(100);
}

#[test]
fn a_liar_cannot_take_a_members_id_with_its_own_key() {
    for later in [0, 1, 1_000] {
        let mut story = Story::new();
        let before = story.held_by(story.victims[0]);
        let (introduction, record) = claim_of_the_owners_id(&story, later);
        introduce(&mut story, &introduction);
        story.tell(&[record]);
        for victim in story.victims {
            assert_eq!(story.held_by(victim).record(), before.record());
            assert_eq!(story.records(victim).other_key, 1, "{later} later");
        }
    }
}

#[test]
fn an_id_is_free_for_another_key_once_its_holder_has_left_or_been_dead_for_long_enough() {
    let wait = 2 * plain_options(0).params.failure_timeout;
    let rows: [(Ending, MemberState, Duration, bool); 3] = [
        (Network::crash, MemberState::Dead, wait / 2, false),
        (Network::crash, MemberState::Dead, wait, true),
        (Network::leave, MemberState::Left, Duration::ZERO, true),
    ];
    for (end, state, waited, is_free) in rows {
        let mut story = Story::new();
        end(&mut story.network, story.owner);
        let victim = story.victims[0];
        let is_over = |network: &Network| network.state_seen_by(victim, story.owner) == Some(state);
        let step = Duration::from_millis(10);
        let over = story
            .network
            .run_until(Duration::from_secs(30), step, is_over);
        assert!(over.unwrap().is_some());
        story.network.run_for(waited).unwrap();
        let (introduction, record) = claim_of_the_owners_id(&story, 1_000);
        introduce(&mut story, &introduction);
        story.tell(&[record]);
        let state = story.held_by(victim).state();
        assert_eq!(state == MemberState::Alive, is_free, "{waited:?} later");
    }
}

/// Not even when the id is free: its holder has begun a later life.
#[test]
fn an_earlier_life_of_another_key_has_no_claim_to_an_id() {
    for (later, claim) in [(-1, IdClaim::Refused), (1, IdClaim::Granted)] {
        let mut story = Story::new();
        story.network.leave(story.owner);
        story.run(5_000);
        let (introduction, _) = claim_of_the_owners_id(&story, later);
        introduce(&mut story, &introduction);
        let victim = story.at(story.victims[0]);
        assert_eq!(story.held_by(story.victims[0]).state(), MemberState::Left);
        let introduced = victim.introduced(victim.now, &introduction.hash().tag());
        assert_eq!(victim.claim(victim.now, introduced.unwrap()), claim);
    }
}

#[test]
fn nothing_an_outsider_sends_changes_anything() {
    let mut story = Story::new();
    let victim = story.victims[0];
    let view = |story: &Story| -> Vec<_> {
        let members = story.at(victim).members();
        members
            .map(|member| (member.record().clone(), member.state()))
            .collect()
    };
    let before = view(&story);
    let key = story.at(victim).keyring.active();
    let held = story.held_by(victim);
    let to = story.id(victim);
    let captured: Vec<Vec<u8>> = (0..20)
        .map(|_| {
            let mut body = Vec::new();
            encode_message(&Message::Ping { probe: 1, view: 2 }, &mut body);
            let seal = |owner: &mut Membership, _| owner.seal_datagram(&to, &body);
            story.network.command(story.owner, seal).unwrap()
        })
        .collect();
    let take = |story: &mut Story, payload: &[u8]| {
        let from = ([127, 0, 0, 1], 9).into();
        story.network.inject(victim, from, payload).unwrap()
    };
    for payload in &captured {
        take(&mut story, payload).unwrap();
    }
    let mut rng = Pcg64::seed_from_u64(SEED);
    for round in 0..500 {
        let forged = forge(&held, &to, key, &mut rng);
        for payload in captured.iter().chain(&forged) {
            let taken = take(&mut story, payload);
            assert!(taken.is_err(), "round {round}: {payload:02x?}");
        }
    }
    assert_eq!(view(&story), before);
    assert_eq!(story.records(victim).waiting, 0);
    let stats = story.at(victim).stats().datagrams;
    assert_eq!(stats.replayed, 500 * 20);
    story.run(5_000);
    assert!(story.network.views_are_complete());
}

/// One datagram of each kind in the owner's name, by somebody who has seen others pass but holds no key.
fn forge(owner: &Member, to: &MemberId, key: KeyId, rng: &mut Pcg64) -> Vec<Vec<u8>> {
    let generation = owner.record().generation;
    let (probe, view) = (rng.random(), rng.random());
    let messages = [
        Message::Gossip,
        Message::Ping { probe, view },
        Message::Ack {
            probe,
            generation,
            view,
        },
        Message::Nack { probe, generation },
        Message::PingReq { probe, target: "3" },
    ];
    let updates = [
        accusation(owner, 0, Verdict::Dead),
        accusation(owner, 0, Verdict::Suspect),
        owner.encoded().to_vec(),
    ];
    let newest = key;
    let plain = Group::Plain(crate::wire::hash::cluster_hash("zeebe-cluster"));
    let mut all = Vec::new();
    for group in [Group::Tagged { key, newest }, plain] {
        for message in &messages {
            let mut datagram = Vec::new();
            let header = Header {
                group,
                sender: owner.id().as_str(),
                generation,
                recipient: to.as_str(),
                sequence: rng.random(),
            };
            encode_header(&header, &mut datagram);
            encode_message(message, &mut datagram);
            datagram.extend(&updates[rng.random_range(0..updates.len())]);
            datagram.extend(rng.random::<[u8; 16]>());
            all.push(datagram);
        }
    }
    all
}
