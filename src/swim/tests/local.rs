//! What is said of ourselves, and what we answer.

use super::*;

fn me(swim: &Swim) -> (u64, u32) {
    let record = swim.local().record();
    (record.generation.get(), record.incarnation.get())
}

fn asked(swim: &mut Swim) -> Vec<u64> {
    let asked = drain(swim).into_iter().filter_map(|action| match action {
        Action::NeedsGeneration { above } => Some(above.get()),
        _ => None,
    });
    asked.collect()
}

#[test]
fn accusations_are_outranked_in_the_same_step_and_the_refutation_goes_out_at_once() {
    for verdict in [Verdict::Suspect, Verdict::Dead] {
        let mut swim = knows(Params::lan(), &[record("a", 1, 0), record("b", 1, 0)]);
        let charge = accusation("me", (1, 0), verdict, "b");
        hear(&mut swim, START, "a", &Message::Gossip, &[charge]);
        assert_eq!(me(&swim), (1, 1));
        assert_eq!((swim.awareness(), swim.stats().refutations), (1, 1));
        let refutation = encode_record(&record("me", 1, 1), &[]);
        let actions = drain(&mut swim);
        for to in ["a", "b"] {
            let told = |(name, body): &(&str, &[u8])| *name == to && body.ends_with(&refutation);
            assert!(sends(&actions).iter().any(told), "{to}");
        }
    }
}

#[test]
fn an_ack_to_a_ping_that_accuses_us_carries_the_refutation() {
    let params = Params {
        broadcast_disputes: false,
        ..Params::lan()
    };
    let mut swim = knows(params, &[record("a", 1, 0)]);
    let ping = Message::Ping { probe: 5, view: 0 };
    let charge = accusation("me", (1, 0), Verdict::Suspect, "a");
    hear(&mut swim, START, "a", &ping, &[charge]);
    let actions = drain(&mut swim);
    let [(to, answer)] = sends(&actions)[..] else {
        panic!("one answer: {actions:?}");
    };
    assert_eq!(to, "a");
    let answer = Body::decode(answer).unwrap();
    assert!(matches!(answer.message, Message::Ack { probe: 5, .. }));
    let first = answer.updates().next().unwrap().unwrap();
    assert!(matches!(first, UpdateRef::Record(said) if said.incarnation.get() == 1));
}

#[test]
fn accusations_of_other_versions() {
    const MAX: u32 = u32::MAX;
    const FAR: u32 = 5 + INCARNATION_JUMP_MAX;
    // our incarnation, the accused version, our version afterwards, the generation asked for
    let table = [
        (5, (1, 4), (1, 5), None),
        (5, (1, 5), (1, 6), None),
        (5, (1, 9), (1, 10), None),
        (5, (1, FAR), (1, FAR + 1), None),
        (5, (1, FAR + 1), (1, 5), None),
        (5, (0, 9), (1, 5), None),
        (5, (2, 0), (1, 5), None),
        (5, (1, MAX), (1, 5), None),
        (MAX - 1, (1, MAX - 1), (1, MAX), None),
        (MAX, (1, MAX), (1, MAX), Some(1)),
    ];
    for (ours, accused, after, generation) in table {
        let mut swim = Swim::new(START, Params::lan(), record("me", 1, ours), 7);
        hear_record(&mut swim, START, &record("a", 1, 0));
        drain(&mut swim);
        let charge = accusation("me", accused, Verdict::Dead, "a");
        hear(
            &mut swim,
            START,
            "a",
            &Message::Gossip,
            std::slice::from_ref(&charge),
        );
        hear(&mut swim, START, "a", &Message::Gossip, &[charge]);
        assert_eq!(me(&swim), after, "{accused:?} over {ours}");
        assert_eq!(
            asked(&mut swim),
            Vec::from_iter(generation),
            "{accused:?} over {ours}"
        );
    }
}

