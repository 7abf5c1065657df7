//! Stories of whole clusters.

use super::cluster::{Cluster, name};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Between two probes of a member at most 2n − 1 intervals pass; one more until the verdict, and one for an open dial.
fn detected_by(params: &Params, n: u32) -> Duration {
    params.probe_interval * (2 * n + 1) + params.failure_timeout
}

#[test]
fn a_quiet_cluster_has_nothing_to_report() {
    let mut cluster = Cluster::new(10, &Params::lan(), 1);
    cluster.run(SECOND);
    cluster.events.clear();
    cluster.run(120 * SECOND);
    assert_eq!(cluster.events, []);
    for node in 0..10 {
        let swim = cluster.swim(node);
        assert_eq!((swim.awareness(), swim.queue_len()), (0, 0));
        assert_eq!(swim.stats().probes_failed, 0);
    }
}

#[test]
fn in_three_members_a_broken_connection_and_a_confirmation_bring_the_verdict_to_the_floor() {
    for seed in 1..=10 {
        let mut cluster = Cluster::new(3, &Params::lan(), seed);
        cluster.run(20 * SECOND);
        cluster.crash(2, true);
        let took = cluster.run_until(6 * SECOND, |cluster| cluster.all_hold(2, MemberState::Dead));
        // One interval until the probe, one until its verdict, the floor, and the news of it.
        assert!(
            took >= 3 * SECOND && took < Duration::from_millis(5_500),
            "{took:?}"
        );
    }
}

#[test]
fn a_crash_is_seen_by_all_within_the_bound_and_nobody_else_is_hurt() {
    for (n, seed) in [(2u32, 11), (5, 12), (20, 13), (50, 14)] {
        let params = Params::lan();
        let mut cluster = Cluster::new(n as usize, &params, seed);
        cluster.run(15 * SECOND);
        cluster.crash(0, false);
        cluster.run_until(detected_by(&params, n), |cluster| {
            cluster.all_hold(0, MemberState::Dead)
        });
        cluster.run(30 * SECOND);
        assert!(cluster.is_whole());
        for node in 1..n as usize {
            let died = cluster.events_about(node).into_iter();
            assert_eq!(
                died.filter(|event| matches!(event, Event::Died { .. }))
                    .count(),
                0
            );
        }
    }
}

#[test]
fn a_farewell_is_seen_by_all_within_a_gossip_round_or_two() {
    for (n, seed, within) in [(2, 21, 250), (3, 22, 250), (50, 23, 250), (100, 24, 2_000)] {
        let mut cluster = Cluster::new(n, &Params::lan(), seed);
        cluster.run(2 * SECOND);
        cluster.leave(0);
        cluster.run_until(Duration::from_millis(within), |cluster| {
            cluster.all_hold(0, MemberState::Left)
        });
        cluster.run(20 * SECOND);
        let hurt = |event: &&Event| matches!(event, Event::Suspected { .. } | Event::Died { .. });
        assert_eq!(cluster.events_about(0).into_iter().filter(hurt).count(), 0);
    }
}

#[test]
fn a_partition_heals_by_one_exchange_across_it_and_nobody_doubts_their_own() {
    for (n, seed) in [(2, 31), (3, 32), (10, 33), (10, 34), (70, 35)] {
        let mut cluster = Cluster::new(n, &Params::lan(), seed);
        let (a, b): (Vec<_>, Vec<_>) = (0..n).partition(|node| *node < n / 2);
        cluster.run(15 * SECOND);
        cluster.partition(&a, &b, true);
        cluster.run(120 * SECOND);
        assert!(
            a.iter()
                .all(|node| cluster.swim(*node).live_len() == a.len())
        );
        cluster.events.clear();
        cluster.partition(&a, &b, false);
        cluster.push_pull(0, n - 1);
        let took = cluster.run_until(15 * SECOND, Cluster::is_whole);
        println!("{n} healed after {took:?}");
        cluster.run(20 * SECOND);
        assert!(cluster.is_whole());
        assert_eq!(events_within(&cluster, &a) + events_within(&cluster, &b), 0);
    }
}

