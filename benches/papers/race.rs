//! How long the same story takes to simulate with us and with foca 2: `cargo bench --bench papers -- race [MEMBERS]`.
//!
//! Members join through one contact point within a second, a tenth of them crashes after 20 s, and the story ends after 60 s.
//! Both sides have the settings of `Params::lan`, datagrams of at most 1,400 bytes and links of 0.2 to 1 ms. Ours runs in
//! `phalanx::simulation` with connections and with all its checks, foca in a loop around a heap with neither. Rounds
//! alternate. Ours must know all before the crashes and in the end; how many of foca's do is printed.

use std::time::{Duration, Instant};

use phalanx::simulation::{Detail, Network, NetworkOptions};

use super::foca_loop::Cluster;

pub(crate) const LENGTH: Duration = Duration::from_secs(60);
pub(crate) const CRASH_AT: Duration = Duration::from_secs(20);
const ROUNDS: usize = 5;

pub(crate) fn run(members: u32) {
    let crashes = members / 10;
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let ours = time(|| ours(members, crashes));
            let theirs = time(|| theirs(members, crashes));
            println!("{members} members: ours {ours:.2?}, foca {theirs:.2?}");
            theirs.as_secs_f64() / ours.as_secs_f64()
        })
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    println!(
        "ratio simulation-{members} {:.2} [{:.2} {:.2}]",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
}

fn ours(members: u32, crashes: u32) {
    let options = NetworkOptions {
        detail: Detail::Events,
        ..NetworkOptions::default()
    };
    let mut network = Network::new(options, 1);
    let nodes = network.add_plain_nodes(members);
    let gap = Duration::from_secs(1) / members;
    let run = |network: &mut Network, duration| {
        network.run_for(duration).expect("no promise is broken");
    };
    for node in &nodes {
        network.start(*node);
        run(&mut network, gap);
    }
    run(&mut network, CRASH_AT - gap * members);
    assert!(network.views_are_complete());
    for node in nodes.iter().rev().take(crashes as usize) {
        network.crash(*node);
    }
    run(&mut network, LENGTH - CRASH_AT);
    assert!(network.views_are_complete());
}

fn theirs(members: u32, crashes: u32) {
    let mut cluster = Cluster::new(members);
    cluster.run_to(CRASH_AT);
    let joined = cluster.views_of(members);
    cluster.crash_last(crashes);
    cluster.run_to(LENGTH);
    let left = members - crashes;
    println!(
        "foca: {joined} of {members} nodes know all before the crashes, {} of {left} at the end",
        cluster.views_of(left)
    );
}

fn time(run: impl FnOnce()) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    run();
    start.elapsed()
}
