//! Checked for one whole view at a time, since a view is large: every so many steps, and whenever a run comes to a halt.

use std::time::Duration;

use super::super::network::Network;
use super::super::node::{NodeId, Process};
use super::Invariant;
use super::violation::Broken;
use crate::member::MemberState;
use crate::time::Timestamp;

/// How many things happen between two audits.
const AUDIT_EVERY: u64 = 1_024;
/// How long after its time a tombstone may be met: for as long as its node may be busy.
const TOMBSTONE_GRACE: Duration = Duration::from_secs(1);

type Finding = (Option<NodeId>, Broken);

impl Network {
    /// Audits a node if it is time for one.
    pub(in super::super) fn audit_now_and_then(&mut self) {
        self.happened += 1;
        if self.happened.is_multiple_of(AUDIT_EVERY) {
            self.audit_one_node();
        }
    }

    /// Audits the node whose turn it is.
    pub(in super::super) fn audit_one_node(&mut self) {
        let Ok(count) = u64::try_from(self.nodes.len()) else {
            return;
        };
        if count == 0 {
            return;
        }
        let node = NodeId(u32::try_from(self.audits % count).expect("an index of a node"));
        self.audits += 1;
        if let Some(process) = &self.nodes[node.index()].process {
            let audit = self
                .events_add_up_to_the_view(node, process)
                .and_then(|()| tombstones_are_forgotten(process, self.time_at(node)))
                .and_then(|()| self.nobody_waits_for_its_probe(node, process));
            if let Err((subject, broken)) = audit {
                self.broken(node, subject, broken);
            }
        }
    }

    /// What a node told its application adds up to what it holds.
    fn events_add_up_to_the_view(&self, node: NodeId, process: &Process) -> Result<(), Finding> {
        let invariant = Invariant::EventsAddUpToTheView;
        let mut live = 0;
        for member in process.membership.members() {
            let version = member.version();
            let subject = self.ids.get(member.id().as_str()).copied();
            if subject == Some(node) {
                continue;
            }
            live += usize::from(version.state.is_live());
            let told = subject.and_then(|subject| process.view.get(subject, &self.versions));
            let told = told.map(|held| held.version);
            // Of the dead, no newer record is told, nor a farewell that comes too late.
            let is_told = told.is_some_and(|told| match version.state {
                MemberState::Dead => told.state == MemberState::Dead,
                MemberState::Left => told.state == MemberState::Dead || told == version,
                MemberState::Alive | MemberState::Suspect => told == version,
            });
            if !is_told {
                let told = told.map_or_else(|| "nothing".to_owned(), |told| told.to_string());
                return Err((subject, invariant.broken(version.to_string(), told)));
            }
        }
        let told = process.view.live();
        match live == told {
            true => Ok(()),
            false => Err((
                None,
                invariant.broken(format!("{live} live members"), format!("{told} told of")),
            )),
        }
    }

    /// No member waits longer for its probe than two rounds take.
    fn nobody_waits_for_its_probe(&self, node: NodeId, process: &Process) -> Result<(), Finding> {
        let nodes = self.nodes().into_iter().filter(|other| *other != node);
        let is_live = |other: &NodeId| {
            let held = process.view.state(*other);
            held.is_some_and(MemberState::is_live)
        };
        for other in nodes.filter(is_live) {
            if let Some(waited) = process.watch.turns.waited_too_long(other) {
                let broken = Invariant::MembersAreProbedInTurn.broken(
                    "a probe every two rounds",
                    format!("none in {waited} probes"),
                );
                return Err((Some(other), broken));
            }
        }
        Ok(())
    }
}

/// No tombstone outlasts its time.
fn tombstones_are_forgotten(process: &Process, now: Timestamp) -> Result<(), Finding> {
    let ttl = process.membership.swim().params().tombstone_ttl;
    let mut dead = process
        .membership
        .members()
        .filter(|member| !member.state().is_live());
    let is_stale = |since: Timestamp| since + ttl + TOMBSTONE_GRACE < now;
    match dead.find(|member| is_stale(member.since())) {
        Some(stale) if process.processor.has_time() => {
            let lasted = now.saturating_since(stale.since());
            let invariant = Invariant::TombstonesAreForgotten;
            let expected = format!("tombstones of at most {ttl:?}");
            let broken = invariant.broken(expected, format!("{} for {lasted:?}", stale.id()));
            Err((None, broken))
        }
        _ => Ok(()),
    }
}
