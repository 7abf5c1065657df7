//! [`Introductions`]: those verified here, and those that wait to be.
//!
//! Verifying a chain takes a worker's time. Of those shown in a handshake a source has one under way at a time, and all
//! together [`VERIFICATIONS_MAX`]; those the parent has fetched from members have as many slots of their own. The others
//! wait their turn, the former within their connection's deadline. What was verified is kept until its certificates
//! expire, so an introduction is fetched and verified once.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::link::LinkId;
use crate::member::IntroductionTag;
use crate::sabotage::{Sabotage, Saboteur};
use crate::time::Timestamp;
use crate::trust::VerifiedIntroduction;
use crate::wire::hello::{Introduction, IntroductionFields, IntroductionHash};
use crate::wire::refusal::Code;

/// The most verifications under way at once: of what strangers show, and again of what members relay.
pub const VERIFICATIONS_MAX: usize = 16;
/// The most verified introductions remembered; beyond, the oldest is forgotten and fetched again when needed. The parent
/// keeps those of its members.
pub const INTRODUCTIONS_MAX: usize = 16_384;

/// The name of one verification, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerificationId(u64);

/// An introduction that was verified here, and what follows from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Introduced {
    introduction: Introduction,
    hash: IntroductionHash,
    fields: IntroductionFields,
    key: [u8; 32],
    is_id_bound: bool,
    not_after: Timestamp,
}

impl Introduced {
    /// Takes a proof for what it covers.
    fn new(introduction: Introduction, proof: &VerifiedIntroduction) -> Result<Self, Code> {
        let fields = IntroductionFields::decode(&introduction.fields)
            .map_err(|_| Code::ProtocolViolation)?;
        let peer = proof.peer();
        if !proof.covers(&introduction.fields) || *peer.leaf_sha256().as_bytes() != fields.leaf {
            return Err(Code::CertificateRejected);
        }
        Ok(Self {
            hash: introduction.hash(),
            fields,
            key: *peer.key_sha256().as_bytes(),
            is_id_bound: proof.is_id_bound(),
            not_after: peer.path_not_after(),
            introduction,
        })
    }

    /// As it came, to be passed on.
    #[must_use]
    pub const fn introduction(&self) -> &Introduction {
        &self.introduction
    }

    /// What it is known by.
    #[must_use]
    pub const fn hash(&self) -> IntroductionHash {
        self.hash
    }

    /// What it says.
    #[must_use]
    pub const fn fields(&self) -> &IntroductionFields {
        &self.fields
    }

    /// SHA-256 of its certificate's public key: what a member id is pinned to.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Whether an identity rule says that this certificate may stand for this id, whatever its key.
    #[must_use]
    pub const fn is_id_bound(&self) -> bool {
        self.is_id_bound
    }

    /// The last moment of its certificates.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

#[derive(Debug, Default)]
pub(super) struct Introductions {
    verified: BTreeMap<IntroductionTag, Arc<Introduced>>,
    oldest_first: VecDeque<IntroductionTag>,
    shown: VecDeque<(LinkId, IpAddr, Introduction)>,
    fetched: VecDeque<Introduction>,
    under_way: BTreeMap<VerificationId, UnderWay>,
    started: u64,
    pub(super) saboteur: Saboteur,
}

/// Who waits for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A handshake on this connection, from this source.
    Link(LinkId, IpAddr),
    /// The parent, which has fetched it.
    Parent,
}

/// What came of one verification.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) asker: Asker,
    pub(super) tag: IntroductionTag,
    pub(super) fields: Option<IntroductionFields>,
    pub(super) outcome: Result<(), Code>,
}

#[derive(Debug)]
struct UnderWay {
    asker: Asker,
    introduction: Introduction,
}

impl Introductions {
    /// Queues one shown in a handshake.
    pub(super) fn enqueue(&mut self, link: LinkId, source: IpAddr, introduction: Introduction) {
        self.shown.push_back((link, source, introduction));
    }

    /// Queues one that the parent has fetched.
    pub(super) fn enqueue_fetched(&mut self, introduction: Introduction) {
        self.fetched.push_back(introduction);
    }

    /// The next one to verify, if there is room.
    pub(super) fn start_next(&mut self) -> Option<(VerificationId, Introduction)> {
        let (asker, introduction) = self.next_shown().or_else(|| self.next_fetched())?;
        let id = VerificationId(self.started);
        self.started += 1;
        let under_way = UnderWay {
            asker,
            introduction: introduction.clone(),
        };
        self.under_way.insert(id, under_way);
        Some((id, introduction))
    }

