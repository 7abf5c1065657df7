//! [`Pulls`]: the push-pulls this node has started. The answering side keeps no state.
//!
//! ```text
//! starter                                answerer
//!    |---- Sync{key ids, view hash} ------->|
//!    |<--- Keys ----------------------------|   where the keys differ; the starter answers with those it has besides
//!    |<--- Same ----------------------------|   the end, or
//!    |<--- Digest ... Digest(last) ---------|
//!    |---- Want{id hashes}, Page(last) ---->|   what the starter lacks; what the answerer lacks
//!    |<--- Page ... Page(last) -------------|
//! ```
//!
//! Whoever receives a page merges it as it comes, in or out of an exchange, and answers entries that its own view
//! supersedes. Versions only rise, so answers to answers end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::admission::LinkId;
use crate::member::MemberId;
use crate::time::Timestamp;
use crate::wire::frame::{DigestEntry, Frame, PAGE_LEN_MAX, PageEntry};
use crate::wire::hello::Introduction;

/// The most digest entries taken from one exchange: more members than a cluster can have.
pub(super) const DIGEST_ENTRIES_MAX: usize = 1_000_000;

/// Counters of the push-pulls that this node has started, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeStats {
    /// Came to their end: each side has what the other had.
    pub completed: u64,
    /// Broke off, stood still, or found no connection.
    pub failed: u64,
}

/// How far one exchange is.
#[derive(Debug)]
struct Pull {
    with: MemberId,
    deadline: Timestamp,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Digest(Vec<DigestEntry>),
    Pages,
}

/// What a digest frame leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DigestStep {
    /// It is complete: compare.
    Complete(Vec<DigestEntry>),
    /// More is to come.
    More,
    /// Nobody asked for it.
    Unasked,
}

/// The push-pulls under way, at most one for each peer.
#[derive(Debug)]
pub(super) struct Pulls {
    timeout: Duration,
    by_link: BTreeMap<LinkId, Pull>,
}

impl Pulls {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            by_link: BTreeMap::new(),
        }
    }

    /// Starts one, unless one with this peer is under way.
    pub(super) fn start(&mut self, now: Timestamp, link: LinkId, with: &MemberId) -> bool {
        if self.by_link.contains_key(&link) || self.by_link.values().any(|pull| pull.with == *with)
        {
            return false;
        }
        let pull = Pull {
            with: with.clone(),
            deadline: now + self.timeout,
            stage: Stage::Digest(Vec::new()),
        };
        self.by_link.insert(link, pull);
        true
    }

    /// Part of the answerer's digest.
    pub(super) fn digest(
        &mut self,
        now: Timestamp,
        link: LinkId,
        entries: Vec<DigestEntry>,
        last: bool,
    ) -> DigestStep {
        let Some(pull) = self.by_link.get_mut(&link) else {
            return DigestStep::Unasked;
        };
        let Stage::Digest(held) = &mut pull.stage else {
            return DigestStep::Unasked;
        };
        if held.len() + entries.len() > DIGEST_ENTRIES_MAX {
            return DigestStep::Unasked;
        }
        held.extend(entries);
        pull.deadline = now + self.timeout;
        if !last {
            return DigestStep::More;
        }
        let complete = std::mem::take(held);
        pull.stage = Stage::Pages;
        DigestStep::Complete(complete)
    }

    /// The exchange on this connection has ended, one way or another. Returns with whom it was.
    pub(super) fn end(&mut self, link: LinkId) -> Option<MemberId> {
        self.by_link.remove(&link).map(|pull| pull.with)
    }

    /// A page has come: more time, or the end if it was the last. Returns whether it was.
    pub(super) fn page(&mut self, now: Timestamp, link: LinkId, last: bool) -> bool {
        let Some(pull) = self
            .by_link
            .get_mut(&link)
            .filter(|pull| matches!(pull.stage, Stage::Pages))
        else {
            return false;
        };
        pull.deadline = now + self.timeout;
        if last {
            self.by_link.remove(&link);
        }
        last
    }

    /// The exchanges that stand still.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<LinkId> {
        self.by_link
            .iter()
            .filter(|(_, pull)| pull.deadline <= now)
            .map(|(link, _)| *link)
            .collect()
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.by_link.values().map(|pull| pull.deadline).min()
    }
}

/// Cuts entries into pages of at most [`PAGE_LEN_MAX`] bytes; the last one says so, and is there even if it is empty.
pub(super) fn pages(entries: Vec<PageEntry>) -> Vec<Frame> {
    /// Length prefix and verdict of an entry, in bytes, at most.
    const ENTRY_OVERHEAD: usize = 12;
    let mut pages = Vec::new();
    let mut page = Vec::new();
    let mut len = 0;
    for entry in entries {
        len += entry.record.len() + ENTRY_OVERHEAD;
        if len > PAGE_LEN_MAX {
            pages.push(Frame::Page {
                entries: std::mem::take(&mut page),
                last: false,
            });
            len = entry.record.len() + ENTRY_OVERHEAD;
        }
        page.push(entry);
    }
    pages.push(Frame::Page {
        entries: page,
        last: true,
    });
    pages
}

