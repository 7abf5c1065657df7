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
/// How many members are dialled at a time to be asked for introductions.
pub const FETCHES_MAX: usize = 4;
/// How many members are asked for one introduction.
pub const ASKED_MAX: u8 = 4;

/// Records that wait, by id, and the introductions they wait for.
#[derive(Debug, Default)]
pub(super) struct Parking {
    parked: BTreeMap<MemberId, Parked>,
    oldest_first: VecDeque<(Timestamp, MemberId)>,
    wanted: BTreeMap<IntroductionTag, Wanted>,
    /// Those of `wanted` that nobody is asked for at the moment.
    idle: BTreeSet<IntroductionTag>,
    requests: BTreeMap<LinkId, Request>,
    /// Members to whom a connection is being made, to ask them.
    dialled: BTreeSet<MemberId>,
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

/// One introduction that records wait for.
#[derive(Debug)]
struct Wanted {
    ids: BTreeSet<MemberId>,
    /// Whom to ask next.
    peer: MemberId,
    /// The connection to ask on, where the record came on one.
    via: Option<LinkId>,
    asked: u8,
}

#[derive(Debug)]
struct Request {
    with: MemberId,
    tags: BTreeSet<IntroductionTag>,
    deadline: Timestamp,
}

// What waits.
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
        let wanted = self.wanted.entry(tag).or_insert_with(|| {
            self.idle.insert(tag);
            Wanted {
                ids: BTreeSet::new(),
                peer: from.clone(),
                via,
                asked: 0,
            }
        });
        wanted.ids.insert(id.clone());
        wanted.via = wanted.via.or(via);
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
        let Some(wanted) = self.wanted.remove(tag) else {
            return Vec::new();
        };
        self.idle.remove(tag);
        let ids = wanted.ids.into_iter();
        ids.filter_map(|id| self.take(&id)).collect()
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
        if let Some(wanted) = self.wanted.get_mut(&tag) {
            wanted.ids.remove(id);
            if wanted.ids.is_empty() {
                self.wanted.remove(&tag);
                self.idle.remove(&tag);
            }
        }
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

// Who is asked.
impl Parking {
    /// Those that nobody is asked for.
    pub(super) fn idle(&self) -> impl Iterator<Item = &IntroductionTag> {
        self.idle.iter()
    }

    /// The connections that records came on, to ask on now.
    pub(super) fn links_to_ask(&self) -> Vec<LinkId> {
        let vias = self.idle.iter().filter_map(|tag| self.wanted[tag].via);
        let links: BTreeSet<_> = vias
            .filter(|link| !self.requests.contains_key(link))
            .collect();
        links.into_iter().collect()
    }

    /// The next member to dial, or to find a connection to, in order to ask it.
    pub(super) fn next_peer(&mut self) -> Option<MemberId> {
        if self.dialled.len() + self.requests.len() >= FETCHES_MAX {
            return None;
        }
        let is_free = |peer: &MemberId| {
            !self.dialled.contains(peer)
                && self.requests.values().all(|request| request.with != *peer)
        };
        let by_gossip = self.idle.iter().map(|tag| &self.wanted[tag]);
        let mut peers = by_gossip
            .filter(|wanted| wanted.via.is_none())
            .map(|wanted| &wanted.peer);
        let peer = peers.find(|peer| is_free(peer)).cloned()?;
        self.dialled.insert(peer.clone());
        Some(peer)
    }

    /// What to ask on a connection: first what this member relayed, then whatever else nobody is asked for. None if a request
    /// is under way there, or nothing is left to ask.
    pub(super) fn ask(
        &mut self,
        link: LinkId,
        with: &MemberId,
        deadline: Timestamp,
    ) -> Vec<IntroductionTag> {
        self.dialled.remove(with);
        if self.requests.contains_key(&link) {
            return Vec::new();
        }
        let mut tags: Vec<_> = self.idle.iter().copied().collect();
        tags.sort_by_key(|tag| {
            let wanted = &self.wanted[tag];
            (wanted.via != Some(link), wanted.peer != *with)
        });
        tags.truncate(WANTED_INTRODUCTIONS_MAX);
        for tag in &tags {
            self.idle.remove(tag);
        }
        if !tags.is_empty() {
            let request = Request {
                with: with.clone(),
                tags: tags.iter().copied().collect(),
                deadline,
            };
            self.requests.insert(link, request);
        }
        tags
    }

    /// An introduction has come on a connection. Says whether it was asked for there.
    pub(super) fn arrived(&mut self, link: LinkId, tag: &IntroductionTag) -> bool {
        let request = self.requests.get_mut(&link);
        request.is_some_and(|request| request.tags.remove(tag))
    }

    /// More of an answer is to come.
    pub(super) fn prolong(&mut self, link: LinkId, deadline: Timestamp) {
        if let Some(request) = self.requests.get_mut(&link) {
            request.deadline = deadline;
        }
    }

    /// A request is over, or was never answered: what it leaves open is asked of somebody else, if there is anybody.
    /// Returns what nobody is left to be asked for.
    pub(super) fn finish_request(
        &mut self,
        link: LinkId,
        other: Option<&MemberId>,
    ) -> Vec<IntroductionTag> {
        let tags = self.requests.remove(&link).map(|request| request.tags);
        self.ask_others(tags.unwrap_or_default(), other)
    }

    /// A member could not be reached.
    pub(super) fn unreachable(
        &mut self,
        peer: &MemberId,
        other: Option<&MemberId>,
    ) -> Vec<IntroductionTag> {
        if !self.dialled.remove(peer) {
            return Vec::new();
        }
        let tags = self.idle.iter().copied();
        let tags =
            tags.filter(|tag| self.wanted[tag].peer == *peer && self.wanted[tag].via.is_none());
        let tags = tags.collect();
        self.ask_others(tags, other)
    }

    /// Whether a connection to this member is being made in order to ask it.
    pub(super) fn is_dialling(&self, peer: &MemberId) -> bool {
        self.dialled.contains(peer)
    }

    /// Whether a request is under way on a connection.
    pub(super) fn is_asking(&self, link: LinkId) -> bool {
        self.requests.contains_key(&link)
    }

    /// Requests that stand still.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<LinkId> {
        let overdue = self.requests.iter().filter(|(_, it)| it.deadline <= now);
        overdue.map(|(link, _)| *link).collect()
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let requests = self.requests.values().map(|request| request.deadline);
        let oldest = self.oldest_first.front().map(|(at, _)| *at + PARKED_FOR);
        requests.chain(oldest).min()
    }

    fn ask_others(
        &mut self,
        tags: BTreeSet<IntroductionTag>,
        other: Option<&MemberId>,
    ) -> Vec<IntroductionTag> {
        let mut lost = Vec::new();
        for tag in tags {
            let Some(wanted) = self.wanted.get_mut(&tag) else {
                continue;
            };
            wanted.asked += 1;
            wanted.via = None;
            match other.filter(|_| wanted.asked < ASKED_MAX) {
                Some(peer) => {
                    wanted.peer = peer.clone();
                    self.idle.insert(tag);
                }
                None => lost.push(tag),
            }
        }
        lost
    }
}
