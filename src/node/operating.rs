//! What an operator does with a node, and sees of it, beyond what an application needs.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::driver::Command;
use super::handle::Node;
use super::handshakes::HandshakeCount;
use crate::member::{MemberId, MemberState};
use crate::membership::{ForgetError, Introduced, PairHealth};
use crate::swim::Member;
use crate::trust::Trust;

impl Node {
    /// How this node's own probes of a member have gone; `None` before the first is over.
    #[must_use]
    pub fn pair_health(&self, id: &MemberId) -> Option<PairHealth> {
        self.shared.core().pair_health(id)
    }

    /// Who accuses whom: the members that are suspect here, by id, each with its accusers.
    #[must_use]
    pub fn suspicions(&self) -> Vec<(MemberId, Vec<MemberId>)> {
        let core = self.shared.core();
        let suspects = core
            .members()
            .filter(|member| member.state() == MemberState::Suspect);
        let accused = |member: &Member| (member.id().clone(), core.accusers(member.id()));
        let mut suspicions: Vec<_> = suspects.map(accused).collect();
        suspicions.sort_unstable();
        suspicions
    }

    /// The introductions of the other live members, each with the certificates that vouch for it, by id; none without TLS.
    #[must_use]
    pub fn introduced(&self) -> Vec<Arc<Introduced>> {
        self.shared.core().live_introduced().cloned().collect()
    }

    /// The node's own certificate and what vouches for it, in DER; none without TLS.
    #[must_use]
    pub fn own_chain(&self) -> Vec<Vec<u8>> {
        let trust = self.shared.trust.borrow();
        let chain = trust.as_ref().map(Trust::chain).unwrap_or_default();
        chain.iter().map(|one| one.to_vec()).collect()
    }

    /// The rules for whom a certificate may stand for that this one (DER) matches when the member shows it, each with its setting.
    /// While two rules are in force, whoever matches the older alone still needs it.
    #[must_use]
    pub fn matching_rules(&self, certificate: &[u8], id: &MemberId) -> Vec<String> {
        let trust = self.shared.trust.borrow();
        trust
            .as_ref()
            .map(|trust| trust.matching_rules(certificate, id.as_str()))
            .unwrap_or_default()
    }

    /// Drops the tombstone of a member that is dead or has left, here and, by gossip, everywhere: nobody dials it any more,
    /// and its id is free for another key. A live one that is taken for dead comes back.
    ///
    /// # Errors
    ///
    /// [`ForgetError`]; nothing was changed. A node that has ended knows nobody.
    pub async fn forget(&self, id: &MemberId) -> Result<(), ForgetError> {
        let (answer, answered) = oneshot::channel();
        let _ = self
            .commands
            .send(Command::Forget(id.clone(), answer))
            .await;
        answered.await.unwrap_or(Err(ForgetError::Unknown))
    }

    /// Whether it may serve: see [`Node::joined`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.core().is_ready()
    }

    /// How connections were secured, or were not, since the start.
    #[must_use]
    pub fn handshakes(&self) -> Vec<HandshakeCount> {
        self.shared.handshakes.list()
    }
}