    /// Takes a verdict. `None` if none was awaited.
    pub(super) fn finish(
        &mut self,
        id: VerificationId,
        outcome: Result<VerifiedIntroduction, Code>,
    ) -> Option<Judged> {
        let UnderWay {
            asker,
            introduction,
        } = self.under_way.remove(&id)?;
        let tag = introduction.hash().tag();
        let fields = IntroductionFields::decode(&introduction.fields).ok();
        let introduced = outcome.and_then(|proof| Introduced::new(introduction, &proof));
        Some(Judged {
            asker,
            tag,
            fields,
            outcome: introduced.map(|introduced| self.remember(tag, Arc::new(introduced))),
        })
    }

    /// A connection is gone: its introduction need not be verified any more. One under way keeps its place, as it keeps its
    /// worker.
    pub(super) fn forget_waiting(&mut self, link: LinkId) {
        self.shown.retain(|(waiting, _, _)| *waiting != link);
    }

    /// Forgets what was verified.
    pub(super) fn clear(&mut self) {
        self.verified.clear();
        self.oldest_first.clear();
    }

    /// Forgets one that was verified.
    pub(super) fn forget(&mut self, tag: &IntroductionTag) {
        if self.verified.remove(tag).is_some() {
            self.oldest_first.retain(|held| held != tag);
        }
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The verified introduction of this hash; `None` if it is unknown or has expired.
    pub(super) fn get(&self, now: Timestamp, hash: &IntroductionHash) -> Option<&Arc<Introduced>> {
        let held = self.find(now, &hash.tag())?;
        (held.hash == *hash).then_some(held)
    }

    /// The verified introduction that records name like this; `None` if it is unknown or has expired.
    pub(super) fn find(&self, now: Timestamp, tag: &IntroductionTag) -> Option<&Arc<Introduced>> {
        let held = self.verified.get(tag)?;
        let ignored = self.saboteur.does(Sabotage::DatesIgnored);
        (ignored || now <= held.not_after).then_some(held)
    }

    fn next_shown(&mut self) -> Option<(Asker, Introduction)> {
        let busy: Vec<_> = self
            .under_way
            .values()
            .filter_map(|one| match one.asker {
                Asker::Link(_, source) => Some(source),
                Asker::Parent => None,
            })
            .collect();
        let next = self
            .shown
            .iter()
            .position(|(_, source, _)| !busy.contains(source))
            .filter(|_| busy.len() < VERIFICATIONS_MAX)?;
        let (link, source, introduction) = self.shown.remove(next)?;
        Some((Asker::Link(link, source), introduction))
    }

    fn next_fetched(&mut self) -> Option<(Asker, Introduction)> {
        let is_fetched = |one: &&UnderWay| one.asker == Asker::Parent;
        if self.under_way.values().filter(is_fetched).count() >= VERIFICATIONS_MAX {
            return None;
        }
        Some((Asker::Parent, self.fetched.pop_front()?))
    }

    fn remember(&mut self, tag: IntroductionTag, introduced: Arc<Introduced>) {
        if self.verified.insert(tag, introduced).is_none() {
            self.oldest_first.push_back(tag);
        }
        if self.verified.len() > INTRODUCTIONS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.verified.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, MemberId};

    #[test]
    fn the_oldest_is_forgotten_when_there_is_no_room() {
        let tag = |n: u64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            IntroductionTag(bytes)
        };
        let fields = IntroductionFields {
            cluster: String::new(),
            cluster_id: None,
            id: MemberId::new("1").unwrap(),
            generation: Generation::new(1),
            serial: 0,
            gossip_key: [0; 32],
            advertised: String::new(),
            leaf: [0; 32],
            quic: None,
        };
        let introduction = Introduction {
            fields: Vec::new(),
            chain: Vec::new(),
            scheme: 0,
            signature: Vec::new(),
        };
        let introduced = Arc::new(Introduced {
            hash: introduction.hash(),
            introduction,
            fields,
            key: [0; 32],
            is_id_bound: false,
            not_after: Timestamp::from_secs(9),
        });
        let mut held = Introductions::default();
        let last = INTRODUCTIONS_MAX as u64;
        for n in (0..=last).chain([last]) {
            held.remember(tag(n), Arc::clone(&introduced));
        }
        assert_eq!(
            (held.verified.len(), held.oldest_first.len()),
            (INTRODUCTIONS_MAX, INTRODUCTIONS_MAX)
        );
        assert!(held.find(Timestamp::ZERO, &tag(0)).is_none());
        assert!(held.find(Timestamp::from_secs(9), &tag(last)).is_some());
        let later = Timestamp::from_secs(10);
        assert!(held.find(later, &tag(last)).is_none(), "expired");
    }
}
