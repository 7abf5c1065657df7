//! What holds at the gate and at the door, on one node alone. Stories of several nodes are told in `tests/it/figures.rs`, on
//! the virtual network.

mod expiry;
mod impostor;
mod malice;
mod messages;
mod renewal;
mod rotation;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::admission::{JoinVerdict, Peer};
use crate::member::{Incarnation, MemberRecord, Metadata, Role, Standing};
use crate::seal::{Seed, TagError};
use crate::wire::datagram::{Group, Header, encode_header};
use crate::wire::hello::IntroductionHash;
use crate::wire::message::{Message, encode_message};
use crate::wire::update::{decode_record, encode_record};

/// Which counter a datagram goes to.
type Counter = fn(&DatagramStats) -> u64;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn addr(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 26_502))
}

fn node(certificate: Option<[u8; 32]>) -> Membership {
    let options = Options {
        local: LocalMember {
            id: MemberId::new("1").unwrap(),
            role: Role::Broker,
            advertised: addr(1),
            host: None,
            udp: true,
            quic: None,
            metadata: Metadata::default(),
        },
        cluster: "blue".to_owned(),
        cluster_id: None,
        certificate,
        params: Params {
            tagged: certificate.is_some(),
            ..Params::lan()
        },
        handshake_timeout: Duration::from_secs(15),
        dial_back: DialBack::Any,
        key_rotation: None,
        join_retry_refused: false,
        token: None,
        expired_member: ExpiredMember::Keep,
        trust_age_max: None,
    };
    Membership::new(NOW, options, Seed::new([7; 32]))
}

/// A TLS node whose introduction is signed.
fn tls_node() -> Membership {
    let mut node = node(Some([9; 32]));
    let Output::SignIntroduction(fields) = node.poll_output() else {
        panic!("a TLS node first has its introduction signed");
    };
    let introduction = Introduction {
        fields,
        chain: vec![vec![1]],
        scheme: 0x0807,
        signature: vec![2],
    };
    node.handle_signed(NOW, introduction);
    node
}

fn record(id: &str, host: u8, generation: u64) -> MemberRecord {
    let mut record = node(None).local().record().clone();
    record.id = MemberId::new(id).unwrap();
    record.addr = addr(host);
    record.generation = Generation::new(generation);
    record
}

/// Makes `node` hold this member.
fn hold(node: &mut Membership, record: &MemberRecord) {
    let bytes = encode_record(record, &[]);
    node.swim.admit(NOW, &decode_record(&bytes).unwrap());
    node.settle(NOW);
}

/// A datagram from member 2 to member 1 of cluster "blue", spoiled as told.
fn datagram(group: Group, spoil: impl FnOnce(&mut Header<'_>)) -> Vec<u8> {
    let mut header = Header {
        group,
        sender: "2",
        generation: Generation::new(5),
        recipient: "1",
        sequence: 1,
    };
    spoil(&mut header);
    let mut bytes = Vec::new();
    encode_header(&header, &mut bytes);
    encode_message(&Message::Ping { probe: 3, view: 4 }, &mut bytes);
    bytes
}

fn outputs(node: &mut Membership) -> Vec<Output> {
    std::iter::from_fn(|| match node.poll_output() {
        Output::Wait(_) => None,
        output => Some(output),
    })
    .collect()
}

#[test]
fn a_plain_node_drops_what_does_not_concern_it_counts_it_and_answers_nothing() {
    let blue = Group::Plain(crate::wire::hash::cluster_hash("blue"));
    let other = Group::Plain(crate::wire::hash::cluster_hash("red"));
    let tagged = Group::Tagged {
        key: crate::wire::datagram::KeyId(1),
        newest: crate::wire::datagram::KeyId(1),
    };
    let mut with_tag = datagram(tagged, |_| {});
    with_tag.extend([0; 16]);
    let mut node = node(None);
    hold(&mut node, &record("2", 2, 5));
    outputs(&mut node);
    let rows: [(Vec<u8>, Counter); 6] = [
        (vec![1, 0, 0], |stats| stats.malformed),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), |stats| stats.malformed),
        (with_tag, |stats| stats.other_mode),
        (datagram(other, |_| {}), |stats| stats.other_cluster),
        (datagram(blue, |header| header.recipient = "9"), |stats| {
            stats.other_recipient
        }),
        (datagram(blue, |header| header.sender = "9"), |stats| {
            stats.unknown_sender
        }),
    ];
    for (bytes, counter) in rows {
        let before = counter(&node.stats().datagrams);
        let error = node.handle_datagram(NOW, addr(2), &bytes).unwrap_err();
        assert_eq!(counter(&node.stats().datagrams), before + 1, "{error}");
        assert!(
            outputs(&mut node).is_empty(),
            "{error}: nothing is answered"
        );
    }
    node.handle_datagram(NOW, addr(2), &datagram(blue, |_| {}))
        .unwrap();
    assert!(matches!(
        outputs(&mut node)[..],
        [Output::Transmit { to, .. }] if to == addr(2)
    ));
}

