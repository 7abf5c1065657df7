//! What Phalanx promises in figures, in virtual time, with the state machine that runs in production. Each test prints
//! what it measured (`cargo test -- --nocapture figures`), and its seed if it fails.

use std::fmt::Display;
use std::time::Duration;

use phalanx::member::MemberState;
use phalanx::membership::Options;
use phalanx::simulation::{
    Change, Effect, Loss, Network, NetworkOptions, NodeId, Protocol, Rule, plain_options,
};
use phalanx::time::Timestamp;
use phalanx::trust::{Trust, TrustPem};

pub(crate) const STEP: Duration = Duration::from_millis(10);

/// A network on which `count` nodes know each other.
fn formed(count: u32, seed: u64, options: impl Fn(u32) -> Options) -> (Network, Vec<NodeId>) {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let nodes = add_nodes(&mut network, count, options);
    network.start_all();
    let formed = network
        .run_until(secs(60), STEP, Network::views_are_complete)
        .unwrap();
    assert!(formed.is_some(), "seed {seed}: {}", network.transcript());
    (network, nodes)
}

fn add_nodes(network: &mut Network, count: u32, options: impl Fn(u32) -> Options) -> Vec<NodeId> {
    let contact = options(0).local.advertised;
    let add = |number| network.add_node(options(number), None, vec![contact.into()]);
    (0..count).map(add).collect()
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn figure(name: &str, value: impl Display) {
    println!("figure {name}: {value}");
}

pub(crate) fn millis(durations: &[Duration]) -> String {
    let each: Vec<_> = durations
        .iter()
        .map(|one| one.as_millis().to_string())
        .collect();
    format!("{} ms", each.join(", "))
}

fn median(durations: &mut [Duration]) -> Duration {
    durations.sort();
    durations[durations.len() / 2]
}

/// Starts `count` nodes evenly within a second, all with one contact point; how long after the last start all know all.
fn mass_join(count: u32) -> Duration {
    let mut network = Network::new(NetworkOptions::default(), 1);
    let nodes = network.add_plain_nodes(count);
    for node in nodes {
        network.start(node);
        network.run_for(secs(1) / count).unwrap();
    }
    let known = network
        .run_until(secs(60), STEP, Network::views_are_complete)
        .unwrap();
    let known = known.expect("everybody knows everybody within a minute");
    figure(
        &format!("{count} nodes join within 1 s, all pairs known after"),
        millis(&[known]),
    );
    known
}

#[test]
fn a_hundred_nodes_join_at_once_and_all_know_all_within_15_s() {
    assert!(mass_join(100) <= secs(15));
}

#[test]
fn a_thousand_nodes_join_at_once_and_all_know_all_within_15_s() {
    assert!(mass_join(1_000) <= secs(15));
}

/// Cuts 100 nodes in halves for 10 minutes; how long after it heals all know all.
fn heals_after_ten_minutes(seed: u64, options: impl Fn(u32) -> Options) -> Duration {
    let (mut network, nodes) = formed(100, seed, options);
    let (left, right) = nodes.split_at(50);
    let before = network.transcript().entries().len();
    let cut = network.impose(Rule::partition(&[left, right]));
    network.run_for(secs(600)).unwrap();
    for node in &nodes {
        assert_eq!(network.live_members_seen_by(*node), 50);
    }
    network.lift(cut);
    let whole = network
        .run_until(secs(120), STEP, Network::views_are_complete)
        .unwrap();
    network.run_for(secs(30)).unwrap();
    assert!(network.views_are_complete());
    let is_left = |node: NodeId| node.index() < 50;
    let own: Vec<&Change> = network
        .transcript()
        .changes_since(before)
        .filter(|change| is_left(change.observer) == is_left(change.subject))
        .filter(|change| change.to.state != MemberState::Alive)
        .collect();
    assert_eq!(
        own,
        Vec::<&Change>::new(),
        "events about members of the own side"
    );
    whole.expect("whole within two minutes")
}

#[test]
fn a_partition_of_ten_minutes_heals_within_15_s_and_nobody_doubts_its_own_side() {
    let whole = heals_after_ten_minutes(1, plain_options);
    figure(
        "halves of 100, cut for 10 min, whole after",
        millis(&[whole]),
    );
    assert!(whole <= secs(15));
}

#[test]
fn a_partition_heals_even_after_the_tombstones_are_gone() {
    let forgetful = |number| {
        let mut options = plain_options(number);
        options.params.tombstone_ttl = secs(60);
        options
    };
    let whole = heals_after_ten_minutes(2, forgetful);
    figure(
        "the same with tombstones of 60 s, whole after",
        millis(&[whole]),
    );
    assert!(whole <= secs(15));
}

/// The longest time that any node held any other dead, up to now.
pub(crate) fn longest_death(network: &Network) -> Duration {
    let mut died = std::collections::BTreeMap::new();
    let mut longest = Duration::ZERO;
    for change in network.transcript().changes() {
        let pair = (change.observer, change.subject);
        match change.to.state {
            MemberState::Dead => {
                died.insert(pair, change.at);
            }
            _ => {
                if let Some(since) = died.remove(&pair) {
                    longest = longest.max(change.at.saturating_since(since));
                }
            }
        }
    }
    let open = died
        .values()
        .map(|since| network.now().saturating_since(*since));
    open.max().unwrap_or_default().max(longest)
}

#[test]
fn at_20_percent_loss_nobody_stays_dead_longer_than_a_refutation_takes() {
    let (mut network, _) = formed(100, 1, plain_options);
    let loss = network.impose(Rule::everywhere(None, Effect::Lose(Loss::percent(20))));
    network.run_for(secs(600)).unwrap();
    let count = |state| {
        let changes = network.transcript().changes();
        changes.filter(|change| change.to.state == state).count()
    };
    let (suspected, died) = (count(MemberState::Suspect), count(MemberState::Dead));
    let longest = longest_death(&network);
    figure("20 % loss for 600 s, 100 nodes: suspicions", suspected);
    figure("20 % loss for 600 s, 100 nodes: deaths", died);
    figure(
        "20 % loss for 600 s, 100 nodes: longest death",
        millis(&[longest]),
    );
    assert!(longest <= secs(5));
    network.lift(loss);
    let complete = network
        .run_until(secs(15), STEP, Network::views_are_complete)
        .unwrap();
    figure(
        "20 % loss for 600 s, 100 nodes: complete after",
        format!("{complete:?}"),
    );
    assert!(complete.is_some());
}

/// A run of seven nodes with a bit of everything.
fn eventful(mut network: Network, nodes: &[NodeId]) -> Network {
    network.start_all();
    network.run_for(secs(10)).unwrap();
    network.impose(Rule::everywhere(
        Some(Protocol::Udp),
        Effect::Lose(Loss::percent(10)),
    ));
    network.crash(nodes[3]);
    network.run_for(secs(20)).unwrap();
    network.start(nodes[3]);
    let cut = network.impose(Rule::partition(&[&nodes[..3], &nodes[3..]]));
    network.run_for(secs(40)).unwrap();
    network.lift(cut);
    network.leave(nodes[6]);
    network.run_for(secs(20)).unwrap();
    network
}

fn eventful_plain(seed: u64) -> Network {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let nodes = network.add_plain_nodes(7);
    eventful(network, &nodes)
}

/// The same with TLS; one certificate for all, whose key signs alike each time.
fn eventful_tls(seed: u64) -> Network {
    let mut network = Network::new(NetworkOptions::default(), seed);
    let trust = shared_trust(network.now());
    let contact = plain_options(0).local.advertised;
    let add = |number| {
        let mut options = plain_options(number);
        options.certificate = Some(*trust.leaf_sha256().as_bytes());
        options.params.tagged = true;
        network.add_node(options, Some(trust.clone()), vec![contact.into()])
    };
    let nodes: Vec<_> = (0..7).map(add).collect();
    eventful(network, &nodes)
}

pub(crate) fn shared_trust(now: Timestamp) -> Trust {
    // RFC 8410 §7: an Ed25519 key is 32 bytes behind a fixed header.
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend([42; 32]);
    let key = rcgen::KeyPair::try_from(der).unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    let (chain, key) = (certificate.pem(), key.serialize_pem());
    let pem = TrustPem {
        certificate_chain: chain.as_bytes(),
        private_key: key.as_bytes(),
        ..TrustPem::default()
    };
    Trust::from_pem(&pem, now).unwrap().0
}

fn one_seed_gives_one_transcript(name: &str, run: impl Fn(u64) -> Network) {
    let (one, again, other) = (run(5), run(5), run(6));
    assert_eq!(one.transcript().to_string(), again.transcript().to_string());
    assert_ne!(
        one.transcript().trace_hash(),
        other.transcript().trace_hash()
    );
    let lines = one.transcript().entries().len();
    let hash = one.transcript().trace_hash();
    figure(
        &format!("{name} transcript of seed 5"),
        format!("{lines} lines, trace hash {hash:016x}"),
    );
}

#[test]
fn one_seed_gives_one_transcript_in_plaintext() {
    one_seed_gives_one_transcript("plaintext", eventful_plain);
}

#[test]
fn one_seed_gives_one_transcript_with_tls() {
    one_seed_gives_one_transcript("TLS", eventful_tls);
}

/// How long after the crash of one of three both others hold it dead.
fn detection(seed: u64) -> Duration {
    let (mut network, nodes) = formed(3, seed, plain_options);
    network.run_for(secs(5)).unwrap();
    network.crash(nodes[1]);
    let sees_it = |network: &Network, observer| {
        network.state_seen_by(observer, nodes[1]) == Some(MemberState::Dead)
    };
    let both = |network: &Network| sees_it(network, nodes[0]) && sees_it(network, nodes[2]);
    let detected = network.run_until(secs(30), STEP, both).unwrap();
    detected.expect("detected within 30 s")
}

#[test]
fn a_crash_in_a_cluster_of_three_is_detected_in_a_median_of_5_s() {
    let mut times: Vec<_> = (1..=10).map(detection).collect();
    let middle = median(&mut times);
    figure(
        "crash of one of three detected by both, ten seeds",
        millis(&times),
    );
    let params = plain_options(0).params;
    assert!(times[9] <= params.failure_timeout + 3 * params.probe_interval);
    assert!(middle <= secs(5));
}

#[test]
fn a_restarted_node_is_a_member_everywhere_within_2_s() {
    let restarts = |seed, down: u64| {
        let (mut network, nodes) = formed(3, seed, plain_options);
        network.crash(nodes[1]);
        network.run_for(secs(down)).unwrap();
        network.start(nodes[1]);
        let back = network
            .run_until(secs(30), STEP, Network::views_are_complete)
            .unwrap();
        back.expect("back within 30 s")
    };
    for down in [0, 2, 30] {
        let times: Vec<_> = (1..=5).map(|seed| restarts(seed, down)).collect();
        figure(
            &format!("restart {down} s after a crash, a member everywhere after"),
            millis(&times),
        );
        assert!(times.iter().all(|time| *time <= secs(2)));
    }
}

#[test]
fn a_leave_is_seen_by_all_within_1_s() {
    let times: Vec<_> = [3, 100]
        .map(|count| {
            let (mut network, nodes) = formed(count, 1, plain_options);
            let leaver = nodes[1];
            network.leave(leaver);
            let others: Vec<_> = nodes
                .iter()
                .copied()
                .filter(|node| *node != leaver)
                .collect();
            let is_left = |network: &Network| {
                let left = Some(MemberState::Left);
                others
                    .iter()
                    .all(|other| network.state_seen_by(*other, leaver) == left)
            };
            let seen = network.run_until(secs(10), STEP, is_left).unwrap();
            network.run_for(secs(10)).unwrap();
            assert!(!network.is_running(leaver));
            let died = |change: &Change| change.to.state == MemberState::Dead;
            assert!(!network.transcript().changes().any(died));
            seen.expect("seen within 10 s")
        })
        .to_vec();
    figure(
        "a leave is seen by all of 3 and of 100 after",
        millis(&times),
    );
    assert!(times.iter().all(|time| *time <= secs(1)));
}

/// Three nodes, one of which stands still for `pause`: how long after it goes on all know all again.
fn pause(seed: u64, pause: Duration) -> (Network, Duration) {
    let (mut network, nodes) = formed(3, seed, plain_options);
    network.run_for(secs(5)).unwrap();
    network.pause(nodes[2]);
    network.run_for(pause).unwrap();
    network.resume(nodes[2]);
    let healed = network
        .run_until(secs(30), STEP, Network::views_are_complete)
        .unwrap();
    network.run_for(secs(20)).unwrap();
    assert!(
        network.views_are_complete(),
        "seed {seed}: {}",
        network.transcript()
    );
    (network, healed.expect("healed within 30 s"))
}

#[test]
fn a_pause_shorter_than_the_suspicion_floor_removes_nobody() {
    let floor = plain_options(0).params.suspicion_floor;
    for seed in 1..=10 {
        let (network, _) = pause(seed, floor - STEP);
        let died = |change: &&Change| change.to.state == MemberState::Dead;
        assert_eq!(
            network.transcript().changes().find(died),
            None,
            "{}",
            network.transcript()
        );
    }
}

#[test]
fn a_longer_pause_is_healed_within_5_s() {
    for length in [secs(8), secs(30), secs(120)] {
        let times: Vec<_> = (1..=5).map(|seed| pause(seed, length).1).collect();
        figure(
            &format!("paused for {length:?}, healed after"),
            millis(&times),
        );
        assert!(times.iter().all(|time| *time <= secs(5)));
    }
}

/// Forms a cluster of ten without datagrams and crashes one: how long each takes.
fn without_datagrams(options: impl Fn(u32) -> Options, block: bool) -> [Duration; 2] {
    let mut network = Network::new(NetworkOptions::default(), 1);
    let nodes = add_nodes(&mut network, 10, options);
    if block {
        network.impose(Rule::everywhere(Some(Protocol::Udp), Effect::Cut));
    }
    network.start_all();
    let formed = network
        .run_until(secs(60), STEP, Network::views_are_complete)
        .unwrap();
    network.run_for(secs(60)).unwrap();
    let died = |change: &Change| change.to.state == MemberState::Dead;
    assert!(
        !network.transcript().changes().any(died),
        "{}",
        network.transcript()
    );
    network.crash(nodes[4]);
    let detected = network
        .run_until(secs(60), STEP, Network::views_are_complete)
        .unwrap();
    [formed, detected].map(|time| time.expect("within a minute"))
}

#[test]
fn with_udp_blocked_the_cluster_forms_and_detects_failures_all_the_same() {
    let times = without_datagrams(plain_options, true);
    figure(
        "UDP blocked, ten nodes: formed, crash detected after",
        millis(&times),
    );
    let params = plain_options(0).params;
    assert!(times[0] <= secs(15));
    assert!(times[1] <= params.failure_timeout + 10 * params.probe_interval);
}

#[test]
fn nodes_without_datagram_sockets_form_a_cluster_and_detect_failures() {
    let silent = |number| {
        let mut options = plain_options(number);
        options.local.udp = false;
        options
    };
    let times = without_datagrams(silent, false);
    figure(
        "udp: false, ten nodes: formed, crash detected after",
        millis(&times),
    );
    let params = plain_options(0).params;
    assert!(times[0] <= secs(15));
    assert!(times[1] <= params.failure_timeout + 10 * params.probe_interval);
}
