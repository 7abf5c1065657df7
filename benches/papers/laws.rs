//! SWIM's laws from our own runs, with default settings: `cargo bench --bench papers -- laws [LARGEST]`.
//!
//! Detection takes as long in a large cluster as in a small one, news spreads in time logarithmic in the number of members,
//! and what a member sends does not depend on it.

use std::time::Duration;

use phalanx::member::MemberState;
use phalanx::simulation::{Detail, Network, NetworkOptions, NodeId};

use super::plot::{Line, Plot};

/// What was measured at one size.
#[derive(Clone, Copy, Debug)]
struct Point {
    members: u32,
    /// From a crash to the first suspicion, s.
    suspected: f64,
    /// From the first death to that at the last member, ms.
    spread: f64,
    /// Datagrams sent by a member in a second of rest.
    datagrams: f64,
    /// Their bytes.
    bytes: f64,
}

const CRASHES: usize = 8;

pub(crate) fn run(largest: u32) {
    println!(
        "| members | first suspicion, s | death from first to last, ms | datagrams a member and second | bytes |"
    );
    println!("|---|---|---|---|---|");
    let mut points = Vec::new();
    let mut members = 8;
    while members <= largest {
        let point = measure(members);
        println!(
            "| {members} | {:.2} | {:.1} | {:.2} | {:.0} |",
            point.suspected, point.spread, point.datagrams, point.bytes
        );
        points.push(point);
        members *= 2;
    }
    let line = |name, of: fn(&Point) -> f64| Line {
        name,
        points: points
            .iter()
            .map(|point| (f64::from(point.members), of(point)))
            .collect(),
    };
    let plots = [
        (
            "detection",
            "first suspicion after a crash, s",
            line("mean of 8", |point| point.suspected),
        ),
        (
            "dissemination",
            "a death, from the first to the last member, ms",
            line("mean of 8", |point| point.spread),
        ),
        (
            "load",
            "datagrams sent by a member at rest, 1/s",
            line("mean", |point| point.datagrams),
        ),
    ];
    for (file, title, line) in plots {
        let plot = Plot {
            title,
            across: "members",
            logarithmic: true,
            lines: vec![line],
        };
        plot.write(&format!("swim-{file}.svg"));
    }
}

fn measure(members: u32) -> Point {
    let options = NetworkOptions {
        detail: Detail::Events,
        ..NetworkOptions::default()
    };
    let mut network = Network::new(options, 1);
    let mut nodes = network.add_plain_nodes(members);
    network.start_all();
    let formed = network.run_until(
        Duration::from_secs(120),
        Duration::from_millis(100),
        Network::views_are_complete,
    );
    assert!(
        formed.expect("no promise is broken").is_some(),
        "{members} members do not form a cluster"
    );
    run_for(&mut network, 30);
    let before = sent(&network, &nodes);
    run_for(&mut network, 20);
    let after = sent(&network, &nodes);
    let each = |amount: u64| amount as f64 / f64::from(members) / 20.0;
    let crashes: Vec<_> = (0..CRASHES.min(nodes.len() / 2))
        .map(|_| crash(&mut network, &mut nodes))
        .collect();
    let mean =
        |of: fn(&(f64, f64)) -> f64| crashes.iter().map(of).sum::<f64>() / crashes.len() as f64;
    Point {
        members,
        suspected: mean(|times| times.0),
        spread: mean(|times| times.1),
        datagrams: each(after.0 - before.0),
        bytes: each(after.1 - before.1),
    }
}

/// Seconds to the first suspicion, and milliseconds from the first death to the last.
fn crash(network: &mut Network, nodes: &mut Vec<NodeId>) -> (f64, f64) {
    let subject = nodes.pop().expect("there are enough");
    let start = network.now();
    network.crash(subject);
    let count = |network: &Network, nodes: &[NodeId], state| {
        let seen = nodes
            .iter()
            .filter(|node| network.state_seen_by(**node, subject) == Some(state));
        seen.count()
    };
    let mut until = |step, is_done: &dyn Fn(&Network) -> bool| {
        let waited = network.run_until(Duration::from_secs(60), step, is_done);
        waited
            .expect("no promise is broken")
            .expect("within a minute");
        network.now()
    };
    let (step, fine) = (Duration::from_millis(5), Duration::from_micros(200));
    let suspected = until(step, &|network| {
        count(network, nodes, MemberState::Alive) < nodes.len()
    });
    let first = until(fine, &|network| {
        count(network, nodes, MemberState::Dead) > 0
    });
    let last = until(fine, &|network| {
        count(network, nodes, MemberState::Dead) == nodes.len()
    });
    run_for(network, 5);
    (
        suspected.saturating_since(start).as_secs_f64(),
        last.saturating_since(first).as_secs_f64() * 1_000.0,
    )
}

fn run_for(network: &mut Network, secs: u64) {
    network
        .run_for(Duration::from_secs(secs))
        .expect("no promise is broken");
}

fn sent(network: &Network, nodes: &[NodeId]) -> (u64, u64) {
    let sent = nodes
        .iter()
        .map(|node| network.traffic(*node).datagrams_sent());
    sent.fold((0, 0), |sum, count| {
        (sum.0 + count.packets, sum.1 + count.bytes)
    })
}
