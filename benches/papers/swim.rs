//! The SWIM paper's figures (Das, Gupta, Motivala, DSN 2002), with the state machine of production set up as theirs: one relay,
//! periods of 2 s, news only on the back of probes, no connections, no Lifeguard.

use std::num::NonZeroUsize;
use std::time::Duration;

use phalanx::member::MemberState;
use phalanx::simulation::{
    Change, Effect, Loss, Network, NetworkOptions, NodeId, Protocol, Rule, plain_options,
};
use phalanx::swim::Params;

/// The paper's T.
pub(crate) const PERIOD: Duration = Duration::from_secs(2);
const NEVER: Duration = Duration::from_secs(1_000_000);

/// How a group is set up where it differs from the paper's own experiments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// How many members.
    pub(crate) members: u32,
    /// The paper's k: how many relays are asked.
    pub(crate) relays: usize,
    /// How long a suspicion lasts.
    pub(crate) suspicion: Duration,
}

/// How long a suspicion lasts in the paper: 3 · ⌈ln(n + 1)⌉ periods.
pub(crate) fn suspicion_periods(members: u32) -> u32 {
    3 * f64::from(members + 1).ln().ceil() as u32
}

impl Setup {
    /// The paper's own.
    pub(crate) fn new(members: u32) -> Self {
        Self {
            members,
            relays: 1,
            suspicion: PERIOD * suspicion_periods(members),
        }
    }

    fn params(self) -> Params {
        Params {
            awareness_max: 0,
            broadcast_disputes: false,
            buddy: false,
            failure_timeout: self.suspicion,
            gossip_interval: NEVER,
            gossip_at_once: false,
            probe_interval: PERIOD,
            probe_timeout: PERIOD / 4,
            suspect_probes: NonZeroUsize::new(self.relays + 1).expect("at least one"),
            suspicion_confirmations: 0,
            suspicion_floor: self.suspicion.min(PERIOD),
            sync_interval: NEVER,
            tombstone_ttl: NEVER,
            ..Params::lan()
        }
    }
}

/// A group that has formed and then lost its connections, so that only datagrams are left.
pub(crate) struct Group {
    pub(crate) network: Network,
    pub(crate) nodes: Vec<NodeId>,
}

impl Group {
    pub(crate) fn new(setup: Setup, seed: u64) -> Self {
        let mut group = Self::empty(seed);
        for _ in 0..setup.members {
            group.join(setup);
        }
        let formed = group
            .network
            .run_until(PERIOD * 60, PERIOD / 20, Network::views_are_complete);
        let formed = formed.expect("no promise is broken");
        assert!(formed.is_some(), "seed {seed}: the group does not form");
        let no_connections = Rule::everywhere(Some(Protocol::Tcp), Effect::Cut);
        group.network.impose(no_connections);
        group.run(40);
        group
    }

    fn empty(seed: u64) -> Self {
        let options = NetworkOptions {
            // So that a probe over a connection, which there is none of, has failed before the period ends.
            connect_timeout: PERIOD / 10,
            ..NetworkOptions::default()
        };
        Self {
            network: Network::new(options, seed),
            nodes: Vec::new(),
        }
    }

    fn join(&mut self, setup: Setup) {
        let number = u32::try_from(self.nodes.len()).expect("few nodes");
        let mut options = plain_options(number);
        options.params = setup.params();
        let contact = plain_options(0).local.advertised;
        let node = self.network.add_node(options, None, vec![contact.into()]);
        self.network.start(node);
        self.nodes.push(node);
    }

    /// Lets so many periods pass.
    pub(crate) fn run(&mut self, periods: u32) {
        self.network
            .run_for(PERIOD * periods)
            .expect("no promise is broken");
    }

    fn lose(&mut self, percent: u32) {
        let loss = Effect::Lose(Loss::percent(percent));
        self.network
            .impose(Rule::everywhere(Some(Protocol::Udp), loss));
    }

    fn datagrams(&self) -> u64 {
        let sent = self.nodes.iter().map(|node| self.network.traffic(*node));
        sent.map(|traffic| traffic.datagrams_sent().packets).sum()
    }

    fn mark(&self) -> usize {
        self.network.transcript().entries().len()
    }

    /// The changes since `mark` by which members came to see `subject` in `state`.
    fn changes(&self, mark: usize, subject: NodeId, state: MemberState) -> Vec<Change> {
        self.network
            .transcript()
            .changes_since(mark)
            .filter(|change| change.subject == subject && change.to.state == state)
            .copied()
            .collect()
    }
}

