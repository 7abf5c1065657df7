//! Nodes whose clocks are wrong.

use super::*;
use crate::simulation::{ClockChange, Clocks};

/// No change of a wall clock changes anything but what the next life is numbered.
#[test]
fn a_jump_of_the_wall_clock_is_no_event() {
    for change in [
        ClockChange::Ahead(secs(86_400)),
        ClockChange::Back(secs(86_400)),
        ClockChange::Freeze,
    ] {
        let (mut network, nodes) = formed(4, NetworkOptions::default(), 5);
        network.set_clock(nodes[1], Clocks::Wall, change);
        let before = network.transcript().entries().len();
        network.run_for(secs(120)).unwrap();
        let after = network.transcript().entries().len();
        assert_eq!(after, before, "{change}: {}", network.transcript());
    }
}

#[test]
fn a_life_is_numbered_by_the_wall_clock_and_raised_above_the_one_before() {
    let (mut network, nodes) = formed(4, NetworkOptions::default(), 5);
    let generation = |network: &Network| {
        network
            .membership(nodes[1])
            .unwrap()
            .local()
            .version()
            .generation
    };
    let first = generation(&network);
    network.set_clock(nodes[1], Clocks::Wall, ClockChange::Ahead(secs(3_600)));
    network.restart(nodes[1]);
    network.run_for(secs(10)).unwrap();
    let second = generation(&network);
    assert!(second.get() >= first.get() + 3_600_000);
    network.set_clock(nodes[1], Clocks::Wall, ClockChange::Back(secs(36_000)));
    network.restart(nodes[1]);
    network.run_for(secs(30)).unwrap();
    assert!(generation(&network) > second);
    assert!(network.views_are_complete(), "{}", network.transcript());
}

/// How often a node probes in 100 s of the network's time, at so many parts in a million.
#[test]
fn timers_follow_the_monotonic_clock() {
    let probes = |ppm: i32| {
        let (mut network, nodes) = formed(2, NetworkOptions::default(), 5);
        network.set_clock(nodes[0], Clocks::Both, ClockChange::Drift(ppm));
        let started = |network: &Network| {
            network
                .membership(nodes[0])
                .unwrap()
                .stats()
                .swim
                .probes_started
        };
        let before = started(&network);
        network.run_for(secs(100)).unwrap();
        started(&network) - before
    };
    let right = probes(0);
    for (ppm, percent) in [(200, 100), (500_000, 150), (-500_000, 50)] {
        let expected = right * percent / 100;
        assert!(
            probes(ppm).abs_diff(expected) <= 1 + right / 50,
            "{ppm} ppm: {}",
            probes(ppm)
        );
    }
}

#[test]
fn drift_as_real_clocks_have_it_disturbs_nobody() {
    let (mut network, nodes) = formed(4, NetworkOptions::default(), 5);
    for (node, ppm) in nodes.iter().zip([500, -500, 200, 0]) {
        network.set_clock(*node, Clocks::Both, ClockChange::Drift(ppm));
    }
    let before = network.transcript().entries().len();
    network.run_for(secs(600)).unwrap();
    assert_eq!(network.transcript().entries().len(), before);
}

#[test]
fn a_node_whose_clock_stands_still_answers_but_does_nothing_by_itself() {
    let (mut network, nodes) = formed(3, NetworkOptions::default(), 5);
    network.set_clock(nodes[1], Clocks::Both, ClockChange::Freeze);
    let started = |network: &Network| {
        network
            .membership(nodes[1])
            .unwrap()
            .stats()
            .swim
            .probes_started
    };
    let before = started(&network);
    network.run_for(secs(60)).unwrap();
    assert!(started(&network) <= before + 1);
    assert!(network.views_are_complete(), "{}", network.transcript());
    network.set_clock(nodes[1], Clocks::Both, ClockChange::Drift(0));
    network.run_for(secs(60)).unwrap();
    assert!(started(&network) > before + 10);
}
