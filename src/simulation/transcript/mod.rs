//! [`Transcript`]: what happened, in order, typed, and one number that two equal runs share.
//!
//! Each [`Entry`] is a value; [`Transcript`] prints them as text, [`Transcript::lines`] gives them as values for
//! serde, one a line. How much is written down is the network's choice ([`Detail`]).
//!
//! The trace hash covers every entry, written down or not, and of every packet that reached a node its time, recipient,
//! kind and length. It covers no payload: signatures and keys may be random where a certificate's key signs at random.

mod entry;
mod hash;
mod json;
mod text;

pub use entry::{
    Cause, Change, Detail, Entry, Fate, FaultId, FaultPhase, Refusal, RefusalKind, Sent, Turn,
};

use self::hash::{TraceHash, What};
use super::node::NodeId;
use super::traffic::Kind;
use crate::member::MemberId;
use crate::time::Timestamp;

/// What happened. Prints as text, one line an entry.
#[derive(Clone, Debug)]
pub struct Transcript {
    seed: u64,
    start: Timestamp,
    detail: Detail,
    names: Vec<MemberId>,
    entries: Vec<Entry>,
    hash: TraceHash,
    changes_len: u64,
}

impl Transcript {
    pub(super) fn new(seed: u64, start: Timestamp, detail: Detail) -> Self {
        Self {
            seed,
            start,
            detail,
            names: Vec::new(),
            entries: Vec::new(),
            hash: TraceHash::default(),
            changes_len: 0,
        }
    }

    pub(super) fn name(&mut self, name: &MemberId) {
        self.names.push(name.clone());
    }

    /// Notes an entry that is written down whatever the detail. Its text is part of the hash, so that every field of it is.
    pub(super) fn push(&mut self, entry: Entry) {
        let text = self.text_of(&entry).to_string();
        self.hash.add(entry.at(), What::Text, 0, &[]);
        self.hash.add_text(&text);
        self.entries.push(entry);
    }

    pub(super) fn remark(&mut self, at: Timestamp, node: Option<NodeId>, text: String) {
        let text = text.into_boxed_str();
        self.push(Entry::Remark { at, node, text });
    }

    pub(super) fn change(&mut self, change: Change) {
        self.changes_len += 1;
        let version = change.to;
        let numbers = [
            change.subject.0.into(),
            version.generation.get(),
            version.incarnation.get().into(),
            version.state as u64,
        ];
        let observer = change.observer.0.into();
        self.hash.add(change.at, What::Change, observer, &numbers);
        if self.detail >= Detail::Views {
            self.entries.push(Entry::Change(change));
        }
    }

    /// Something is on its way. Its fate shows in the hash when it arrives.
    pub(super) fn sent(&mut self, sent: Sent) {
        if self.detail >= Detail::Packets {
            self.entries.push(Entry::Sent(sent));
        }
    }

    /// Counts a packet that reached a node.
    pub(super) fn delivered(&mut self, at: Timestamp, node: NodeId, kind: Kind, len: usize) {
        let numbers = [kind as u64, len as u64];
        self.hash.add(at, What::Delivery, node.0.into(), &numbers);
    }

    /// The seed of the run.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// When the run started; transcripts print times from here.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// What happened so far, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How often anybody came to see anybody in another state, written down or not.
    #[must_use]
    pub const fn changes_len(&self) -> u64 {
        self.changes_len
    }

    /// Who came to see whom in another state, in order. Empty below [`Detail::Views`].
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes_since(0)
    }

    /// The same, without the first `skip` of [`Transcript::entries`].
    pub fn changes_since(&self, skip: usize) -> impl Iterator<Item = &Change> {
        let entries = self.entries.get(skip..).unwrap_or_default();
        entries.iter().filter_map(|entry| match entry {
            Entry::Change(change) => Some(change),
            _ => None,
        })
    }

    /// The trace hash: a number over all that happened so far, equal for equal runs on every machine.
    #[must_use]
    pub const fn trace_hash(&self) -> u64 {
        self.hash.get()
    }

    /// The names of all nodes, in the order of adding.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(MemberId::as_str)
    }

    /// The name of a node in this transcript.
    ///
    /// # Panics
    ///
    /// With a node of another network.
    #[must_use]
    pub fn name_of(&self, node: NodeId) -> &str {
        self.names[node.index()].as_str()
    }
}
