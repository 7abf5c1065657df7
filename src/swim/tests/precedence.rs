//! What each update does to what is held, for every pair.

use super::*;

/// `a` at 1.1 in each state, held by `me`, who also knows `b`.
fn holds(held: MemberState) -> Swim {
    let mut swim = knows(Params::lan(), &[record("a", 1, 1), record("b", 1, 0)]);
    match held {
        MemberState::Alive => {}
        MemberState::Suspect => say(&mut swim, accusation("a", (1, 1), Verdict::Suspect, "b")),
        MemberState::Dead => say(&mut swim, accusation("a", (1, 1), Verdict::Dead, "b")),
        MemberState::Left => say(&mut swim, encode_record(&left("a", 1, 1), &[])),
    }
    assert_eq!(state(&swim, "a"), Some(held));
    drain(&mut swim);
    swim
}

fn say(swim: &mut Swim, update: Vec<u8>) {
    hear(swim, START, "b", &Message::Gossip, &[update]);
}

fn update(said: MemberState, generation: u64, incarnation: u32) -> Vec<u8> {
    let version = (generation, incarnation);
    match said {
        MemberState::Alive => encode_record(&record("a", generation, incarnation), &[]),
        MemberState::Suspect => accusation("a", version, Verdict::Suspect, "c"),
        MemberState::Dead => accusation("a", version, Verdict::Dead, "c"),
        MemberState::Left => encode_record(&left("a", generation, incarnation), &[]),
    }
}

const STATES: [MemberState; 4] = [
    MemberState::Alive,
    MemberState::Suspect,
    MemberState::Dead,
    MemberState::Left,
];

#[test]
fn at_the_version_held_the_states_rank_left_dead_suspect_alive() {
    for held in STATES {
        for said in STATES {
            let mut swim = holds(held);
            say(&mut swim, update(said, 1, 1));
            assert_eq!(
                state(&swim, "a"),
                Some(held.max(said)),
                "{said} over {held}"
            );
            let told = events(&mut swim).len();
            let changes = usize::from(said > held && held.is_live());
            assert_eq!(told, changes, "events of {said} over {held}");
        }
    }
}

#[test]
fn below_the_version_held_nothing_counts() {
    for held in STATES {
        for said in STATES {
            for (generation, incarnation) in [(1, 0), (0, 9)] {
                let mut swim = holds(held);
                say(&mut swim, update(said, generation, incarnation));
                assert_eq!(state(&swim, "a"), Some(held), "{said} over {held}");
                assert_eq!(drain(&mut swim), []);
                assert_eq!(
                    swim.stats().updates_news,
                    u64::from(held != MemberState::Alive)
                );
            }
        }
    }
}

#[test]
fn above_the_version_held_records_count_and_accusations_do_not() {
    for held in STATES {
        for said in STATES {
            for (generation, incarnation) in [(1, 2), (2, 0)] {
                let mut swim = holds(held);
                say(&mut swim, update(said, generation, incarnation));
                let expected = match said {
                    MemberState::Alive | MemberState::Left => said,
                    MemberState::Suspect | MemberState::Dead => held,
                };
                assert_eq!(state(&swim, "a"), Some(expected), "{said} over {held}");
            }
        }
    }
}

#[test]
fn only_an_alive_record_adds_a_member() {
    for said in STATES {
        let mut swim = knows(Params::lan(), &[record("b", 1, 0)]);
        say(&mut swim, update(said, 1, 1));
        let expected = (said == MemberState::Alive).then_some(said);
        assert_eq!(state(&swim, "a"), expected);
        assert_eq!(events(&mut swim).len(), usize::from(expected.is_some()));
    }
}

#[test]
fn a_new_life_ends_the_old_one_in_the_stream() {
    let mut swim = holds(MemberState::Alive);
    let newer = record("a", 2, 0);
    say(&mut swim, encode_record(&newer, &[]));
    let died = Event::Died {
        record: record("a", 1, 1),
        by: id("a"),
    };
    assert_eq!(events(&mut swim), [died, Event::Joined(newer)]);
}

