//! From raw to proven: whom we talk to, whom not, and what both ends are told.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::super::*;
use super::world::{World, another_trust, ip, options, sign};
use crate::member::Generation;
use crate::seal::GossipKeyPair;
use crate::wire::frame::{PageEntry, WireKey, WireKeyring};
use crate::wire::hello::{Hello, Introduction, IntroductionFields, IntroductionHash, Side};

/// What both ends make of a connection that comes to nothing.
pub(super) fn assert_refused(world: &World, by: usize, of: usize, code: Code) {
    assert_eq!(
        world.refusals(by, true),
        [(code, None)],
        "the one that refuses"
    );
    assert_eq!(
        world.refusals(of, false),
        [(code, None)],
        "the one that is refused"
    );
    assert!(world.proven(by).is_empty() && world.proven(of).is_empty());
    world.assert_idle(by);
    world.assert_idle(of);
}

#[test]
fn members_prove_themselves_and_talk() {
    for mut world in World::both(2) {
        world.hold(0, 1);
        let link = world.dial_member(1, 0);
        assert_eq!(world.proven(1), [(link, Purpose::Member)]);
        let (far, purpose) = world.proven(0)[0];
        assert_eq!(purpose, Purpose::Member);
        world.inject(0, far, Frame::Same);
        world.inject(1, link, Frame::Bye);
        assert_eq!(world.nodes[0].inbox, [(far, Frame::Same)]);
        assert_eq!(world.nodes[1].inbox, [(link, Frame::Bye)]);
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn the_other_end_is_described_as_proven() {
    for mut world in World::both(2) {
        world.nodes[1].admission.set_key_ids(vec![7, 3]);
        world.hold(0, 1);
        world.dial_member(1, 0);
        let Some(Action::Proven { peer, side, .. }) = world.nodes[0].events.last() else {
            panic!("proven last");
        };
        let leaf = world.nodes[1]
            .trust
            .as_ref()
            .map(|trust| *trust.leaf_sha256().as_bytes());
        assert_eq!(*side, Side::Listener);
        assert_eq!(
            (&peer.id, peer.generation),
            (&world.id(1), Generation::new(1))
        );
        assert_eq!(
            (peer.introduction, peer.leaf),
            (world.introduction(1), leaf)
        );
        assert_eq!(peer.key_ids, [7, 3]);
    }
}

#[test]
fn who_is_not_held_as_a_member_has_to_join_first() {
    for mut world in World::both(2) {
        world.dial_member(1, 0);
        assert_eq!(world.dial_failures(1), [Code::JoinFirst]);
        assert_refused(&world, 0, 1, Code::JoinFirst);
        // Another life is not held either.
        world.hold(0, 1);
        world.identify(1, 2);
        world.dial_member(1, 0);
        assert_eq!(world.dial_failures(1), [Code::JoinFirst; 2]);
    }
}

#[test]
fn somebody_else_at_a_members_address_is_not_that_member() {
    for mut world in World::both(3) {
        world.hold(2, 0);
        world.diverted.insert(world.nodes[1].addr, 2);
        world.dial_member(0, 1);
        assert_eq!(world.dial_failures(0), [Code::WrongMember]);
        assert_refused(&world, 0, 2, Code::WrongMember);
    }
}

#[test]
fn a_hop_that_terminates_tls_is_found_out() {
    let mut world = World::tls(2);
    world.is_relayed = true;
    world.join(1, 0);
    assert_refused(&world, 0, 1, Code::ConnectionNotBound);
}

#[test]
fn an_introduction_for_another_certificate_than_the_one_tls_has_seen_is_refused() {
    let mut world = World::tls(2);
    world.leaf_seen = Some([9; 32]);
    world.join(1, 0);
    assert_refused(&world, 1, 0, Code::ConnectionNotBound);
}

#[test]
fn a_shown_introduction_proves_nothing_without_its_gossip_key() {
    let mut thief = options(2, true);
    thief.id = options(1, true).id;
    let mut world = World::new(vec![options(0, true), options(1, true), thief]);
    let stolen = world.nodes[1]
        .admission
        .local
        .introduction(&Channel::Plain)
        .cloned();
    let identity = world.nodes[2].admission.local.identity.as_mut().unwrap();
    identity.credentials = Some(Credentials {
        gossip: GossipKeyPair::from_seed(&[0xbb; 32]),
        introduction: stolen.unwrap(),
    });
    world.join(2, 0);
    assert_refused(&world, 0, 2, Code::ConnectionNotBound);
}

#[test]
fn the_code_of_a_refused_introduction_reaches_both_ends() {
    for (distrustful, other) in [(0, 1), (1, 0)] {
        let mut world = World::tls(2);
        world.nodes[other].trust = Some(another_trust());
        world.identify(other, 2);
        // The other one would take anything.
        world.nodes[other].takes_anything = true;
        world.join(1, 0);
        assert_refused(&world, distrustful, other, Code::UnknownIssuer);
        assert!(matches!(
            world.outcomes(1)[..],
            [JoinOutcome::Refused {
                code: Code::UnknownIssuer,
                is_permanent: true,
                ..
            }]
        ));
    }
}

#[test]
fn an_introduction_must_say_what_the_hello_says() {
    type Spoil = fn(&mut IntroductionFields);
    let cases: [(&str, Spoil, Code); 5] = [
        (
            "id",
            |fields| fields.id = MemberId::new("x").unwrap(),
            Code::ProtocolViolation,
        ),
        (
            "generation",
            |fields| fields.generation = Generation::new(77),
            Code::ProtocolViolation,
        ),
        (
            "cluster",
            |fields| fields.cluster = "other".to_owned(),
            Code::ProtocolViolation,
        ),
        (
            "cluster id",
            |fields| fields.cluster_id = Some("x".to_owned()),
            Code::ProtocolViolation,
        ),
        (
            "certificate",
            |fields| fields.leaf = [0; 32],
            Code::CertificateRejected,
        ),
    ];
    for (what, spoil, code) in cases {
        let mut world = World::tls(2);
        let trust = world.nodes[1].trust.clone().unwrap();
        let identity = world.nodes[1].admission.local.identity.as_mut().unwrap();
        let credentials = identity.credentials.as_mut().unwrap();
        let mut fields = IntroductionFields::decode(&credentials.introduction.fields).unwrap();
        spoil(&mut fields);
        credentials.introduction = sign(&trust, fields);
        world.join(1, 0);
        assert_eq!(world.refusals(0, true), [(code, None)], "{what}");
        assert_eq!(world.refusals(1, false), [(code, None)], "{what}");
    }
}

#[test]
fn another_introduction_than_the_one_announced_is_a_violation() {
    let mut world = World::tls(2);
    world.meddle = Some(Box::new(|_, frame| {
        if let Frame::Introduction(Introduction { scheme, .. }) = frame {
            *scheme ^= 1;
        }
        true
    }));
    world.join(1, 0);
    assert_refused(&world, 0, 1, Code::ProtocolViolation);
}

#[test]
fn an_introduction_is_fetched_once() {
    let mut world = World::tls(2);
    world.join(1, 0);
    let asked = |world: &World| {
        world
            .frames
            .iter()
            .filter(|(_, frame)| *frame == Frame::WantIntroduction)
            .count()
    };
    assert_eq!(asked(&world), 2);
    world.hold(0, 1);
    world.dial_member(1, 0);
    assert_eq!(asked(&world), 2);
    world.nodes[0].admission.forget_introductions();
    world.dial_member(1, 0);
    assert_eq!(asked(&world), 3);
    assert!(world.dial_failures(1).is_empty());
}

#[test]
fn a_verified_introduction_counts_until_its_certificate_expires() {
    let mut world = World::tls(2);
    world.hold(0, 1);
    world.dial_member(1, 0);
    // rcgen's certificates last until the year 4096.
    world.now = Timestamp::from_secs(70_000_000_000);
    world.dial_member(1, 0);
    assert_eq!(
        world.dial_failures(1),
        [Code::UnknownIssuer],
        "verified again, and refused by then"
    );
}

/// Nodes that differ in one thing refuse each other by its name, whoever dials.
#[test]
fn every_difference_has_its_code_on_both_sides() {
    type Differ = fn(&mut Options);
    let cases: [(Differ, Code); 3] = [
        (
            |it| it.cluster = "other".to_owned(),
            Code::ClusterNameMismatch,
        ),
        (
            |it| it.cluster_id = Some("green".to_owned()),
            Code::ClusterIdMismatch,
        ),
        (|it| it.id = options(0, false).id, Code::MemberIdInUse),
    ];
    for (differ, code) in cases {
        for tls in [false, true] {
            let mut contact = options(0, tls);
            contact.cluster_id = Some("blue".to_owned());
            let mut joiner = options(1, tls);
            differ(&mut joiner);
            let mut world = World::new(vec![contact, joiner]);
            world.join(1, 0);
            assert_refused(&world, 0, 1, code);
            let [here, there] = [0, 1].map(|n| world.refused_names(n));
            assert!(here[0].is_some() && here == there, "{here:?}, {there:?}");
            let permanent = matches!(
                world.outcomes(1)[..],
                [JoinOutcome::Refused { code: told, is_permanent: true, .. }] if told == code
            );
            assert!(permanent, "{code}");
        }
    }
}

#[test]
fn a_cluster_id_binds_only_where_both_have_one() {
    for tls in [false, true] {
        let mut contact = options(0, tls);
        contact.cluster_id = Some("blue".to_owned());
        let mut world = World::new(vec![contact, options(1, tls)]);
        world.join(1, 0);
        assert!(world.joined(1));
    }
}

/// What a hello may not say, in the order in which it is judged.
#[test]
fn every_hello_that_does_not_fit_has_its_code() {
    type Spoil = fn(&mut Hello);
    let cases: [(&str, Spoil, Code); 5] = [
        (
            "the other mode",
            |it| it.tls = !it.tls,
            Code::SecurityMismatch,
        ),
        (
            "other protocols",
            |it| (it.protocols.min, it.protocols.max) = (8, 9),
            Code::ProtocolMismatch,
        ),
        (
            "an introduction too many or too few",
            |it| {
                it.introduction = it
                    .introduction
                    .is_none()
                    .then_some(IntroductionHash([1; 32]))
            },
            Code::ProtocolViolation,
        ),
        (
            "another purpose",
            |it| it.purpose = Purpose::Member,
            Code::ProtocolViolation,
        ),
        (
            "our own id",
            |it| it.id = options(usize::from(it.id.as_str() == "0"), false).id,
            Code::MemberIdInUse,
        ),
    ];
    for (what, spoil, code) in cases {
        for mut world in World::both(2) {
            // The dialer's hello reaches the listener as it was said; the listener's does not.
            world.meddle = Some(Box::new(move |from, frame| {
                if let (0, Frame::Hello { hello, .. }) = (from, frame) {
                    let mut said = Hello::decode(hello).unwrap();
                    spoil(&mut said);
                    *hello = said.encode();
                }
                true
            }));
            world.join(1, 0);
            assert_eq!(world.refusals(1, true), [(code, None)], "{what}");
            assert_eq!(world.refusals(0, false), [(code, None)], "{what}");
        }
    }
    for mut world in World::both(2) {
        world.meddle = Some(Box::new(|_, frame| {
            if let Frame::Hello { hello, .. } = frame {
                hello.push(0);
            }
            true
        }));
        world.join(1, 0);
        assert_refused(&world, 0, 1, Code::ProtocolViolation);
    }
}

#[test]
fn tls_and_plaintext_nodes_do_not_meet() {
    let mut world = World::new(vec![options(0, false), options(1, true)]);
    world.join(1, 0);
    world.join(0, 1);
    for n in 0..2 {
        assert!(matches!(
            world.outcomes(n)[..],
            [JoinOutcome::Refused {
                code: Code::SecurityMismatch,
                is_permanent: true,
                ..
            }]
        ));
        world.assert_idle(n);
    }
}

#[test]
fn a_silent_caller_is_cut_off_at_the_deadline() {
    for mut world in World::both(1) {
        let link = world.stranger(0, ip(1));
        world.pass(Duration::from_secs(9));
        assert!(world.frames.is_empty());
        world.pass(Duration::from_secs(1));
        assert_eq!(world.refusals(0, true), [(Code::HandshakeTimeout, None)]);
        assert_eq!(world.sent(0), ["Refused"]);
        world.inject(0, link, Frame::Ready);
        assert!(
            world.nodes[0].errors.is_empty(),
            "what comes late is ignored"
        );
        world.assert_idle(0);
    }
}

/// Whichever frame of a join is lost: both ends come to an end by themselves, once, and nothing is left.
#[test]
fn no_lost_frame_leaves_anything_behind() {
    for tls in [false, true] {
        for lost in 0..20 {
            let mut world = if tls { World::tls(2) } else { World::plain(2) };
            let count = Rc::new(Cell::new(0));
            let counted = Rc::clone(&count);
            world.meddle = Some(Box::new(move |_, _| {
                counted.set(counted.get() + 1);
                counted.get() != lost + 1
            }));
            world.join(1, 0);
            world.pass(Duration::from_secs(60));
            assert_eq!(
                world.outcomes(1).len(),
                1,
                "frame {lost} of {}",
                count.get()
            );
            (0..2).for_each(|n| world.assert_idle(n));
        }
    }
}

#[test]
fn a_caller_may_say_nothing_but_hello_at_first() {
    for mut world in World::both(2) {
        for frame in one_of_each() {
            let link = world.stranger(0, ip(1));
            let name = frame.name();
            world.inject(0, link, frame);
            match name {
                "Bye" | "Refused" => assert!(world.nodes[0].errors.is_empty()),
                _ => {
                    let error = FrameError {
                        frame: name,
                        code: Code::ProtocolViolation,
                    };
                    assert_eq!(world.nodes[0].errors.pop(), Some(error));
                }
            }
            world.assert_idle(0);
        }
        assert!(world.nodes[0].inbox.is_empty());
        assert!(
            world
                .frames
                .iter()
                .all(|(_, frame)| matches!(frame, Frame::Refused { .. } | Frame::Bye))
        );
    }
}

#[test]
fn frames_of_the_handshake_are_out_of_place_afterwards() {
    for mut world in World::both(2) {
        world.hold(0, 1);
        for frame in one_of_each() {
            let link = world.dial_member(1, 0);
            let name = frame.name();
            let is_over = name.starts_with("Join")
                || matches!(
                    name,
                    "Hello" | "Introduction" | "Ready" | "WantIntroduction"
                );
            world.inject(1, link, frame);
            assert_eq!(world.nodes[1].errors.pop().is_some(), is_over, "{name}");
        }
        let ours = world.nodes[1].inbox.iter().map(|(_, frame)| frame.name());
        assert!(ours.eq(["Body", "Bye", "Keys", "Page", "Probe", "Same", "Want"]));
    }
}

#[test]
fn an_introduction_is_shown_once_and_only_after_a_hello() {
    let mut world = World::tls(2);
    world.meddle = Some(Box::new(|_, frame| {
        !matches!(frame, Frame::Introduction(_))
    }));
    world.join(1, 0);
    assert_eq!(world.sent(1), ["Hello", "Introduction"]);
    world.inject(1, LinkId::dialed(0), Frame::WantIntroduction);
    assert_eq!(world.nodes[1].errors.len(), 1);
    assert_eq!(world.sent(1), ["Hello", "Introduction", "Refused"]);
}

#[test]
fn nobody_is_let_in_before_there_is_an_identity() {
    for mut world in World::both(2) {
        world.nodes[0].admission.local.identity = None;
        world.join(1, 0);
        assert!(matches!(world.outcomes(1)[..], [JoinOutcome::Busy { .. }]));
        world.join(0, 1);
        assert!(matches!(world.outcomes(0)[..], [JoinOutcome::Busy { .. }]));
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_connection_is_closed_with_a_reason_or_with_goodbye() {
    for mut world in World::both(2) {
        world.hold(0, 1);
        let link = world.dial_member(1, 0);
        let now = world.now;
        world.nodes[1]
            .admission
            .close(now, link, Some(Code::Overflow));
        world.run();
        assert_eq!(world.refusals(0, false), [(Code::Overflow, None)]);
        let link = world.dial_member(1, 0);
        world.nodes[1].admission.close(now, link, None);
        world.run();
        assert_eq!(
            world.nodes[0].inbox.last().map(|(_, frame)| frame.name()),
            Some("Bye")
        );
        assert!(world.nodes[1].admission.links.is_empty());
    }
}

#[test]
fn a_dial_that_is_given_up_is_taken_back() {
    for mut world in World::both(2) {
        world.black_holes.insert(world.nodes[1].addr);
        let link = world.dial_member(0, 1);
        world.pass(Duration::from_secs(20));
        assert_eq!(world.dial_failures(0), [Code::Unreachable]);
        assert!(world.closed.contains(&(0, link)));
        world.assert_idle(0);
    }
}

fn one_of_each() -> Vec<Frame> {
    let join = JoinId([0; 16]);
    let introduction = Introduction {
        fields: vec![1],
        chain: vec![vec![2]],
        scheme: 3,
        signature: vec![4],
    };
    vec![
        Frame::Body(vec![]),
        Frame::Bye,
        Frame::Hello {
            hello: vec![],
            proof: vec![],
        },
        Frame::Introduction(introduction),
        Frame::JoinAccept {
            join,
            ring: WireKeyring::default(),
            token: None,
        },
        Frame::JoinDone {
            join,
            ring: WireKeyring::default(),
        },
        Frame::JoinRefused {
            join,
            code: Code::Busy,
            cause: None,
            address: None,
        },
        Frame::JoinRequest {
            join,
            record: vec![],
            token: None,
        },
        Frame::JoinRetry {
            join,
            generation: 1,
        },
        Frame::Keys(WireKeyring {
            floor: 0,
            keys: vec![WireKey {
                epoch: 1,
                secret: [0; 32],
            }],
        }),
        Frame::Page {
            entries: Vec::<PageEntry>::new(),
            last: true,
        },
        Frame::Probe { probe: 1, view: 2 },
        Frame::Ready,
        Frame::Refused {
            code: Code::Busy,
            after_ms: 0,
        },
        Frame::Same,
        Frame::Want(vec![]),
        Frame::WantIntroduction,
    ]
}

#[test]
fn a_handshake_that_shows_the_former_certificate_goes_with_the_former_introduction() {
    let mut world = World::tls(2);
    world.join(1, 0);
    world.renew_before_tls(0);
    let id = world.id(1);
    world.nodes[0].held.insert((id, Generation::new(1)));
    let before = world.proven(1).len();
    world.dial_member(1, 0);
    assert_eq!(world.proven(1).len(), before + 1);
    assert!(world.refusals(1, true).is_empty() && world.refusals(0, true).is_empty());
}
