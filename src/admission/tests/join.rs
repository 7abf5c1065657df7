//! Joining: who is let in, who is not, and what is left when it breaks off.

use std::time::Duration;

use super::super::*;
use super::world::{World, options, seed};
use crate::member::Generation;
use crate::wire::frame::{WireKey, WireKeyring};

fn refused(code: Code, cause: Option<Code>) -> impl Fn(&JoinOutcome) -> bool {
    move |outcome| matches!(outcome, JoinOutcome::Refused { code: c, cause: d, .. } if (*c, *d) == (code, cause))
}

#[test]
fn a_joiner_is_met_where_it_says_it_is_and_let_in() {
    for mut world in World::both(2) {
        let tls = world.nodes[0].trust.is_some();
        world.join(1, 0);
        assert!(world.joined(1));
        assert_eq!(world.committed(0), [world.id(1)]);
        assert_eq!(world.nodes[1].inbox.len(), 2, "both pages are handed up");
        let record = |event: &Action| match event {
            Action::Committed { record, .. } => Some(record.clone()),
            _ => None,
        };
        let committed: Vec<_> = world.nodes[0].events.iter().filter_map(record).collect();
        assert_eq!(committed, [world.record(1)], "the record as it came");
        let keys = |event: &Action| match event {
            Action::Accepted { ring, .. } => Some(ring.keys.clone()),
            _ => None,
        };
        let keys: Vec<_> = world.nodes[1].events.iter().find_map(keys).unwrap();
        assert_eq!(!keys.is_empty(), tls, "keys travel over TLS only");
        for n in 0..2 {
            assert_eq!(world.proven(n).len(), 1);
            assert!(world.refusals(n, true).is_empty() && world.refusals(n, false).is_empty());
            world.assert_idle(n);
        }
    }
}

