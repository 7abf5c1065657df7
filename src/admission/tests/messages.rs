//! Connections for messages: proven as any other, and then no concern of admission's.

use super::super::*;
use super::connection::assert_refused;
use super::world::World;

#[test]
fn a_connection_for_messages_is_handed_over_once_both_ends_are_proven() {
    for mut world in World::both(2) {
        world.hold(0, 1);
        let link = world.dial_for_messages(1, 0);
        let [(dialed, listener)] = &world.handed_over(1)[..] else {
            panic!("handed over once");
        };
        let [(accepted, dialer)] = &world.handed_over(0)[..] else {
            panic!("handed over once");
        };
        assert_eq!((*dialed, &listener.id), (link, &world.id(0)));
        assert_eq!(dialer.id, world.id(1));
        assert_eq!(dialer.introduction, world.introduction(1));
        assert_eq!(world.sent(1).last(), Some(&"Ready"), "its first bytes");
        let accepted = *accepted;
        // Frames have no place there any more, and nobody is told of its end in one.
        let said = world.frames.len();
        world.inject(0, accepted, Frame::Same);
        world.inject(1, link, Frame::Bye);
        assert!(world.nodes.iter().all(|node| node.inbox.is_empty()));
        world.nodes[1].admission.close(world.now, link, None);
        world.run();
        assert_eq!(world.frames.len(), said);
        assert_eq!(world.closed, [(1, link)]);
        (0..2).for_each(|n| world.assert_idle(n));
        assert!(world.nodes[0].admission.links.is_empty());
    }
}

#[test]
fn no_frame_of_membership_passes_on_a_connection_for_messages() {
    let mut world = World::tls(2);
    world.hold(0, 1);
    world.dial_for_messages(1, 0);
    let alien = |(_, frame): &(usize, Frame)| {
        !matches!(
            frame,
            Frame::Hello { .. } | Frame::Introduction(_) | Frame::Ready | Frame::WantIntroduction
        )
    };
    assert!(!world.frames.iter().any(alien), "{:?}", world.frames);
}

#[test]
fn who_is_not_proven_or_not_held_gets_no_connection_for_messages() {
    let mut world = World::tls(2);
    world.hold(0, 1);
    world.is_relayed = true;
    world.dial_for_messages(1, 0);
    assert_eq!(world.dial_failures(1), [Code::ConnectionNotBound]);
    assert_refused(&world, 0, 1, Code::ConnectionNotBound);
    for mut world in World::both(3) {
        world.dial_for_messages(1, 0);
        assert_eq!(world.dial_failures(1), [Code::JoinFirst]);
        world.hold(2, 0);
        world.diverted.insert(world.nodes[1].addr, 2);
        world.dial_for_messages(0, 1);
        assert_eq!(world.dial_failures(0), [Code::WrongMember]);
        assert!((0..3).all(|n| world.handed_over(n).is_empty()));
        // Whoever has answered may be no member here.
        world.diverted.clear();
        world.hold(0, 1);
        world.nodes[1].verdict_on_listeners = Err(Code::MemberIdInUse);
        world.dial_for_messages(1, 0);
        assert_eq!(world.dial_failures(1).last(), Some(&Code::MemberIdInUse));
        assert!((0..3).all(|n| world.handed_over(n).is_empty()));
    }
}
