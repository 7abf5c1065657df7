//! Every table at its bound, and what waits its turn instead of being refused.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::*;
use super::world::{World, ip};
use crate::wire::hello::Introduction;

/// Joiners 1..=n come to node 0 and cannot be dialled back.
fn crowd(n: usize) -> World {
    let mut world = World::plain(n + 1);
    world.nodes[0].accepts = false;
    (1..=n).for_each(|joiner| world.start_join(joiner, 0));
    world
}

/// They come from one host, and dials to where they say they are go nowhere.
fn share_host(world: &mut World, nodes: std::ops::Range<usize>) {
    let host = world.nodes[nodes.start].addr.ip();
    for node in &mut world.nodes[nodes] {
        world.black_holes.insert(node.addr);
        node.addr.set_ip(host);
    }
}

fn dial_backs(world: &World) -> usize {
    usize::try_from(world.nodes[0].admission.dialed).unwrap()
}

#[test]
fn the_sixty_fifth_pending_join_is_told_when_to_come_back() {
    let mut world = crowd(PENDING_MAX + 2);
    world.run();
    let told: Vec<_> = (1..=PENDING_MAX + 2)
        .flat_map(|joiner| world.outcomes(joiner))
        .collect();
    let [
        JoinOutcome::Busy { after: first },
        JoinOutcome::Busy { after: second },
    ] = told[..]
    else {
        panic!("the last two are busy: {told:?}");
    };
    assert!(
        first >= Duration::from_millis(50) && first < second && second < Duration::from_secs(1)
    );
    assert_eq!(world.refusals(0, true), [(Code::Busy, None); 2]);
}

#[test]
fn one_source_has_four_joins_pending_at_most() {
    let n = PENDING_PER_SOURCE_MAX + 1;
    let mut world = World::plain(n + 1);
    share_host(&mut world, 1..n + 1);
    (1..=n).for_each(|joiner| world.start_join(joiner, 0));
    world.run();
    let busy = (1..=n).filter(|joiner| !world.outcomes(*joiner).is_empty());
    assert_eq!(busy.count(), 1);
}

#[test]
fn sixteen_are_dialed_back_at_once_and_the_others_wait() {
    let n = DIAL_BACKS_MAX + 8;
    let mut world = crowd(n);
    world.nodes[0].accepts = true;
    let advertised: Vec<_> = world.nodes[1..].iter().map(|node| node.addr).collect();
    world.black_holes.extend(&advertised[..DIAL_BACKS_MAX]);
    world.run();
    assert_eq!(dial_backs(&world), DIAL_BACKS_MAX);
    assert!(world.committed(0).is_empty());
    world.pass(DIAL_BACK_TIMEOUT);
    assert_eq!(world.committed(0).len(), 8, "those that waited are through");
    world.assert_idle(0);
}

