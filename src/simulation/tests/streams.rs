//! What connections do with bytes, with cuts, and at their end.

use super::*;
use crate::admission::LinkId;
use crate::simulation::run::Occurrence;
use crate::simulation::stream::{EndId, Phase, Segment};
use crate::simulation::traffic::Kind;
use crate::simulation::{Bandwidth, Effect, Loss, Path, Rate, Rule};
use crate::wire::frame::Frame;
use crate::wire::hello::Side;

/// An open connection that the nodes' machines know nothing of, so that they do not close it: the end of `dialer`.
fn connect(network: &mut Network, dialer: NodeId, listener: NodeId) -> EndId {
    let links = [LinkId::dialed(1_000_000), LinkId::accepted(1_000_000)];
    let id = network
        .connections
        .insert(dialer, links[0], listener, [0; 32]);
    let ends = [EndId::dialer(id), EndId::dialer(id).other()];
    for ((end, link), node) in ends.into_iter().zip(links).zip([dialer, listener]) {
        let held = network.connections.end_mut(end).unwrap();
        held.phase = Phase::Open;
        held.link = Some(link);
        let process = network.nodes[node.index()].process.as_mut().unwrap();
        process.links.insert(link, end);
    }
    ends[0]
}

fn send(network: &mut Network, to: EndId) {
    network.send_segment(to, Segment::Frame(Kind::Control, Frame::Bye.encode()));
}

/// Whether the dialer's end and the listener's are open; none is left of a connection that is over.
fn open(network: &Network, end: EndId) -> [bool; 2] {
    let connection = network.connections.get(end.connection);
    [Side::Dialer, Side::Listener]
        .map(|side| connection.is_some_and(|connection| connection.end(side).phase == Phase::Open))
}

/// When the segments that were sent arrive, in milliseconds from now; each is known by its length.
fn arrivals(network: &mut Network) -> Vec<(u128, usize)> {
    let mut arrivals = Vec::new();
    while let Some((at, occurrence)) = network.queue.pop(Timestamp::MAX) {
        if let Occurrence::Segment(_, segment) = occurrence {
            let after = at.saturating_since(network.now());
            arrivals.push((after.as_millis(), segment.len()));
        }
    }
    arrivals
}

fn one_way(from: NodeId, to: NodeId) -> Rule {
    Rule {
        path: Path::OneWay {
            from: from.into(),
            to: to.into(),
        },
        protocol: None,
        effect: Effect::Cut,
    }
}

#[test]
fn bytes_arrive_in_order_and_without_a_gap_whatever_the_link_does() {
    let wild = Link {
        latency: Latency::lognormal(TEN_MS, secs(1)),
        loss: Loss::percent(30),
        duplicate: Rate::percent(30),
        reorder: Rate::percent(30),
        corrupt: Rate::percent(10),
        ..PLAIN
    };
    let (mut network, [a, b]) = strangers(wild);
    network.options.stream_timeout = secs(1_000);
    let end = connect(&mut network, a, b);
    for len in 1..=500 {
        network.send_segment(end.other(), Segment::Handshake(0, len));
    }
    let order: Vec<_> = arrivals(&mut network).iter().map(|(_, len)| *len).collect();
    assert_eq!(order, (1..=500).collect::<Vec<_>>());
}

/// A lost segment is late by 200 ms, 600 ms, 1.4 s and so on: 200 ms doubled each time.
#[test]
fn losses_delay_by_the_retransmission_timer() {
    let (mut network, [a, b]) = strangers(Link {
        loss: Loss::percent(50),
        ..PLAIN
    });
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let end = connect(&mut network, a, b);
        network.send_segment(end, Segment::Handshake(9, 1));
        seen.extend(arrivals(&mut network).into_iter().map(|(after, _)| after));
    }
    // What is lost five times over has waited for longer than the 3 s that a sender does.
    let expected = [10, 210, 610, 1_410];
    assert!(
        seen.iter()
            .all(|after| expected.contains(after) || *after == 3_010),
        "{seen:?}"
    );
    assert!(
        expected.iter().all(|after| seen.contains(after)),
        "{seen:?}"
    );
}

#[test]
fn a_narrow_link_spreads_a_long_frame_over_time() {
    let (mut network, [a, b]) = strangers(Link {
        bandwidth: Some(Bandwidth {
            bits_per_second: 8_000_000,
            queue: 3_000,
        }),
        ..PLAIN
    });
    let end = connect(&mut network, a, b);
    // 20 full segments of 1,460 bytes, with headers of 40: 1.5 ms each, though the queue holds two.
    network.send_segment(end, Segment::Handshake(0, 20 * 1_460));
    assert_eq!(arrivals(&mut network), [(40, 20 * 1_460)]);
}

