//! How two views come together, and what does not.

use super::*;
use crate::wire::frame::{PageEntry, WireVerdict};
use crate::wire::hash::id_hash;

fn entry(record: &MemberRecord, verdict: Option<WireVerdict>) -> PageEntry {
    PageEntry {
        record: encode_record(record, &[]),
        verdict,
    }
}

/// A member of this name that knows these others.
fn named(name: &str, others: &[MemberRecord]) -> Swim {
    let mut swim = Swim::new(START, Params::lan(), record(name, 1, 0), 7);
    for other in others {
        hear_record(&mut swim, START, other);
    }
    drain(&mut swim);
    swim
}

fn kill(swim: &mut Swim, name: &str) {
    let version = swim.member(name).unwrap().version();
    let version = (version.generation.get(), version.incarnation.get());
    let charge = accusation(name, version, Verdict::Dead, "x");
    let bytes = body(&Message::Gossip, &[charge]);
    hear_record(swim, START, &record("x", 1, 0));
    swim.handle_body(
        START,
        "x",
        Generation::new(1),
        &Body::decode(&bytes).unwrap(),
    )
    .unwrap();
    drain(swim);
}

#[test]
fn a_digest_tells_what_each_side_lacks() {
    let a = named(
        "a",
        &[
            record("b", 1, 0),
            record("same", 1, 0),
            record("old", 1, 0),
            record("new", 2, 0),
            record("ours", 1, 0),
        ],
    );
    let b = named(
        "b",
        &[
            record("a", 1, 0),
            record("same", 1, 0),
            record("old", 1, 1),
            record("new", 1, 9),
            record("theirs", 1, 0),
        ],
    );
    let difference = a.compare(&b.digest());
    assert_eq!(difference.want, [id_hash("old"), id_hash("theirs")]);
    let give: Vec<_> = difference
        .give
        .iter()
        .map(|entry| entry.record().unwrap().id)
        .collect();
    assert_eq!(give, ["new", "ours"]);
    let pages = b.pages_for(&difference.want);
    assert_eq!(
        pages,
        [
            entry(&record("old", 1, 1), None),
            entry(&record("theirs", 1, 0), None)
        ]
    );
}

#[test]
fn two_views_are_one_after_an_exchange() {
    let mut a = named("a", &[record("c", 1, 3), record("d", 1, 0)]);
    let mut b = named("b", &[record("c", 1, 1), record("e", 4, 0)]);
    let difference = a.compare(&b.digest());
    for entry in b.pages_for(&difference.want) {
        assert_eq!(a.merge(START, &id("b"), &entry), Ok(None));
    }
    for entry in difference.give {
        assert_eq!(b.merge(START, &id("a"), &entry), Ok(None));
    }
    assert_eq!(a.view_hash(), b.view_hash());
    assert!(a.compare(&b.digest()) == Difference::default());
    assert_eq!(a.live_len(), 5);
}

#[test]
fn the_whole_view_makes_a_joiner_know_everybody() {
    let contact = named("a", &[record("b", 1, 0), record("c", 1, 0)]);
    let mut joiner = named("j", &[]);
    for entry in contact.whole_view() {
        joiner.merge(START, &id("a"), &entry).unwrap();
    }
    assert_eq!(joiner.live_len(), 4);
    assert_eq!(contact.whole_view()[0], entry(&record("a", 1, 0), None));
}

#[test]
fn a_tombstone_travels_only_in_answer_to_a_record_it_supersedes() {
    let mut a = named("a", &[record("dead", 1, 1), record("gone", 1, 1)]);
    kill(&mut a, "dead");
    let goodbye = entry(&left("gone", 1, 1), None);
    a.merge(START, &id("x"), &goodbye).unwrap();
    assert_eq!(a.digest().len(), 2);
    assert_eq!(a.whole_view().len(), 2);
    assert_eq!(a.pages_for(&[id_hash("dead"), id_hash("gone")]), []);

    let mut death = entry(&record("dead", 1, 1), Some(WireVerdict::Dead));
    let b = named(
        "b",
        &[
            record("dead", 1, 1),
            record("gone", 1, 0),
            record("a", 1, 0),
            record("x", 1, 0),
        ],
    );
    let difference = a.compare(&b.digest());
    assert_eq!(difference.want, [id_hash("b")]);
    assert_eq!(difference.give, [death.clone(), goodbye.clone()]);

    for older in [
        record("dead", 1, 1),
        record("dead", 1, 0),
        record("dead", 0, 7),
    ] {
        let answer = a.merge(START, &id("x"), &entry(&older, None));
        assert_eq!(answer, Ok(Some(death.clone())), "{older:?}");
    }
    assert_eq!(a.merge(START, &id("x"), &death), Ok(None), "the same");

    // Newer, but dead as well: the tombstone follows, and nobody is brought back.
    death = entry(&record("dead", 1, 2), Some(WireVerdict::Dead));
    assert_eq!(a.merge(START, &id("x"), &death), Ok(None));
    assert_eq!(state(&a, "dead"), Some(MemberState::Dead));
    let answer = a.merge(START, &id("x"), &entry(&record("dead", 1, 2), None));
    assert_eq!(answer, Ok(Some(death)));
    assert_eq!(events(&mut a), [Event::Left(left("gone", 1, 1))]);
}

#[test]
fn nothing_dead_or_gone_is_added_for_an_unknown_member() {
    let mut a = named("a", &[]);
    for entry in [
        entry(&record("u", 1, 0), Some(WireVerdict::Dead)),
        entry(&left("u", 1, 0), None),
    ] {
        assert_eq!(a.merge(START, &id("b"), &entry), Ok(None));
        assert_eq!(state(&a, "u"), None);
    }
}

