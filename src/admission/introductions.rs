//! [`Introductions`]: those verified here, and those that wait to be.
//!
//! Verifying a chain takes a worker's time, so a source has one under way at a time and all together have
//! [`VERIFICATIONS_MAX`]; the others wait their turn, within their connection's deadline. What was verified is kept by hash
//! until its certificates expire, so an introduction is fetched and verified once.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::link::LinkId;
use crate::time::Timestamp;
use crate::trust::VerifiedIntroduction;
use crate::wire::hello::{Introduction, IntroductionFields, IntroductionHash};
use crate::wire::refusal::Code;

/// The most verifications under way at once.
pub const VERIFICATIONS_MAX: usize = 16;
/// The most verified introductions remembered; beyond, the oldest is forgotten and fetched again when needed.
pub const INTRODUCTIONS_MAX: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Introductions {
    verified: BTreeMap<IntroductionHash, Verified>,
    oldest_first: VecDeque<IntroductionHash>,
    waiting: VecDeque<(LinkId, IpAddr, Introduction)>,
    under_way: BTreeMap<LinkId, UnderWay>,
}

#[derive(Debug)]
struct Verified {
    fields: IntroductionFields,
    not_after: Timestamp,
}

#[derive(Debug)]
struct UnderWay {
    source: IpAddr,
    hash: IntroductionHash,
    fields: Vec<u8>,
}

impl Introductions {
    /// Queues an introduction to be verified.
    pub(super) fn enqueue(&mut self, link: LinkId, source: IpAddr, introduction: Introduction) {
        self.waiting.push_back((link, source, introduction));
    }

    /// The next one to verify, if there is room.
    pub(super) fn start_next(&mut self) -> Option<(LinkId, Introduction)> {
        if self.under_way.len() >= VERIFICATIONS_MAX {
            return None;
        }
        let is_free = |source| self.under_way.values().all(|one| one.source != source);
        let next = self
            .waiting
            .iter()
            .position(|(_, source, _)| is_free(*source))?;
        let (link, source, introduction) = self.waiting.remove(next).expect("just found");
        let under_way = UnderWay {
            source,
            hash: introduction.hash(),
            fields: introduction.fields.clone(),
        };
        self.under_way.insert(link, under_way);
        Some((link, introduction))
    }

    /// Takes the verdict on the one shown on `link`. `None` if none was under way.
    pub(super) fn finish(
        &mut self,
        link: LinkId,
        outcome: Result<VerifiedIntroduction, Code>,
    ) -> Option<Result<(), Code>> {
        let UnderWay { hash, fields, .. } = self.under_way.remove(&link)?;
        Some(outcome.and_then(|proof| self.insert(hash, &fields, &proof)))
    }

    /// A connection is gone: its introduction need not be verified any more. One under way keeps its place, as it keeps its
    /// worker.
    pub(super) fn forget_waiting(&mut self, link: LinkId) {
        self.waiting.retain(|(waiting, _, _)| *waiting != link);
    }

    /// Forgets what was verified.
    pub(super) fn clear(&mut self) {
        self.verified.clear();
        self.oldest_first.clear();
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// What a verified introduction says; `None` if it is unknown or has expired.
    pub(super) fn get(
        &self,
        now: Timestamp,
        hash: &IntroductionHash,
    ) -> Option<&IntroductionFields> {
        let held = self.verified.get(hash)?;
        (now <= held.not_after).then_some(&held.fields)
    }

    fn insert(
        &mut self,
        hash: IntroductionHash,
        encoded: &[u8],
        proof: &VerifiedIntroduction,
    ) -> Result<(), Code> {
        let fields = IntroductionFields::decode(encoded).map_err(|_| Code::ProtocolViolation)?;
        let leaf = proof.peer().leaf_sha256();
        if !proof.covers(encoded) || *leaf.as_bytes() != fields.leaf {
            return Err(Code::CertificateRejected);
        }
        self.remember(hash, fields, proof.peer().path_not_after());
        Ok(())
    }

    fn remember(
        &mut self,
        hash: IntroductionHash,
        fields: IntroductionFields,
        not_after: Timestamp,
    ) {
        if self
            .verified
            .insert(hash, Verified { fields, not_after })
            .is_none()
        {
            self.oldest_first.push_back(hash);
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
        let hash = |n: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            IntroductionHash(bytes)
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
        };
        let mut held = Introductions::default();
        let last = INTRODUCTIONS_MAX as u64;
        for n in (0..=last).chain([last]) {
            held.remember(hash(n), fields.clone(), Timestamp::from_secs(9));
        }
        assert_eq!(
            (held.verified.len(), held.oldest_first.len()),
            (INTRODUCTIONS_MAX, INTRODUCTIONS_MAX)
        );
        assert!(held.get(Timestamp::ZERO, &hash(0)).is_none());
        assert!(held.get(Timestamp::from_secs(9), &hash(last)).is_some());
        assert!(
            held.get(Timestamp::from_secs(10), &hash(last)).is_none(),
            "expired"
        );
    }
}