#[test]
fn records_of_ours_that_we_did_not_issue() {
    const MAX: u32 = u32::MAX;
    let forged = MemberRecord {
        addr: "10.9.9.9:1".parse().unwrap(),
        ..record("me", 1, 5)
    };
    let table = [
        (record("me", 1, 5), (1, 5), None),
        (record("me", 1, 4), (1, 5), None),
        (record("me", 0, 9), (1, 5), None),
        (record("me", 1, 6), (1, 7), None),
        (left("me", 1, 5), (1, 6), None),
        (forged, (1, 6), None),
        (record("me", 1, MAX), (1, 5), Some(1)),
        (record("me", 3, 0), (1, 5), Some(3)),
    ];
    for (theirs, after, generation) in table {
        let mut swim = Swim::new(START, Params::lan(), record("me", 1, 5), 7);
        hear_record(&mut swim, START, &record("a", 1, 0));
        drain(&mut swim);
        let update = encode_record(&theirs, &[]);
        hear(&mut swim, START, "a", &Message::Gossip, &[update]);
        assert_eq!(me(&swim), after, "{theirs:?}");
        assert_eq!(asked(&mut swim), Vec::from_iter(generation), "{theirs:?}");
    }
}

#[test]
fn a_change_of_our_own_raises_the_incarnation_and_a_new_life_is_taken_as_given() {
    let mut swim = knows(Params::lan(), &[record("a", 1, 0)]);
    let before = swim.view_hash();
    swim.set_local(START, record("me", 1, 99));
    assert_eq!(me(&swim), (1, 1));
    assert_ne!(swim.view_hash(), before);
    swim.set_local(START, record("me", 7, 0));
    assert_eq!(me(&swim), (7, 0));
    swim.set_local(START, record("me", 6, 0));
    assert_eq!(me(&swim), (7, 0));
}

#[test]
fn with_the_last_incarnation_a_change_asks_for_a_new_life() {
    let mut swim = Swim::new(START, Params::lan(), record("me", 1, u32::MAX), 7);
    swim.set_local(START, record("me", 1, 0));
    assert_eq!(asked(&mut swim), [1]);
    assert_eq!(me(&swim), (1, u32::MAX));
    swim.set_local(START, record("me", 2, 0));
    assert_eq!(me(&swim), (2, 0));
}

#[test]
fn changes_are_broadcast_where_asked_for() {
    for broadcast_updates in [false, true] {
        let params = Params {
            broadcast_updates,
            ..Params::lan()
        };
        let mut swim = knows(params, &[record("a", 1, 0), record("b", 1, 0)]);
        swim.set_local(START, record("me", 1, 0));
        let expected = if broadcast_updates { 2 } else { 0 };
        assert_eq!(sends(&drain(&mut swim)).len(), expected);
    }
}

#[test]
fn whoever_has_said_goodbye_refutes_no_more() {
    let mut swim = knows(Params::lan(), &[record("a", 1, 0)]);
    swim.leave(START);
    let charge = accusation("me", (1, 0), Verdict::Dead, "a");
    hear(&mut swim, START, "a", &Message::Gossip, &[charge]);
    assert_eq!(swim.local().version(), left("me", 1, 0).version());
}

#[test]
fn alone_the_farewell_is_over_at_once() {
    let mut swim = Swim::new(START, Params::lan(), record("me", 1, 0), 7);
    swim.leave(START);
    swim.leave(START);
    assert_eq!(drain(&mut swim), [Action::LeaveFinished { acks: 0 }]);
    assert_eq!(swim.next_timeout(), None);
}

#[test]
fn a_farewell_nobody_answers_ends_all_the_same() {
    let mut swim = knows(Params::lan(), &[record("a", 1, 0), record("b", 1, 0)]);
    swim.leave(START);
    let end = START + swim.params().probe_timeout * FAREWELLS_MAX;
    let actions = run_until(&mut swim, end);
    assert!(actions.contains(&Action::LeaveFinished { acks: 0 }));
}