/// Cuts introductions into frames of at most [`PAGE_LEN_MAX`] bytes; the last one says so, and is there even if it is empty.
pub(super) fn introductions(all: Vec<Introduction>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut entries = Vec::new();
    let mut len = 0;
    for introduction in all {
        len += introduction.encoded_len();
        if len > PAGE_LEN_MAX {
            frames.push(Frame::Introductions {
                entries: std::mem::take(&mut entries),
                last: false,
            });
            len = introduction.encoded_len();
        }
        entries.push(introduction);
    }
    frames.push(Frame::Introductions {
        entries,
        last: true,
    });
    frames
}

/// Cuts a digest into frames of at most [`PAGE_LEN_MAX`] bytes; the last one says so, and is there even if it is empty.
pub(super) fn digests(entries: Vec<DigestEntry>) -> Vec<Frame> {
    /// The length of an entry with the longest numbers, in bytes.
    const ENTRY_LEN_MAX: usize = 9 + 9 + 5;
    let mut chunks = entries.chunks(PAGE_LEN_MAX / ENTRY_LEN_MAX).peekable();
    let mut frames = Vec::new();
    while let Some(chunk) = chunks.next() {
        frames.push(Frame::Digest {
            entries: chunk.to_vec(),
            last: chunks.peek().is_none(),
        });
    }
    if frames.is_empty() {
        frames.push(Frame::Digest {
            entries: Vec::new(),
            last: true,
        });
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> MemberId {
        MemberId::new(text).unwrap()
    }

    #[test]
    fn there_is_one_exchange_for_each_peer_and_it_ends_with_the_last_page() {
        let mut pulls = Pulls::new(Duration::from_secs(15));
        let now = Timestamp::ZERO;
        let (one, two) = (LinkId::dialed(0), LinkId::accepted(0));
        assert!(pulls.start(now, one, &id("a")));
        assert!(!pulls.start(now, one, &id("a")) && !pulls.start(now, two, &id("a")));
        let entry = DigestEntry {
            id: 1,
            generation: 2,
            incarnation: 3,
        };
        assert_eq!(
            pulls.digest(now, two, vec![entry], true),
            DigestStep::Unasked
        );
        assert_eq!(pulls.digest(now, one, vec![entry], false), DigestStep::More);
        pulls.page(now, one, true);
        assert_eq!(
            pulls.digest(now, one, vec![entry], true),
            DigestStep::Complete(vec![entry, entry])
        );
        assert_eq!(
            pulls.digest(now, one, vec![entry], true),
            DigestStep::Unasked
        );
        pulls.page(now, one, false);
        pulls.page(now, one, true);
        assert!(pulls.start(now, two, &id("a")));
    }

    #[test]
    fn pages_and_digests_are_cut_and_the_last_says_so() {
        let entry = PageEntry {
            record: vec![7; 1_000],
            verdict: None,
        };
        let cut = pages(vec![entry; 600]);
        assert_eq!(cut.len(), 3);
        let lasts: Vec<_> = cut
            .iter()
            .map(|page| matches!(page, Frame::Page { last: true, .. }))
            .collect();
        assert_eq!(lasts, [false, false, true]);
        assert!(
            cut.iter()
                .all(|page| page.encode().len() <= PAGE_LEN_MAX + 64)
        );
        assert_eq!(
            pages(Vec::new()),
            [Frame::Page {
                entries: Vec::new(),
                last: true
            }]
        );
        let entry = DigestEntry {
            id: u64::MAX,
            generation: u64::MAX,
            incarnation: u32::MAX,
        };
        let cut = digests(vec![entry; 20_000]);
        assert!(
            cut.len() == 2
                && cut
                    .iter()
                    .all(|frame| frame.encode().len() <= PAGE_LEN_MAX + 64)
        );
        assert_eq!(
            digests(Vec::new()),
            [Frame::Digest {
                entries: Vec::new(),
                last: true
            }]
        );
    }

    #[test]
    fn an_exchange_that_stands_still_expires() {
        let mut pulls = Pulls::new(Duration::from_secs(15));
        pulls.start(Timestamp::ZERO, LinkId::dialed(0), &id("a"));
        assert_eq!(pulls.expired(Timestamp::from_secs(14)), []);
        assert_eq!(pulls.next_timeout(), Some(Timestamp::from_secs(15)));
        assert_eq!(pulls.expired(Timestamp::from_secs(15)), [LinkId::dialed(0)]);
        assert_eq!(pulls.end(LinkId::dialed(0)), Some(id("a")));
        assert_eq!(pulls.next_timeout(), None);
    }
}