#[test]
fn what_is_sent_into_a_cut_waits_for_its_end() {
    for (effect, at_most) in [(Effect::Cut, 2_000), (Effect::Jam, 0)] {
        let (mut network, [a, b]) = strangers(PLAIN);
        let end = connect(&mut network, a, b);
        let rule = network.impose(Rule::everywhere(None, effect));
        send(&mut network, end);
        network.send_segment(end, Segment::Handshake(0, 77));
        network.run_for(secs(2)).unwrap();
        assert_eq!(open(&network, end), [true, true]);
        network.lift(rule);
        // Never later again than it has waited, and at once if it was only held.
        let arrived = arrivals(&mut network);
        let last = arrived.last().unwrap();
        assert_eq!(last.1, 77, "{effect}");
        assert!(
            (10..=10 + at_most).contains(&last.0),
            "{effect}: {arrived:?}"
        );
    }
}

#[test]
fn only_the_end_that_waits_for_an_acknowledgement_gives_up() {
    for (name, rules, open_after) in [
        ("both ways", vec![(0, 1), (1, 0)], [true, false]),
        ("bytes", vec![(1, 0)], [true, false]),
        ("acknowledgements", vec![(0, 1)], [true, false]),
    ] {
        let (mut network, nodes) = strangers(PLAIN);
        let end = connect(&mut network, nodes[0], nodes[1]);
        let rules: Vec<_> = rules
            .into_iter()
            .map(|(from, to)| network.impose(one_way(nodes[from], nodes[to])))
            .collect();
        send(&mut network, end);
        network.run_for(secs(3) - TEN_MS).unwrap();
        assert_eq!(open(&network, end), [true, true], "{name}");
        network.run_for(2 * TEN_MS).unwrap();
        assert_eq!(open(&network, end), open_after, "{name}");
        for rule in rules {
            network.lift(rule);
        }
        network.run_for(secs(60)).unwrap();
        assert_eq!(
            open(&network, end),
            open_after,
            "{name}: nobody says anything"
        );
        send(&mut network, end.other());
        network.run_for(secs(1)).unwrap();
        assert_eq!(
            open(&network, end),
            [false, false],
            "{name}: and then it is reset"
        );
    }
}

#[test]
fn a_connection_on_which_nothing_is_sent_outlives_any_cut() {
    let (mut network, [a, b]) = strangers(PLAIN);
    let end = connect(&mut network, a, b);
    let cut = network.impose(Rule::partition(&[&[a]]));
    network.run_for(secs(3_600)).unwrap();
    network.lift(cut);
    send(&mut network, end);
    network.run_for(secs(1)).unwrap();
    assert_eq!(open(&network, end), [true, true]);
}

#[test]
fn a_process_that_is_killed_resets_its_connections() {
    let (mut network, [a, b]) = strangers(PLAIN);
    let end = connect(&mut network, a, b);
    network.crash(a);
    network.run_for(TEN_MS / 2).unwrap();
    assert_eq!(open(&network, end), [false, true]);
    network.run_for(TEN_MS).unwrap();
    assert_eq!(open(&network, end), [false, false]);
}

#[test]
fn a_host_that_vanishes_leaves_the_other_end_half_open() {
    for (name, sends, comes_back, is_open_after) in [
        ("nothing is sent", false, false, true),
        ("nothing is sent to the new life", false, true, true),
        ("what is sent is not acknowledged", true, false, false),
        ("what is sent is reset by the new life", true, true, false),
    ] {
        let (mut network, [a, b]) = strangers(PLAIN);
        let end = connect(&mut network, a, b);
        network.vanish(a);
        network.run_for(secs(1)).unwrap();
        assert_eq!(open(&network, end), [false, true], "{name}");
        if comes_back {
            network.start(a);
        }
        if sends {
            send(&mut network, end);
        }
        network
            .run_for(if comes_back { 3 * TEN_MS } else { secs(4) })
            .unwrap();
        assert_eq!(open(&network, end), [false, is_open_after], "{name}");
    }
}

#[test]
fn what_was_sent_before_a_host_vanished_still_times_out() {
    let (mut network, [a, b]) = strangers(PLAIN);
    let end = connect(&mut network, a, b);
    send(&mut network, end);
    network.vanish(a);
    network.run_for(secs(2)).unwrap();
    assert_eq!(open(&network, end), [false, true]);
    network.run_for(secs(2)).unwrap();
    assert_eq!(open(&network, end), [false, false]);
}