#[test]
fn one_source_is_dialed_back_once_at_a_time() {
    let mut world = World::plain(4);
    share_host(&mut world, 1..4);
    (1..4).for_each(|joiner| world.start_join(joiner, 0));
    world.run();
    assert_eq!(dial_backs(&world), 1);
    world.pass(DIAL_BACK_TIMEOUT - Duration::from_secs(1));
    assert_eq!(dial_backs(&world), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(dial_backs(&world), 2);
    world.pass(PENDING_TIMEOUT);
    assert!((1..4).all(|joiner| world.outcomes(joiner).len() == 1));
    world.assert_idle(0);
}

#[test]
fn sixteen_introductions_are_verified_at_once_one_of_a_source() {
    let n = VERIFICATIONS_MAX + 3;
    let mut world = World::tls(n + 1);
    world.nodes[0].is_slow = true;
    // The last two come from the same host as the first.
    let host = world.nodes[1].addr.ip();
    (n - 1..=n).for_each(|joiner| world.nodes[joiner].addr.set_ip(host));
    let early: Vec<_> = [1, n - 1, n].into_iter().chain(2..n - 1).collect();
    early
        .into_iter()
        .for_each(|joiner| world.start_join(joiner, 0));
    world.run();
    let verifications = |world: &mut World| std::mem::take(&mut world.nodes[0].verifications);
    let first: Vec<(VerificationId, Introduction)> = verifications(&mut world);
    assert_eq!(first.len(), VERIFICATIONS_MAX);
    for (link, introduction) in first {
        world.verify(0, link, &introduction);
        let under_way = world.nodes[0].admission.introductions.under_way();
        assert!(under_way <= VERIFICATIONS_MAX);
    }
    let second = verifications(&mut world);
    assert_eq!(second.len(), 2, "the third of the host still waits");
    for (link, introduction) in second {
        world.verify(0, link, &introduction);
    }
    let third = verifications(&mut world);
    assert_eq!(third.len(), 1);
    world.verify(0, third[0].0, &third[0].1);
    assert!(world.refusals(0, true).is_empty());
}

#[test]
fn who_is_gone_is_not_verified_any_more() {
    let mut world = World::tls(3);
    world.nodes[0].is_slow = true;
    let host = world.nodes[1].addr.ip();
    world.nodes[2].addr.set_ip(host);
    world.join(1, 0);
    world.join(2, 0);
    world.kill(2);
    world.kill(1);
    world.run();
    let (link, introduction) = world.nodes[0].verifications.pop().unwrap();
    world.verify(0, link, &introduction);
    assert!(world.nodes[0].verifications.is_empty());
    world.assert_idle(0);
}

#[test]
fn a_peer_may_say_32_kib_before_it_is_proven() {
    let said = |pad: usize| {
        let mut world = World::tls(2);
        world.nodes[0].is_slow = true;
        let identity = world.nodes[1].admission.local.identity.as_mut().unwrap();
        let introduction = &mut identity.credentials.as_mut().unwrap().introduction;
        introduction.chain.push(vec![0; pad]);
        // Real ones differ in length.
        introduction.signature = vec![0; 64];
        world.join(1, 0);
        let frames = world.frames.iter().filter(|(from, _)| *from == 1);
        let len: usize = frames.map(|(_, frame)| frame.encode().len()).sum();
        (len, world.refusals(0, true))
    };
    let (least, _) = said(1_000);
    let pad = 1_000 + UNPROVEN_LEN_MAX - least;
    assert_eq!(said(pad), (UNPROVEN_LEN_MAX, vec![]));
    let too_much = (UNPROVEN_LEN_MAX + 1, vec![(Code::ProtocolViolation, None)]);
    assert_eq!(said(pad + 1), too_much);
}

#[test]
fn the_connections_that_are_not_usable_yet_are_bounded() {
    let mut world = World::plain(1);
    for n in 0..UNPROVEN_MAX {
        world.stranger(0, ip(u8::try_from(n % 200).unwrap()));
    }
    assert!(world.frames.is_empty());
    world.stranger(0, ip(201));
    assert!(matches!(
        world.frames[..],
        [(
            0,
            Frame::Refused {
                code: Code::Busy,
                after_ms: 1..
            }
        )]
    ));
}

#[test]
fn our_own_attempts_are_bounded() {
    let mut world = World::plain(ATTEMPTS_MAX + 2);
    world
        .black_holes
        .extend(world.nodes.iter().map(|node| node.addr));
    (1..=ATTEMPTS_MAX).for_each(|contact| world.join(0, contact));
    world.join(0, 1);
    assert!(
        world.outcomes(0).is_empty(),
        "an attempt at that address is under way"
    );
    world.join(0, ATTEMPTS_MAX + 1);
    assert!(matches!(world.outcomes(0)[..], [JoinOutcome::Busy { .. }]));
}

#[test]
fn a_thousand_nodes_join_through_one_within_seconds() {
    let n = 1_000;
    let mut world = World::plain(n + 1);
    let start = world.now;
    (1..=n).for_each(|joiner| world.start_join(joiner, 0));
    world.run();
    // Whoever is told to come back comes back then.
    let mut seen = vec![0; n + 1];
    let mut due: BTreeMap<Timestamp, Vec<usize>> = BTreeMap::new();
    loop {
        for joiner in 1..=n {
            let outcomes = world.outcomes(joiner);
            for outcome in &outcomes[seen[joiner]..] {
                if let JoinOutcome::Busy { after } = outcome {
                    due.entry(world.now + *after).or_default().push(joiner);
                }
            }
            seen[joiner] = outcomes.len();
        }
        let Some((at, joiners)) = due.pop_first() else {
            break;
        };
        world.pass(at.saturating_since(world.now));
        joiners.into_iter().for_each(|joiner| world.join(joiner, 0));
    }
    assert_eq!(world.committed(0).len(), n);
    let took = world.now.saturating_since(start);
    assert!(took < Duration::from_secs(3), "{took:?}");
    world.assert_idle(0);
}
