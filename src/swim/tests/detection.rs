//! One member's probes, step by step.

use super::cluster::Cluster;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// `me` and its members `a` to `d`, all of which it has heard, on the point of probing. Returns the time and the target
/// of the first probe, and its number.
fn probing(params: Params) -> (Swim, Timestamp, String, u64) {
    let names = ["a", "b", "c", "d"];
    let others = names.map(|name| record(name, 1, 0));
    let mut swim = knows(params, &others);
    for name in names {
        hear(&mut swim, START, name, &Message::Gossip, &[]);
    }
    swim.queue.clear();
    let start = swim.probe_at;
    swim.handle_timeout(start);
    let actions = drain(&mut swim);
    let (to, body) = sends(&actions)[0];
    let Message::Ping { probe, .. } = Body::decode(body).unwrap().message else {
        panic!("no ping: {actions:?}");
    };
    (swim, start, to.to_owned(), probe)
}

/// Whom `me` asks once the time-out has passed.
fn asked(swim: &mut Swim, at: Timestamp) -> Vec<String> {
    swim.handle_timeout(at);
    let actions = drain(swim);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Fallback { .. }))
    );
    let asked = sends(&actions)
        .into_iter()
        .filter(|(_, body)| matches!(Body::decode(body).unwrap().message, Message::PingReq { .. }));
    asked.map(|(to, _)| to.to_owned()).collect()
}

fn ack(probe: u64) -> Message<'static> {
    Message::Ack {
        probe,
        generation: Generation::new(1),
        view: 0,
    }
}

fn nack(probe: u64) -> Message<'static> {
    Message::Nack {
        probe,
        generation: Generation::new(1),
    }
}

#[test]
fn relays_and_fallback_are_asked_at_the_timeout_and_the_verdict_falls_at_the_interval() {
    for (suspect_probes, relays) in [(1, 0), (2, 1), (3, 2), (9, 3)] {
        let params = Params {
            suspect_probes: suspect_probes.try_into().unwrap(),
            ..Params::lan()
        };
        let (mut swim, start, target, probe) = probing(params.clone());
        swim.handle_timeout(start + params.probe_timeout - Duration::from_micros(1));
        assert_eq!(drain(&mut swim), []);
        let asked = asked(&mut swim, start + params.probe_timeout);
        assert_eq!(asked.len(), relays);
        assert!(!asked.contains(&target));
        swim.handle_fallback(start + params.probe_timeout, probe, FallbackOutcome::Failed);
        swim.handle_timeout(start + params.probe_interval - Duration::from_micros(1));
        assert_eq!(state(&swim, &target), Some(MemberState::Alive));
        swim.handle_timeout(start + params.probe_interval);
        assert_eq!(state(&swim, &target), Some(MemberState::Suspect));
    }
}

#[test]
fn an_ack_counts_until_the_interval_ends_from_the_target_or_a_relay_and_echoing_our_life() {
    #[derive(Debug)]
    enum From {
        Target,
        Relay,
        Stranger,
    }
    let other_life = Message::Ack {
        probe: 1,
        generation: Generation::new(2),
        view: 0,
    };
    let table = [
        (From::Target, ack(1), MemberState::Alive),
        (From::Relay, ack(1), MemberState::Alive),
        (From::Stranger, ack(1), MemberState::Suspect),
        (From::Target, ack(2), MemberState::Suspect),
        (From::Target, other_life, MemberState::Suspect),
    ];
    for (who, message, expected) in table {
        let (mut swim, start, target, probe) = probing(Params::lan());
        assert_eq!(probe, 1);
        let relays = asked(&mut swim, start + Duration::from_millis(100));
        swim.handle_fallback(
            start + Duration::from_millis(200),
            1,
            FallbackOutcome::Failed,
        );
        let stranger = ["a", "b", "c", "d"]
            .into_iter()
            .find(|name| *name != target && !relays.iter().any(|relay| relay == name));
        let from = match who {
            From::Target => &target,
            From::Relay => &relays[0],
            From::Stranger => stranger.unwrap(),
        };
        let late = start + Duration::from_millis(999);
        hear(&mut swim, late, from, &message, &[]);
        swim.handle_timeout(start + SECOND);
        assert_eq!(state(&swim, &target), Some(expected), "{who:?} {message:?}");
    }
}

#[test]
fn local_health_counts_the_missed_probe_and_each_missing_nack() {
    for nacks in 0..=2 {
        let (mut swim, start, _, probe) = probing(Params::lan());
        let relays = asked(&mut swim, start + Duration::from_millis(100));
        for relay in &relays[..nacks] {
            hear(
                &mut swim,
                start + Duration::from_millis(200),
                relay,
                &nack(probe),
                &[],
            );
        }
        swim.handle_fallback(
            start + Duration::from_millis(200),
            probe,
            FallbackOutcome::Failed,
        );
        swim.handle_timeout(start + SECOND);
        let score = 1 + 2 - u32::try_from(nacks).unwrap();
        assert_eq!(swim.awareness(), score, "{nacks} nacks");
        // The next probe, started in the same step, is stretched.
        assert_eq!(swim.probe_at, start + SECOND + SECOND * (score + 1));
    }
}

