//! A large cluster: `cargo bench --bench papers -- scale [NODES]`.

use std::time::{Duration, Instant};

use phalanx::simulation::{Detail, Network, NetworkOptions, Rule};

use super::ALLOCATOR;

/// Joins through one contact point, a partition into halves, and its end, in 60 virtual seconds.
pub(crate) fn run(count: u32) {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    let before = ALLOCATOR.allocated();
    let options = NetworkOptions {
        detail: Detail::Events,
        ..NetworkOptions::default()
    };
    let mut network = Network::new(options, 1);
    let nodes = network.add_plain_nodes(count);
    for node in &nodes {
        network.start(*node);
        network
            .run_for(Duration::from_secs(1) / count)
            .expect("no promise is broken");
    }
    let report = |network: &Network, what: &str| {
        println!(
            "{what}: virtual {:?}, wall {:.2?}, {} MiB, complete: {}",
            network
                .now()
                .saturating_since(NetworkOptions::default().start),
            start.elapsed(),
            (ALLOCATOR.allocated() - before) >> 20,
            network.views_are_complete()
        );
    };
    report(&network, "started");
    let run = |network: &mut Network, secs| {
        network
            .run_for(Duration::from_secs(secs))
            .expect("no promise is broken");
    };
    run(&mut network, 14);
    report(&network, "joined");
    let pairs = nodes.len() * (nodes.len() - 1);
    println!("{} bytes a pair", (ALLOCATOR.allocated() - before) / pairs);
    let (left, right) = nodes.split_at(nodes.len() / 2);
    let cut = network.impose(Rule::partition(&[left, right]));
    run(&mut network, 20);
    report(&network, "cut for 20 s");
    network.lift(cut);
    run(&mut network, 25);
    report(&network, "healed");
    let updates = nodes
        .iter()
        .filter_map(|node| network.membership(*node))
        .map(|membership| membership.stats().swim);
    let (received, news) = updates.fold((0, 0), |sum, stats| {
        (sum.0 + stats.updates_received, sum.1 + stats.updates_news)
    });
    let datagrams: u64 = nodes
        .iter()
        .map(|node| network.traffic(*node).datagrams_sent().packets)
        .sum();
    println!("{datagrams} datagrams, {received} updates received, {news} news");
    println!("trace hash {:016x}", network.transcript().trace_hash());
}
