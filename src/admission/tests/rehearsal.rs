//! Rehearsed joins: the verdict of a join, of which nothing comes.

use super::super::*;
use super::world::{World, options};

fn rehearsed(
    world: &World,
    refused: Option<(Code, Option<Code>)>,
    at: Option<SocketAddr>,
) -> JoinOutcome {
    JoinOutcome::Rehearsed {
        clock: world.now,
        refused,
        dialed_back: at,
    }
}

#[test]
fn a_rehearsal_goes_as_far_as_the_dial_back_and_leaves_nothing() {
    for mut world in World::both(2) {
        world.rehearse(1, 0);
        assert_eq!(world.outcomes(1), [rehearsed(&world, None, None)]);
        let names = world.frames.iter().map(|(_, frame)| frame.name());
        let names: Vec<_> = names.collect();
        for absent in ["JoinRequest", "JoinAccept", "Page", "Keys"] {
            assert!(!names.contains(&absent), "{names:?}");
        }
        assert!(world.committed(0).is_empty() && world.proven(0).is_empty());
        let credentials = &world.nodes[1]
            .admission
            .local
            .identity
            .as_ref()
            .unwrap()
            .credentials;
        if let Some(shown) = credentials {
            let tag = shown.introduction.hash().tag();
            let held = world.nodes[0].admission.introduced(world.now, &tag);
            assert!(held.is_none(), "the contact keeps nothing of a guest");
        }
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_rehearsal_is_refused_as_the_join_would_be() {
    for mut world in World::both(2) {
        world.nodes[0].verdict = JoinVerdict::Refuse(Code::GenerationTooFar);
        world.rehearse(1, 0);
        let expected = rehearsed(&world, Some((Code::GenerationTooFar, None)), None);
        assert_eq!(world.outcomes(1), [expected]);
        assert_eq!(world.refusals(0, true), [(Code::GenerationTooFar, None)]);
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_rehearsal_tells_that_the_advertised_address_is_not_answered() {
    for mut world in World::both(2) {
        let advertised = world.nodes[1].addr;
        world.nodes[1].addr.set_port(9);
        world.rehearse(1, 0);
        let refused = Some((Code::DialBackFailed, Some(Code::Unreachable)));
        let expected = rehearsed(&world, refused, Some(advertised));
        assert_eq!(world.outcomes(1), [expected]);
    }
}

#[test]
fn a_rehearsal_learns_which_generation_would_do() {
    for mut world in World::both(2) {
        let min = crate::member::Generation::new(7);
        world.nodes[0].verdict = JoinVerdict::Retry(min);
        world.rehearse(1, 0);
        assert_eq!(world.outcomes(1), [JoinOutcome::Retry { min }]);
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn the_contacts_own_id_is_refused_before_anything_is_judged() {
    for tls in [false, true] {
        let mut twin = options(1, tls);
        twin.id = options(0, tls).id;
        let mut world = World::new(vec![options(0, tls), twin]);
        world.rehearse(1, 0);
        let [JoinOutcome::Refused { code, .. }] = world.outcomes(1)[..] else {
            panic!("{:?}", world.outcomes(1));
        };
        assert_eq!(code, Code::MemberIdInUse);
    }
}

/// A contact that took a rehearsal for a join would let in who does not want in.
#[test]
fn a_contact_that_answers_a_rehearsal_with_its_view_breaks_the_protocol() {
    for mut world in World::both(2) {
        world.meddle = Some(Box::new(|_, frame| {
            if let Frame::Rehearse { join, record, .. } = frame {
                *frame = Frame::JoinRequest {
                    join: *join,
                    record: record.clone(),
                    token: None,
                };
            }
            true
        }));
        world.rehearse(1, 0);
        assert_eq!(world.nodes[1].errors.len(), 1);
        assert!(world.proven(1).is_empty() && world.committed(0).is_empty());
    }
}

/// A check proves both ends to each other, and neither has a connection or a member more than before.
#[test]
fn a_check_proves_both_ends_and_leaves_nothing() {
    for mut world in World::both(2) {
        check(&mut world, 1, 0);
        assert_eq!(checked(&world, 1), [None]);
        assert!(world.proven(0).is_empty() && world.proven(1).is_empty());
        assert!(world.refusals(0, true).is_empty());
        (0..2).for_each(|n| world.assert_idle(n));
    }
}

#[test]
fn a_check_tells_which_end_refuses_the_other() {
    for mut world in World::both(2) {
        world.nodes[0].admission.set_leaving(world.now);
        check(&mut world, 1, 0);
        check(&mut world, 0, 1);
        let [Some(refused)] = &checked(&world, 1)[..] else {
            panic!("the other is leaving");
        };
        assert_eq!((refused.code, refused.by_peer), (Code::Leaving, true));
    }
}

#[test]
fn a_check_that_nobody_answers_ends_in_time() {
    for mut world in World::both(2) {
        let addr = world.nodes[0].addr;
        world.black_holes.insert(addr);
        check(&mut world, 1, 0);
        world.pass(DIAL_BACK_TIMEOUT);
        let [Some(silent)] = &checked(&world, 1)[..] else {
            panic!("nobody answers");
        };
        assert_eq!(
            (silent.code, silent.by_peer),
            (Code::HandshakeTimeout, false)
        );
    }
}

fn check(world: &mut World, from: usize, to: usize) {
    let (id, addr) = (world.id(to), world.nodes[to].addr);
    let admission = &mut world.nodes[from].admission;
    admission.check_member(world.now, 1, &id, addr);
    world.run();
}

/// What came of the checks of a node: the first word on each counts.
fn checked(world: &World, n: usize) -> Vec<Option<crate::wire::frame::Fault>> {
    let events = world.nodes[n].events.iter();
    let faults = events.filter_map(|event| match event {
        Action::Checked { fault, .. } => Some(fault.clone()),
        _ => None,
    });
    faults.take(1).collect()
}
