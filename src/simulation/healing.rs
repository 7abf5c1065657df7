//! Safety first, then liveness: every fault ends, and what must come true once they have is waited for.

use std::time::Duration;

use super::invariants::{Broken, Invariant, Violation};
use super::network::Network;
use super::node::NodeId;
use crate::member::MemberState;
use crate::membership::{MemberMetadata, Membership};

/// How long what is judged may take, and among whom.
#[derive(Clone, Debug)]
pub struct Healing {
    /// Within this time everything must be well.
    pub within: Duration,
    /// For this long it must then stay as it is.
    pub quiet: Duration,
    /// Who belongs together. `None`: all running nodes of one cluster name and one security mode.
    pub groups: Option<Vec<Vec<NodeId>>>,
}

/// How often it is asked whether all is well.
const STEP: Duration = Duration::from_millis(100);

impl Network {
    /// Ends every fault: rules are lifted, whoever stands still or blocks goes on, whoever was slowed is so no longer. Links,
    /// clocks and certificates stay as they were set, and the crashed stay down.
    pub fn heal(&mut self) {
        for rule in self.rules.keys().copied().collect::<Vec<_>>() {
            self.lift(rule);
        }
        for node in self.nodes() {
            self.resume(node);
            self.unblock(node);
            if self.is_slowed(node) {
                self.slow(node, 1);
            }
        }
    }

    /// Heals, waits until all is well, and sees that it stays so: L1 to L10 of the module's list. How long it took.
    ///
    /// # Errors
    ///
    /// The first [`Violation`]: of safety, or of what was not well in time.
    pub fn heal_and_judge(&mut self, healing: &Healing) -> Result<Duration, Violation> {
        self.heal();
        let groups = match &healing.groups {
            Some(groups) => groups.clone(),
            None => self.compatible_groups(),
        };
        let is_well = |network: &Self| network.judge(&groups).is_ok();
        let took = self.run_until(healing.within, STEP, is_well)?;
        let Some(took) = took else {
            let judged = self.judge(&groups);
            let (node, subject, broken) = judged.expect_err("it was not well a moment ago");
            return Err(self.broken_for_good(node, subject, broken));
        };
        self.nobody_flaps(healing.quiet)?;
        Ok(took)
    }

    /// Views that have come together stay as they are.
    fn nobody_flaps(&mut self, quiet: Duration) -> Result<(), Violation> {
        let before = self.transcript.changes_len();
        self.run_for(quiet)?;
        let changes = self.transcript.changes_len() - before;
        let (Some(node), true) = (self.nodes().first().copied(), changes > 0) else {
            return Ok(());
        };
        let last = self.transcript.changes().last().copied();
        let (node, subject) = last.map_or((node, None), |last| (last.observer, Some(last.subject)));
        let broken = Invariant::NobodyFlaps.broken("no change", format!("{changes} changes"));
        Err(self.broken_for_good(node, subject, broken))
    }

    fn compatible_groups(&self) -> Vec<Vec<NodeId>> {
        let mut groups: Vec<Vec<NodeId>> = Vec::new();
        for node in self.nodes() {
            let group = groups
                .iter_mut()
                .find(|group| self.are_compatible(group[0], node));
            match group {
                Some(group) => group.push(node),
                None => groups.push(vec![node]),
            }
        }
        groups
    }

    /// Whether all is well now; if not, with whom, about whom, and what is wrong.
    fn judge(&self, groups: &[Vec<NodeId>]) -> Result<(), (NodeId, Option<NodeId>, Broken)> {
        for observer in groups.iter().flatten().copied() {
            let Some(membership) = self.membership(observer) else {
                continue;
            };
            one_address_leads_to_one_member(membership)
                .map_err(|broken| (observer, None, broken))?;
            for subject in groups.iter().flatten().copied() {
                let is_together = groups
                    .iter()
                    .any(|group| group.contains(&observer) && group.contains(&subject));
                if observer != subject && is_together {
                    self.judge_view(observer, subject)
                        .and_then(|()| self.the_last_metadata_is_everywhere(observer, subject))
                        .map_err(|broken| (observer, Some(subject), broken))?;
                }
            }
            let swim = membership.swim();
            local_health_recovers(swim.awareness())
                .and_then(|()| news_dies_down(swim.queue_len()))
                .map_err(|broken| (observer, None, broken))?;
        }
        Ok(())
    }

    fn judge_view(&self, observer: NodeId, subject: NodeId) -> Result<(), Broken> {
        let process = self.nodes[observer.index()].process.as_ref();
        let held = process.and_then(|process| process.view.get(subject, &self.versions));
        let Some(membership) = self.membership(subject) else {
            return the_crashed_are_dead_everywhere(held.map(|held| held.version.state));
        };
        let truth = membership.local().version();
        let seen = held.map(|held| held.version);
        if seen == Some(truth) {
            return Ok(());
        }
        let invariant = match seen {
            Some(seen) if seen.generation < truth.generation => Invariant::ANewLifeReplacesTheOld,
            _ => Invariant::ViewsAgreeWithTheTruth,
        };
        let seen = seen.map_or_else(|| "nothing".to_owned(), |seen| seen.to_string());
        Err(invariant.broken(truth.to_string(), seen))
    }
}

impl Network {
    /// What each running node says of itself last is known to all who belong with it.
    fn the_last_metadata_is_everywhere(
        &self,
        observer: NodeId,
        subject: NodeId,
    ) -> Result<(), Broken> {
        let (Some(seen), Some(owner)) = (self.membership(observer), self.membership(subject))
        else {
            return Ok(());
        };
        let id = owner.local().id();
        let (said, seen) = (owner.metadata(id), seen.metadata(id));
        if said == seen {
            return Ok(());
        }
        let shown = |metadata: Option<&MemberMetadata>| match metadata {
            Some(metadata) => format!("version {}, {:?}", metadata.version, metadata.entries),
            None => "none".to_owned(),
        };
        Err(Invariant::TheLastMetadataIsEverywhere.broken(shown(said), shown(seen)))
    }
}

/// Once views have come together, none holds two live members at one address.
fn one_address_leads_to_one_member(membership: &Membership) -> Result<(), Broken> {
    let live = membership
        .members()
        .filter(|member| member.state().is_live());
    let mut held: Vec<_> = live
        .map(|member| (member.record().addr, member.id()))
        .collect();
    held.sort_unstable();
    match held.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(Invariant::OneAddressLeadsToOneMember.broken(
            "one member at each address",
            format!("{} and {} at {}", pair[0].1, pair[1].1, pair[0].0),
        )),
    }
}

/// Whoever does not run is held live by nobody.
fn the_crashed_are_dead_everywhere(held: Option<MemberState>) -> Result<(), Broken> {
    match held {
        Some(state) if state.is_live() => {
            Err(Invariant::TheCrashedAreDeadEverywhere
                .broken("dead, left or unknown", state.as_str()))
        }
        _ => Ok(()),
    }
}

/// Local health is back at 0.
fn local_health_recovers(score: u32) -> Result<(), Broken> {
    match score {
        0 => Ok(()),
        score => Err(Invariant::LocalHealthRecovers.broken("0", score.to_string())),
    }
}

/// No news waits to be passed on any more.
fn news_dies_down(waiting: usize) -> Result<(), Broken> {
    match waiting {
        0 => Ok(()),
        waiting => Err(Invariant::NewsDiesDown.broken("no news", format!("{waiting} updates"))),
    }
}
