//! Replicated metadata: what each application says of its node, on all members.
//!
//! ```text
//! owner: set ──> sealed with a fresh salt ──> record with version and commitment, by gossip
//! peer:  record taken over ──> commitment unknown ──> whoever told of it is asked: WantMetadata ──> Metadata
//!                                                        ├── has it not yet: asked again, some times
//!                                                        └── is gone, or lacks it still: somebody else is asked
//! ```
//!
//! Content is named by its commitment, so it may come from anybody: it flows down the tree that the record took, and the owner
//! serves its few neighbours in it. It passes on proven connections alone. Until the newest is here the one before is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use super::asking::{Asking, Whom};
use super::links::Job;
use super::{Event, Membership, Output, Stage};
use crate::admission::LinkId;
use crate::member::{
    METADATA_LEN_MAX, MemberId, MemberRecord, Metadata, MetadataError, MetadataStamp, MetadataTag,
};
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::wire::frame::{Frame, PAGE_LEN_MAX, WANTED_METADATA_MAX};
use crate::wire::metadata::SealedMetadata;

/// The pause before it is asked for again; it doubles each time.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often whoever told of it is asked, which may be waiting for it as well.
const RELAYER_ASKED_MAX: u32 = 5;

/// A member's metadata, as it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberMetadata {
    /// Raised by its owner at every change within a life; 1 is the first.
    pub version: u64,
    /// The values by key.
    pub entries: Arc<Metadata>,
}

/// Content that is here: as it is shown, and as it is handed on.
#[derive(Debug)]
struct Content {
    entries: Arc<Metadata>,
    sealed: SealedMetadata,
}

/// What records name.
#[derive(Debug, Default)]
struct Named {
    by: BTreeSet<MemberId>,
    content: Option<Arc<Content>>,
}

/// One member's.
#[derive(Debug)]
struct Copy {
    /// What its record names.
    stamp: MetadataStamp,
    shown: Option<(MetadataTag, MemberMetadata)>,
}

/// The metadata of all members, this one included.
#[derive(Debug)]
pub(super) struct Copies {
    own: MetadataStamp,
    local: MemberMetadata,
    by_member: BTreeMap<MemberId, Copy>,
    by_tag: BTreeMap<MetadataTag, Named>,
    asking: Asking<MetadataTag>,
    /// Whose input is being worked on.
    heard_from: String,
}

impl Copies {
    pub(super) const fn own(&self) -> MetadataStamp {
        self.own
    }

    /// What is taken over from now on was told by this member.
    pub(super) fn hear_from(&mut self, id: &str) {
        self.heard_from.clear();
        self.heard_from.push_str(id);
    }

    /// A member's record names other content than before, or none.
    fn rename(&mut self, id: &MemberId, stamp: MetadataStamp) {
        let held = self
            .by_member
            .get(id)
            .and_then(|copy| copy.stamp.commitment);
        if let Some(tag) = held
            && let Some(named) = self.by_tag.get_mut(&tag)
        {
            named.by.remove(id);
            if named.by.is_empty() {
                self.by_tag.remove(&tag);
                self.asking.forget(&tag);
            }
        }
        if let Some(tag) = stamp.commitment {
            self.by_tag.entry(tag).or_default().by.insert(id.clone());
        }
        let copy = self.by_member.entry(id.clone());
        copy.or_insert(Copy { stamp, shown: None }).stamp = stamp;
    }

    /// The member is forgotten.
    fn remove(&mut self, id: &MemberId) {
        if self.by_member.contains_key(id) {
            self.rename(id, MetadataStamp::default());
            self.by_member.remove(id);
        }
    }

    pub(super) fn is_asking(&self, link: LinkId) -> bool {
        self.asking.is_asking(link)
    }

    pub(super) fn is_dialling(&self, id: &MemberId) -> bool {
        self.asking.is_dialling(id)
    }

    pub(super) fn overdue(&self, now: Timestamp) -> Vec<LinkId> {
        self.asking.overdue(now)
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.asking.next_timeout()
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self {
            own: MetadataStamp::default(),
            local: MemberMetadata {
                version: 0,
                entries: Arc::default(),
            },
            by_member: BTreeMap::new(),
            by_tag: BTreeMap::new(),
            asking: Asking::new(WANTED_METADATA_MAX, Whom::WhoeverToldOfIt),
            heard_from: String::new(),
        }
    }
}

