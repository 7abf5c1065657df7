//! Tombstones that an operator drops.

use super::cluster::{Cluster, name};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A cluster of five in which the last one is dead to all.
fn bereaved(seed: u64) -> Cluster {
    let mut cluster = Cluster::new(5, &Params::lan(), seed);
    cluster.run(5 * SECOND);
    cluster.crash(4, true);
    cluster.run_until(30 * SECOND, |cluster| {
        cluster.all_hold(4, MemberState::Dead)
    });
    cluster.run(10 * SECOND);
    cluster
}

fn nobody_holds(cluster: &Cluster, node: usize) -> bool {
    let mut up = cluster.up();
    up.all(|other| state(cluster.swim(other), &name(node)).is_none())
}

#[test]
fn a_dead_member_is_forgotten_everywhere_within_seconds() {
    for seed in 1..=10 {
        let mut cluster = bereaved(seed);
        let now = cluster.now;
        cluster.with(0, |swim| swim.forget(now, &name(4)).unwrap());
        let took = cluster.run_until(10 * SECOND, |cluster| nobody_holds(cluster, 4));
        println!("forgotten everywhere after {took:?}");
        // A push-pull brings no tombstone back.
        cluster.run(60 * SECOND);
        assert!(nobody_holds(&cluster, 4), "{}", cluster.transcript);
    }
}

#[test]
fn an_order_to_forget_a_live_member_is_refuted_as_any_verdict() {
    let mut cluster = Cluster::new(5, &Params::lan(), 3);
    cluster.run(5 * SECOND);
    let order = accusation(&name(4), (1, 0), Verdict::Forgotten, &name(1));
    let now = cluster.now;
    cluster.with(0, |swim| {
        hear(swim, now, &name(1), &Message::Gossip, &[order]);
    });
    assert_eq!(state(cluster.swim(0), &name(4)), Some(MemberState::Dead));
    cluster.run(20 * SECOND);
    assert!(cluster.is_whole(), "{}", cluster.transcript);
}

#[test]
fn only_the_dead_and_those_who_left_can_be_forgotten() {
    let others = ["a", "b", "c"].map(|name| record(name, 1, 0));
    let mut swim = knows(Params::lan(), &others);
    hear_record(&mut swim, START, &left("b", 1, 0));
    let verdict = accusation("c", (1, 0), Verdict::Dead, "a");
    hear(&mut swim, START, "a", &Message::Gossip, &[verdict]);
    assert_eq!(swim.forget(START, "me"), Err(ForgetError::Live));
    assert_eq!(swim.forget(START, "a"), Err(ForgetError::Live));
    assert_eq!(swim.forget(START, "nobody"), Err(ForgetError::Unknown));
    drain(&mut swim);
    for gone in ["b", "c"] {
        assert_eq!(swim.forget(START, gone), Ok(()));
    }
    assert!(state(&swim, "b").is_some(), "the others are told first");
    let actions = run_until(&mut swim, START + 20 * SECOND);
    for gone in ["b", "c"] {
        assert!(actions.contains(&Action::Dropped(id(gone))), "{gone}");
        assert_eq!(state(&swim, gone), None);
    }
}

#[test]
fn an_older_order_leaves_a_newer_tombstone_and_a_newer_record_ends_forgetting() {
    let others = ["a", "b"].map(|name| record(name, 1, 0));
    let mut swim = knows(Params::lan(), &others);
    hear_record(&mut swim, START, &left("b", 1, 3));
    let older = accusation("b", (1, 2), Verdict::Forgotten, "a");
    hear(&mut swim, START, "a", &Message::Gossip, &[older]);
    assert!(swim.forgetting.is_empty());
    let newer = accusation("b", (1, 3), Verdict::Forgotten, "a");
    hear(&mut swim, START, "a", &Message::Gossip, &[newer]);
    assert_eq!(swim.forgetting.len(), 1);
    hear_record(&mut swim, START, &record("b", 2, 0));
    assert!(swim.forgetting.is_empty());
    run_until(&mut swim, START + SECOND);
    assert_eq!(state(&swim, "b"), Some(MemberState::Alive));
}
