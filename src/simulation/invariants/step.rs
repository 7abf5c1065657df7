//! Checked at the end of each step of a node, once it has told all that it knows.

use super::super::network::Network;
use super::super::node::{NodeId, Process};
use super::Invariant;
use super::violation::Broken;
use super::watch::Watch;
use crate::member::MemberState;
use crate::swim::transmissions_max;
use crate::time::Timestamp;

impl Network {
    pub(in super::super) fn note_issued(&mut self, node: NodeId) {
        if let Some(membership) = self.membership(node) {
            let version = membership.local().version();
            let issued = (version.generation, version.incarnation);
            self.issued.raise(node, issued);
        }
    }

    /// A node takes something in, or is woken, by its own time `now`: too late, if it was to be woken before.
    pub(in super::super) fn note_late(&mut self, node: NodeId, now: Timestamp) {
        if let Some(process) = &mut self.nodes[node.index()].process
            && process.wakeup.is_some_and(|at| at < now)
        {
            process.watch.late_at = now;
        }
    }

    pub(in super::super) fn check_step(&mut self, node: NodeId) {
        let now = self.time_at(node);
        let Some(process) = &self.nodes[node.index()].process else {
            return;
        };
        let checks = [
            own_numbers_never_fall(process),
            accusations_are_refuted_at_once(process),
            local_health_stretches_probes(process, now),
            updates_are_sent_so_often(process),
        ];
        let broken = checks.into_iter().find_map(Result::err);
        let probed = self.whose_probe_began(process);
        if let Some(broken) = broken {
            self.broken(node, None, broken);
        }
        if let Some(probed) = probed {
            self.members_are_probed_in_turn(node, probed);
        }
        if let Some(process) = &mut self.nodes[node.index()].process {
            process
                .watch
                .end_step(&process.membership, probed.is_some(), now);
        }
    }

    fn whose_probe_began(&self, process: &Process) -> Option<NodeId> {
        let swim = process.membership.swim();
        if swim.stats().probes_started == process.watch.stats.probes_started {
            return None;
        }
        let id = swim.last_probed()?;
        self.ids.get(id.as_str()).copied()
    }

    /// Only live members are probed, and none over and over while others wait; see also [`Network::nobody_waits_for_its_probe`].
    fn members_are_probed_in_turn(&mut self, node: NodeId, probed: NodeId) {
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        let live = process.view.live();
        let held = process.view.state(probed);
        if !held.is_some_and(MemberState::is_live) {
            let broken =
                Invariant::MembersAreProbedInTurn.broken("probes of live members", "another");
            return self.broken(node, Some(probed), broken);
        }
        if let Some(streak) = process.watch.turns.probed(probed, live) {
            let broken = Invariant::MembersAreProbedInTurn.broken(
                format!("{live} members in turn"),
                format!("one of them {streak} times in a row"),
            );
            self.broken(node, Some(probed), broken);
        }
    }
}

impl Watch {
    /// The last member is gone, be it for a moment: with the next one probing begins anew.
    pub(in super::super) fn end_probing(&mut self) {
        self.probe = None;
    }

    fn end_step(
        &mut self,
        membership: &crate::membership::Membership,
        has_probed: bool,
        now: Timestamp,
    ) {
        let (swim, version) = (membership.swim(), membership.local().version());
        self.stats = swim.stats();
        self.own = Some((version.generation, version.incarnation));
        if has_probed {
            self.probe = Some((now, swim.awareness()));
        }
    }
}

/// What a node calls itself never falls while it runs.
fn own_numbers_never_fall(process: &Process) -> Result<(), Broken> {
    let version = process.membership.local().version();
    let own = (version.generation, version.incarnation);
    match process.watch.own {
        Some(before) if own < before => Err(Invariant::OwnNumbersNeverFall.broken(
            format!("at least {}.{}", before.0, before.1),
            format!("{}.{}", own.0, own.1),
        )),
        _ => Ok(()),
    }
}

/// A node that takes in what its own version does not outrank has outranked it by the end of the step.
fn accusations_are_refuted_at_once(process: &Process) -> Result<(), Broken> {
    let (before, stats) = (process.watch.stats, process.membership.swim().stats());
    let version = process.membership.local().version();
    let has_risen = process.watch.own < Some((version.generation, version.incarnation));
    match stats.contested == before.contested || has_risen {
        true => Ok(()),
        false => Err(Invariant::AccusationsAreRefutedAtOnce
            .broken("a version above the accusation", version.to_string())),
    }
}

/// No update is sent more often than the number of members demands: of as many as there ever were.
fn updates_are_sent_so_often(process: &Process) -> Result<(), Broken> {
    let (most, max) = (
        process.membership.swim().transmissions_most(),
        transmissions_max(process.view.live_max() + 1),
    );
    match most < max {
        true => Ok(()),
        // One that waits was sent less often than it will be.
        false => Err(Invariant::UpdatesAreSentSoOften.broken(
            format!("up to {max} transmissions"),
            format!("a wait for number {}", most + 1),
        )),
    }
}

/// Local health stays within its bounds, and stretches the time between probes by one more than its score.
fn local_health_stretches_probes(process: &Process, now: Timestamp) -> Result<(), Broken> {
    let swim = process.membership.swim();
    let (invariant, score_max) = (
        Invariant::LocalHealthStretchesProbes,
        swim.params().awareness_max,
    );
    if swim.awareness() > score_max {
        let seen = swim.awareness().to_string();
        return Err(invariant.broken(format!("a score up to {score_max}"), seen));
    }
    let Some((at, score)) = process.watch.probe else {
        return Ok(());
    };
    let stretched = swim.params().effective_probe_interval() * (score + 1);
    let has_probed = swim.stats().probes_started > process.watch.stats.probes_started;
    let gap = now.saturating_since(at);
    match has_probed && gap < stretched {
        false => Ok(()),
        true => Err(invariant.broken(
            format!("{stretched:?} between probes at a score of {score}"),
            format!("{gap:?}"),
        )),
    }
}