#[test]
fn a_tls_node_believes_no_byte_that_is_not_tagged_with_a_key_it_holds() {
    let mut node = tls_node();
    hold(&mut node, &record("2", 2, 5));
    outputs(&mut node);
    let key = node.keyring.active();
    let tagged = |key| Group::Tagged { key, newest: key };
    let sealed = |node: &Membership, bytes: &[u8]| [bytes, &node.keyring.tag(bytes)].concat();

    let blue = Group::Plain(crate::wire::hash::cluster_hash("blue"));
    let plain = node.handle_datagram(NOW, addr(2), &datagram(blue, |_| {}));
    assert_eq!(plain, Err(DatagramError::OtherMode));

    let mut forged = datagram(tagged(key), |_| {});
    forged.extend([0; 16]);
    let forged = node.handle_datagram(NOW, addr(2), &forged);
    assert_eq!(forged, Err(DatagramError::Tag(TagError::Mismatch { key })));

    let sound = sealed(&node, &datagram(tagged(key), |_| {}));
    for at in 0..sound.len() {
        let mut altered = sound.clone();
        altered[at] ^= 1;
        node.handle_datagram(NOW, addr(9), &altered).unwrap_err();
    }
    assert!(outputs(&mut node).is_empty());

    node.handle_datagram(NOW, addr(2), &sound).unwrap();
    assert_eq!(outputs(&mut node).len(), 1);
}

#[test]
fn a_datagram_under_an_unknown_key_from_a_members_address_leads_to_one_push_pull_in_five_seconds() {
    let mut node = tls_node();
    hold(&mut node, &record("2", 2, 5));
    outputs(&mut node);
    let key = crate::wire::datagram::KeyId(42);
    let mut bytes = datagram(Group::Tagged { key, newest: key }, |_| {});
    bytes.extend([0; 16]);
    let dials = |node: &mut Membership, now: Timestamp, from: SocketAddr| {
        node.handle_datagram(now, from, &bytes).unwrap_err();
        let opens =
            |output: &Output| matches!(output, Output::Open { addr: to, .. } if *to == addr(2));
        outputs(node).iter().filter(|output| opens(output)).count()
    };
    assert_eq!(
        dials(&mut node, NOW, addr(9)),
        0,
        "not from the member's address"
    );
    assert_eq!(dials(&mut node, NOW, addr(2)), 1);
    assert_eq!(dials(&mut node, NOW, addr(2)), 0);
    assert_eq!(node.stats().datagrams.unknown_key, 3);
}

#[test]
fn whose_id_it_is_depends_on_what_is_held_of_it() {
    use JoinVerdict::{AskOldAddress, GoOn, Refuse, Retry};
    let joiner = record("2", 2, 100);
    let peer = Peer {
        addr: addr(2),
        id: joiner.id.clone(),
        generation: joiner.generation,
        introduction: None,
        leaf: None,
        key_ids: Vec::new(),
    };
    let rows: [(&str, Option<MemberRecord>, JoinVerdict); 6] = [
        ("nothing is held", None, GoOn),
        ("the same life heals", Some(record("2", 2, 100)), GoOn),
        (
            "an older life at the same address restarted",
            Some(record("2", 2, 99)),
            GoOn,
        ),
        (
            "an older life elsewhere is asked first",
            Some(record("2", 3, 99)),
            AskOldAddress(addr(3), None),
        ),
        (
            "a later life is held: come back with a higher generation",
            Some(record("2", 2, 101)),
            Retry(Generation::new(102)),
        ),
        (
            "the same generation elsewhere is another life",
            Some(record("2", 3, 100)),
            Retry(Generation::new(101)),
        ),
    ];
    for (what, held, verdict) in rows {
        let mut node = node(None);
        held.iter().for_each(|held| hold(&mut node, held));
        assert_eq!(node.judge_joiner(NOW, &peer, &joiner), verdict, "{what}");
    }
    let far = record("2", 2, NOW.as_millis() + 2 * 86_400_000);
    assert_eq!(
        node(None).judge_joiner(NOW, &peer, &far),
        Refuse(Code::GenerationTooFar)
    );
    let own = record("1", 2, 100);
    assert_eq!(
        node(None).judge_joiner(NOW, &peer, &own),
        Refuse(Code::MemberIdInUse)
    );
}