/// How many times members of a group heard that one of their own was suspect or dead.
fn events_within(cluster: &Cluster, group: &[usize]) -> usize {
    let hurt = cluster.events.iter().filter(|(_, node, event)| {
        let (Event::Died { record, .. } | Event::Suspected { record, .. }) = event else {
            return false;
        };
        group.contains(node) && group.iter().any(|other| name(*other) == record.id.as_str())
    });
    hurt.count()
}

#[test]
fn at_twenty_percent_loss_no_live_member_stays_dead() {
    let mut cluster = Cluster::new(30, &Params::lan(), 41);
    cluster.loss = 0.2;
    cluster.run(300 * SECOND);
    let died = cluster.events.iter();
    let died = died.filter(|(_, _, event)| matches!(event, Event::Died { .. }));
    assert_eq!(died.count(), 0, "{}", cluster.transcript);
    cluster.loss = 0.0;
    cluster.run_until(15 * SECOND, Cluster::is_whole);
}

#[test]
fn one_seed_gives_one_transcript() {
    let transcript = |seed| {
        let mut cluster = Cluster::new(12, &Params::lan(), seed);
        cluster.loss = 0.3;
        cluster.run(20 * SECOND);
        cluster.crash(3, false);
        cluster.run(40 * SECOND);
        cluster.leave(4);
        cluster.run(5 * SECOND);
        cluster.transcript
    };
    assert_eq!(transcript(51), transcript(51));
    assert_ne!(transcript(51), transcript(52));
}

#[test]
fn views_that_missed_an_update_come_together_by_their_hashes() {
    let params = Params {
        sync_interval: Duration::from_secs(3_600),
        ..Params::lan()
    };
    let mut cluster = Cluster::new(8, &params, 61);
    cluster.run(15 * SECOND);
    let now = cluster.now;
    // Nobody hears the news but one.
    let newer = MemberRecord {
        metadata: MetadataStamp {
            version: 1,
            commitment: None,
        },
        ..record("n7", 1, 1)
    };
    let all: Vec<_> = (0..8).collect();
    cluster.with(7, |swim| swim.set_local(now, newer));
    cluster.partition(&all[..7], &all[7..], true);
    cluster.run(Duration::from_millis(900));
    cluster.with(7, |swim| swim.queue = Queue::default());
    cluster.partition(&all[..7], &all[7..], false);
    cluster.run_until(5 * SECOND, |cluster| {
        let hash = cluster.swim(7).view_hash();
        (0..8).all(|node| cluster.swim(node).view_hash() == hash)
    });
}

#[test]
fn with_datagrams_blocked_everywhere_the_cluster_holds_and_still_sees_a_crash() {
    let mut cluster = Cluster::new(5, &Params::lan(), 71);
    for (from, to) in (0..5).flat_map(|from| (0..5).map(move |to| (from, to))) {
        cluster.cut(from, to, true, false);
    }
    cluster.run(60 * SECOND);
    let died = cluster.events.iter();
    let died = died.filter(|(_, _, event)| matches!(event, Event::Died { .. }));
    assert_eq!(died.count(), 0);
    let flagged = cluster
        .swim(0)
        .members()
        .filter(|member| member.is_udp_unreachable());
    assert_eq!(flagged.count(), 4);
    cluster.crash(4, false);
    cluster.run_until(60 * SECOND, |cluster| {
        cluster.all_hold(4, MemberState::Dead)
    });
}

#[test]
fn a_pause_shorter_than_the_floor_kills_nobody() {
    for seed in 81..86 {
        let mut cluster = Cluster::new(5, &Params::lan(), seed);
        cluster.run(15 * SECOND);
        let all: Vec<_> = (0..5).collect();
        cluster.partition(&all[..1], &all[1..], true);
        cluster.run(Duration::from_millis(2_900));
        cluster.partition(&all[..1], &all[1..], false);
        cluster.run(15 * SECOND);
        assert!(cluster.is_whole());
        let died = cluster.events.iter();
        let died = died.filter(|(_, _, event)| matches!(event, Event::Died { .. }));
        assert_eq!(died.count(), 0, "{}", cluster.transcript);
    }
}
