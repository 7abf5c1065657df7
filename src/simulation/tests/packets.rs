//! What becomes of datagrams.

use super::*;
use crate::simulation::passage::Outcome;
use crate::simulation::rule::Packet;
use crate::simulation::{Bandwidth, Effect, Fate, Loss, Protocol, Rate, Rule, Sent};

fn outcomes(
    network: &mut Network,
    [from, to]: [NodeId; 2],
    len: usize,
    count: usize,
) -> Vec<Outcome> {
    let packet = Packet {
        from,
        to,
        protocol: Protocol::Udp,
        len,
    };
    (0..count).map(|_| network.outcome(&packet)).collect()
}

/// How many in a thousand packets are lost, doubled, late and spoiled: once as the link is, once as a rule has it.
#[test]
fn links_and_rules_do_what_they_say_at_the_rates_they_say() {
    let quarter = Rate::percent(25);
    let late = Latency::constant(3 * TEN_MS);
    let narrow = Bandwidth {
        bits_per_second: 8,
        queue: 250,
    };
    for (link, effect, expected) in [
        (PLAIN, Effect::Lose(Loss::NONE), [0, 0, 0, 0]),
        (
            Link {
                loss: quarter.into(),
                ..PLAIN
            },
            Effect::Lose(quarter.into()),
            [250, 0, 0, 0],
        ),
        (
            Link {
                duplicate: quarter,
                ..PLAIN
            },
            Effect::Duplicate(quarter),
            [0, 250, 0, 0],
        ),
        (
            Link {
                reorder: quarter,
                ..PLAIN
            },
            Effect::Reorder(quarter),
            [0, 0, 250, 0],
        ),
        (
            Link {
                corrupt: quarter,
                ..PLAIN
            },
            Effect::Corrupt(quarter),
            [0, 0, 0, 250],
        ),
        (
            Link {
                mtu: Some(100),
                ..PLAIN
            },
            Effect::Mtu(100),
            [0, 0, 0, 0],
        ),
        (
            Link {
                mtu: Some(99),
                ..PLAIN
            },
            Effect::Mtu(99),
            [1_000, 0, 0, 0],
        ),
        (
            Link {
                latency: late,
                ..PLAIN
            },
            Effect::Delay(late),
            [0, 0, 1_000, 0],
        ),
        (
            Link {
                bandwidth: Some(narrow),
                ..PLAIN
            },
            Effect::Throttle(narrow),
            [998, 0, 2, 0],
        ),
        (PLAIN, Effect::Cut, [1_000, 0, 0, 0]),
    ] {
        let (mut by_link, nodes) = strangers(link);
        let (mut by_rule, _) = strangers(PLAIN);
        by_rule.impose(Rule::everywhere(None, effect));
        let mut networks = vec![("rule", &mut by_rule)];
        if effect != Effect::Cut {
            networks.push(("link", &mut by_link));
        }
        for (what, network) in networks {
            let on_time = network.now() + TEN_MS;
            let seen = outcomes(network, nodes, 100, 1_000);
            let count = |is: &dyn Fn(&Outcome) -> bool| seen.iter().filter(|one| is(one)).count();
            let counts = [
                count(&|one| one.arrivals[0].is_none()),
                count(&|one| one.arrivals[1].is_some()),
                count(&|one| one.arrivals[0].is_some_and(|at| at > on_time)),
                count(&|one| one.flipped.is_some()),
            ];
            for (count, expected) in counts.into_iter().zip(expected) {
                let slack = if expected == 250 { 50 } else { 0 };
                assert!(
                    count.abs_diff(expected) <= slack,
                    "{effect} by {what}: {counts:?}"
                );
            }
        }
    }
}