// Commands and views.
impl Membership {
    /// Sets one value of this node's metadata, or removes it (`None`), for all members to see. Each change travels with a new
    /// incarnation of the record: what changes many times a second belongs on a stream.
    ///
    /// # Errors
    ///
    /// [`MetadataError`]; nothing was changed.
    pub fn set_metadata(
        &mut self,
        now: Timestamp,
        key: &str,
        value: Option<Vec<u8>>,
    ) -> Result<u64, MetadataError> {
        if matches!(self.stage, Stage::Leaving | Stage::Stopped) {
            return Err(MetadataError::NotRunning);
        }
        let mut entries = Metadata::clone(&self.metadata.local.entries);
        match value {
            Some(value) => entries.insert(key, value)?,
            None => drop(entries.remove(key)),
        }
        if entries != *self.metadata.local.entries {
            self.change_metadata(entries);
            if self.stage == Stage::Running {
                let record = MemberRecord {
                    metadata: self.metadata.own,
                    ..self.swim.local().record().clone()
                };
                self.swim.set_local(now, record);
                self.show_record(now);
            }
            self.settle(now);
        }
        Ok(self.metadata.local.version)
    }

    /// A member's metadata, this node's included; `None` if it has none, or it is not here yet.
    #[must_use]
    pub fn metadata(&self, id: &MemberId) -> Option<&MemberMetadata> {
        if *id == self.options.local.id {
            return Some(&self.metadata.local).filter(|local| local.version > 0);
        }
        let copy = self.metadata.by_member.get(id)?;
        copy.shown.as_ref().map(|(_, shown)| shown)
    }

    /// Takes metadata for this node's own, without telling anybody.
    pub(super) fn change_metadata(&mut self, entries: Metadata) {
        let sealed = SealedMetadata::new(self.secrets.nonce(), &entries);
        let stamp = MetadataStamp {
            version: self.metadata.local.version + 1,
            commitment: Some(sealed.tag()),
        };
        let entries = Arc::new(entries);
        let content = Content {
            entries: Arc::clone(&entries),
            sealed,
        };
        let id = self.options.local.id.clone();
        self.metadata.rename(&id, stamp);
        let named = self.metadata.by_tag.entry(content.sealed.tag());
        named.or_default().content = Some(Arc::new(content));
        self.metadata.own = stamp;
        self.metadata.local = MemberMetadata {
            version: stamp.version,
            entries,
        };
    }
}

// What is wanted.
impl Membership {
    /// A live member's record was taken over.
    pub(super) fn follow_metadata(&mut self, record: &MemberRecord) {
        let held = self.metadata.by_member.get(&record.id);
        let stamp = held.map(|copy| copy.stamp).unwrap_or_default();
        if stamp == record.metadata {
            return;
        }
        let id = &record.id;
        self.metadata.rename(id, record.metadata);
        let Some(tag) = record.metadata.commitment else {
            return self.show_metadata(id);
        };
        if self.metadata.by_tag[&tag].content.is_some() {
            return self.show_metadata(id);
        }
        let heard_from = MemberId::new(&self.metadata.heard_from);
        let from = heard_from.unwrap_or_else(|_| id.clone());
        if !self.does(Sabotage::MetadataUnasked) {
            self.metadata.asking.want(tag, &from, None);
        }
    }

    /// A member is dead or has left: what it names is not looked for any more.
    pub(super) fn unfollow_metadata(&mut self, id: &MemberId) {
        if self.metadata.by_member.contains_key(id) {
            self.metadata.rename(id, MetadataStamp::default());
        }
    }

    /// A member is forgotten.
    pub(super) fn forget_metadata(&mut self, id: &MemberId) {
        self.metadata.remove(id);
    }

    /// Shows what a member's record names.
    fn show_metadata(&mut self, id: &MemberId) {
        let Copies {
            by_member, by_tag, ..
        } = &mut self.metadata;
        let Some(copy) = by_member.get_mut(id) else {
            return;
        };
        let version = copy.stamp.version;
        let content = copy.stamp.commitment.and_then(|tag| {
            let content = by_tag.get(&tag)?.content.as_ref()?;
            let entries = Arc::clone(&content.entries);
            Some((tag, MemberMetadata { version, entries }))
        });
        if copy.shown != content {
            copy.shown = content;
            let id = id.clone();
            let event = Event::MetadataChanged { id, version };
            self.outbox.push_back(Output::Event(event));
        }
    }

    /// Asks for what is wanted, as far as there are slots.
    pub(super) fn fetch_metadata(&mut self, now: Timestamp) {
        while let Some(peer) = self.metadata.asking.next_peer(now) {
            let held = self.swim.member(peer.as_str());
            match held.is_some_and(|member| member.state().is_live()) {
                true => self.with_link(now, &peer, Job::Metadata),
                false => self.metadata_unreachable(now, &peer),
            }
        }
    }