#[test]
fn a_relay_probes_under_its_own_number_and_answers_under_the_askers() {
    let mut swim = knows(Params::lan(), &[record("a", 1, 0), record("b", 1, 0)]);
    swim.queue.clear();
    let request = Message::PingReq {
        probe: 900,
        target: "b",
    };
    hear(&mut swim, START, "a", &request, &[]);
    let actions = drain(&mut swim);
    let (to, body) = sends(&actions)[0];
    let Message::Ping { probe, .. } = Body::decode(body).unwrap().message else {
        panic!("no ping");
    };
    assert_eq!((to, probe), ("b", 1));

    let due = START + Duration::from_millis(80);
    swim.handle_timeout(due);
    let actions = drain(&mut swim);
    let answers: Vec<_> = sends(&actions)
        .into_iter()
        .map(|(to, body)| (to, Body::decode(body).unwrap().message))
        .collect();
    assert!(answers.contains(&("a", nack(900))), "{answers:?}");

    hear(&mut swim, due, "b", &ack(1), &[]);
    let actions = drain(&mut swim);
    let (to, body) = sends(&actions)[0];
    let answer = Body::decode(body).unwrap().message;
    assert!(
        to == "a" && matches!(answer, Message::Ack { probe: 900, .. }),
        "{answer:?}"
    );
}

#[test]
fn a_relay_that_does_not_hold_the_target_says_so_at_once() {
    let mut swim = knows(Params::lan(), &[record("a", 1, 0)]);
    let request = Message::PingReq {
        probe: 900,
        target: "nobody",
    };
    hear(&mut swim, START, "a", &request, &[]);
    let actions = drain(&mut swim);
    let (to, body) = sends(&actions)[0];
    assert_eq!((to, Body::decode(body).unwrap().message), ("a", nack(900)));
}

#[test]
fn an_answer_over_a_connection_alone_flags_the_pair_until_a_datagram_is_answered() {
    let mut cluster = Cluster::new(2, &Params::lan(), 5);
    cluster.cut(0, 1, true, false);
    cluster.run(10 * SECOND);
    let flagged = |cluster: &Cluster, node: usize| {
        let member = cluster.swim(node).members().next().unwrap();
        assert_eq!(member.state(), MemberState::Alive);
        member.is_udp_unreachable()
    };
    assert!(flagged(&cluster, 0) && flagged(&cluster, 1));
    cluster.cut(0, 1, false, false);
    cluster.run(10 * SECOND);
    assert!(!flagged(&cluster, 0) && !flagged(&cluster, 1));
    let about = |event: &&Event| matches!(event, Event::UdpReachable(_) | Event::UdpUnreachable(_));
    assert_eq!(cluster.events_about(1).into_iter().filter(about).count(), 2);
}

#[test]
fn a_pair_that_cannot_reach_each_other_at_all_is_kept_by_relays() {
    let mut cluster = Cluster::new(4, &Params::lan(), 6);
    cluster.partition(&[0], &[1], true);
    cluster.run(120 * SECOND);
    assert!(cluster.is_whole());
    assert_eq!(
        cluster.events.iter().filter(|(at, ..)| *at > START).count(),
        0
    );
}

#[test]
fn round_trips_above_the_timeout_work() {
    let mut cluster = Cluster::new(5, &Params::lan(), 7);
    cluster.latency = Duration::from_millis(400);
    cluster.run(120 * SECOND);
    assert!(cluster.is_whole());
    assert_eq!(
        cluster.events.iter().filter(|(at, ..)| *at > START).count(),
        0
    );
    assert_eq!(cluster.swim(0).awareness(), 0);
}

#[test]
fn a_member_that_refuses_us_as_a_stranger_is_there_and_is_not_accused() {
    for (outcome, expected, awareness) in [
        (FallbackOutcome::Refused, MemberState::Alive, 0),
        (FallbackOutcome::Failed, MemberState::Suspect, 1),
    ] {
        let (mut swim, start, target, _) = probing(Params::lan());
        swim.handle_timeout(start + swim.params().probe_timeout);
        drain(&mut swim);
        swim.handle_fallback(start + swim.params().probe_timeout, 1, outcome);
        swim.handle_timeout(start + SECOND);
        assert_eq!(state(&swim, &target), Some(expected), "{outcome:?}");
        assert!(swim.awareness() >= awareness, "{outcome:?}");
    }
}

#[test]
fn the_member_of_a_broken_connection_is_probed_next() {
    for name in ["a", "b", "c", "d"] {
        let (mut swim, start, target, _) = probing(Params::lan());
        hear(&mut swim, start, &target, &ack(1), &[]);
        swim.handle_link_lost(start, name);
        swim.handle_link_lost(start, "nobody");
        swim.handle_timeout(start + SECOND);
        let actions = drain(&mut swim);
        let (to, body) = sends(&actions)[0];
        assert!(matches!(
            Body::decode(body).unwrap().message,
            Message::Ping { .. }
        ));
        assert_eq!(to, name);
    }
}