#[test]
fn a_life_that_has_left_must_begin_anew_and_a_later_one_may_join_from_anywhere() {
    let mut node = node(None);
    hold(&mut node, &record("2", 2, 100));
    let mut left = record("2", 2, 100);
    left.standing = Standing::Left;
    left.incarnation = Incarnation::new(1);
    hold(&mut node, &left);
    let peer = |generation| Peer {
        addr: addr(2),
        id: left.id.clone(),
        generation: Generation::new(generation),
        introduction: None,
        leaf: None,
        key_ids: Vec::new(),
    };
    let verdict = node.judge_joiner(NOW, &peer(100), &record("2", 2, 100));
    assert_eq!(verdict, JoinVerdict::Retry(Generation::new(101)));
    let verdict = node.judge_joiner(NOW, &peer(101), &record("2", 9, 101));
    assert_eq!(verdict, JoinVerdict::GoOn);
    assert!(
        !node.holds_life(NOW, &peer(100)),
        "who has left joins first"
    );
}

/// Twenty nodes join one after the other: every version that a node came to hold was checked once.
#[test]
fn no_signature_is_checked_twice() {
    let (mut network, nodes) = tls::formed(20, 3);
    network.run_for(Duration::from_secs(60)).unwrap();
    assert!(network.views_are_complete());
    for node in nodes {
        let adopted = network.transcript().changes().filter(|change| {
            change.observer == node && change.to.state == crate::member::MemberState::Alive
        });
        let records = network.membership(node).unwrap().stats().records;
        assert!(records.verified <= adopted.count() as u64, "{records:?}");
        assert_eq!(
            (records.forged, records.other_key, records.waiting),
            (0, 0, 0)
        );
    }
}

#[test]
fn a_connection_between_members_takes_the_very_introduction_that_the_record_names() {
    let mut node = tls_node();
    let hash = IntroductionHash([3; 32]);
    let mut held = record("2", 2, 100);
    held.introduction = Some(hash.tag());
    hold(&mut node, &held);
    let peer = |generation, introduction| Peer {
        addr: addr(2),
        id: held.id.clone(),
        generation: Generation::new(generation),
        introduction,
        leaf: None,
        key_ids: Vec::new(),
    };
    assert!(node.holds_life(NOW, &peer(100, Some(hash))));
    assert!(!node.holds_life(NOW, &peer(101, Some(hash))));
    assert!(!node.holds_life(NOW, &peer(100, Some(IntroductionHash([4; 32])))));
    assert!(!node.holds_life(NOW, &peer(100, None)));
}

#[test]
fn the_lower_of_two_lives_under_one_id_stops() {
    let mut node = node(None);
    hold(&mut node, &record("2", 2, 5));
    outputs(&mut node);
    let mut other = node.local().record().clone();
    other.generation = other.generation.next();
    other.addr = addr(9);
    hold(&mut node, &other);
    let stopped = outputs(&mut node)
        .into_iter()
        .find_map(|output| match output {
            Output::Event(Event::Stopped { code, .. }) => Some(code),
            _ => None,
        });
    assert_eq!(stopped, Some(Code::MemberIdInUse));
    let Output::Wait(wakeup) = node.poll_output() else {
        panic!("drained");
    };
    assert_eq!(wakeup, None);
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let run = || {
        let mut node = tls_node();
        hold(&mut node, &record("2", 2, 5));
        let mut transcript = String::new();
        let mut now = NOW;
        for _ in 0..50 {
            for output in outputs(&mut node) {
                transcript.push_str(&format!("{now} {output:?}\n"));
            }
            let Output::Wait(Some(wakeup)) = node.poll_output() else {
                panic!("a node always has something to do");
            };
            now = wakeup.at.max(now);
            node.handle_timeout(now);
        }
        transcript
    };
    assert_eq!(run(), run());
}