#[test]
fn the_frames_of_a_join_are_these() {
    let mut world = World::tls(2);
    world.join(1, 0);
    let names: Vec<_> = world
        .frames
        .iter()
        .map(|(from, frame)| (*from, frame.name()))
        .collect();
    let expected = [
        (1, "Hello"),
        (0, "WantIntroduction"),
        (1, "Introduction"),
        (0, "Hello"),
        (1, "WantIntroduction"),
        (0, "Introduction"),
        (1, "Ready"),
        (1, "JoinRequest"),
        (0, "Hello"), // the dial-back; both introductions are known by now
        (1, "Hello"),
        (0, "Ready"),
        (0, "Bye"), // it has served
        (0, "JoinAccept"),
        (0, "Page"),
        (0, "Page"),
        (1, "Bye"),
        (1, "JoinDone"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn two_nodes_that_join_each_other_at_once_both_succeed() {
    for mut world in World::both(2) {
        world.start_join(0, 1);
        world.start_join(1, 0);
        world.run();
        for n in 0..2 {
            assert!(world.joined(n));
            assert_eq!(world.committed(n), [world.id(1 - n)]);
            world.assert_idle(n);
        }
    }
}

#[test]
fn a_node_joins_through_several_contacts_at_once() {
    for mut world in World::both(4) {
        (1..4).for_each(|contact| world.start_join(0, contact));
        world.run();
        assert_eq!(world.outcomes(0), [JoinOutcome::Joined; 3]);
        assert!((1..4).all(|contact| world.committed(contact) == [world.id(0)]));
    }
}

#[test]
fn a_node_that_dials_itself_is_told_so_and_nobody_else() {
    for mut world in World::both(1) {
        world.join(0, 0);
        assert_eq!(world.outcomes(0), [JoinOutcome::OwnAddress]);
        assert!(world.refusals(0, true).is_empty() && world.refusals(0, false).is_empty());
        world.assert_idle(0);
    }
}

#[test]
fn another_node_under_the_contacts_own_id_is_refused() {
    for tls in [false, true] {
        let mut twin = options(1, tls);
        twin.id = options(0, tls).id;
        let mut world = World::new(vec![options(0, tls), twin]);
        world.join(1, 0);
        assert!(refused(Code::MemberIdInUse, None)(&world.outcomes(1)[0]));
        assert_eq!(world.refusals(0, true), [(Code::MemberIdInUse, None)]);
    }
}

#[test]
fn nobody_listens_where_the_joiner_says_it_is() {
    for mut world in World::both(2) {
        let advertised = world.nodes[1].addr;
        world.nodes[1].addr.set_port(9);
        world.join(1, 0);
        let outcome = JoinOutcome::Refused {
            code: Code::DialBackFailed,
            cause: Some(Code::Unreachable),
            dialed_back: Some(advertised),
            is_permanent: false,
        };
        assert_eq!(world.outcomes(1), [outcome]);
        let facts = [(Code::DialBackFailed, Some(Code::Unreachable))];
        assert_eq!(
            (world.refusals(0, true), world.refusals(1, false)),
            (facts.to_vec(), facts.to_vec())
        );
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_stand_in_at_the_advertised_address_is_found_out() {
    for mut world in World::both(3) {
        world.diverted.insert(world.nodes[1].addr, 2);
        world.join(1, 0);
        // Another node knows nothing of this join.
        assert!(refused(Code::DialBackFailed, Some(Code::NotPending))(
            &world.outcomes(1)[0]
        ));
        assert!(world.committed(0).is_empty());
        (0..3).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_stand_in_that_answers_the_dial_back_is_refused_by_the_contact() {
    for mut world in World::both(3) {
        // It comes from the same seed, so it asks under the same join id and with the same nonce. Its request is lost, so
        // that it waits for the dial-back that is meant for another.
        world.diverted.insert(world.nodes[1].addr, 2);
        world.nodes[2].admission.secrets = Secrets::new(seed(1));
        world.meddle = Some(Box::new(|from, frame| {
            from != 2 || !matches!(frame, Frame::JoinRequest { .. })
        }));
        world.join(2, 0);
        world.join(1, 0);
        assert!(refused(Code::DialBackFailed, Some(Code::WrongMember))(
            &world.outcomes(1)[0]
        ));
        assert!(world.committed(0).is_empty());
    }
}

#[test]
fn nobody_is_dialed_back_at_the_contacts_own_address() {
    for tls in [false, true] {
        let mut impostor = options(1, tls);
        impostor.advertised = options(0, tls).advertised;
        let mut world = World::new(vec![options(0, tls), impostor]);
        world.join(1, 0);
        assert!(refused(Code::DialBackFailed, Some(Code::OwnAddress))(
            &world.outcomes(1)[0]
        ));
    }
}

#[test]
fn same_host_dials_back_only_to_where_the_joiner_comes_from() {
    for tls in [false, true] {
        for (dial_back, is_let_in) in [
            (DialBack::SameHost, false),
            (DialBack::Any, true),
            (DialBack::Off, true),
        ] {
            let mut contact = options(0, tls);
            contact.dial_back = dial_back;
            let mut world = World::new(vec![contact, options(1, tls)]);
            // It advertises one address and comes from another.
            let advertised = world.nodes[1].addr;
            world.nodes[1].addr.set_ip(super::world::ip(7));
            world.diverted.insert(advertised, 1);
            world.join(1, 0);
            assert_eq!(world.joined(1), is_let_in, "{dial_back:?}");
            let dialed_back = world.nodes[0].admission.dialed > 0;
            assert_eq!(dialed_back, dial_back == DialBack::Any);
            if !is_let_in {
                assert!(refused(Code::DialBackFailed, None)(&world.outcomes(1)[0]));
            }
        }
    }
}

#[test]
fn a_low_generation_is_sent_back_three_times_at_most() {
    for mut world in World::both(2) {
        for generation in 2..=4 {
            world.nodes[0].verdict = JoinVerdict::Retry(Generation::new(generation));
            world.join(1, 0);
            let min = Generation::new(generation);
            assert_eq!(world.outcomes(1).last(), Some(&JoinOutcome::Retry { min }));
            world.identify(1, generation);
        }
        world.join(1, 0);
        assert!(refused(Code::TooManyRetries, None)(
            world.outcomes(1).last().unwrap()
        ));
        // Counted anew.
        world.join(1, 0);
        assert!(matches!(
            world.outcomes(1).last(),
            Some(JoinOutcome::Retry { .. })
        ));
        world.nodes[0].verdict = JoinVerdict::GoOn;
        world.join(1, 0);
        assert_eq!(world.outcomes(1).last(), Some(&JoinOutcome::Joined));
    }
}

#[test]
fn a_new_life_begins_all_joins_again_and_closes_the_connections_of_the_former() {
    for mut world in World::both(3) {
        world.join(0, 1);
        world.nodes[2].accepts = false;
        world.join(0, 2);
        world.identify(0, 9);
        let min = Generation::new(9);
        assert_eq!(
            world.outcomes(0),
            [JoinOutcome::Joined, JoinOutcome::Retry { min }]
        );
        assert!(world.nodes[0].admission.links.is_empty());
        assert_eq!(world.sent(0).last(), Some(&"Bye"));
        assert_eq!(
            world.nodes[1].inbox.last().map(|(_, frame)| frame.name()),
            Some("Bye")
        );
        world.assert_idle(2);
    }
}

#[test]
fn the_parent_refuses_a_join() {
    for mut world in World::both(2) {
        world.nodes[0].verdict = JoinVerdict::Refuse(Code::MemberIdInUse);
        world.join(1, 0);
        assert!(refused(Code::MemberIdInUse, None)(&world.outcomes(1)[0]));
        assert_eq!(world.refusals(0, true), [(Code::MemberIdInUse, None)]);
    }
}

/// Before the dialer has said that it is ready, so nothing but its hello has passed.
#[test]
fn the_parent_refuses_a_contact() {
    for mut world in World::both(2) {
        world.nodes[1].verdict_on_listeners = Err(Code::MemberIdInUse);
        world.join(1, 0);
        let is_busy = |outcome: &JoinOutcome| matches!(outcome, JoinOutcome::Busy { .. });
        assert!(is_busy(&world.outcomes(1)[0]), "it may do later");
        assert_eq!(world.refusals(1, true), [(Code::MemberIdInUse, None)]);
        assert_eq!(world.refusals(0, false), [(Code::MemberIdInUse, None)]);
        assert_eq!(world.sent(1).last(), Some(&"Refused"));
        assert!(!world.sent(1).contains(&"Ready"));
        for n in 0..2 {
            assert!(world.proven(n).is_empty());
            world.assert_idle(n);
        }
    }
}

#[test]
fn the_parent_finds_a_contact_wanting_when_its_view_has_come() {
    for mut world in World::both(2) {
        world.nodes[1].finishes = false;
        world.join(1, 0);
        let link = world.nodes[1].inbox[0].0;
        let (now, joiner) = (world.now, &mut world.nodes[1].admission);
        joiner.refuse_listener(now, link, Code::MemberIdInUse);
        world.run();
        assert!(matches!(world.outcomes(1)[..], [JoinOutcome::Busy { .. }]));
        assert_eq!(world.refusals(0, false), [(Code::MemberIdInUse, None)]);
        assert!(world.committed(0).is_empty());
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn the_parent_declines_a_joiner_that_was_met() {
    for mut world in World::both(2) {
        world.nodes[0].accepts = false;
        world.join(1, 0);
        let accept = |event: &Action| match event {
            Action::Accept { join, .. } => Some(*join),
            _ => None,
        };
        let join = world.nodes[0].events.iter().find_map(accept).unwrap();
        let after = Duration::from_secs(5);
        let (now, contact) = (world.now, &mut world.nodes[0].admission);
        contact.decline(now, join, after);
        world.run();
        assert_eq!(world.outcomes(1), [JoinOutcome::Busy { after }]);
        assert!(world.nodes[1].inbox.is_empty());
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn an_older_life_that_answers_at_its_address_keeps_its_id() {
    for tls in [false, true] {
        // Node 2 is a newer life of node 1's id, elsewhere.
        let mut newcomer = options(2, tls);
        newcomer.id = options(1, tls).id;
        let setup = || World::new(vec![options(0, tls), options(1, tls), newcomer.clone()]);
        let old = options(1, tls).advertised;

        let mut world = setup();
        world.identify(2, 5);
        world.nodes[0].verdict = JoinVerdict::AskOldAddress(old, None);
        world.join(2, 0);
        assert!(refused(Code::MemberIdInUse, None)(&world.outcomes(2)[0]));
        assert!(
            world.nodes[1].events.is_empty(),
            "the older life notices nothing"
        );
        (0..3).for_each(|n| world.assert_idle(n));

        let mut world = setup();
        world.identify(2, 5);
        world.nodes[0].verdict = JoinVerdict::AskOldAddress(old, None);
        world.kill(1);
        world.join(2, 0);
        assert!(world.joined(2), "nobody is there");

        let mut world = setup();
        world.identify(2, 5);
        world.nodes[0].verdict = JoinVerdict::AskOldAddress(old, None);
        world.black_holes.insert(old);
        world.join(2, 0);
        assert!(world.outcomes(2).is_empty());
        world.pass(ASK_TIMEOUT);
        assert!(world.joined(2), "nobody has answered in time");

        let mut world = setup();
        world.identify(2, 5);
        world.nodes[0].verdict = JoinVerdict::AskOldAddress(options(3, tls).advertised, None);
        world.add(options(3, tls));
        world.join(2, 0);
        assert!(world.joined(2), "somebody else lives there now");
    }
}

#[test]
fn a_contact_that_dies_before_its_view_has_passed_leaves_nothing_behind() {
    for mut world in World::both(2) {
        world.nodes[0].accepts = false;
        world.join(1, 0);
        world.kill(0);
        world.run();
        assert_eq!(
            world.outcomes(1),
            [JoinOutcome::Unreachable {
                code: Code::Unreachable
            }]
        );
        world.assert_idle(1);
    }
}

#[test]
fn a_contact_that_dies_while_its_pages_pass_leaves_nothing_behind() {
    for mut world in World::both(2) {
        world.nodes[1].finishes = false;
        world.join(1, 0);
        world.kill(0);
        world.run();
        assert_eq!(
            world.outcomes(1),
            [JoinOutcome::Unreachable {
                code: Code::Unreachable
            }]
        );
        world.assert_idle(1);
    }
}

#[test]
fn a_contact_that_dies_after_its_view_has_passed_has_let_the_joiner_in() {
    for mut world in World::both(2) {
        world.start_join(1, 0);
        while !world.joined(1) {
            assert!(world.step());
        }
        world.kill(0);
        world.run();
        assert!(world.joined(1));
        assert!(world.committed(0).is_empty());
        world.assert_idle(1);
    }
}

#[test]
fn a_joiner_that_dies_is_forgotten() {
    for accepts in [false, true] {
        for mut world in World::both(2) {
            world.nodes[0].accepts = accepts;
            world.nodes[1].finishes = false;
            world.join(1, 0);
            world.kill(1);
            world.run();
            assert!(world.committed(0).is_empty());
            world.assert_idle(0);
        }
    }
}

#[test]
fn a_joiner_that_never_finishes_is_forgotten_after_the_deadline() {
    for mut world in World::both(2) {
        world.nodes[1].finishes = false;
        world.join(1, 0);
        world.pass(PENDING_TIMEOUT);
        assert!(world.committed(0).is_empty());
        assert!(matches!(
            world.outcomes(1)[..],
            [JoinOutcome::Unreachable { .. }]
        ));
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_contact_that_never_answers_is_given_up() {
    for mut world in World::both(2) {
        world.meddle = Some(Box::new(|from, frame| {
            from == 1
                || !matches!(
                    frame,
                    Frame::JoinAccept { .. }
                        | Frame::Page { .. }
                        | Frame::Refused { .. }
                        | Frame::Bye
                )
        }));
        world.nodes[0].accepts = false;
        world.join(1, 0);
        world.pass(ANSWER_TIMEOUT);
        assert!(matches!(
            world.outcomes(1)[..],
            [JoinOutcome::Unreachable { .. }]
        ));
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_leaving_contact_refuses_newcomers_and_those_who_wait() {
    for mut world in World::both(3) {
        world.nodes[0].accepts = false;
        world.join(1, 0);
        let now = world.now;
        world.nodes[0].admission.set_leaving(now);
        world.run();
        world.join(2, 0);
        for joiner in [1, 2] {
            assert!(refused(Code::Leaving, None)(&world.outcomes(joiner)[0]));
        }
        world.assert_idle(0);
    }
}

#[test]
fn keys_never_travel_without_tls() {
    let mut world = World::plain(2);
    world.nodes[1].finishes = false;
    world.join(1, 0);
    let Some(Action::Accepted { join, link, .. }) = world.nodes[1]
        .events
        .iter()
        .find(|event| matches!(event, Action::Accepted { .. }))
        .cloned()
    else {
        panic!("accepted");
    };
    let now = world.now;
    let key = WireKey {
        epoch: 1,
        secret: [1; 32],
    };
    world.nodes[1].admission.join_done(
        now,
        join,
        WireKeyring {
            floor: 0,
            keys: vec![key.clone()],
        },
    );
    world.run();
    assert_eq!(world.committed(0), [world.id(1)]);
    assert!(world.frames.iter().all(|(_, frame)| match frame {
        Frame::JoinAccept { ring, .. } | Frame::JoinDone { ring, .. } => ring.keys.is_empty(),
        _ => true,
    }));
    // Nor are they taken.
    let mut world = World::plain(2);
    world.meddle = Some(Box::new(move |_, frame| {
        if let Frame::JoinAccept { ring, .. } = frame {
            ring.keys.push(key.clone());
        }
        true
    }));
    world.join(1, 0);
    assert!(refused(Code::ProtocolViolation, None)(
        &world.outcomes(1)[0]
    ));
    let _ = link;
}

#[test]
fn a_joiner_that_is_busy_elsewhere_does_not_hold_up_the_others() {
    let mut world = World::tls(3);
    world.black_holes.insert(world.nodes[1].addr);
    world.join(1, 0);
    world.join(2, 0);
    assert!(world.joined(2));
    world.pass(DIAL_BACK_TIMEOUT);
    assert!(refused(Code::DialBackFailed, Some(Code::Unreachable))(
        &world.outcomes(1)[0]
    ));
    world.pass(Duration::from_secs(1));
    world.assert_idle(0);
}
