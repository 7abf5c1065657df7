//! [`Parking`]: records that name an introduction unknown here, and what is done to get it.
//!
//! ```text
//! record ──> parked ──> its relayer is asked ──> WantIntroductions ──> Introductions ──> verified ──> taken in
//!                            └── lacks it, or is gone: a random member is asked, up to ASKED_MAX in all
//! ```
//!
//! Members relay only what they have verified, so whoever relays a record has what vouches for it. What is parked is in no view
//! and causes no event.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::asking::{Asking, Whom};
use crate::admission::LinkId;
use crate::member::{IntroductionTag, MemberId};
use crate::time::Timestamp;
use crate::wire::frame::{PageEntry, WANTED_INTRODUCTIONS_MAX};

/// The most records parked that came by gossip, one for each id; further ones are dropped and come again.
pub const PARKED_MAX: usize = 1_024;
/// The most records parked in all: a contact's pages may bring a whole view.
pub const PARKED_PAGES_MAX: usize = crate::swim::MEMBERS_MAX;
/// How long a record is parked.
pub const PARKED_FOR: Duration = Duration::from_secs(30);
/// How many members are asked for one introduction.
pub const ASKED_MAX: u32 = 4;

/// Records that wait, by id, and the introductions they wait for.
#[derive(Debug)]
pub(super) struct Parking {
    parked: BTreeMap<MemberId, Parked>,
    oldest_first: VecDeque<(Timestamp, MemberId)>,
    waiting_for: BTreeMap<IntroductionTag, BTreeSet<MemberId>>,
    pub(super) asking: Asking<IntroductionTag>,
    /// How many records wait that came on a connection.
    waiting: BTreeMap<LinkId, usize>,
}

/// One record that waits.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) entry: PageEntry,
    /// Who relayed it.
    pub(super) from: MemberId,
    /// The connection it came on, unless by datagram.
    pub(super) via: Option<LinkId>,
    tag: IntroductionTag,
    at: Timestamp,
}

impl Default for Parking {
    fn default() -> Self {
        Self {
            parked: BTreeMap::new(),
            oldest_first: VecDeque::new(),
            waiting_for: BTreeMap::new(),
            asking: Asking::new(WANTED_INTRODUCTIONS_MAX, Whom::Anybody),
            waiting: BTreeMap::new(),
        }
    }
}

impl Parking {
    /// Parks a record, in place of an older one of the same member. It is dropped if there is no room.
    pub(super) fn park(
        &mut self,
        now: Timestamp,
        id: MemberId,
        tag: IntroductionTag,
        (from, via): (MemberId, Option<LinkId>),
        entry: PageEntry,
    ) -> bool {
        let max = via.map_or(PARKED_MAX, |_| PARKED_PAGES_MAX);
        self.unpark(&id);
        if self.parked.len() >= max {
            return false;
        }
        self.asking.want(tag, &from, via);
        self.waiting_for.entry(tag).or_default().insert(id.clone());
        if let Some(link) = via {
            *self.waiting.entry(link).or_default() += 1;
        }
        self.oldest_first.push_back((now, id.clone()));
        let parked = Parked {
            entry,
            from,
            via,
            tag,
            at: now,
        };
        self.parked.insert(id, parked);
        true
    }

    /// An introduction is known, or will never be: those that waited for it.
    pub(super) fn release(&mut self, tag: &IntroductionTag) -> Vec<Parked> {
        self.asking.forget(tag);
        let ids = self.waiting_for.remove(tag).unwrap_or_default();
        ids.into_iter().filter_map(|id| self.take(&id)).collect()
    }

    /// Drops what has waited for too long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.oldest_first.front() {
            let is_over = *at + PARKED_FOR <= now;
            let is_held = self.parked.get(id).is_some_and(|parked| parked.at == *at);
            if is_held && !is_over {
                return;
            }
            let id = id.clone();
            self.oldest_first.pop_front();
            if is_held {
                self.unpark(&id);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.oldest_first.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Whether records wait that came on this connection.
    pub(super) fn holds_from(&self, link: LinkId) -> bool {
        self.waiting.contains_key(&link)
    }

    /// Drops one record, and what only it waited for.
    fn unpark(&mut self, id: &MemberId) {
        let Some(Parked { tag, .. }) = self.take(id) else {
            return;
        };
        if let Some(ids) = self.waiting_for.get_mut(&tag) {
            ids.remove(id);
            if ids.is_empty() {
                self.waiting_for.remove(&tag);
                self.asking.forget(&tag);
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let oldest = self.oldest_first.front().map(|(at, _)| *at + PARKED_FOR);
        self.asking.next_timeout().into_iter().chain(oldest).min()
    }

    fn take(&mut self, id: &MemberId) -> Option<Parked> {
        let parked = self.parked.remove(id)?;
        if let Some(link) = parked.via
            && let Some(waiting) = self.waiting.get_mut(&link)
        {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting.remove(&link);
            }
        }
        Some(parked)
    }
}
