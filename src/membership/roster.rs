//! [`Roster`]: the introductions of the members held, tombstones included. What vouches for a member is kept as long as the
//! member is, and handed to whoever hears of it from us.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::admission::Introduced;
use crate::member::{IntroductionTag, MemberId};

/// Introductions by member, and by what records name them by. Others than the local one's.
#[derive(Debug, Default)]
pub(super) struct Roster {
    by_id: BTreeMap<MemberId, Arc<Introduced>>,
    by_tag: BTreeMap<IntroductionTag, MemberId>,
}

impl Roster {
    /// A record of this member was taken over that names this introduction.
    pub(super) fn set(&mut self, introduced: Arc<Introduced>) {
        let id = introduced.fields().id.clone();
        let tag = introduced.hash().tag();
        if let Some(former) = self.by_id.insert(id.clone(), introduced) {
            self.by_tag.remove(&former.hash().tag());
        }
        self.by_tag.insert(tag, id);
    }

    /// The member is forgotten.
    pub(super) fn remove(&mut self, id: &MemberId) {
        if let Some(introduced) = self.by_id.remove(id) {
            self.by_tag.remove(&introduced.hash().tag());
        }
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
