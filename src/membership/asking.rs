//! [`Asking`]: things that are named by their hash and missing here, and who is asked for each.
//!
//! ```text
//! wanted ──> whoever told of it is asked ──> request on a connection ──> arrived
//!                  └── lacks it, or is gone: another member is asked, and so on
//! ```
//!
//! Members tell of nothing that they have not seen themselves, so whoever has told of a thing mostly has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::admission::LinkId;
use crate::member::MemberId;
use crate::time::Timestamp;

/// How many members are dialled at a time to be asked.
pub const FETCHES_MAX: usize = 4;

/// What is missing, by name, and the requests under way.
#[derive(Debug)]
pub(super) struct Asking<Tag> {
    request_len_max: usize,
    whom: Whom,
    wanted: BTreeMap<Tag, Wanted>,
    /// Those of `wanted` that nobody is asked for at the moment.
    idle: BTreeSet<Tag>,
    /// Those that nobody is asked for before a time.
    later: BTreeSet<(Timestamp, Tag)>,
    requests: BTreeMap<LinkId, Request<Tag>>,
    /// Members to whom a connection is being made, to ask them.
    dialled: BTreeSet<MemberId>,
}

/// Who is asked for a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Whoever is asked for another one anyway: everybody has it who knows of it.
    Anybody,
    /// Who told of it alone: others may know of it and wait for it themselves.
    WhoeverToldOfIt,
}

/// One thing that is missing.
#[derive(Debug)]
struct Wanted {
    /// Whom to ask next.
    peer: MemberId,
    /// The connection to ask on, where it was told of on one.
    via: Option<LinkId>,
    /// Not before this.
    at: Timestamp,
    asked: u32,
}

#[derive(Debug)]
struct Request<Tag> {
    with: MemberId,
    tags: BTreeSet<Tag>,
    deadline: Timestamp,
}

impl<Tag: Copy + Ord> Asking<Tag> {
    /// Nothing is missing. A request asks for at most so many things.
    pub(super) const fn new(request_len_max: usize, whom: Whom) -> Self {
        Self {
            request_len_max,
            whom,
            wanted: BTreeMap::new(),
            idle: BTreeSet::new(),
            later: BTreeSet::new(),
            requests: BTreeMap::new(),
            dialled: BTreeSet::new(),
        }
    }

    /// Something is missing, of which this member has told.
    pub(super) fn want(&mut self, tag: Tag, from: &MemberId, via: Option<LinkId>) {
        let wanted = self.wanted.entry(tag).or_insert_with(|| {
            self.idle.insert(tag);
            Wanted {
                peer: from.clone(),
                via,
                at: Timestamp::ZERO,
                asked: 0,
            }
        });
        wanted.via = wanted.via.or(via);
    }

    /// Something is here, or not wanted any more.
    pub(super) fn forget(&mut self, tag: &Tag) {
        if let Some(wanted) = self.wanted.remove(tag) {
            self.idle.remove(tag);
            self.later.remove(&(wanted.at, *tag));
        }
    }

    /// Those that nobody is asked for.
    pub(super) fn idle(&self) -> impl Iterator<Item = &Tag> {
        self.idle.iter()
    }

    /// The connections that things were told of on, to ask on now.
    pub(super) fn links_to_ask(&self) -> Vec<LinkId> {
        let vias = self.idle.iter().filter_map(|tag| self.wanted[tag].via);
        let links: BTreeSet<_> = vias
            .filter(|link| !self.requests.contains_key(link))
            .collect();
        links.into_iter().collect()
    }

    /// The next member to dial, or to find a connection to, in order to ask it.
    pub(super) fn next_peer(&mut self, now: Timestamp) -> Option<MemberId> {
        self.wake(now);
        if self.dialled.len() + self.requests.len() >= FETCHES_MAX {
            return None;
        }
        let is_free = |peer: &MemberId| {
            !self.dialled.contains(peer)
                && self.requests.values().all(|request| request.with != *peer)
        };
        let idle = self.idle.iter().map(|tag| &self.wanted[tag]);
        let mut peers = idle
            .filter(|wanted| wanted.via.is_none())
            .map(|wanted| &wanted.peer);
        let peer = peers.find(|peer| is_free(peer)).cloned()?;
        self.dialled.insert(peer.clone());
        Some(peer)
    }