    /// Asks a member for what is wanted.
    pub(super) fn ask_metadata(&mut self, now: Timestamp, link: LinkId, with: &MemberId) {
        let deadline = now + self.options.handshake_timeout;
        let tags = self.metadata.asking.ask(now, link, with, deadline);
        if !tags.is_empty() {
            let frame = Frame::WantMetadata(tags);
            self.outbox.push_back(Output::Send(link, frame));
        }
    }

    /// An answer, or part of one. `None` if nobody asked for it, or it is none.
    pub(super) fn on_metadata(
        &mut self,
        now: Timestamp,
        link: LinkId,
        entries: Vec<SealedMetadata>,
        last: bool,
    ) -> Option<()> {
        if !self.metadata.is_asking(link) {
            return None;
        }
        for sealed in entries {
            let tag = sealed.tag();
            if !self.metadata.asking.arrived(link, &tag) {
                return None;
            }
            let entries = Arc::new(sealed.open().ok()?);
            self.metadata.asking.forget(&tag);
            let Some(named) = self.metadata.by_tag.get_mut(&tag) else {
                continue;
            };
            named.content = Some(Arc::new(Content { entries, sealed }));
            for id in named.by.clone() {
                self.show_metadata(&id);
            }
        }
        match last {
            true => self.end_metadata_request(now, link),
            false => {
                let deadline = now + self.options.handshake_timeout;
                self.metadata.asking.prolong(link, deadline);
            }
        }
        Some(())
    }

    /// What a request has left open is asked of somebody else.
    pub(super) fn end_metadata_request(&mut self, now: Timestamp, link: LinkId) {
        if self.metadata.is_asking(link) {
            let (with, open) = self.metadata.asking.finish_request(link);
            self.ask_for_metadata_again(now, with.as_ref(), open);
        }
    }

    /// A member that was to be asked cannot be reached.
    pub(super) fn metadata_unreachable(&mut self, now: Timestamp, peer: &MemberId) {
        if self.metadata.is_dialling(peer) {
            let open = self.metadata.asking.unreachable(peer);
            self.ask_for_metadata_again(now, None, open);
        }
    }

    fn ask_for_metadata_again(
        &mut self,
        now: Timestamp,
        asked_last: Option<&MemberId>,
        open: Vec<(MetadataTag, u32)>,
    ) {
        for (tag, asked) in open {
            let owner = self.metadata.by_tag[&tag].by.first().cloned();
            let peer = match asked_last {
                Some(relayer) if asked < RELAYER_ASKED_MAX => Some(relayer.clone()),
                _ if asked.is_multiple_of(2) => owner,
                _ => self.random_live(1).pop().or(owner),
            };
            let doubled = RETRY_PAUSE * (1 << (asked - 1).min(10));
            let percent = self.rng.random_range(50..=150);
            let pause = doubled.min(RETRY_PAUSE_MAX) * percent / 100;
            match peer {
                Some(peer) => self.metadata.asking.ask_again(tag, peer, now + pause),
                None => self.metadata.asking.forget(&tag),
            }
        }
    }
}

// What is asked of us.
impl Membership {
    /// Hands out metadata, as far as it is here.
    pub(super) fn on_want_metadata(&mut self, link: LinkId, tags: &[MetadataTag]) {
        let contents = tags.iter().filter_map(|tag| {
            let content = self.metadata.by_tag.get(tag)?.content.as_ref()?;
            Some(content.sealed.clone())
        });
        for frame in frames(contents.collect()) {
            self.outbox.push_back(Output::Send(link, frame));
        }
    }
}

/// Cuts contents into frames of at most [`PAGE_LEN_MAX`] bytes; the last one says so, and is there even if it is empty.
fn frames(all: Vec<SealedMetadata>) -> Vec<Frame> {
    const { assert!(METADATA_LEN_MAX < PAGE_LEN_MAX) };
    let mut frames = Vec::new();
    let mut entries = Vec::new();
    let mut len = 0;
    for sealed in all {
        len += sealed.encoded_len();
        if len > PAGE_LEN_MAX {
            frames.push(Frame::Metadata {
                entries: std::mem::take(&mut entries),
                last: false,
            });
            len = sealed.encoded_len();
        }
        entries.push(sealed);
    }
    frames.push(Frame::Metadata {
        entries,
        last: true,
    });
    frames
}
