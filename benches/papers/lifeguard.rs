//! Lifeguard's experiments (Dadgar, Phillips, Currey, arXiv:1707.00788v2, section V), with the state machine of production.
//!
//! Of 128 members, C at random are anomalous: in lock-step they block before they send and after they receive anything, while
//! their timers run on. *Threshold*: once, for D. *Interval*: for D, then normal for I, and so on for 120 s. A false positive
//! is a failure event about a member that was never anomalous; one at a healthy member was raised by a member that was not
//! either.

use std::num::NonZeroUsize;
use std::time::Duration;

use phalanx::member::MemberState;
use phalanx::simulation::{Change, Network, NetworkOptions, NodeId, plain_options};
use phalanx::swim::Params;
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_pcg::Pcg64;

/// How many members.
pub(crate) const MEMBERS: u32 = 128;
/// The paper's α and β.
const ALPHA: f64 = 5.0;
const BETA: u32 = 6;
/// How long an interval experiment lasts at least, and a threshold experiment at most.
const LENGTH: Duration = Duration::from_secs(120);
/// How long the cluster is left alone first.
const QUIET: Duration = Duration::from_secs(15);
/// Linux's default receive buffer, as the kernel counts it (twice what is asked for).
const RECEIVE_BUFFER: usize = 425_984;

/// Which of Lifeguard's parts are on. None: plain SWIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) name: &'static str,
    probe: bool,
    suspicion: bool,
    buddy: bool,
}

impl Parts {
    pub(crate) const SWIM: Self = Self::new("SWIM", [false, false, false]);
    pub(crate) const LIFEGUARD: Self = Self::new("Lifeguard", [true, true, true]);
    /// In the paper's order.
    pub(crate) const ALL: [Self; 5] = [
        Self::SWIM,
        Self::PROBE,
        Self::new("LHA-Suspicion", [false, true, false]),
        Self::new("Buddy System", [false, false, true]),
        Self::LIFEGUARD,
    ];

    pub(crate) const PROBE: Self = Self::new("LHA-Probe", [true, false, false]);

    const fn new(name: &'static str, [probe, suspicion, buddy]: [bool; 3]) -> Self {
        Self {
            name,
            probe,
            suspicion,
            buddy,
        }
    }

    /// The paper's settings, which are memberlist's for a local network. Suspicions last α · log10 n probe intervals, and
    /// begin at β times that where they adapt.
    fn params(self, setup: Setup) -> Params {
        let count = |count| NonZeroUsize::new(count).expect("not zero");
        let micros = 1e6 * ALPHA * f64::from(MEMBERS).log10();
        let floor = Duration::from_micros(micros as u64);
        Params {
            awareness_max: if self.probe { 8 } else { 0 },
            broadcast_disputes: false,
            broadcast_updates: false,
            buddy: self.buddy,
            failure_timeout: if self.suspicion { floor * BETA } else { floor },
            gossip_at_once: setup.at_once,
            gossip_fanout: count(3),
            gossip_interval: Duration::from_millis(200),
            probe_interval: Duration::from_secs(1),
            probe_interval_timeouts: 2,
            probe_timeout: Duration::from_millis(500),
            suspect_probes: count(4),
            suspicion_confirmations: if self.suspicion { 3 } else { 0 },
            suspicion_floor: floor,
            // memberlist's 30 s, which it stretches threefold for 128 members.
            sync_interval: Duration::from_secs(90),
            ..Params::lan()
        }
    }
}

/// What every run of an experiment shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) parts: Parts,
    /// How long a member is busy with a message.
    pub(crate) service_time: Duration,
    /// Whether news goes out at once, as is our default, or on a steady beat as in memberlist.
    pub(crate) at_once: bool,
}

/// One cell of the grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// C: how many members are anomalous.
    pub(crate) anomalous: usize,
    /// D: how long they block.
    pub(crate) blocked: Duration,
    /// I: how long they are normal in between.
    pub(crate) normal: Duration,
}

/// What an interval experiment counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Failure events about healthy members.
    pub(crate) false_positives: usize,
    /// The same at healthy members.
    pub(crate) at_healthy: usize,
    /// Datagrams sent.
    pub(crate) messages: u64,
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            false_positives: sum.false_positives + one.false_positives,
            at_healthy: sum.at_healthy + one.at_healthy,
            messages: sum.messages + one.messages,
        })
    }
}

/// When anomalous members were found out, after the anomaly began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detections {
    /// By the first healthy member.
    pub(crate) first: Vec<Duration>,
    /// By the last healthy member.
    pub(crate) full: Vec<Duration>,
}

impl std::iter::Sum for Detections {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum.first.extend(one.first);
            sum.full.extend(one.full);
            sum
        })
    }
}

/// Anomalies that come and go.
pub(crate) fn interval(setup: Setup, cell: Cell, seed: u64) -> Counts {
    let mut experiment = Experiment::new(setup, cell.anomalous, seed);
    let before = experiment.sent();
    experiment.come_and_go(cell);
    let false_positives =
        experiment.failures(|experiment, subject| !experiment.is_anomalous(subject));
    Counts {
        false_positives: false_positives.len(),
        at_healthy: false_positives
            .iter()
            .filter(|failure| !experiment.is_anomalous(failure.observer))
            .count(),
        messages: experiment.sent() - before,
    }
}

