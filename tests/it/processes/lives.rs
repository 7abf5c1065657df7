//! Dying, pausing, leaving and coming back, at Zeebe's default timings.

use std::env;
use std::time::{Duration, Instant};

use super::broker::{Broker, PATIENCE, Security, Site, alive, all_but, all_see, request};
use crate::support::wait_until;

const FAILURE_TIMEOUT: Duration = Duration::from_secs(10);
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Set it to 10 for the figure in the README.
const RUNS: &str = "PHALANX_KILL_RUNS";

#[test]
fn a_killed_broker_is_suspected_then_dead_and_back_at_once() {
    let runs = env::var(RUNS).map_or(2, |runs| runs.parse().unwrap());
    let site = Site::new(3);
    let security = site.certificates();
    let mut brokers = site.form(&security);
    let mut deaths = Vec::new();
    for run in 0..runs {
        let victim = run % 3;
        let killed = now();
        brokers[victim].signal("KILL");
        brokers[victim].wait();
        let others = others(&brokers, victim);
        let suspected = seen_by_all(&others, victim, &["suspect", "dead"], killed);
        let dead = seen_by_all(&others, victim, &["dead"], killed);
        assert!(dead <= FAILURE_TIMEOUT + 3 * PROBE_INTERVAL, "{dead:?}");
        for other in others {
            let log = other.process.stderr();
            let line = |what: &str| {
                let wanted = format!("member {what} member={victim} addr=127.0.0.1:");
                log.lines().any(|line| line.contains(&wanted))
            };
            assert!(line("suspected") && line("died"), "{log}");
        }

        let started = now();
        brokers[victim] = site.start(victim, &security[victim]);
        all_see(&brokers.iter().collect::<Vec<_>>(), &alive(0..3));
        let back = started.elapsed();
        assert!(back < Duration::from_secs(2), "{back:?}");
        println!(
            "run {run}: suspect at both after {suspected:.1?}, dead {dead:.1?}; back after {back:.1?}"
        );
        deaths.push(dead);
    }
    deaths.sort();
    println!(
        "dead at both others: median {:.1?} of {runs} runs",
        deaths[deaths.len() / 2]
    );
}

#[test]
fn a_pause_shorter_than_the_floor_removes_nobody_and_a_longer_one_heals() {
    let site = Site::new(3);
    let brokers = site.form(&site.certificates());
    let all: Vec<&Broker> = brokers.iter().collect();
    let paused = &brokers[1];

    paused.signal("STOP");
    let stopped = now();
    wait_until("two seconds have passed", PATIENCE, || passed(stopped, 2));
    paused.signal("CONT");
    let resumed = now();
    // A suspicion raised meanwhile would have run out within the floor of three seconds, had it not been refuted.
    wait_until("the suspicion would have run out", PATIENCE, || {
        passed(resumed, 4)
    });
    all_see(&all, &alive(0..3));
    for broker in &brokers {
        let log = broker.process.stderr();
        assert!(!log.contains("member died"), "by {}: {log}", broker.id);
    }

    paused.signal("STOP");
    all_see(&others(&brokers, 1), &all_but(0..3, 1, "dead"));
    paused.signal("CONT");
    let resumed = now();
    all_see(&all, &alive(0..3));
    let healed = resumed.elapsed();
    println!("healed {healed:.1?} after SIGCONT");
    assert!(healed < Duration::from_secs(5), "{healed:?}");
}

#[test]
fn a_broker_told_to_stop_says_goodbye() {
    for signal in ["TERM", "INT"] {
        let site = Site::new(3);
        let mut brokers = site.form(&site.certificates());
        let told = now();
        brokers[0].signal(signal);
        all_see(&others(&brokers, 0), &all_but(0..3, 0, "left"));
        let left = told.elapsed();
        println!("left as seen by all {left:.1?} after SIG{signal}");
        assert!(left < Duration::from_secs(1), "{left:?}");
        assert_eq!(brokers[0].wait().code(), Some(0));
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let site = Site::new(2);
    let mut brokers = site.form(&site.certificates());
    // Nobody acknowledges the farewell.
    brokers[1].signal("STOP");
    brokers[0].signal("TERM");
    let leaving = "leaving; a second signal stops at once";
    wait_until("it is leaving", PATIENCE, || {
        let log = brokers[0].process.stderr();
        log.contains(leaving).then_some(()).ok_or(log)
    });
    brokers[0].signal("TERM");
    assert_eq!(brokers[0].wait().code(), Some(130));
}

#[test]
fn a_contact_point_that_does_not_resolve_is_tried_again_and_keeps_nobody_from_being_ready() {
    let site = Site::new(1);
    let mut variables = site.variables(0, &Security::Plain, &[]);
    variables.push((
        "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS_0_",
        "nobody.invalid:26502".to_owned(),
    ));
    variables.retain(|(name, _)| *name != "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS");
    let mut broker = site.start_as(0, &variables);
    let status = |path| {
        let head = request(site.admin_port(0), "GET", path).map(|(head, _)| head);
        head.map_or_else(|error| error, |head| head[9..12].to_owned())
    };
    wait_until("it is ready", PATIENCE, || {
        match status("/ready").as_str() {
            "204" => Ok(()),
            other => Err(other.to_owned()),
        }
    });
    assert_eq!(
        (status("/startup"), status("/health")),
        ("204".into(), "204".into())
    );
    let log = broker.process.stderr();
    assert!(log.contains("nobody.invalid:26502"), "{log}");
    let (head, _) = request(site.admin_port(0), "POST", "/members").unwrap();
    assert!(head.starts_with("HTTP/1.0 405"), "{head}");
    broker.signal("TERM");
    assert_eq!(broker.wait().code(), Some(0));
}

fn others(brokers: &[Broker], one: usize) -> Vec<&Broker> {
    brokers.iter().filter(|broker| broker.id != one).collect()
}

/// How long after `since` all of `brokers` hold `member` to be one of `wanted`.
fn seen_by_all(brokers: &[&Broker], member: usize, wanted: &[&str], since: Instant) -> Duration {
    let what = format!("{member} is {wanted:?} at all others");
    wait_until(&what, PATIENCE, || {
        brokers.iter().try_for_each(|broker| {
            let states = broker.states()?;
            let state = states.get(&member.to_string()).ok_or("not there")?;
            let is_wanted = wanted.contains(&state.as_str());
            is_wanted.then_some(()).ok_or_else(|| format!("{states:?}"))
        })
    });
    since.elapsed()
}

fn passed(since: Instant, secs: u64) -> Result<(), String> {
    let elapsed = since.elapsed();
    (elapsed >= Duration::from_secs(secs))
        .then_some(())
        .ok_or_else(|| format!("{elapsed:?}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "real processes run on the real clock"
)]
fn now() -> Instant {
    Instant::now()
}