#[test]
fn a_refutation_ends_the_suspicion_and_its_timer() {
    let mut swim = holds(MemberState::Suspect);
    say(&mut swim, update(MemberState::Alive, 1, 2));
    assert_eq!(events(&mut swim), [Event::Alive(record("a", 1, 2))]);
    assert_eq!(swim.suspicions.next_timeout(), None);
}

#[test]
fn a_member_does_not_accuse_itself_and_our_echo_confirms_nothing() {
    let mut swim = holds(MemberState::Alive);
    say(&mut swim, accusation("a", (1, 1), Verdict::Suspect, "a"));
    assert_eq!(state(&swim, "a"), Some(MemberState::Alive));
    let mut swim = knows(
        Params::lan(),
        &[record("a", 1, 1), record("b", 1, 0), record("c", 1, 0)],
    );
    say(&mut swim, accusation("a", (1, 1), Verdict::Suspect, "b"));
    let deadline = swim.suspicions.next_timeout();
    say(&mut swim, accusation("a", (1, 1), Verdict::Suspect, "me"));
    assert_eq!(swim.suspicions.next_timeout(), deadline);
    say(&mut swim, accusation("a", (1, 1), Verdict::Suspect, "c"));
    assert!(swim.suspicions.next_timeout() < deadline);
}

#[test]
fn the_view_hash_counts_the_live_and_forgets_the_others() {
    let mut swim = knows(Params::lan(), &[record("b", 1, 0)]);
    let before = swim.view_hash();
    say(&mut swim, update(MemberState::Alive, 1, 1));
    let with_a = swim.view_hash();
    assert_ne!(with_a, before);
    say(&mut swim, update(MemberState::Suspect, 1, 1));
    assert_eq!(swim.view_hash(), with_a);
    say(&mut swim, update(MemberState::Dead, 1, 1));
    assert_eq!(swim.view_hash(), before);
    say(&mut swim, update(MemberState::Alive, 1, 2));
    assert_ne!(swim.view_hash(), with_a);
}

#[test]
fn tombstones_are_forgotten_after_their_time_and_beyond_their_number() {
    let mut swim = holds(MemberState::Dead);
    let ttl = swim.params().tombstone_ttl;
    swim.handle_timeout(START + ttl - Duration::from_micros(1));
    assert_eq!(state(&swim, "a"), Some(MemberState::Dead));
    swim.handle_timeout(START + ttl);
    assert_eq!(state(&swim, "a"), None);
    assert!(drain(&mut swim).contains(&Action::Forgot(id("a"))));

    let mut swim = knows(Params::lan(), &[record("b", 1, 0)]);
    let tombstones_max = 2 * 2 + TOMBSTONES_EXTRA_MAX;
    for number in 0..=tombstones_max {
        let name = format!("x{number}");
        hear_record(&mut swim, START, &record(&name, 1, 0));
        say(&mut swim, accusation(&name, (1, 0), Verdict::Dead, "b"));
    }
    assert_eq!(swim.tombstones_len(), tombstones_max);
    assert_eq!(state(&swim, "x0"), None);
    assert!(swim.queue_len() <= tombstones_max + 2);
}

#[test]
fn a_ghost_that_outlived_its_tombstone_is_buried_again_by_the_probe() {
    let mut swim = holds(MemberState::Dead);
    let late = START + swim.params().tombstone_ttl;
    swim.handle_timeout(late);
    hear(
        &mut swim,
        late,
        "b",
        &Message::Gossip,
        &[update(MemberState::Alive, 1, 1)],
    );
    assert_eq!(state(&swim, "a"), Some(MemberState::Alive));
    run_until(&mut swim, late + Duration::from_secs(30));
    assert_eq!(state(&swim, "a"), Some(MemberState::Dead));
}

#[test]
fn no_more_than_members_max_are_held() {
    let mut swim = Swim::new(START, Params::lan(), record("me", 1, 0), 7);
    for number in 0..MEMBERS_MAX {
        hear_record(&mut swim, START, &record(&format!("x{number}"), 1, 0));
        drain(&mut swim);
    }
    hear_record(&mut swim, START, &record("one-more", 1, 0));
    assert_eq!(state(&swim, "one-more"), None);
    assert_eq!(swim.live_len(), MEMBERS_MAX + 1);
    assert_eq!(swim.stats().members_refused, 1);
}
