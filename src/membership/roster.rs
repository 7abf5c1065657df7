//! [`Roster`]: the introductions of the members held, tombstones included. What vouches for a member is kept as long as the
//! member is, and handed to whoever hears of it from us.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::admission::Introduced;
use crate::member::{IntroductionTag, MemberId};
use crate::time::Timestamp;

/// Introductions by member, and by what records name them by. Others than the local one's.
#[derive(Debug, Default)]
pub(super) struct Roster {
    by_id: BTreeMap<MemberId, Arc<Introduced>>,
    by_tag: BTreeMap<IntroductionTag, MemberId>,
    /// By the last moment of their certificates, as far as that has not been dealt with.
    by_expiry: BTreeSet<(Timestamp, MemberId)>,
}

impl Roster {
    /// A record of this member was taken over that names this introduction.
    pub(super) fn set(&mut self, introduced: Arc<Introduced>) {
        let id = introduced.fields().id.clone();
        let tag = introduced.hash().tag();
        self.remove(&id);
        self.by_expiry.insert((introduced.not_after(), id.clone()));
        self.by_id.insert(id.clone(), introduced);
        self.by_tag.insert(tag, id);
    }

    /// The member is forgotten.
    pub(super) fn remove(&mut self, id: &MemberId) {
        if let Some(introduced) = self.by_id.remove(id) {
            self.by_tag.remove(&introduced.hash().tag());
            self.by_expiry.remove(&(introduced.not_after(), id.clone()));
        }
    }

    /// Those whose certificates have expired since the last time.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Vec<Arc<Introduced>> {
        let mut expired = Vec::new();
        while self.by_expiry.first().is_some_and(|(at, _)| *at < now)
            && let Some((_, id)) = self.by_expiry.pop_first()
        {
            expired.extend(self.by_id.get(&id).cloned());
        }
        expired
    }

    /// The last moment at which no further certificate has expired.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// All of them, by member id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Introduced>> {
        self.by_id.values()
    }

    /// What vouches for a member.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Introduced>> {
        self.by_id.get(id)
    }

    /// What records name like this.
    pub(super) fn find(&self, tag: &IntroductionTag) -> Option<&Arc<Introduced>> {
        self.by_id.get(self.by_tag.get(tag)?)
    }
}