#[test]
fn waking_late_moves_suspicions_and_counts_against_ourselves() {
    let mut swim = knows(Params::lan(), &[record("a", 1, 0), record("b", 1, 0)]);
    let charge = accusation("a", (1, 0), Verdict::Suspect, "b");
    hear(&mut swim, START, "b", &Message::Gossip, &[charge]);
    let deadline = swim.suspicions.next_timeout().unwrap();
    for (late_by, score) in [(SECOND / 2, 0), (30 * SECOND, 1)] {
        swim.handle_late_wake(START, late_by);
        assert_eq!(swim.awareness(), score);
    }
    assert_eq!(
        swim.suspicions.next_timeout(),
        Some(deadline + 30 * SECOND + SECOND / 2)
    );
}

#[test]
fn the_suspect_hears_of_it_at_the_next_gossip_tick_or_at_once() {
    for notify_suspect in [false, true] {
        let params = Params {
            notify_suspect,
            ..Params::lan()
        };
        let (mut swim, start, target, probe) = probing(params);
        asked(&mut swim, start + Duration::from_millis(100));
        swim.handle_fallback(
            start + Duration::from_millis(200),
            probe,
            FallbackOutcome::Failed,
        );
        drain(&mut swim);
        swim.handle_timeout(start + SECOND);
        let actions = drain(&mut swim);
        let charge = accusation(&target, (1, 0), Verdict::Suspect, "me");
        let heard = |actions: &[Action]| {
            sends(actions).into_iter().position(|(to, body)| {
                let body = Body::decode(body).unwrap();
                to == target && body.updates().any(|update| {
                    matches!(update.unwrap(), UpdateRef::Accusation(said) if encode_accusation(&said) == charge)
                })
            })
        };
        assert_eq!(heard(&actions), Some(0), "{actions:?}");
    }
}

#[test]
fn strangers_and_other_lives_are_counted_and_change_nothing() {
    let mut swim = knows(Params::lan(), &[record("a", 5, 0)]);
    let bytes = body(
        &Message::Ping { probe: 1, view: 0 },
        &[encode_record(&record("b", 1, 0), &[])],
    );
    let body = Body::decode(&bytes).unwrap();
    let other_life = |got| {
        let held = Generation::new(5);
        Err(BodyError::OtherLife { got, held })
    };
    for (from, generation) in [("nobody", 1), ("me", 1), ("a", 4), ("a", 6)] {
        let got = Generation::new(generation);
        let expected = if from == "a" {
            other_life(got)
        } else {
            Err(BodyError::UnknownSender)
        };
        assert_eq!(swim.handle_body(START, from, got, &body), expected);
    }
    assert_eq!((drain(&mut swim), swim.stats().bodies_unknown), (vec![], 4));
    assert!(swim.member("b").is_none());
}

#[test]
fn whoever_speaks_while_held_dead_is_told_so() {
    let death = accusation("a", (1, 0), Verdict::Dead, "me");
    let ping = Message::Ping { probe: 4, view: 0 };
    for message in [ping, Message::Gossip, nack(9)] {
        let mut swim = knows(Params::lan(), &[record("a", 1, 0), record("b", 1, 0)]);
        let charge = accusation("a", (1, 0), Verdict::Dead, "b");
        hear(&mut swim, START, "b", &Message::Gossip, &[charge]);
        swim.queue.clear();
        drain(&mut swim);
        hear(&mut swim, START, "a", &message, &[]);
        let actions = drain(&mut swim);
        let [(to, answer)] = sends(&actions)[..] else {
            panic!("one answer to {message:?}");
        };
        assert!(to == "a" && answer.ends_with(&death), "{message:?}");
        // And its refutation is taken from wherever it comes.
        let refutation = encode_record(&record("a", 1, 1), &[]);
        hear(&mut swim, START, "a", &Message::Gossip, &[refutation]);
        assert_eq!(state(&swim, "a"), Some(MemberState::Alive));
    }
}

#[test]
fn a_broken_update_does_not_spoil_the_message() {
    let mut swim = knows(Params::lan(), &[record("a", 1, 0)]);
    let news = encode_record(&record("b", 1, 0), &[]);
    let bytes = body(&Message::Ping { probe: 1, view: 0 }, &[news, vec![0xff; 3]]);
    let outcome = swim.handle_body(
        START,
        "a",
        Generation::new(1),
        &Body::decode(&bytes).unwrap(),
    );
    assert!(matches!(outcome, Err(BodyError::Malformed(_))));
    assert_eq!(state(&swim, "b"), Some(MemberState::Alive));
    assert_eq!(sends(&drain(&mut swim)).len(), 1);
    assert_eq!(swim.stats().bodies_malformed, 1);
}