#[test]
fn the_first_rule_to_delay_decides_and_losses_add_up() {
    let (mut network, nodes) = strangers(PLAIN);
    for millis in [70, 30] {
        let latency = Latency::constant(Duration::from_millis(millis));
        network.impose(Rule::everywhere(None, Effect::Delay(latency)));
    }
    for _ in 0..2 {
        network.impose(Rule::everywhere(None, Effect::Lose(Loss::percent(50))));
    }
    let seen = outcomes(&mut network, nodes, 100, 1_000);
    let arrived: Vec<_> = seen.iter().filter_map(|one| one.arrivals[0]).collect();
    assert!(arrived.len().abs_diff(250) < 50, "{}", arrived.len());
    let at = network.now() + Duration::from_millis(70);
    assert!(arrived.iter().all(|arrival| *arrival == at));
}

/// A fault takes its answers from dice of its own: what it spares fares as it would have without it.
#[test]
fn a_fault_does_not_shift_the_fate_of_what_it_spares() {
    let random = Link {
        latency: Latency::between(TEN_MS, 9 * TEN_MS),
        ..PLAIN
    };
    let (mut without, nodes) = strangers(random);
    let (mut with, _) = strangers(Link {
        loss: Loss::percent(20),
        duplicate: Rate::percent(20),
        corrupt: Rate::percent(20),
        ..random
    });
    with.impose(Rule::everywhere(None, Effect::Lose(Loss::percent(20))));
    let arrivals = |seen: Vec<Outcome>| seen.into_iter().map(|one| one.arrivals[0]);
    let without = arrivals(outcomes(&mut without, nodes, 100, 1_000));
    let with = arrivals(outcomes(&mut with, nodes, 100, 1_000));
    let mut spared = 0;
    for (without, with) in without.zip(with) {
        assert!(with.is_none() || with == without);
        spared += usize::from(with.is_some());
    }
    assert!((500..800).contains(&spared), "{spared}");
}

#[test]
fn a_jam_holds_datagrams_and_delivers_them_when_it_is_lifted() {
    let (mut network, nodes) = formed(2, options(PLAIN), 1);
    let jam = network.impose(Rule::everywhere(Some(Protocol::Udp), Effect::Jam));
    let start = network.now();
    let received = |network: &Network| network.traffic(nodes[0]).datagrams_received().packets;
    network.run_for(secs(1)).unwrap();
    let before = received(&network);
    network.run_for(secs(1)).unwrap();
    assert_eq!(received(&network), before);
    let waits = network.transcript().entries().iter().filter(
        |entry| matches!(entry, Entry::Sent(Sent { at, fate: Fate::Waits, .. }) if *at >= start),
    );
    let waits = waits.count();
    assert!(waits >= 2, "{waits}");
    network.lift(jam);
    network.run_for(TEN_MS).unwrap();
    assert!(received(&network) > before);
}

/// With tags a flipped bit is noticed: nothing breaks, and nobody is lost. Without them some of it is believed: the run may
/// end with a violation, but never with a panic.
#[cfg(feature = "daemon")]
#[test]
fn flipped_bits_are_rejected_where_there_are_tags_and_never_panic_where_there_are_none() {
    use crate::simulation::{CertificateAuthority, Validity, tls_options};
    let spoiled = || NetworkOptions {
        link: Link {
            corrupt: Rate::percent(20),
            ..PLAIN
        },
        ..options(PLAIN)
    };
    let mut network = Network::new(spoiled(), 1);
    let validity = Validity::lasting(network.now(), secs(3_600));
    let mut authority = CertificateAuthority::new(1, "red", validity);
    let contact = plain_options(0).local.advertised;
    for number in 0..4 {
        let trust = authority
            .issue("node", validity, &[])
            .load(None, network.now())
            .unwrap();
        network.add_node(
            tls_options(number, &trust),
            Some(trust),
            vec![contact.into()],
        );
    }
    network.start_all();
    network.run_for(secs(120)).unwrap();
    assert!(network.views_are_complete(), "{}", network.transcript());
    for seed in 0..20 {
        let mut network = Network::new(spoiled(), seed);
        network.add_plain_nodes(4);
        network.start_all();
        let _ = network.run_for(secs(60));
    }
}
