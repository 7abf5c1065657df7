//! [`Chaos`]: faults at random, drawn from the seed, as entries of the timeline that might as well have been written down.

use std::time::Duration;

use super::fault::{Fault, Restart};
use super::link::{LinkChange, LossSpec};
use super::timeline::Entry;
use super::who::{Cast, Who};
use super::yaml::{mapping, words};
use crate::simulation::chance::Chance;
use crate::simulation::{NodeId, Rate};

mapping! {
    /// Faults at random: each of a kind, on nodes and for a time that the seed decides.
    pub struct Chaos {
        /// Which kinds; all without it.
        faults: Vec<ChaosKind>,
        /// Which nodes they may be about; everyone without it.
        nodes: Who = (Who::all()),
        /// How long from the start of one to the start of the next, on average.
        mean_gap: Duration,
        /// How many last at the same time, at most.
        max_at_once: u32 = (2),
        /// How long each lasts, at most.
        max_lasts: Duration = (Duration::from_secs(15)),
        /// When the last one is over.
        until: Duration,
    }
}

words! {
    /// A kind of fault at random.
    pub enum ChaosKind {
        /// A node crashes, and comes back.
        Crash = "crash",
        /// A node is cut off.
        Isolate = "isolate",
        /// Up to half of all packets are lost.
        Loss = "loss",
        /// Two parts cannot reach each other.
        Partition = "partition",
        /// A node stands still.
        Pause = "pause",
        /// A node is restarted at once.
        Restart = "restart",
    }
}

const ALL: [ChaosKind; 6] = [
    ChaosKind::Crash,
    ChaosKind::Isolate,
    ChaosKind::Loss,
    ChaosKind::Partition,
    ChaosKind::Pause,
    ChaosKind::Restart,
];

/// No fault is shorter.
const SHORTEST: Duration = Duration::from_millis(100);

impl Chaos {
    pub(super) fn objection(&self) -> Option<String> {
        let what = match self {
            Self { mean_gap, .. } if mean_gap.is_zero() => "mean_gap takes more than 0",
            Self { max_at_once: 0, .. } => "max_at_once takes more than 0",
            Self { max_lasts, .. } if *max_lasts < SHORTEST => "max_lasts takes at least 100ms",
            _ => return None,
        };
        Some(what.to_owned())
    }

    /// The faults, from `start` on.
    pub(super) fn entries(&self, start: Duration, cast: &Cast, chance: &mut Chance) -> Vec<Entry> {
        let nodes = cast.select(&self.nodes, chance);
        let mut entries: Vec<Entry> = Vec::new();
        let mut at = start + chance.up_to(self.mean_gap * 2);
        while at + SHORTEST < self.until {
            let left = (self.until - at).min(self.max_lasts);
            let lasts = SHORTEST + chance.up_to(left - SHORTEST);
            let fault = self.fault(&nodes, chance);
            let lasting = entries.iter().filter(|entry| entry.end() > at).count();
            if lasting < self.max_at_once as usize {
                let is_over = fault.ends_by_itself();
                entries.push(Entry::once(at, (!is_over).then_some(lasts), fault));
            }
            at += chance.up_to(self.mean_gap * 2);
        }
        entries
    }

    fn fault(&self, nodes: &[NodeId], chance: &mut Chance) -> Fault {
        let kinds = if self.faults.is_empty() {
            &ALL[..]
        } else {
            &self.faults
        };
        let one = |chance: &mut Chance| Who::of(&nodes[chance.below(nodes.len())..][..1]);
        match kinds[chance.below(kinds.len())] {
            ChaosKind::Crash => Fault::Crash(one(chance)),
            ChaosKind::Isolate => Fault::Isolate(one(chance)),
            ChaosKind::Loss => Fault::Link(loss(1 + chance.below(50))),
            ChaosKind::Partition => {
                let side = |chance: &mut Chance| chance.below(2) == 0;
                let (left, right): (Vec<_>, Vec<_>) = nodes.iter().partition(|_| side(chance));
                let sides = [left, right].into_iter().filter(|side| !side.is_empty());
                Fault::Partition(sides.map(|side| Who::of(&side)).collect())
            }
            ChaosKind::Pause => Fault::Pause(one(chance)),
            ChaosKind::Restart => Fault::Restart(Restart {
                nodes: one(chance),
                down: Duration::ZERO,
                config: None,
            }),
        }
    }
}

fn loss(percent: usize) -> LinkChange {
    let percent = u32::try_from(percent).unwrap_or(100);
    LinkChange {
        loss: Some(LossSpec::Even(Rate::percent(percent))),
        ..LinkChange::default()
    }
}