    /// What to ask on a connection: first what this member told of, then, of [`Whom::Anybody`], whatever else nobody is asked
    /// for. None if a request is under way there, or nothing is left to ask.
    pub(super) fn ask(
        &mut self,
        now: Timestamp,
        link: LinkId,
        with: &MemberId,
        deadline: Timestamp,
    ) -> Vec<Tag> {
        self.dialled.remove(with);
        if self.requests.contains_key(&link) {
            return Vec::new();
        }
        self.wake(now);
        let mut tags: Vec<_> = self.idle.iter().copied().collect();
        if self.whom == Whom::WhoeverToldOfIt {
            tags.retain(|tag| self.wanted[tag].peer == *with);
        }
        tags.sort_by_key(|tag| {
            let wanted = &self.wanted[tag];
            (wanted.via != Some(link), wanted.peer != *with)
        });
        tags.truncate(self.request_len_max);
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

    /// Something has come on a connection. Says whether it was asked for there.
    pub(super) fn arrived(&mut self, link: LinkId, tag: &Tag) -> bool {
        let request = self.requests.get_mut(&link);
        request.is_some_and(|request| request.tags.remove(tag))
    }

    /// More of an answer is to come.
    pub(super) fn prolong(&mut self, link: LinkId, deadline: Timestamp) {
        if let Some(request) = self.requests.get_mut(&link) {
            request.deadline = deadline;
        }
    }

    /// A request is over, or was never answered. Returns to whom it went, and what it leaves open, with how often it was asked for by now: ask
    /// somebody else ([`Self::ask_again`]), or forget it.
    pub(super) fn finish_request(&mut self, link: LinkId) -> (Option<MemberId>, Vec<(Tag, u32)>) {
        match self.requests.remove(&link) {
            Some(request) => (Some(request.with), self.open(request.tags)),
            None => (None, Vec::new()),
        }
    }

    /// A member could not be reached. Returns what it was to be asked for, as [`Self::finish_request`].
    pub(super) fn unreachable(&mut self, peer: &MemberId) -> Vec<(Tag, u32)> {
        if !self.dialled.remove(peer) {
            return Vec::new();
        }
        let tags = self.idle.iter().copied().filter(|tag| {
            let wanted = &self.wanted[tag];
            wanted.peer == *peer && wanted.via.is_none()
        });
        self.open(tags.collect())
    }

    fn open(&mut self, mut tags: BTreeSet<Tag>) -> Vec<(Tag, u32)> {
        tags.retain(|tag| self.wanted.contains_key(tag));
        let mut open = Vec::with_capacity(tags.len());
        for tag in tags {
            let wanted = self.wanted.get_mut(&tag).expect("just looked up");
            wanted.asked += 1;
            open.push((tag, wanted.asked));
        }
        open
    }

    /// Another member is asked for it, not before `at`.
    pub(super) fn ask_again(&mut self, tag: Tag, peer: MemberId, at: Timestamp) {
        if let Some(wanted) = self.wanted.get_mut(&tag) {
            wanted.via = None;
            wanted.peer = peer;
            self.idle.remove(&tag);
            self.later.remove(&(wanted.at, tag));
            wanted.at = at;
            self.later.insert((at, tag));
        }
    }

    /// What was to wait until now waits no longer.
    fn wake(&mut self, now: Timestamp) {
        while self.later.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, tag)) = self.later.pop_first()
        {
            self.idle.insert(tag);
        }
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

    /// When a request stands still, or something may be asked for again.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let requests = self.requests.values().map(|request| request.deadline);
        let later = self.later.first().map(|(at, _)| *at);
        requests.chain(later).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MemberId {
        MemberId::new(text).unwrap()
    }

    #[test]
    fn whoever_told_of_a_thing_is_asked_first_and_then_somebody_else() {
        let mut asking = Asking::new(2, Whom::Anybody);
        let (now, link) = (Timestamp::from_secs(1), LinkId::dialed(0));
        asking.want(7, &id("a"), None);
        asking.want(8, &id("b"), None);
        asking.want(9, &id("b"), None);
        assert_eq!(asking.next_peer(now), Some(id("a")));
        assert_eq!(asking.next_peer(now), Some(id("b")));
        assert_eq!(asking.next_peer(now), None);
        let deadline = Timestamp::from_secs(2);
        assert_eq!(asking.ask(now, link, &id("b"), deadline), [8, 9]);
        assert!(asking.arrived(link, &8) && !asking.arrived(link, &8));
        asking.forget(&8);
        assert_eq!(asking.finish_request(link), (Some(id("b")), vec![(9, 1)]));
        asking.ask_again(9, id("c"), Timestamp::from_secs(5));
        assert_eq!(asking.next_peer(now), None);
        assert_eq!(asking.next_timeout(), Some(Timestamp::from_secs(5)));
        assert_eq!(asking.next_peer(Timestamp::from_secs(5)), Some(id("c")));
        assert_eq!(asking.unreachable(&id("c")), [(9, 2)]);
    }

    #[test]
    fn others_than_who_told_of_it_are_not_asked_where_they_may_lack_it() {
        let mut asking = Asking::new(8, Whom::WhoeverToldOfIt);
        let (now, link) = (Timestamp::ZERO, LinkId::dialed(0));
        asking.want(1, &id("a"), None);
        asking.want(2, &id("b"), None);
        assert_eq!(asking.ask(now, link, &id("b"), now), [2]);
    }

    #[test]
    fn what_was_told_of_on_a_connection_is_asked_for_there() {
        let mut asking = Asking::new(8, Whom::Anybody);
        let (now, link) = (Timestamp::ZERO, LinkId::accepted(3));
        asking.want(1, &id("a"), Some(link));
        assert_eq!(asking.next_peer(now), None);
        assert_eq!(asking.links_to_ask(), [link]);
        let deadline = Timestamp::from_secs(2);
        assert_eq!(asking.ask(now, link, &id("a"), deadline), [1]);
        assert_eq!(asking.overdue(Timestamp::from_secs(1)), []);
        assert_eq!(asking.overdue(deadline), [link]);
        assert!(asking.links_to_ask().is_empty() && asking.is_asking(link));
    }
}
