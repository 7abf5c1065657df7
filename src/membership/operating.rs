//! What an operator does and sees beyond the members: forgetting the dead, who accuses whom, how pairs fare, and what vouches
//! for whom.

use std::sync::Arc;

use super::{ForgetError, Introduced, LinkFacts, LinkId, Membership, PairHealth};
use crate::member::MemberId;
use crate::time::Timestamp;

// Commands.
impl Membership {
    /// Drops the tombstone of a member that is dead or has left, here and everywhere, once gossip has told the others. Its
    /// address is no longer dialled, and its id is free for another key. A live one that is taken for dead comes back.
    ///
    /// # Errors
    ///
    /// [`ForgetError`] for a member that is neither. Nothing was changed.
    pub fn forget(&mut self, now: Timestamp, id: &MemberId) -> Result<(), ForgetError> {
        let forgotten = self.swim.forget(now, id.as_str());
        self.settle(now);
        forgotten
    }

    /// Keeps, from now on, how probes of each member go: [`Membership::pair_health`].
    pub fn watch_pairs(&mut self) {
        self.swim.watch_pairs();
    }
}

// Views.
impl Membership {
    /// How our probes of a member have gone; `None` unless [`Membership::watch_pairs`] was called and one is over.
    #[must_use]
    pub fn pair_health(&self, id: &MemberId) -> Option<PairHealth> {
        self.swim.pair_health(id.as_str())
    }

    /// Who accuses a member that is suspect here, whoever was the first first.
    #[must_use]
    pub fn accusers(&self, id: &MemberId) -> Vec<MemberId> {
        let accusers = self.swim.accusers(id.as_str());
        accusers
            .filter_map(|accuser| MemberId::new(accuser).ok())
            .collect()
    }

    /// What is known of a connection, for the log; nothing of one that has ended.
    #[must_use]
    pub fn link_facts(&self, link: LinkId) -> LinkFacts {
        self.admission.facts(link)
    }

    /// What was verified of each live member that has a certificate, this node aside; none without TLS.
    pub fn live_introduced(&self) -> impl Iterator<Item = &Arc<Introduced>> {
        self.roster.iter().filter(|introduced| {
            let member = self.swim.member(introduced.fields().id.as_str());
            member.is_some_and(|member| member.state().is_live())
        })
    }
}
