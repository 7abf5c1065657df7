//! A large cluster: `cargo bench --bench papers -- scale [NODES] [--tls]`.

use std::time::{Duration, Instant};

use phalanx::simulation::{
    CertificateAuthority, Detail, Network, NetworkOptions, NodeId, Rule, Validity, tls_options,
};

use super::ALLOCATOR;

/// Joins through one contact point, a partition into halves, and its end, in 60 virtual seconds.
pub(crate) fn run(count: u32, tls: bool) {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    let before = ALLOCATOR.allocated();
    let options = NetworkOptions {
        detail: Detail::Events,
        ..NetworkOptions::default()
    };
    let mut network = Network::new(options, 1);
    let nodes = match tls {
        true => add_tls_nodes(&mut network, count),
        false => network.add_plain_nodes(count),
    };
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
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("resident at most: {}", peak.unwrap_or("not known here"));
    println!("trace hash {:016x}", network.transcript().trace_hash());
}

/// Nodes with a certificate each, of one authority.
fn add_tls_nodes(network: &mut Network, count: u32) -> Vec<NodeId> {
    const DAY: Duration = Duration::from_secs(86_400);
    let now = network.now();
    let validity = Validity::lasting(now - DAY, 365 * DAY);
    let mut authority = CertificateAuthority::new(1, "authority", validity);
    let mut add = |number| {
        let certificate = authority.issue("node", validity, &[]);
        let trust = certificate.load(None, now).expect("a certificate of ours");
        let contact = tls_options(0, &trust).local.advertised;
        network.add_node(
            tls_options(number, &trust),
            Some(trust),
            vec![contact.into()],
        )
    };
    (0..count).map(&mut add).collect()
}