#[test]
fn whoever_was_not_believed_is_back_by_a_page_once_it_is_newer_and_not_before() {
    let mut a = named("a", &[record("c", 1, 0)]);
    a.distrust(START, "c");
    for (incarnation, expected) in [(0, MemberState::Dead), (1, MemberState::Alive)] {
        let page = entry(&record("c", 1, incarnation), None);
        a.merge(START, &id("c"), &page).unwrap();
        assert_eq!(state(&a, "c"), Some(expected));
    }
    assert_eq!(a.untrusted().count(), 0);
}

#[test]
fn a_death_learnt_by_push_pull_is_hearsay_that_its_subject_is_told() {
    for verdict in [WireVerdict::Suspect, WireVerdict::Dead] {
        let mut a = named("a", &[record("b", 1, 0), record("c", 1, 0)]);
        let death = entry(&record("c", 1, 0), Some(verdict));
        a.merge(START, &id("b"), &death).unwrap();
        a.handle_timeout(START);
        let actions = drain(&mut a);
        let charge = accusation("c", (1, 0), Verdict::Suspect, "b");
        let (to, first) = sends(&actions)[0];
        assert!(to == "c" && first.windows(charge.len()).any(|part| part == charge));
        let others = sends(&actions[1..]).into_iter();
        for (to, body) in others {
            assert!(
                !body.windows(charge.len()).any(|part| part == charge),
                "{to}"
            );
        }
        assert_eq!(state(&a, "c"), Some(MemberState::Alive));
    }
}

#[test]
fn a_death_learnt_by_push_pull_confirms_a_suspicion_and_a_doubt_does_not() {
    let others = ["b", "c", "d"].map(|name| record(name, 1, 0));
    let mut a = named("a", &others);
    let charge = accusation("c", (1, 0), Verdict::Suspect, "d");
    hear(&mut a, START, "d", &Message::Gossip, &[charge]);
    let deadline = a.suspicions.next_timeout();
    let doubt = entry(&record("c", 1, 0), Some(WireVerdict::Suspect));
    a.merge(START, &id("b"), &doubt).unwrap();
    assert_eq!(a.suspicions.next_timeout(), deadline);
    let death = entry(&record("c", 1, 0), Some(WireVerdict::Dead));
    a.merge(START, &id("b"), &death).unwrap();
    assert_eq!(state(&a, "c"), Some(MemberState::Suspect));
    assert!(a.suspicions.next_timeout() < deadline);
}

#[test]
fn no_more_than_hearsay_max_are_told_in_a_tick() {
    let crowd: Vec<_> = (0..=HEARSAY_MAX)
        .map(|number| record(&format!("m{number}"), 1, 0))
        .collect();
    let mut a = named("a", &crowd);
    a.queue.clear();
    for record in &crowd {
        let death = entry(record, Some(WireVerdict::Dead));
        a.merge(START, &id("b"), &death).unwrap();
    }
    for told in [HEARSAY_MAX, 1] {
        let due = a.gossip_at;
        a.gossip(due);
        assert_eq!(sends(&drain(&mut a)).len(), told);
    }
    assert!(!a.has_news());
}

#[test]
fn what_is_said_of_ourselves_is_answered_with_a_newer_record() {
    let table = [
        (entry(&record("a", 1, 0), None), 0, false),
        (entry(&record("a", 0, 9), None), 0, true),
        (
            entry(&record("a", 1, 0), Some(WireVerdict::Suspect)),
            1,
            true,
        ),
        (entry(&record("a", 1, 0), Some(WireVerdict::Dead)), 1, true),
        (entry(&record("a", 1, 4), Some(WireVerdict::Dead)), 5, true),
        (entry(&left("a", 1, 0), None), 1, true),
    ];
    for (said, incarnation, answered) in table {
        let mut a = named("a", &[record("b", 1, 0)]);
        let answer = a.merge(START, &id("b"), &said).unwrap();
        let expected = entry(&record("a", 1, incarnation), None);
        assert_eq!(answer, answered.then_some(expected), "{said:?}");
        assert_eq!(a.local().record().incarnation.get(), incarnation);
    }
}

#[test]
fn an_entry_without_a_record_ends_the_exchange_and_changes_nothing() {
    let mut a = named("a", &[record("b", 1, 0)]);
    let broken = PageEntry {
        record: vec![1, 2, 3],
        verdict: None,
    };
    assert!(a.merge(START, &id("b"), &broken).is_err());
    assert_eq!(drain(&mut a), []);
}

#[test]
fn a_scheduled_push_pull_comes_once_an_interval_and_one_nobody_ended_is_forgotten_after_two() {
    for (ended, expected) in [(true, 8..=9), (false, 4..=5)] {
        let params = Params {
            sync_interval: Duration::from_secs(1),
            ..Params::lan()
        };
        let mut swim = knows(params, &[record("b", 1, 0)]);
        let mut count = 0;
        for secs in 1..=9 {
            let now = START + Duration::from_secs(secs);
            let actions = run_until(&mut swim, now);
            if actions.contains(&Action::PushPull { with: id("b") }) {
                count += 1;
                if ended {
                    swim.handle_sync_end(now, &id("b"), SyncOutcome::Done);
                }
            }
        }
        assert!(expected.contains(&count), "{count} where ended is {ended}");
    }
}