/// Prints what everybody came to believe of the first healthy member that a healthy one declares dead in an interval
/// experiment: each change with its time, its observer, whether that one is anomalous, and its cause.
pub(crate) fn trace(setup: Setup, cell: Cell, seed: u64) {
    let mut experiment = Experiment::new(setup, cell.anomalous, seed);
    let start = experiment.network.now();
    experiment.come_and_go(cell);
    let failures = experiment.failures(|experiment, subject| !experiment.is_anomalous(subject));
    let first = failures
        .iter()
        .find(|failure| !experiment.is_anomalous(failure.observer));
    let Some(first) = first else {
        println!("{cell:?}: no healthy member declares another dead");
        return;
    };
    println!("{cell:?}: {first:?}");
    let changes = experiment
        .network
        .transcript()
        .changes_since(experiment.mark);
    for change in changes.filter(|change| change.subject == first.subject && change.at <= first.at)
    {
        let kind = match experiment.is_anomalous(change.observer) {
            true => "anomalous",
            false => "healthy",
        };
        println!(
            "{:?}: {kind} {:?} sees {} because of {:?}, told by {:?}",
            change.at.saturating_since(start),
            change.observer,
            change.to,
            change.cause,
            change.told_by
        );
    }
}

/// One anomaly.
pub(crate) fn threshold(
    setup: Setup,
    anomalous: usize,
    blocked: Duration,
    seed: u64,
) -> Detections {
    let mut experiment = Experiment::new(setup, anomalous, seed);
    let start = experiment.network.now();
    experiment.block_for(blocked);
    let rest = LENGTH.saturating_sub(blocked);
    let healthy =
        experiment
            .network
            .run_until(rest, Duration::from_secs(1), Network::views_are_complete);
    healthy.expect("no promise is broken");
    let failures = experiment.failures(Experiment::is_anomalous);
    let mut detections = Detections::default();
    for subject in &experiment.anomalous {
        let mut seen: Vec<_> = failures
            .iter()
            .filter(|failure| {
                failure.subject == *subject && !experiment.is_anomalous(failure.observer)
            })
            .map(|failure| failure.at.saturating_since(start))
            .collect();
        seen.sort_unstable();
        let healthy = experiment.nodes.len() - anomalous;
        detections.first.extend(seen.first());
        detections.full.extend(seen.get(healthy - 1));
    }
    detections
}

/// One run.
struct Experiment {
    network: Network,
    nodes: Vec<NodeId>,
    anomalous: Vec<NodeId>,
    /// How long the transcript was when the anomalies began.
    mark: usize,
}

impl Experiment {
    /// A cluster that has formed and come to rest, and who is going to be anomalous.
    fn new(setup: Setup, anomalous: usize, seed: u64) -> Self {
        let options = NetworkOptions {
            receive_buffer: RECEIVE_BUFFER,
            service_time: setup.service_time,
            ..NetworkOptions::default()
        };
        let mut network = Network::new(options, seed);
        let params = setup.parts.params(setup);
        let contact = plain_options(0).local.advertised;
        let add = |number| {
            let mut options = plain_options(number);
            options.params = params.clone();
            network.add_node(options, None, vec![contact.into()])
        };
        let nodes: Vec<_> = (0..MEMBERS).map(add).collect();
        network.start_all();
        let formed = network.run_until(LENGTH, Duration::from_secs(1), Network::views_are_complete);
        let formed = formed.expect("no promise is broken");
        assert!(formed.is_some(), "seed {seed}: the cluster does not form");
        network.run_for(QUIET).expect("no promise is broken");
        let drawn = sample(&mut Pcg64::seed_from_u64(seed), nodes.len(), anomalous);
        let mark = network.transcript().entries().len();
        Self {
            anomalous: drawn.iter().map(|at| nodes[at]).collect(),
            network,
            nodes,
            mark,
        }
    }

    /// Anomalies for the length of an interval experiment.
    fn come_and_go(&mut self, cell: Cell) {
        let start = self.network.now();
        loop {
            self.block_for(cell.blocked);
            if self.network.now() >= start + LENGTH {
                break;
            }
            self.run_for(cell.normal);
        }
    }

    fn block_for(&mut self, blocked: Duration) {
        for node in &self.anomalous {
            self.network.block(*node);
        }
        self.run_for(blocked);
        for node in &self.anomalous {
            self.network.unblock(*node);
        }
    }

    fn run_for(&mut self, duration: Duration) {
        self.network
            .run_for(duration)
            .expect("no promise is broken");
    }

    fn is_anomalous(&self, node: NodeId) -> bool {
        self.anomalous.contains(&node)
    }

    /// Failure events about some members since the anomalies began.
    fn failures(&self, is_about: impl Fn(&Self, NodeId) -> bool) -> Vec<Change> {
        self.network
            .transcript()
            .changes_since(self.mark)
            .filter(|change| change.to.state == MemberState::Dead && is_about(self, change.subject))
            .copied()
            .collect()
    }

    /// Datagrams sent so far.
    fn sent(&self) -> u64 {
        let traffic = self.nodes.iter().map(|node| self.network.traffic(*node));
        traffic
            .map(|traffic| traffic.datagrams_sent().packets)
            .sum()
    }
}