/// Datagrams sent by each member in a period of a group at rest: 2, a ping and an ack.
pub(crate) fn load(members: u32, periods: u32) -> f64 {
    let mut group = Group::new(Setup::new(members), 1);
    let before = group.datagrams();
    group.run(periods);
    let sent = (group.datagrams() - before) as f64;
    sent / f64::from(members) / f64::from(periods)
}

/// What a crash leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    /// In which period after the crash the first probe failed, counted from 1.
    pub(crate) period: u32,
    /// From the first suspicion to the death, at whoever suspected first.
    pub(crate) suspicion: Duration,
    /// From the first suspicion until half of the others have heard of it.
    pub(crate) half: Duration,
    /// The same for all others.
    pub(crate) all: Duration,
}

/// Crashes one member after the other in a group of `members`, until a quarter is left.
pub(crate) fn crashes(members: u32, seed: u64) -> Vec<Crash> {
    let setup = Setup::new(members);
    let mut group = Group::new(setup, seed);
    let count = group.nodes.len() * 3 / 4;
    (0..count)
        .filter_map(|number| {
            // At no fixed place of anybody's period.
            let pause = PERIOD.mul_f64(number as f64 * 0.618 % 1.0);
            group.network.run_for(pause).expect("no promise is broken");
            crash(&mut group, setup)
        })
        .collect()
}

fn crash(group: &mut Group, setup: Setup) -> Option<Crash> {
    let (mark, at) = (group.mark(), group.network.now());
    let subject = group.nodes.pop()?;
    group.network.crash(subject);
    group.run(10 + suspicion_periods(setup.members) + 20);
    let suspicions = group.changes(mark, subject, MemberState::Suspect);
    let deaths = group.changes(mark, subject, MemberState::Dead);
    let first = suspicions.first()?;
    let own = deaths
        .iter()
        .find(|change| change.observer == first.observer)?;
    let heard = |change: &Change| change.at.saturating_since(first.at);
    Some(Crash {
        period: periods_begun(first.at.saturating_since(at)),
        suspicion: own.at.saturating_since(first.at),
        half: heard(&suspicions[suspicions.len() / 2]),
        all: suspicions.last().map(heard)?,
    })
}

/// In which period after the crash the probe began that failed at its end.
fn periods_begun(suspected_after: Duration) -> u32 {
    let probed_after = suspected_after.saturating_sub(PERIOD);
    (probed_after.as_secs_f64() / PERIOD.as_secs_f64())
        .ceil()
        .max(1.0) as u32
}

/// How many of the probes of live members fail at a loss in percent, with k relays.
pub(crate) fn false_detections(loss: u32, relays: usize, periods: u32) -> f64 {
    let members = 32;
    let suspicion = NEVER;
    let mut group = Group::new(
        Setup {
            members,
            relays,
            suspicion,
        },
        1,
    );
    group.lose(loss);
    let probes = |group: &Group| {
        let stats = group
            .nodes
            .iter()
            .filter_map(|node| group.network.membership(*node));
        stats
            .map(|membership| membership.stats().swim)
            .fold((0, 0), |sum, stats| {
                (sum.0 + stats.probes_failed, sum.1 + stats.probes_started)
            })
    };
    let before = probes(&group);
    group.run(periods);
    let after = probes(&group);
    (after.0 - before.0) as f64 / (after.1 - before.1) as f64
}

/// The paper's formula for a probe: no answer directly, nor through any of k relays, where a share of `loss` percent is lost.
pub(crate) fn expected_false_detections(loss: u32, relays: usize) -> f64 {
    let q = 1.0 - f64::from(loss) / 100.0;
    let exponent = i32::try_from(relays).expect("few relays");
    (1.0 - q.powi(2)) * (1.0 - q.powi(4)).powi(exponent)
}

/// 17 processes join one after the other over 80 s while a tenth of all datagrams is lost: how many members the first sees after
/// 175 s.
pub(crate) fn group_under_loss(suspicion: Duration, seed: u64) -> usize {
    let setup = Setup {
        members: 17,
        relays: 1,
        suspicion,
    };
    let mut group = Group::empty(seed);
    group.lose(10);
    for _ in 0..setup.members {
        group.join(setup);
        let gap = Duration::from_secs(5);
        group.network.run_for(gap).expect("no promise is broken");
    }
    let rest = Duration::from_secs(175 - 85);
    group.network.run_for(rest).expect("no promise is broken");
    group.network.live_members_seen_by(group.nodes[0])
}
