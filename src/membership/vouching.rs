//! Whose word a record is (`docs/PROTOCOL.md`, "Records"): with TLS every record is signed by its owner's gossip key, and an
//! introduction, verified here, says whose key that is.
//!
//! ```text
//! record of id, generation ── names ──> introduction ── signed by ──> certificate ── its public key is the id's pin
//!            └──── signed by ────────── its gossip key
//! ```
//!
//! What would change nothing is not checked at all, so nothing is verified twice. What names an introduction unknown here
//! waits for it: see `fetching`.

use std::sync::Arc;
use std::time::Duration;

use super::Membership;
use crate::admission::{Introduced, LinkId, Peer};
use crate::member::{Generation, IntroductionTag, MemberId, MemberState};
use crate::seal;
use crate::swim::BodyError;
use crate::time::Timestamp;
use crate::wire::frame::PageEntry;
use crate::wire::message::Body;
use crate::wire::update::{RecordRef, UpdateRef, decode_record, record_statement};

/// Whose word a record is.
#[derive(Debug)]
pub(super) enum Origin {
    /// Not its owner's: another life's or another member's introduction, or a signature that does not verify.
    Forged,
    /// Its owner's, but the id belongs to another key.
    OtherKey,
    /// Its owner's. Our own records have no introduction in the roster.
    Owner(Option<Arc<Introduced>>),
    /// It names an introduction that is not known here (yet, or any more).
    Unknown(IntroductionTag),
    /// Its owner's, whose certificate is not believed here.
    Untrusted,
}

/// What became of the claim of a key to an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdClaim {
    /// The id is free, or the key's own.
    Granted,
    /// It may be granted after this time: the life of another key is held dead, but not for long enough.
    Later(Duration),
    /// The id belongs to another key, or the life to another gossip key.
    Refused,
}

// Bodies and pages.
impl Membership {
    /// Hands a body to failure detection, its records only as far as they are their owners' word.
    pub(super) fn take_body(
        &mut self,
        now: Timestamp,
        from: &str,
        generation: Generation,
        body: &Body<'_>,
    ) -> Result<(), BodyError> {
        self.metadata.hear_from(from);
        if !self.is_tls() {
            return self.swim.handle_body(now, from, generation, body);
        }
        let sender = self.swim.open_body(from, generation)?;
        let mut updates = body.updates();
        let mut outcome = Ok(());
        while let Some(update) = self.swim.next_news(now, &mut updates) {
            match update {
                Ok(UpdateRef::Record(record)) => self.take_record(now, from, &record),
                Ok(update) => self.swim.handle_update(now, &update),
                Err(error) => outcome = Err(error),
            }
        }
        self.swim.close_body(now, sender, &body.message);
        outcome
    }

    fn take_record(&mut self, now: Timestamp, from: &str, record: &RecordRef<'_>) {
        match self.origin(now, record) {
            Origin::Owner(introduced) => {
                let update = UpdateRef::Record(record.clone());
                self.swim.handle_update(now, &update);
                self.enroll(introduced);
            }
            Origin::Unknown(tag) => {
                let entry = PageEntry {
                    record: record.encoded.to_vec(),
                    verdict: None,
                };
                let from = MemberId::new(from).expect("the sender is a member");
                self.park(now, tag, (from, None), entry);
            }
            Origin::Untrusted => self.swim.shun(record.to_record()),
            Origin::Forged | Origin::OtherKey => {}
        }
    }

    /// Merges one entry of a page. Returns what supersedes it here; `None` if it breaks the exchange.
    pub(super) fn take_entry(
        &mut self,
        now: Timestamp,
        (from, via): (MemberId, Option<LinkId>),
        entry: PageEntry,
    ) -> Option<Option<PageEntry>> {
        self.metadata.hear_from(from.as_str());
        if !self.is_tls() {
            return self.swim.merge(now, &from, &entry).ok();
        }
        let record = decode_record(&entry.record).ok()?;
        let is_gone = entry.verdict.is_some() && self.swim.member(record.id).is_none();
        let is_own = record.id == self.options.local.id.as_str();
        if !self.swim.is_news(now, record.id, &record.version()) || is_gone && !is_own {
            return self.swim.merge(now, &from, &entry).ok();
        }
        match self.origin(now, &record) {
            Origin::Owner(introduced) => {
                let answer = self.swim.merge(now, &from, &entry).ok();
                self.enroll(introduced);
                answer
            }
            Origin::Unknown(tag) => {
                self.park(now, tag, (from, via), entry);
                Some(None)
            }
            Origin::Untrusted => {
                self.swim.shun(record.to_record());
                Some(None)
            }
            Origin::OtherKey => Some(None),
            Origin::Forged => None,
        }
    }

    /// The introduction of a member whose record was taken over is kept as long as the member.
    pub(super) fn enroll(&mut self, introduced: Option<Arc<Introduced>>) {
        let Some(introduced) = introduced else {
            return;
        };
        let member = self.swim.member(introduced.fields().id.as_str());
        let named = member.and_then(|member| member.record().introduction);
        if named == Some(introduced.hash().tag()) {
            self.roster.set(introduced);
        }
    }
}

