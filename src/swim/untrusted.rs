//! [`Untrusted`]: members whom others see and we do not believe. They are in no view, are never written to, and cause no
//! event; but they count in the view hash and stand in our digests, or every comparison with those who believe them would
//! find a difference that no push-pull can settle.

use std::collections::BTreeMap;

use super::{Event, Swim};
use crate::member::{MemberId, MemberRecord, MemberState, MemberVersion, Standing};
use crate::time::Timestamp;
use crate::wire::frame::DigestEntry;
use crate::wire::hash::{id_hash, view_term};

/// The most untrusted members counted; further ones are not, and views seem to differ.
pub const UNTRUSTED_MAX: usize = 1_024;

/// Members we do not believe, by id.
#[derive(Debug, Default)]
pub(super) struct Untrusted {
    by_id: BTreeMap<MemberId, MemberRecord>,
    by_hash: BTreeMap<u64, MemberId>,
    terms: u64,
}

impl Untrusted {
    /// The version known of the member with this [`id_hash`].
    pub(super) fn version_of_hash(&self, hash: u64) -> Option<MemberVersion> {
        let id = self.by_hash.get(&hash)?;
        self.version(id.as_str())
    }

    pub(super) fn version(&self, id: &str) -> Option<MemberVersion> {
        self.by_id.get(id).map(MemberRecord::version)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The sum of their terms in the view hash.
    pub(super) const fn terms(&self) -> u64 {
        self.terms
    }

    pub(super) fn digest(&self) -> impl Iterator<Item = DigestEntry> {
        self.by_id.values().map(|record| DigestEntry {
            id: id_hash(record.id.as_str()),
            generation: record.generation.get(),
            incarnation: record.incarnation.get(),
        })
    }

    /// The others hold this version dead, or believe that it is over.
    pub(super) fn bury(&mut self, id: &str, version: &MemberVersion) {
        let held = self.version(id);
        if held.is_some_and(|held| version.supersedes(&held)) {
            self.remove(id);
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(record) = self.by_id.remove(id) {
            self.by_hash.remove(&id_hash(id));
            self.terms = self.terms.wrapping_sub(view_term(&record));
        }
    }

    fn insert(&mut self, record: MemberRecord) {
        self.remove(record.id.as_str());
        if self.by_id.len() < UNTRUSTED_MAX {
            self.terms = self.terms.wrapping_add(view_term(&record));
            let id = record.id.clone();
            self.by_hash.insert(id_hash(id.as_str()), id.clone());
            self.by_id.insert(id, record);
        }
    }
}

impl Swim {
    /// Others see this member, and we do not believe it.
    pub fn shun(&mut self, record: MemberRecord) {
        let (id, version) = (record.id.as_str(), record.version());
        let held = self.table.find(id).map(|index| self.table.version(index));
        let known = self.untrusted.version(id);
        let is_news = [held, known]
            .into_iter()
            .flatten()
            .all(|held| version.supersedes(&held));
        match record.standing {
            _ if !is_news => {}
            Standing::Left => self.untrusted.remove(id),
            Standing::Alive => self.untrusted.insert(record),
        }
    }

    /// A live member is not believed any more: it is dropped, without a word to the others, who may well believe it.
    pub fn distrust(&mut self, now: Timestamp, id: &str) {
        let Some(index) = self.table.find(id) else {
            return;
        };
        let member = self.table.member(index);
        if !member.state().is_live() {
            return;
        }
        let record = member.record().clone();
        self.remove_live(index);
        // Its tombstone stays: should it be believed again, it must refute, as everybody who comes back.
        self.table.set_state(now, index, MemberState::Dead);
        self.queue.remove(index);
        let by = record.id.clone();
        self.report(Event::Died {
            record: record.clone(),
            by,
        });
        self.untrusted.insert(record);
        self.finish(now);
    }

    /// Trust has changed: whoever was not believed is heard again.
    pub fn forget_untrusted(&mut self, now: Timestamp) {
        self.untrusted = Untrusted::default();
        self.finish(now);
    }

    /// Members whom others see and we do not believe, by id.
    pub fn untrusted(&self) -> impl Iterator<Item = &MemberRecord> {
        self.untrusted.by_id.values()
    }
}
