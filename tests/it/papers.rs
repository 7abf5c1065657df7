//! What others have published holds for our state machine: short forms of `cargo bench --bench papers`, whose long ones are
//! in `docs/RESULTS.md`.

#[path = "../../benches/papers/lifeguard.rs"]
#[expect(dead_code, reason = "the long form uses all of it")]
mod lifeguard;
#[path = "../../benches/papers/swim.rs"]
mod swim;

use std::time::Duration;

use lifeguard::{Cell, Counts, Parts, Setup, interval, threshold};

const MILLISECOND: Duration = Duration::from_millis(1);

fn setup(parts: Parts) -> Setup {
    Setup {
        parts,
        service_time: MILLISECOND / 10,
        at_once: false,
    }
}

#[test]
fn lifeguard_spares_19_of_20_that_swim_declares_dead_for_no_more_messages() {
    let cell = Cell {
        anomalous: 16,
        blocked: 2_048 * MILLISECOND,
        normal: 4 * MILLISECOND,
    };
    let [swim, lifeguard] =
        [Parts::SWIM, Parts::LIFEGUARD].map(|parts| interval(setup(parts), cell, 1));
    println!("figure Lifeguard, C 16, D 2,048 ms, I 4 ms: {swim:?} without, {lifeguard:?} with");
    let Counts {
        false_positives,
        messages,
        ..
    } = swim;
    assert!(false_positives > 100, "nothing to spare: {swim:?}");
    assert!(lifeguard.false_positives * 20 <= false_positives);
    assert!(lifeguard.messages * 100 <= messages * 115);
}

#[test]
fn lifeguard_finds_the_dead_as_soon_as_swim() {
    let [swim, lifeguard] = [Parts::SWIM, Parts::LIFEGUARD].map(|parts| {
        let mut first = threshold(setup(parts), 16, 60_000 * MILLISECOND, 1).first;
        first.sort_unstable();
        assert_eq!(first.len(), 16);
        first[8].as_secs_f64()
    });
    println!(
        "figure first detection of 16 of 128, median: {swim:.2} s without Lifeguard, {lifeguard:.2} s with"
    );
    assert!((lifeguard / swim - 1.0).abs() <= 0.05);
}

#[test]
fn each_member_sends_two_datagrams_a_period_however_many_there_are() {
    for members in [8, 56] {
        let load = swim::load(members, 50);
        assert!((load - 2.0).abs() <= 0.04, "{members} members: {load}");
    }
}

#[test]
fn suspicions_last_as_long_as_swim_says_and_crashes_are_found_in_e_over_e_less_1_periods() {
    let mut periods = Vec::new();
    for (members, seeds, expected) in [(19, 4, 9), (20, 4, 12), (54, 1, 15)] {
        assert_eq!(swim::suspicion_periods(members), expected);
        for crash in (1..=seeds).flat_map(|seed| swim::crashes(members, seed)) {
            // The group shrinks, the setting does not.
            assert_eq!(
                crash.suspicion,
                swim::PERIOD * expected,
                "{members} members"
            );
            assert!(crash.half <= 3 * swim::PERIOD && crash.all <= 6 * swim::PERIOD);
            periods.push(f64::from(crash.period));
        }
    }
    let mean = periods.iter().sum::<f64>() / periods.len() as f64;
    println!(
        "figure first failed probe after a crash, periods: {mean:.2} over {} crashes",
        periods.len()
    );
    // The standard deviation of one is 0.96: three standard errors of about 150.
    assert!((mean - 1.582).abs() <= 0.24, "{mean}");
}

#[test]
fn live_members_fail_as_many_probes_as_swims_formula_says() {
    for relays in [1, 3] {
        let (failed, expected) = (
            swim::false_detections(10, relays, 1_000),
            swim::expected_false_detections(10, relays),
        );
        println!(
            "figure failed probes of live members, 10 % loss, {relays} relays: {failed:.4}, formula {expected:.4}"
        );
        assert!((failed / expected - 1.0).abs() <= 0.2);
    }
}

#[test]
fn under_loss_suspicion_keeps_the_group_together() {
    let with = swim::group_under_loss(swim::PERIOD * swim::suspicion_periods(17), 1);
    let without = swim::group_under_loss(MILLISECOND, 1);
    println!(
        "figure 17 at 10 % loss after 175 s: {with} members with suspicion, {without} without"
    );
    assert!(with >= 10 && with >= without);
}
