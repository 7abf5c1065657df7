//! [`Watch`]: what the checks remember of one life of a node.

use std::collections::BTreeSet;

use crate::member::{Generation, Incarnation};
use crate::simulation::NodeId;
use crate::swim::Stats;
use crate::time::Timestamp;

/// What the checks remember of one life of a node, between one step of it and the next.
#[derive(Debug, Default)]
pub(in super::super) struct Watch {
    /// The counters at the end of the last step.
    pub(super) stats: Stats,
    /// What it called itself then.
    pub(super) own: Option<(Generation, Incarnation)>,
    /// When, by its own time, it started its last probe, and its local health then.
    pub(super) probe: Option<(Timestamp, u32)>,
    /// When, by its own time, it last came too late to a timer.
    pub(super) late_at: Timestamp,
    pub(super) turns: ProbeTurns,
    /// Whose tombstones it has dropped since they were members last.
    pub(in super::super) forgotten: BTreeSet<NodeId>,
}

/// Whose turn it was to be probed.
#[derive(Debug, Default)]
pub(super) struct ProbeTurns {
    /// How many probes were started.
    count: u32,
    /// For each node, the probe at which it was probed last, or became a member.
    last: Vec<u32>,
    /// Who was probed last, and how often in a row.
    streak: Option<(NodeId, u32)>,
    /// The most members there were to probe.
    live_max: u32,
}

/// How often a member is probed in a row at most: at the end of a round, at the beginning of the next, and out of turn each
/// time a connection to it was lost.
const STREAK_MAX: u32 = 8;

impl ProbeTurns {
    /// Begins to count for a member.
    pub(super) fn enter(&mut self, member: NodeId) {
        let count = self.count;
        *self.last(member) = count;
    }

    /// A member is probed. Says how often in a row, if that is too often.
    pub(super) fn probed(&mut self, member: NodeId, live: usize) -> Option<u32> {
        self.count += 1;
        self.live_max = self.live_max.max(u32::try_from(live).unwrap_or(u32::MAX));
        let count = self.count;
        *self.last(member) = count;
        let streak = match self.streak {
            Some((same, times)) if same == member => times + 1,
            _ => 1,
        };
        self.streak = Some((member, streak));
        (live > 1 && streak > STREAK_MAX).then_some(streak)
    }

    /// How many probes have gone to others since this member's turn, if that is more than two rounds and what is probed out
    /// of turn.
    pub(super) fn waited_too_long(&self, member: NodeId) -> Option<u32> {
        let last = self.last.get(member.index()).copied().unwrap_or(0);
        let waited = self.count - last;
        (waited > 4 * self.live_max + 8).then_some(waited)
    }

    fn last(&mut self, member: NodeId) -> &mut u32 {
        if self.last.len() <= member.index() {
            self.last.resize(member.index() + 1, 0);
        }
        &mut self.last[member.index()]
    }
}
