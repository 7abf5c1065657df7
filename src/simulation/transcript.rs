//! [`Transcript`]: what happened, in order, and one number that two equal runs share.
//!
//! The text tells what a person wants to read: faults, starts and stops, and who came to see whom in which state. The
//! digest covers every byte delivered and every event, whether the text shows it or not.

use std::fmt;

use super::NodeId;
use crate::member::{MemberId, MemberState, MemberVersion};
use crate::time::Timestamp;

/// What happened. Prints as text, one line an entry.
#[derive(Clone, Debug)]
pub struct Transcript {
    seed: u64,
    start: Timestamp,
    names: Vec<MemberId>,
    entries: Vec<Entry>,
    digest: Digest,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry {
    /// A node came to see a member in another state.
    Change(Change),
    /// A datagram was sent. Written down only if asked for.
    Datagram {
        /// When.
        at: Timestamp,
        /// Who sent it.
        from: NodeId,
        /// Whom it is meant for.
        to: NodeId,
        /// Its length, in bytes.
        len: usize,
        /// How many copies arrive.
        copies: usize,
    },
    /// Anything else: faults, starts and stops, what a node told its application.
    Remark {
        /// When.
        at: Timestamp,
        /// Who; `None`: the network.
        node: Option<NodeId>,
        /// What.
        text: Box<str>,
    },
}

/// A node came to see a member in another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Who saw it.
    pub observer: NodeId,
    /// Whom it is about.
    pub subject: NodeId,
    /// What it was held to be; `None`: it was unknown.
    pub from: Option<MemberState>,
    /// What it is held to be.
    pub to: MemberVersion,
    /// Whose word it is, of a suspicion or a death.
    pub by: Option<NodeId>,
}

impl Transcript {
    pub(super) const fn new(seed: u64, start: Timestamp) -> Self {
        Self {
            seed,
            start,
            names: Vec::new(),
            entries: Vec::new(),
            digest: Digest::new(),
        }
    }

    pub(super) fn name(&mut self, name: &MemberId) {
        self.names.push(name.clone());
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn remark(&mut self, at: Timestamp, node: Option<NodeId>, text: String) {
        self.digest.add(
            at,
            node.map_or(u64::MAX, |node| node.0.into()),
            text.as_bytes(),
        );
        self.entries.push(Entry::Remark {
            at,
            node,
            text: text.into_boxed_str(),
        });
    }

    pub(super) fn change(&mut self, change: Change) {
        let version = change.to;
        let numbers = [
            change.subject.0.into(),
            version.generation.get(),
            version.incarnation.get().into(),
            version.state as u64,
        ];
        self.digest.add(
            change.at,
            change.observer.0.into(),
            numbers.map(u64::to_be_bytes).as_flattened(),
        );
        self.entries.push(Entry::Change(change));
    }

    /// Counts bytes that reached a node.
    pub(super) fn delivered(&mut self, at: Timestamp, node: NodeId, bytes: &[u8]) {
        self.digest.add(at, node.0.into(), bytes);
    }

    /// What happened so far, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Who came to see whom in another state, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes_since(0)
    }

    /// The same, without the first `skip` of [`Transcript::entries`].
    pub fn changes_since(&self, skip: usize) -> impl Iterator<Item = &Change> {
        let entries = self.entries.get(skip..).unwrap_or_default();
        entries.iter().filter_map(|entry| match entry {
            Entry::Change(change) => Some(change),
            Entry::Datagram { .. } | Entry::Remark { .. } => None,
        })
    }

    /// A number over all bytes delivered and all events so far, with their times: equal for equal runs.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest.0
    }

    fn name_of(&self, node: NodeId) -> &str {
        self.names[node.index()].as_str()
    }

    fn write(&self, entry: &Entry, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = match entry {
            Entry::Change(change) => change.at,
            Entry::Datagram { at, .. } | Entry::Remark { at, .. } => *at,
        };
        let elapsed = at.saturating_since(self.start);
        write!(
            f,
            "{:>5}.{:06} ",
            elapsed.as_secs(),
            elapsed.subsec_micros()
        )?;
        match entry {
            Entry::Change(change) => {
                let (observer, subject) = (change.observer, change.subject);
                let from = change.from.map_or("unknown", MemberState::as_str);
                let (observer, subject) = (self.name_of(observer), self.name_of(subject));
                write!(f, "{observer}: {subject} was {from}, is {}", change.to)?;
                match change.by {
                    Some(by) => writeln!(f, ", says {}", self.name_of(by)),
                    None => writeln!(f),
                }
            }
            Entry::Datagram {
                from,
                to,
                len,
                copies,
                ..
            } => {
                let (from, to) = (self.name_of(*from), self.name_of(*to));
                writeln!(f, "{from}: {len} bytes to {to}, {copies} arrive")
            }
            Entry::Remark {
                node: Some(node),
                text,
                ..
            } => writeln!(f, "{}: {text}", self.name_of(*node)),
            Entry::Remark {
                node: None, text, ..
            } => writeln!(f, "-- {text}"),
        }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        self.entries
            .iter()
            .try_for_each(|entry| self.write(entry, f))?;
        writeln!(f, "digest {:016x}", self.digest.0)
    }
}

/// A running hash, eight bytes a step: quick, the same on every machine, and no protection against an adversary.
#[derive(Clone, Copy, Debug)]
struct Digest(u64);

impl Digest {
    const fn new() -> Self {
        Self(0)
    }

    fn add(&mut self, at: Timestamp, who: u64, bytes: &[u8]) {
        self.step(at.as_micros());
        self.step(who);
        self.step(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.step(u64::from_le_bytes(last));
    }

    const fn step(&mut self, word: u64) {
        // The odd constant is 2^64 divided by the golden ratio; the rotation brings its high bits down again.
        self.0 = (self.0 ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Generation, Incarnation};

    #[test]
    fn prints_time_since_the_start_the_node_and_what() {
        let start = Timestamp::from_secs(1_000);
        let mut transcript = Transcript::new(7, start);
        for name in ["a", "b"] {
            transcript.name(&MemberId::new(name).unwrap());
        }
        let at = start + std::time::Duration::from_millis(12_345);
        transcript.remark(start, None, "cut".to_owned());
        transcript.push(Entry::Change(Change {
            at,
            observer: NodeId(0),
            subject: NodeId(1),
            from: Some(MemberState::Alive),
            to: MemberVersion {
                generation: Generation::new(5),
                incarnation: Incarnation::new(2),
                state: MemberState::Suspect,
            },
            by: Some(NodeId(0)),
        }));
        transcript.push(Entry::Datagram {
            at,
            from: NodeId(1),
            to: NodeId(0),
            len: 9,
            copies: 2,
        });
        let text = transcript.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "seed 7",
                "    0.000000 -- cut",
                "   12.345000 a: b was alive, is 5.2 suspect, says a",
                "   12.345000 b: 9 bytes to a, 2 arrive",
            ]
        );
    }

    #[test]
    fn the_digest_tells_apart_what_when_and_to_whom() {
        let digest = |at, node, bytes: &[u8]| {
            let mut digest = Digest::new();
            digest.add(Timestamp::from_micros(at), node, bytes);
            digest.0
        };
        let digests = [
            digest(1, 1, b"12345678"),
            digest(2, 1, b"12345678"),
            digest(1, 2, b"12345678"),
            digest(1, 1, b"123456789"),
            digest(1, 1, b"12345678\0"),
        ];
        for (at, one) in digests.iter().enumerate() {
            assert!(!digests[at + 1..].contains(one));
        }
        assert_eq!(digest(1, 1, b"x"), digest(1, 1, b"x"));
    }
}