// Judging.
impl Membership {
    /// Whose word a record is that would be news.
    pub(super) fn origin(&mut self, now: Timestamp, record: &RecordRef<'_>) -> Origin {
        let origin = self.judge_origin(now, record);
        let stats = &mut self.records;
        match origin {
            Origin::Forged => stats.forged += 1,
            Origin::OtherKey => stats.other_key += 1,
            Origin::Owner(_) | Origin::Unknown(_) | Origin::Untrusted => {}
        }
        origin
    }

    fn judge_origin(&mut self, now: Timestamp, record: &RecordRef<'_>) -> Origin {
        let Some(tag) = record.introduction else {
            return Origin::Forged;
        };
        if record.id == self.options.local.id.as_str() && record.generation == self.generation {
            let is_ours = *record.encoded == **self.swim.local().encoded();
            return match is_ours || self.is_signed_by_us(record) {
                true => Origin::Owner(None),
                false => Origin::Forged,
            };
        }
        let Some(introduced) = self.introduced(now, &tag).cloned() else {
            return self.origin_without_introduction(tag, record);
        };
        let fields = introduced.fields();
        if fields.id.as_str() != record.id || fields.generation != record.generation {
            return Origin::Forged;
        }
        if self.claim(now, &introduced) != IdClaim::Granted {
            return Origin::OtherKey;
        }
        match self.is_signed_by(&fields.gossip_key, record) {
            true => Origin::Owner(Some(introduced)),
            false => Origin::Forged,
        }
    }

    /// Nobody vouches for it here: either nobody has been asked, or the answer was not believed.
    fn origin_without_introduction(
        &mut self,
        tag: IntroductionTag,
        record: &RecordRef<'_>,
    ) -> Origin {
        let Some((_, fields)) = self.rejected.get(&tag) else {
            return Origin::Unknown(tag);
        };
        let is_about = fields.id.as_str() == record.id && fields.generation == record.generation;
        let key = fields.gossip_key;
        match is_about && self.is_signed_by(&key, record) {
            true => Origin::Untrusted,
            false => Origin::Forged,
        }
    }

    /// Whether the certificate behind an introduction may speak for its id: the pin.
    pub(super) fn claim(&self, now: Timestamp, introduced: &Introduced) -> IdClaim {
        let fields = introduced.fields();
        if fields.id == self.options.local.id {
            return match self.options.certificate == Some(fields.leaf) {
                true => IdClaim::Granted,
                false => IdClaim::Refused,
            };
        }
        let id = fields.id.as_str();
        let (Some(held), Some(member)) = (self.roster.get(id), self.swim.member(id)) else {
            return IdClaim::Granted;
        };
        if held.fields().generation == fields.generation {
            // Whatever names a renewed certificate is signed by the same gossip key: that is the former one's consent.
            let is_renewal = held.fields().gossip_key == fields.gossip_key
                && held.fields().serial < fields.serial;
            return match held.hash() == introduced.hash() || is_renewal {
                true => IdClaim::Granted,
                false => IdClaim::Refused,
            };
        }
        if held.key() == introduced.key() || introduced.is_id_bound() {
            return IdClaim::Granted;
        }
        if fields.generation < held.fields().generation {
            return IdClaim::Refused;
        }
        let wait = 2 * self.options.params.failure_timeout;
        let dead_for = now.saturating_since(member.since());
        match member.state() {
            MemberState::Left => IdClaim::Granted,
            MemberState::Dead if dead_for >= wait => IdClaim::Granted,
            MemberState::Dead => IdClaim::Later(wait.saturating_sub(dead_for)),
            MemberState::Alive | MemberState::Suspect => IdClaim::Refused,
        }
    }

    /// Whether this is the life that is held, whatever certificate it shows now.
    pub(super) fn is_held_life(&self, now: Timestamp, peer: &Peer) -> bool {
        let Some(held) = self.swim.member(peer.id.as_str()) else {
            return false;
        };
        let shown = peer.introduction.map(|hash| hash.tag());
        let is_renewed = || {
            let shown = self.introduced(now, &shown?)?;
            let known = self.roster.get(peer.id.as_str())?;
            Some(shown.fields().gossip_key == known.fields().gossip_key)
        };
        held.record().generation == peer.generation
            && (held.record().introduction == shown || is_renewed() == Some(true))
    }

    /// The introduction that records name like this, if it was verified here.
    pub(super) fn introduced(
        &self,
        now: Timestamp,
        tag: &IntroductionTag,
    ) -> Option<&Arc<Introduced>> {
        let held = self.roster.find(tag);
        held.or_else(|| self.admission.introduced(now, tag))
    }

    fn is_signed_by_us(&mut self, record: &RecordRef<'_>) -> bool {
        let gossip = self.joining.gossip().map(seal::GossipKeyPair::public);
        gossip.is_some_and(|key| self.is_signed_by(&key, record))
    }

    fn is_signed_by(&mut self, key: &[u8; 32], record: &RecordRef<'_>) -> bool {
        self.records.verified += 1;
        let statement = record_statement(&self.options.cluster, record.body);
        let verify = || seal::verify(key, &statement, record.signature);
        match self.swim.record_store() {
            Some(store) => store.is_signed((key, &statement, record.signature), verify),
            None => verify(),
        }
    }
}
